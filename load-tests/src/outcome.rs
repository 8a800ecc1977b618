//! What a run found: the figures of each scenario, their ratios, and whether the limits hold.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::measure::{Measure, Spread};
use crate::peer::Kind;
use crate::rounds::{Driven, Rounds, Table};
use crate::scenario::{Goal, Scenario};

/// A figure may exceed its goal by this factor before the program ends with a failure: shared
/// machines wander, a regression does not.
const GUARD: f64 = 1.5;

/// How far the ratios of one figure may lie apart, as a share of their median, until the report says
/// that the machine was not quiet.
const STEADY: f64 = 0.3;

/// A whole run, as written to `report.json`.
#[derive(Debug, Serialize)]
pub struct Run {
    /// When it began, as `YYYY-MM-DD HH:MM` UTC.
    pub began: String,
    /// Seconds that it took.
    pub seconds: u64,
    /// Where it ran.
    pub machine: Machine,
    /// The scenarios in the order they were driven.
    pub scenarios: Vec<Outcome>,
}

/// The machine and the programs of a run.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// Model of the CPU.
    pub cpu: String,
    /// CPUs it has.
    pub cores: usize,
    /// Release of the kernel.
    pub kernel: String,
    /// Who ran where.
    pub pinning: String,
    /// What others did on the machine that the figures may have felt.
    pub warnings: Vec<String>,
    /// Versions of the peers that were found.
    pub versions: BTreeMap<Kind, String>,
}

/// One scenario's result.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Name, title and explanation, from its file.
    pub name: String,
    /// One line for tables and plots.
    pub title: String,
    /// What is shown and why.
    pub about: String,
    /// The figures, the headline first; empty when it did not run.
    pub figures: Vec<Figure>,
    /// What figures cannot say.
    pub table: Option<Table>,
    /// Why it did not run, or what it lacks.
    pub remarks: Vec<String>,
    /// Whether it was driven and broke.
    pub broken: bool,
}

/// One quantity of a scenario.
#[derive(Debug, Serialize)]
pub struct Figure {
    /// Which one.
    pub measure: Measure,
    /// Its limit, if any.
    pub goal: Option<Goal>,
    /// The figures of each peer, in the order of reports.
    pub peers: Vec<PeerFigure>,
}

/// One peer's repeats of one quantity.
#[derive(Debug, Serialize)]
pub struct PeerFigure {
    /// Whose.
    pub peer: Kind,
    /// Repeat by repeat.
    pub values: Vec<f64>,
    /// Their median and range.
    pub spread: Spread,
    /// Divided, repeat by repeat, by the figure of the peer that is compared with.
    pub ratio: Option<Spread>,
}

/// How a figure stands to its goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has none, or the router was not measured.
    NoGoal,
    /// At or below.
    Met,
    /// Above, within what a shared machine may do.
    Near,
    /// Far above: the run fails.
    Missed,
}

impl Outcome {
    /// The outcome of a scenario that was driven.
    #[must_use]
    pub fn of(scenario: &Scenario, driven: Driven) -> Self {
        let Driven { rounds, table } = driven;
        let figures: Vec<Figure> = scenario
            .figures
            .iter()
            .filter_map(|wanted| Figure::of(wanted.measure, wanted.goal, &rounds))
            .collect();
        let remarks = figures.iter().filter_map(Figure::unsteady).collect();
        Self {
            figures,
            table,
            remarks,
            ..Self::without(scenario)
        }
    }

    /// The outcome of a scenario that was not driven.
    #[must_use]
    pub fn skipped(scenario: &Scenario, why: String) -> Self {
        Self {
            remarks: vec![why],
            ..Self::without(scenario)
        }
    }

    /// The outcome of a scenario that broke off.
    #[must_use]
    pub fn broken(scenario: &Scenario, why: String) -> Self {
        Self {
            remarks: vec![why],
            broken: true,
            ..Self::without(scenario)
        }
    }

    fn without(scenario: &Scenario) -> Self {
        Self {
            name: scenario.name.clone(),
            title: scenario.title.clone(),
            about: scenario.about.clone(),
            figures: Vec::new(),
            table: None,
            remarks: Vec::new(),
            broken: false,
        }
    }

    /// Whether it broke or a figure is beyond the guard.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.broken
            || self
                .figures
                .iter()
                .any(|figure| figure.verdict() == Verdict::Missed)
    }
}

