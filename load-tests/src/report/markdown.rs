//! The report as Markdown.

use std::fmt::Write as _;

use super::{judgement, mark, range, with_unit};
use crate::outcome::{Figure, Outcome, Run};
use crate::peer::Kind;
use crate::rounds::Table;

/// The whole run.
pub(super) fn report(run: &Run) -> String {
    let mut text = format!("# Load tests, {} UTC\n\n{}\n", run.began, machine(run));
    for outcome in &run.scenarios {
        // Writing to a string cannot fail.
        write!(text, "\n## {}\n\n{}\n\n", outcome.title, outcome.about).ok();
        for remark in &outcome.remarks {
            writeln!(text, "**{remark}**\n").ok();
        }
        if !outcome.figures.is_empty() {
            text.push_str("| figure | peer | median | min–max | ÷ reference | goal |\n");
            text.push_str("|---|---|---|---|---|---|\n");
        }
        for figure in &outcome.figures {
            text.push_str(&rows(figure));
        }
        if let Some(table) = &outcome.table {
            text.push('\n');
            text.push_str(&beside(table));
        }
    }
    text.push_str(HOW);
    text
}

/// What figures cannot say.
fn beside(table: &Table) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&table.columns);
    text.push_str(&format!("|{}\n", "---|".repeat(table.columns.len())));
    text.extend(table.rows.iter().map(|row| line(row)));
    for fault in &table.faults {
        text.push_str(&format!("\n**{fault}**\n"));
    }
    text
}

/// The goals and headlines in one table, for the README.
pub(super) fn latest(run: &Run) -> String {
    let mut text = String::from(
        "| scenario | figure | Switchyard | HAProxy | nginx | ÷ HAProxy | goal |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for outcome in &run.scenarios {
        let headline = outcome.figures.iter().take(1);
        let held = outcome
            .figures
            .iter()
            .skip(1)
            .filter(|figure| figure.goal.is_some());
        for figure in headline.chain(held) {
            text.push_str(&latest_row(outcome, figure));
        }
    }
    write!(text, "\n{} UTC. {}\n", run.began, machine(run)).ok();
    text
}

fn latest_row(outcome: &Outcome, figure: &Figure) -> String {
    let median = |kind: Kind| {
        figure.of_peer(kind).map_or("–".to_owned(), |peer| {
            with_unit(figure.measure, peer.spread.median)
        })
    };
    let ratio = figure
        .of_peer(Kind::Router)
        .and_then(|peer| peer.ratio)
        .map_or("–".to_owned(), |ratio| format!("**{:.2}**", ratio.median));
    let goal = figure.goal.map_or("–".to_owned(), |goal| match goal.to {
        Some(to) => format!("{} ≤ {:.2} x {to}", mark(figure.verdict()), goal.at_most),
        None => {
            format!(
                "{} ≤ {}",
                mark(figure.verdict()),
                with_unit(figure.measure, goal.at_most)
            )
        }
    });
    format!(
        "| {} | {} | {} | {} | {} | {ratio} | {goal} |\n",
        outcome.title,
        figure.measure.label(),
        median(Kind::Router),
        median(Kind::Haproxy),
        median(Kind::Nginx),
    )
}

fn rows(figure: &Figure) -> String {
    let mut text = String::new();
    for peer in &figure.peers {
        let ratio = peer.ratio.map_or(String::new(), |ratio| {
            format!("{:.2} ({:.2}–{:.2})", ratio.median, ratio.min, ratio.max)
        });
        let goal = if peer.peer == Kind::Router {
            format!("{} {}", mark(figure.verdict()), judgement(figure))
        } else {
            String::new()
        };
        writeln!(
            text,
            "| {} | {} | {} | {} | {ratio} | {} |",
            figure.measure.label(),
            peer.peer,
            with_unit(figure.measure, peer.spread.median),
            range(peer),
            goal.trim(),
        )
        .ok();
    }
    text
}

/// Where the run took place, in one paragraph.
pub(super) fn machine(run: &Run) -> String {
    let machine = &run.machine;
    let versions: Vec<&str> = machine.versions.values().map(String::as_str).collect();
    let mut text = format!(
        "{}, {} CPUs, Linux {}; {}. {}.",
        machine.cpu,
        machine.cores,
        machine.kernel,
        machine.pinning,
        versions.join("; ")
    );
    for warning in &machine.warnings {
        text.push_str(&format!(" **Not quiet: {warning}.**"));
    }
    text
}

/// How the figures came about.
pub(super) const HOW: &str = "
## How it is measured

One run drives the peers in turn, round after round, each with one worker on a CPU of its own, the
same backend, keep-alive on both sides, one route by host, and X-Forwarded-For, X-Forwarded-Proto,
X-Request-Start and a request id added. CPU is the run time of all threads of the proxy from
schedstat, memory is its proportional set size. Figures are medians of the rounds; ratios are
taken round by round, then their median. Rates and latencies of a closed loop describe the pair of
proxy and load generator on this machine; CPU per request describes the proxy. Open-loop latency
counts from the planned start of a request.
";
