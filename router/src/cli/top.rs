//! `router top`: the traffic of a running router, refreshed every second.

mod screen;
mod terminal;

use std::io::{IsTerminal as _, Write, stdin, stdout};
use std::process::ExitCode;
use std::time::Duration;

use protocol::router::Varz;

use self::screen::lines;
use self::terminal::{Key, Terminal};
use component::admin_client::{AdminClient, AdminError};

const REFRESH: Duration = Duration::from_secs(1);

/// Follows the router on a terminal until a key ends it; elsewhere prints one look.
pub(super) async fn show(
    client: &AdminClient,
    out: &mut impl Write,
) -> Result<ExitCode, AdminError> {
    if !stdout().is_terminal() || !stdin().is_terminal() {
        return look(client, out).await;
    }
    let name = client.address().to_string();
    let mut before: Option<Varz> = None;
    // Before the terminal is taken over, so that an error is seen.
    let mut now: Varz = client.json("/varz").await?;
    let terminal = Terminal::enter(out)?;
    loop {
        terminal.draw(&lines(&name, &now, before.as_ref()), out)?;
        if terminal.wait(REFRESH)? == Key::Quit {
            return Ok(ExitCode::SUCCESS);
        }
        before = Some(now);
        now = client.json("/varz").await?;
    }
}

/// Prints the numbers as they are now.
pub(super) async fn look(
    client: &AdminClient,
    out: &mut impl Write,
) -> Result<ExitCode, AdminError> {
    let now: Varz = client.json("/varz").await?;
    for line in lines(&client.address().to_string(), &now, None) {
        writeln!(out, "{line}")?;
    }
    Ok(ExitCode::SUCCESS)
}