impl Figure {
    fn of(measure: Measure, goal: Option<Goal>, rounds: &Rounds) -> Option<Self> {
        let values = |kind: Kind| -> Vec<f64> {
            let rounds = rounds.get(&kind).map(Vec::as_slice).unwrap_or_default();
            rounds
                .iter()
                .filter_map(|figures| figures.get(&measure).copied())
                .collect()
        };
        let reference = goal.and_then(|goal| goal.to).unwrap_or(Kind::Haproxy);
        let to = values(reference);
        let peers: Vec<PeerFigure> = Kind::ALL
            .into_iter()
            .filter_map(|peer| {
                let values = values(peer);
                let spread = Spread::of(&values)?;
                let ratio = Spread::of_ratios(&values, &to).filter(|_| peer != reference);
                Some(PeerFigure {
                    peer,
                    values,
                    spread,
                    ratio,
                })
            })
            .collect();
        (!peers.is_empty()).then_some(Self {
            measure,
            goal,
            peers,
        })
    }

    /// One peer's part.
    #[must_use]
    pub fn of_peer(&self, peer: Kind) -> Option<&PeerFigure> {
        self.peers.iter().find(|figure| figure.peer == peer)
    }

    /// Returns a remark when the pairs of router and peer differ by more than [`STEADY`].
    fn unsteady(&self) -> Option<String> {
        self.goal?.to?;
        let ratio = self.of_peer(Kind::Router)?.ratio?;
        let spread = (ratio.max - ratio.min) / ratio.median;
        let measure = self.measure.label();
        (spread > STEADY).then(|| {
            format!(
                "{measure}: the pairs go from {:.2} to {:.2}, so the machine was not quiet",
                ratio.min, ratio.max
            )
        })
    }

    /// What the goal is compared with: the router's median, or the median of its ratios.
    #[must_use]
    pub fn judged(&self) -> Option<f64> {
        let router = self.of_peer(Kind::Router)?;
        match self.goal?.to {
            Some(_) => Some(router.ratio?.median),
            None => Some(router.spread.median),
        }
    }

    /// Whether the goal holds.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let (Some(goal), Some(value)) = (self.goal, self.judged()) else {
            return Verdict::NoGoal;
        };
        if value <= goal.at_most {
            Verdict::Met
        } else if value <= goal.at_most * GUARD {
            Verdict::Near
        } else {
            Verdict::Missed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rounds::Figures;

    fn rounds(rows: &[(Kind, &[f64])]) -> Rounds {
        rows.iter()
            .map(|(kind, values)| {
                let figure = |value: &f64| Figures::from([(Measure::CpuPerRequest, *value)]);
                (*kind, values.iter().map(figure).collect())
            })
            .collect()
    }

    #[test]
    fn verdicts_follow_the_goal_and_the_guard() {
        let rows = [
            (0.8, Verdict::Met),
            (0.6, Verdict::Near),
            (0.5, Verdict::Missed),
        ];
        let rounds = rounds(&[
            (Kind::Router, &[7.0, 8.0, 9.0]),
            (Kind::Haproxy, &[10.0; 3]),
        ]);
        for (at_most, want) in rows {
            let goal = Goal {
                at_most,
                to: Some(Kind::Haproxy),
            };
            let figure = Figure::of(Measure::CpuPerRequest, Some(goal), &rounds).unwrap();
            assert_eq!(figure.judged(), Some(0.8));
            assert_eq!(figure.verdict(), want, "at most {at_most}");
        }
    }

    #[test]
    fn pairs_that_lie_far_apart_are_remarked_on() {
        let goal = Goal {
            at_most: 1.0,
            to: Some(Kind::Haproxy),
        };
        let remark = |router: &[f64]| {
            let rounds = rounds(&[(Kind::Router, router), (Kind::Haproxy, &[10.0; 3])]);
            Figure::of(Measure::CpuPerRequest, Some(goal), &rounds)?.unsteady()
        };
        assert_eq!(remark(&[7.0, 8.0, 9.0]), None);
        assert!(
            remark(&[6.0, 8.0, 9.0])
                .unwrap()
                .contains("from 0.60 to 0.90")
        );
    }

    #[test]
    fn a_goal_without_a_peer_is_held_against_the_figure() {
        let rounds = rounds(&[(Kind::Router, &[2.9])]);
        let goal = Goal {
            at_most: 2.0,
            to: None,
        };
        let figure = Figure::of(Measure::CpuPerRequest, Some(goal), &rounds).unwrap();
        assert_eq!(figure.verdict(), Verdict::Near);
        assert_eq!(Figure::of(Measure::P99, None, &rounds).map(|_| ()), None);
    }
}
