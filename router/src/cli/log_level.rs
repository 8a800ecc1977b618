//! `router log-level`

use std::io::Write;
use std::process::ExitCode;

use component::telemetry::Level;

use super::http::{Client, ClientError};

pub(super) async fn show(
    client: &Client,
    level: Option<Level>,
    out: &mut impl Write,
) -> Result<ExitCode, ClientError> {
    match level {
        Some(level) => {
            let now = client.put("/log-level", level.name()).await?;
            out.write_all(now.as_bytes())?;
        }
        None => client.copy("/log-level", out).await?,
    }
    Ok(ExitCode::SUCCESS)
}
