//! The command: a run, a list of scenarios, or the backend of a run.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser as _;

use load_tests::args::{Args, Command};
use load_tests::{backend, run};

fn main() -> ExitCode {
    answer(&Args::parse()).unwrap_or_else(|error| {
        writeln!(std::io::stderr(), "load-tests: {error:#}").ok();
        ExitCode::FAILURE
    })
}

fn answer(args: &Args) -> Result<ExitCode> {
    if let Some(Command::Backend { listen }) = args.command {
        backend::serve(listen)?;
        return Ok(ExitCode::SUCCESS);
    }
    let scenarios = run::choose(&args.run)?;
    if args.run.list {
        for scenario in scenarios {
            writeln!(
                std::io::stdout(),
                "{:<20} {}",
                scenario.name,
                scenario.title
            )?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        tokio::select! {
            done = run::run(&args.run, scenarios) => done,
            // Dropping the run kills what it started and removes its files.
            () = interrupted() => bail!("interrupted"),
        }
    })
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut int), Ok(mut term)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! { _ = int.recv() => {}, _ = term.recv() => {} }
}
