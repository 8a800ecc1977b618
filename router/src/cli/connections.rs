//! `router connections`

use std::io::Write;
use std::process::ExitCode;

use protocol::router::{ConnectionState, Connections};

use component::admin_client::{AdminClient, AdminError};
use component::text_table::{TextTable, span};

pub(super) async fn show(
    client: &AdminClient,
    limit: usize,
    json: bool,
    out: &mut impl Write,
) -> Result<ExitCode, AdminError> {
    let answer: Connections = client.json(&format!("/connections?limit={limit}")).await?;
    if json {
        serde_json::to_writer_pretty(&mut *out, &answer)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    table(&answer).write(out)?;
    let open: u64 = answer.open.iter().sum();
    writeln!(out, "{} of {open} connections", answer.connections.len())?;
    if answer.silent_workers > 0 {
        writeln!(
            out,
            "{} workers were too busy to list theirs",
            answer.silent_workers
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(answer: &Connections) -> TextTable {
    let mut table = TextTable::new(&["WORKER>", "CLIENT", "STATE", "AGE>", "REQUESTS>", "HOST"]);
    for connection in &answer.connections {
        let state = match connection.state {
            ConnectionState::Idle => "idle",
            ConnectionState::Exchange => "exchange",
            ConnectionState::Tunnel => "tunnel",
        };
        table.row([
            connection.worker.to_string(),
            connection
                .peer
                .map_or_else(|| "unix".to_owned(), |peer| peer.to_string()),
            state.to_owned(),
            span(connection.age_ms as f64 / 1e3),
            connection.requests.to_string(),
            connection.host.clone(),
        ]);
    }
    table
}
