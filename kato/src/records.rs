//! Which processes run, kept for the next kato: one that is killed takes none of them with it.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use component::{atomic_file, regular_file};

use crate::identity::Identity;

/// The file of them.
#[derive(Debug)]
pub struct Records {
    file: PathBuf,
    running: BTreeMap<String, Identity>,
}

impl Records {
    /// Reads what an earlier kato left in this state directory. A file that is not there or cannot be
    /// understood holds nothing.
    #[must_use]
    pub fn open(state: &Path) -> Self {
        let file = state.join("kato.running");
        let text = regular_file::read_text(&file).unwrap_or_default();
        Self {
            running: serde_json::from_str(&text).unwrap_or_default(),
            file,
        }
    }

    /// Returns the process of this name that was running last.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Identity> {
        self.running.get(name)
    }

    /// Returns all of them.
    #[must_use]
    pub fn all(&self) -> Vec<(String, Identity)> {
        let entry = |(name, identity): (&String, &Identity)| (name.clone(), identity.clone());
        self.running.iter().map(entry).collect()
    }

    /// Keeps that a process runs; None: that it does not.
    ///
    /// # Errors
    /// The file cannot be written; the next kato would not know of the process.
    pub fn set(&mut self, name: &str, identity: Option<Identity>) -> io::Result<()> {
        match identity {
            Some(identity) => self.running.insert(name.to_owned(), identity),
            None => self.running.remove(name),
        };
        let text = serde_json::to_vec_pretty(&self.running)?;
        atomic_file::replace(&self.file, |file| file.write_all(&text))
    }
}

#[cfg(test)]
mod tests {
    use tests_kit::TempDir;

    use super::*;

    #[test]
    fn what_runs_is_read_again() {
        let directory = TempDir::new();
        let own = Identity::of(std::process::id()).unwrap();
        let mut records = Records::open(directory.path());
        records.set("bus", Some(own.clone())).unwrap();
        records.set("app", Some(own.clone())).unwrap();
        records.set("app", None).unwrap();
        let again = Records::open(directory.path());
        assert_eq!((again.get("bus"), again.get("app")), (Some(&own), None));
        drop(directory.file("kato.running", "{"));
        assert_eq!(Records::open(directory.path()).get("bus"), None);
    }
}
