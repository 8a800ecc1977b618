//! The corpus of messages: `tests/corpus/*.toml`, one row a message.
//!
//! A row says which bytes a client sends and which bytes a backend answers with, which rule is at
//! stake, and what may come of it on either side. [`play`] runs one row against a router, with the
//! bytes whole or one at a time, and returns what was not as it should be; a [`Scorecard`] adds up.
//!
//! In a row one character is one byte (U+0000 to U+00FF), long runs are written as
//! `{ repeat = "a", times = 9000 }` in a list, and `site.test` stands for the row's own host.

mod message;
mod play;
mod row;
mod score;
mod stage;

use std::path::PathBuf;

pub use message::Message;
pub use play::{Fault, Manner, play};
pub use row::{Level, Row, Then, Verdict};
pub use score::Scorecard;
pub use stage::{Seat, Stage};

/// Reads every row, file by file in the order of their names.
///
/// # Errors
/// The file and what is wrong in it.
pub fn load() -> Result<Vec<Row>, String> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        row: Vec<Row>,
    }
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let entries = std::fs::read_dir(&directory).map_err(|error| error.to_string())?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    paths.sort();
    let mut rows = Vec::new();
    for path in paths {
        let name = path.display();
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
        let file: File = toml::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
        rows.extend(file.row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_corpus_keeps_its_size() {
        let rows = load().unwrap();
        let controls = rows
            .iter()
            .filter(|row| row.level == Level::Control)
            .count();
        let hostile = rows
            .iter()
            .filter(|row| row.reply != Message::default_reply())
            .count();
        assert!(rows.len() >= 700, "{} rows", rows.len());
        assert!(controls >= 150, "{controls} controls that must pass");
        assert!(hostile >= 150, "{hostile} rows on answers");
    }

    #[test]
    fn names_are_unique_and_rows_make_sense() {
        let mut names = BTreeSet::new();
        for row in load().unwrap() {
            assert!(
                names.insert(row.name.clone()),
                "{} is there twice",
                row.name
            );
            assert_eq!(row.nonsense(), None, "{}", row.name);
        }
    }
}
