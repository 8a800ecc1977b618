//! One run, from the choice of scenarios to the report.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::args::RunArgs;
use crate::outcome::{Outcome, Run};
use crate::peer::Kind;
use crate::progress::Progress;
use crate::scenario::{Scenario, Set};
use crate::site::Site;
use crate::{load, machine, report};

/// The scenarios that were asked for, cut to the set.
///
/// # Errors
/// When the files cannot be read or none is chosen.
pub fn choose(args: &RunArgs) -> Result<Vec<Scenario>> {
    let set = args.set();
    let named = |scenario: &Scenario| args.only.iter().any(|part| scenario.name.contains(part));
    let chosen: Vec<Scenario> = Scenario::read_all(&args.scenarios)?
        .into_iter()
        .filter(|s| {
            if args.only.is_empty() {
                s.sets.contains(&set)
            } else {
                named(s)
            }
        })
        .map(|scenario| match set {
            Set::Smoke => scenario.for_smoke(),
            Set::Short => scenario,
            Set::Full => scenario.for_full(|kind| kind.found(&args.router)),
        })
        .collect();
    ensure!(
        !chosen.is_empty(),
        "no scenario is named so; --list names all"
    );
    Ok(chosen)
}

/// Drives the scenarios one after the other and writes the report. The code is a failure when one
/// broke or a figure is far beyond its goal.
///
/// # Errors
/// When nothing can be driven or the report cannot be written.
pub async fn run(args: &RunArgs, scenarios: Vec<Scenario>) -> Result<ExitCode> {
    ensure!(
        Kind::Router.found(&args.router),
        "there is no router at {}; build it, or name it with --router",
        args.router.display()
    );
    let began = (machine::now(), Instant::now());
    let site = Site::open(&args.router).await?;
    let mut progress = Progress::new(scenarios.len());
    if !site.cores.pinned() {
        progress.line("only one CPU: proxy and load share it, and the figures say little");
    }
    let mut outcomes = Vec::with_capacity(scenarios.len());
    for scenario in &scenarios {
        progress.scenario(&scenario.title);
        let outcome = one(scenario, &site, &mut progress).await;
        progress.result(&report::line(&outcome));
        outcomes.push(outcome);
    }
    let took_part: Vec<Kind> = scenarios
        .iter()
        .flat_map(|s| s.peers.iter().copied().chain(load::helper(&s.load)))
        .collect();
    let run = Run {
        began: began.0,
        seconds: began.1.elapsed().as_secs(),
        machine: machine::describe(&site.cores, &took_part),
        scenarios: outcomes,
    };
    site.close().await?;
    finish(args, &run, &mut progress)
}

/// Drives one scenario with those of its peers that are on this machine. A scenario that breaks
/// does not end the run.
async fn one(scenario: &Scenario, site: &Site, progress: &mut Progress) -> Outcome {
    if let Some(program) = load::missing_program(&scenario.load) {
        return Outcome::skipped(scenario, format!("not run: {program} is not installed"));
    }
    let (peers, missing): (Vec<Kind>, Vec<Kind>) = scenario
        .peers
        .iter()
        .partition(|kind| kind.found(&site.router));
    let mut outcome = match load::drive(scenario, &peers, site, progress).await {
        Ok(driven) => Outcome::of(scenario, driven),
        Err(error) => Outcome::broken(scenario, format!("{error:#}")),
    };
    outcome.remarks.extend(
        missing
            .iter()
            .map(|kind| format!("{kind} is not installed")),
    );
    outcome
}

fn finish(args: &RunArgs, run: &Run, progress: &mut Progress) -> Result<ExitCode> {
    // A smoke run's figures mean nothing: only whether everything worked counts.
    if args.set() == Set::Smoke {
        let broken = run.scenarios.iter().any(|outcome| outcome.broken);
        return Ok(if broken {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        });
    }
    let directory = report::write(run, &args.reports)?;
    if args.publish {
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        report::publish(run, home).context("the published table")?;
    }
    progress.line(&format!(
        "report: {}",
        directory.join("report.html").display()
    ));
    let failed = run.scenarios.iter().any(Outcome::failed);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
