//! A run written down: Markdown for reading, JSON for programs, HTML with plots for showing.

mod chart;
mod html;
mod markdown;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::measure::{Measure, ThreeDigits};
use crate::outcome::{Figure, Outcome, PeerFigure, Run, Verdict};
use crate::peer::Kind;
use crate::site::Written;
use chart::{Chart, Row};

/// Writes `report.md`, `report.json` and `report.html` into a directory named for the run's time,
/// and returns it.
///
/// # Errors
/// When the disk refuses.
pub fn write(run: &Run, reports: &Path) -> Result<PathBuf> {
    let name = run.began.replace(' ', "-").replace(':', "");
    let directory = reports.join(name);
    fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    fs::write(directory.join("report.md"), markdown::report(run))?;
    fs::write(
        directory.join("report.json"),
        serde_json::to_string_pretty(run)?,
    )?;
    fs::write(directory.join("report.html"), html::report(run))?;
    Ok(directory)
}

/// Writes the configurations with which programs ran into `configurations/`, a directory for each
/// scenario, so that a reader can judge whether the comparison is fair.
///
/// # Errors
/// When the disk refuses.
pub fn write_configurations(scenarios: &[(String, Written)], report: &Path) -> Result<()> {
    for (scenario, files) in scenarios {
        let directory = report.join("configurations").join(scenario);
        for (name, text) in files {
            fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
            fs::write(directory.join(name), text)?;
        }
    }
    Ok(())
}

/// Writes the table and the picture beside the scenarios, and shows both in the README between its
/// two marks.
///
/// # Errors
/// When the disk refuses or the README has no marks.
pub fn publish(run: &Run, directory: &Path) -> Result<()> {
    let table = markdown::latest(run);
    fs::write(directory.join("latest.md"), &table)?;
    let chart = ratio_chart(run)
        .map(|chart| chart.standalone())
        .unwrap_or_default();
    fs::write(directory.join("latest.svg"), chart)?;
    let readme = directory.join("../README.md");
    let text = fs::read_to_string(&readme).with_context(|| readme.display().to_string())?;
    let shown = format!("![Cost beside HAProxy's](load-tests/latest.svg)\n\n{table}");
    let text = between_marks(&text, &shown).context("README.md has no marks for the table")?;
    Ok(fs::write(readme, text)?)
}

const BEGIN: &str = "<!-- latest figures: begin -->\n";
const END: &str = "<!-- latest figures: end -->";

/// The text with everything between the marks replaced.
fn between_marks(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{table}{END}{after}"))
}

/// One line on a scenario for the terminal: its headline and every limit that does not hold.
#[must_use]
pub fn line(outcome: &Outcome) -> String {
    let mut parts = Vec::new();
    if let Some(figure) = outcome.figures.first() {
        parts.extend(figure.peers.iter().map(|peer| {
            format!(
                "{} {}",
                peer.peer,
                with_unit(figure.measure, peer.spread.median)
            )
        }));
    }
    for (at, figure) in outcome.figures.iter().enumerate() {
        // The headline's own name would repeat the title.
        let name = if at == 0 {
            String::new()
        } else {
            format!("{}: ", figure.measure.label())
        };
        match figure.verdict() {
            Verdict::NoGoal => {}
            verdict => parts.push(format!("{} {name}{}", mark(verdict), judgement(figure))),
        }
    }
    parts.extend(outcome.remarks.iter().map(|remark| format!("! {remark}")));
    parts.join("   ")
}

fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::NoGoal => "",
        Verdict::Met => "✓",
        Verdict::Near => "~",
        Verdict::Missed => "✗",
    }
}

/// The judged value beside its goal, as "0.75 x HAProxy (goal 0.80)".
fn judgement(figure: &Figure) -> String {
    let (Some(goal), Some(value)) = (figure.goal, figure.judged()) else {
        return String::new();
    };
    match goal.to {
        Some(to) => format!("{value:.2} x {to} (goal {:.2})", goal.at_most),
        None => {
            format!(
                "{} (goal {})",
                with_unit(figure.measure, value),
                ThreeDigits(goal.at_most)
            )
        }
    }
}

fn with_unit(measure: Measure, value: f64) -> String {
    let digits = ThreeDigits(value);
    match measure.unit() {
        "" => digits.to_string(),
        unit if unit.starts_with(['%', '/']) => format!("{digits}{unit}"),
        unit => format!("{digits} {unit}"),
    }
}

fn range(peer: &PeerFigure) -> String {
    format!(
        "{}–{}",
        ThreeDigits(peer.spread.min),
        ThreeDigits(peer.spread.max)
    )
}

/// Every headline as the router's ratio to HAProxy, the peers beside it, goals as ticks.
fn ratio_chart(run: &Run) -> Option<Chart> {
    let mut rows = Vec::new();
    for outcome in &run.scenarios {
        let Some(figure) = outcome
            .figures
            .first()
            .filter(|f| f.measure.less_is_better())
        else {
            continue;
        };
        if figure.of_peer(Kind::Haproxy).is_none() {
            continue;
        }
        for peer in &figure.peers {
            let Some(ratio) = peer.ratio else { continue };
            let first = peer.peer == Kind::Router;
            if peer.peer == Kind::Direct {
                continue;
            }
            let to_haproxy = figure
                .goal
                .filter(|goal| first && goal.to == Some(Kind::Haproxy));
            rows.push(Row {
                label: if first {
                    outcome.title.clone()
                } else {
                    String::new()
                },
                note: first.then(|| figure.measure.label().to_owned()),
                peer: peer.peer,
                spread: ratio,
                repeats: Vec::new(),
                goal: to_haproxy.map(|goal| goal.at_most),
                text: format!("{:.2}", ratio.median),
            });
        }
    }
    (!rows.is_empty()).then(|| Chart {
        title: "Cost, divided by HAProxy's in the same run (less is better)".to_owned(),
        axis: "÷ HAProxy".to_owned(),
        reference: Some((1.0, "HAProxy".to_owned())),
        // One peer that is many times dearer must not flatten all others.
        cap: Some(2.0),
        rows,
    })
}

/// One figure: a bar for each peer, a dot for each repeat, the goal as a line.
fn figure_chart(figure: &Figure) -> Chart {
    let goal = figure.goal.and_then(|goal| match goal.to {
        Some(to) => Some(goal.at_most * figure.of_peer(to)?.spread.median),
        None => Some(goal.at_most),
    });
    let rows = figure
        .peers
        .iter()
        .map(|peer| Row {
            label: peer.peer.label().to_owned(),
            note: None,
            peer: peer.peer,
            spread: peer.spread,
            repeats: peer.values.clone(),
            goal: goal.filter(|_| peer.peer == Kind::Router),
            text: with_unit(figure.measure, peer.spread.median),
        })
        .collect();
    let direction = if figure.measure.less_is_better() {
        "less"
    } else {
        "more"
    };
    Chart {
        title: format!("{} ({direction} is better)", figure.measure.label()),
        axis: figure.measure.unit().to_owned(),
        reference: None,
        cap: None,
        rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let text = format!("a\n{BEGIN}old\n{END}\nb\n");
        let want = format!("a\n{BEGIN}new\n{END}\nb\n");
        assert_eq!(between_marks(&text, "new\n"), Some(want));
        assert_eq!(between_marks("no marks", "new"), None);
    }
}
