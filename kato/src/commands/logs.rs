//! What processes wrote.

use std::error::Error;
use std::io::{self, Write};
use std::time::Duration;

use tokio::time::sleep;

use super::meant;
use crate::config::Config;
use crate::log_file::LogFile;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes of one log that are looked at at once.
const MOST: u64 = 1 << 20;
/// What kato's own log is called.
const OWN: &str = "kato";

/// Writes the last lines of each log, and with `follow` all that comes, for ever.
pub(super) async fn show(
    config: &Config,
    names: &[String],
    lines: usize,
    follow: bool,
) -> Result<(), Box<dyn Error>> {
    let names = logs_of(config, names)?;
    let log = |name: &String| LogFile::new(&config.log_directory(), name, 0, 0);
    let logs: Vec<LogFile> = names.iter().map(log).collect();
    let width = names.iter().map(String::len).max().unwrap_or(0);
    let prefix = |name: &str| {
        let is_needed = names.len() > 1;
        if is_needed {
            format!("{name:<width$} | ")
        } else {
            String::new()
        }
    };
    let mut out = io::stdout().lock();
    let mut places = Vec::new();
    for (name, log) in names.iter().zip(&logs) {
        let (bytes, place) = log.tail(lines, MOST)?;
        write(&mut out, &prefix(name), &bytes)?;
        places.push(place);
    }
    if !follow {
        return Ok(());
    }
    loop {
        sleep(PAUSE).await;
        for ((name, log), place) in names.iter().zip(&logs).zip(&mut places) {
            let (bytes, next) = log.read(*place, MOST)?;
            write(&mut out, &prefix(name), &bytes)?;
            *place = next;
        }
    }
}

fn logs_of(config: &Config, names: &[String]) -> Result<Vec<String>, Box<dyn Error>> {
    let (own, others): (Vec<_>, Vec<_>) = names.iter().cloned().partition(|name| name == OWN);
    let mut logs: Vec<String> = own.into_iter().take(1).collect();
    if logs.is_empty() || !others.is_empty() {
        let running = config.running();
        let indices = meant(config, &others)?;
        logs.extend(indices.iter().map(|index| running[*index].name.clone()));
    }
    Ok(logs)
}

fn write(out: &mut impl Write, prefix: &str, bytes: &[u8]) -> io::Result<()> {
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        out.write_all(prefix.as_bytes())?;
        out.write_all(line)?;
        if !line.ends_with(b"\n") {
            out.write_all(b"\n")?;
        }
    }
    out.flush()
}
