//! `router log-level`

use std::io::Write;
use std::process::ExitCode;

use component::telemetry::Level;

use component::admin_client::{AdminClient, AdminError};

pub(super) async fn show(
    client: &AdminClient,
    level: Option<Level>,
    out: &mut impl Write,
) -> Result<ExitCode, AdminError> {
    match level {
        Some(level) => {
            let now = client.put("/log-level", level.name()).await?;
            out.write_all(now.as_bytes())?;
        }
        None => client.copy("/log-level", out).await?,
    }
    Ok(ExitCode::SUCCESS)
}
