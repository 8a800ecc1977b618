//! The command: a run, a list of scenarios, or the backend of a run.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser as _;

use load_tests::args::{Args, Command, RunArgs};
use load_tests::{backend, own, run};

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
    let mut out = std::io::stdout();
    if args.run.list {
        out.write_all(run::list(&args.run)?.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.run.needs {
        for program in run::needs(&args.run)? {
            writeln!(out, "{program}")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        tokio::select! {
            done = drive(&args.run) => done,
            // Dropping the run kills what it started and removes its files.
            () = interrupted() => bail!("interrupted"),
        }
    })
}

async fn drive(args: &RunArgs) -> Result<ExitCode> {
    let Some(url) = &args.url else {
        return run::run(args, run::choose(args)?).await;
    };
    let figures = own::drive(url, &args.own).await?;
    std::io::stdout().write_all(figures.as_bytes())?;
    Ok(ExitCode::SUCCESS)
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
