//! What came of driving the peers of one scenario.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::measure::Measure;
use crate::peer::Kind;

/// The figures of one drive of one peer.
pub type Figures = BTreeMap<Measure, f64>;
/// The figures of all rounds, by peer, in the order of the rounds.
pub type Rounds = BTreeMap<Kind, Vec<Figures>>;

/// What came of driving a scenario.
#[derive(Debug, Default)]
pub struct Driven {
    /// Its figures.
    pub rounds: Rounds,
    /// What figures cannot say; that of the last round.
    pub table: Option<Table>,
}

/// Rows of text beside the figures.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Table {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// As many cells each.
    pub rows: Vec<Vec<String>>,
    /// What is to be read first: in each line something that did not hold.
    pub faults: Vec<String>,
}
