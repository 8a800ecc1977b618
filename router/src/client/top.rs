//! `router top`: the traffic of a running router, refreshed every second.

mod screen;
mod terminal;

use std::io::{IsTerminal as _, Write, stdin, stdout};
use std::process::ExitCode;
use std::time::Duration;

use protocol::admin::Varz;

use self::screen::lines;
use self::terminal::{Key, Terminal};
use super::http::{Client, ClientError};

const REFRESH: Duration = Duration::from_secs(1);

/// Follows the router on a terminal until a key ends it; elsewhere prints one look.
pub(super) async fn show(client: &Client, out: &mut impl Write) -> Result<ExitCode, ClientError> {
    let name = client.address().to_string();
    let mut before: Option<Varz> = None;
    let mut now: Varz = client.json("/varz").await?;
    if !stdout().is_terminal() || !stdin().is_terminal() {
        for line in lines(&name, &now, None) {
            writeln!(out, "{line}")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let terminal = Terminal::enter(out)?;
    loop {
        terminal.draw(&lines(&name, &now, before.as_ref()), out)?;
        if terminal.wait(REFRESH)? == Key::Quit {
            terminal.leave(out)?;
            return Ok(ExitCode::SUCCESS);
        }
        before = Some(now);
        now = client.json("/varz").await?;
    }
}
