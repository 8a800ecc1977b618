//! `router routes`

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use protocol::router::RouteEntry;

use component::admin_client::{AdminClient, AdminError, encoded};
use component::text_table::TextTable;

pub(super) async fn show(
    client: &AdminClient,
    host: Option<&str>,
    json: bool,
    out: &mut impl Write,
) -> Result<ExitCode, AdminError> {
    let path = match host {
        Some(host) => format!("/routes?host={}", encoded(host)),
        None => "/routes".to_owned(),
    };
    if json {
        client.copy(&path, out).await?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let routes: BTreeMap<String, Vec<RouteEntry>> = client.json(&path).await?;
    table(&routes).write(out)?;
    let endpoints: usize = routes.values().map(Vec::len).sum();
    writeln!(out, "{} routes, {endpoints} endpoints", routes.len())?;
    Ok(ExitCode::SUCCESS)
}

fn table(routes: &BTreeMap<String, Vec<RouteEntry>>) -> TextTable {
    let mut table = TextTable::new(&[
        "ROUTE", "ENDPOINT", "PROTOCOL", "TTL>", "WEIGHT>", "APP", "ZONE",
    ]);
    for (route, endpoints) in routes {
        if endpoints.is_empty() {
            table.row([
                route.clone(),
                "none".into(),
                "".into(),
                "".into(),
                "".into(),
                "".into(),
                "".into(),
            ]);
        }
        for endpoint in endpoints {
            let tls = if endpoint.tls { "+tls" } else { "" };
            table.row([
                route.clone(),
                endpoint.address.clone(),
                format!("{}{tls}", endpoint.protocol),
                if endpoint.lapses() {
                    format!("{}s", endpoint.ttl)
                } else {
                    "never".into()
                },
                endpoint.weight.unwrap_or(1).to_string(),
                app(endpoint),
                endpoint.availability_zone.clone(),
            ]);
        }
    }
    table
}

/// The app's name, else its id, else the component.
fn app(endpoint: &RouteEntry) -> String {
    let tags = &endpoint.tags;
    let mut known = ["app_name", "app_id", "component"]
        .iter()
        .filter_map(|tag| tags.get(*tag));
    known.next().cloned().unwrap_or_default()
}
