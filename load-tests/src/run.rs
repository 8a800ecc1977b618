//! One run, from the choice of scenarios to the report.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::args::RunArgs;
use crate::outcome::{Outcome, Run};
use crate::peer::Kind;
use crate::progress::Progress;
use crate::quiet::Quiet;
use crate::scenario::{Scenario, Set};
use crate::site::{Site, Written};
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

/// Returns all scenarios, a line each: the name, the sets that run it, what it needs, the title.
///
/// # Errors
/// When the files cannot be read.
pub fn list(args: &RunArgs) -> Result<String> {
    let mut lines = String::new();
    for scenario in Scenario::read_all(&args.scenarios)? {
        let sets: Vec<&str> = scenario.sets.iter().map(|set| set.name()).collect();
        lines.push_str(&format!(
            "{:<20} {:<18} {:<18} {}\n",
            scenario.name,
            sets.join(" "),
            programs(&scenario).join(" "),
            scenario.title
        ));
    }
    Ok(lines)
}

/// Returns the programs that the chosen scenarios need, in the order of their names.
///
/// # Errors
/// As [`choose`].
pub fn needs(args: &RunArgs) -> Result<BTreeSet<&'static str>> {
    if args.url.is_some() {
        let generator = args.own.rate.map_or("wrk", |_| "oha");
        return Ok([generator].into());
    }
    Ok(choose(args)?.iter().flat_map(programs).collect())
}

fn programs(scenario: &Scenario) -> Vec<&'static str> {
    let load = &scenario.load;
    [load::needed_programs(load), load::helpful_programs(load)].concat()
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
    let mut progress = Progress::new(scenarios.len());
    let quiet = Quiet::watch().await;
    if let Some(warning) = quiet.before() {
        progress.line(&format!("warning: {warning}"));
    }
    let site = Site::open(&args.router).await?;
    if !site.cores.pinned() {
        progress.line("only one CPU: proxy and load share it, and the figures say little");
    }
    let mut outcomes = Vec::with_capacity(scenarios.len());
    let mut configurations = Vec::new();
    for scenario in &scenarios {
        progress.scenario(&scenario.title);
        let outcome = one(scenario, &site, &mut progress).await;
        progress.result(&report::line(&outcome));
        configurations.push((scenario.name.clone(), site.take_written()));
        outcomes.push(outcome);
    }
    let warnings = quiet.warnings();
    for warning in &warnings {
        progress.line(&format!("warning: {warning}"));
    }
    let took_part: Vec<Kind> = scenarios
        .iter()
        .flat_map(|s| s.peers.iter().copied().chain(load::helper(&s.load)))
        .collect();
    let run = Run {
        began: began.0,
        seconds: began.1.elapsed().as_secs(),
        machine: machine::describe(&site.cores, &took_part, warnings),
        scenarios: outcomes,
    };
    site.close().await?;
    finish(args, &run, &configurations, &mut progress)
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

fn finish(
    args: &RunArgs,
    run: &Run,
    configurations: &[(String, Written)],
    progress: &mut Progress,
) -> Result<ExitCode> {
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
    report::write_configurations(configurations, &directory)?;
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
