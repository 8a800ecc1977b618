//! The router program.

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use component::telemetry;
use mimalloc::MiMalloc;
use router::cli;
use router::cli::args::{Args, PASSWORD_VARIABLE};
use router::config::{Checked, Config, Depth, Loaded};
use router::process::frame;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to do when nobody can be told.
            complain(&*error).unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    if let Some(command) = &args.command {
        let password = std::env::var(PASSWORD_VARIABLE).ok();
        return Ok(cli::run(command, &args.admin(password.as_deref())?)?);
    }
    let mut out = io::stdout();
    if args.instead.print_example {
        out.write_all(Config::example().as_bytes())?;
    } else if let Some(file) = &args.config {
        if args.instead.print_config {
            let Loaded { config, warnings } = Config::load(file)?;
            warn(&warnings)?;
            out.write_all(config.to_yaml().as_bytes())?;
        } else if args.instead.check {
            let checked = Config::check(file, Depth::All)?;
            warn(&checked.warnings)?;
            writeln!(out, "ok: {}", checked.summary)?;
        } else {
            return serve(file);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn serve(file: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let Checked {
        config, warnings, ..
    } = Config::check(file, Depth::Start)?;
    warn(&warnings)?;
    let log = telemetry::init(telemetry::Settings {
        level: config.logging.level,
        output: config.logging.output,
        lines: config.logging.lines,
        timestamp: config.logging.timestamp,
        source: "gorouter",
        talkative: &[],
    })?;
    Ok(frame::run(config, file, log.level.clone()))
}

/// Remarks about the configuration go to standard error.
fn warn(warnings: &[String]) -> io::Result<()> {
    let mut err = io::stderr();
    warnings
        .iter()
        .try_for_each(|warning| writeln!(err, "warning: {warning}"))
}

/// The error and what caused it, on one line for each line of the error.
fn complain(error: &dyn Error) -> io::Result<()> {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    writeln!(io::stderr(), "{text}")
}
