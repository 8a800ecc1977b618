//! `router reload`.

use std::io::Write;
use std::process::ExitCode;

use component::admin_client::{AdminClient, AdminError};
use protocol::router::Reloaded;

/// Asks for a reload and tells its outcome.
pub(super) async fn ask(
    client: &AdminClient,
    out: &mut impl Write,
) -> Result<ExitCode, AdminError> {
    let Reloaded {
        applied,
        needs_restart,
    } = client.post("/config/reload").await?;
    if applied.is_empty() && needs_restart.is_empty() {
        writeln!(out, "nothing has changed")?;
    }
    if !applied.is_empty() {
        writeln!(out, "in force: {}", applied.join(", "))?;
    }
    if !needs_restart.is_empty() {
        writeln!(out, "needs a restart: {}", needs_restart.join(", "))?;
    }
    Ok(ExitCode::SUCCESS)
}
