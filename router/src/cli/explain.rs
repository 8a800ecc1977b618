//! `router explain`

use std::io::{self, Write};
use std::process::ExitCode;

use protocol::router::{Explain, MatchedRoute};

use super::NO;
use component::admin_client::{AdminClient, AdminError, encoded};
use component::text_table::{TextTable, shown, span};

pub(super) async fn show(
    client: &AdminClient,
    url: &str,
    headers: &[String],
    json: bool,
    out: &mut impl Write,
) -> Result<ExitCode, AdminError> {
    let mut path = format!("/routes/explain?url={}", encoded(url));
    for header in headers {
        path.push_str(&format!("&header={}", encoded(header)));
    }
    let answer: Explain = client.json(&path).await?;
    if json {
        serde_json::to_writer_pretty(&mut *out, &answer)?;
        writeln!(out)?;
    } else {
        write(&answer, out)?;
    }
    let goes = answer.chosen.address.is_some();
    Ok(if goes {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(NO)
    })
}

fn write(answer: &Explain, out: &mut impl Write) -> io::Result<()> {
    let path = if answer.path.is_empty() {
        "/"
    } else {
        &answer.path
    };
    writeln!(out, "host   {}", shown(&answer.host))?;
    writeln!(out, "path   {}", shown(path))?;
    writeln!(out, "table  generation {}", answer.generation)?;
    for tried in &answer.tried {
        writeln!(out, "tried  {}: {}", shown(&tried.key), shown(&tried.why))?;
    }
    match &answer.matched {
        Some(route) => {
            writeln!(
                out,
                "route  {} ({})",
                shown(&route.key),
                shown(&route.balance)
            )?;
            if let Some(url) = &route.route_service_url {
                writeln!(out, "via    {}", shown(url))?;
            }
            writeln!(out)?;
            endpoints(route).write(out)?;
            writeln!(out)?;
        }
        None => writeln!(out, "route  none")?,
    }
    let address = answer.chosen.address.as_deref().unwrap_or("nowhere");
    writeln!(
        out,
        "goes to {}: {}",
        shown(address),
        shown(&answer.chosen.why)
    )
}

fn endpoints(route: &MatchedRoute) -> TextTable {
    let headings = [
        "ENDPOINT",
        "ORIGIN",
        "AGE>",
        "TTL LEFT>",
        "WEIGHT>",
        "BUSY>",
        "REQUESTS>",
        "FAILURES>",
        "ELIGIBLE",
    ];
    let mut table = TextTable::new(&headings);
    for endpoint in &route.endpoints {
        let unconfirmed = if endpoint.confirmed {
            ""
        } else {
            " (unconfirmed)"
        };
        let ejected = match endpoint.ejected_for_seconds {
            Some(left) => format!(" (for {})", span(left)),
            None => String::new(),
        };
        table.row([
            endpoint.address.clone(),
            format!("{}{unconfirmed}", endpoint.origin),
            span(endpoint.age_seconds),
            endpoint
                .ttl_left_seconds
                .map_or_else(|| "never".to_owned(), span),
            endpoint.weight.to_string(),
            endpoint.in_flight.to_string(),
            endpoint.requests.to_string(),
            endpoint.failures.to_string(),
            format!("{}{ejected}", endpoint.eligible),
        ]);
    }
    table
}
