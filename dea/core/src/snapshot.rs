//! What is kept on disk, so that instances outlive the program that looks after them.

use serde::{Deserialize, Serialize};

use crate::instance::Instance;
use crate::ports::Ports;

/// The form of the snapshots that this program writes.
const FORM: u32 = 1;

/// All that has to be known after a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    form: u32,
    /// The ports that are given, and those that rest.
    pub ports: Ports,
    /// The instances.
    pub instances: Vec<Instance>,
}

/// Why a snapshot cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// It is no snapshot.
    Malformed(String),
    /// It is of a newer program.
    Newer(u32),
}

impl Snapshot {
    /// A snapshot of `ports` and `instances`.
    #[must_use]
    pub fn new(ports: Ports, instances: Vec<Instance>) -> Self {
        Self {
            form: FORM,
            ports,
            instances,
        }
    }

    /// Returns the snapshot as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Strings, numbers and lists alone: nothing here can fail to serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a snapshot.
    ///
    /// # Errors
    /// It is none, or one of a newer program.
    pub fn from_text(text: &str) -> Result<Self, SnapshotError> {
        let malformed = |error: serde_json::Error| SnapshotError::Malformed(error.to_string());
        let value: serde_json::Value = serde_json::from_str(text).map_err(malformed)?;
        let form = value.get("form").and_then(serde_json::Value::as_u64);
        match form.map(u32::try_from) {
            Some(Ok(form)) if form > FORM => Err(SnapshotError::Newer(form)),
            _ => serde_json::from_value(value).map_err(malformed),
        }
    }
}

impl std::fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(reason) => write!(f, "not a snapshot: {reason}"),
            Self::Newer(form) => write!(f, "of a newer program, in form {form}"),
        }
    }
}

impl std::error::Error for SnapshotError {}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use protocol::bus::dea::{ExitReason, HealthCheck, StartInstance};

    use super::*;
    use crate::instance::{Ending, Place, State, StopStep};

    #[test]
    fn what_is_written_is_read_again() {
        let place = Place {
            container: "c".to_owned(),
            address: Ipv4Addr::new(10, 0, 0, 1).into(),
        };
        let stopping = |step| State::Stopping {
            step,
            reason: ExitReason::Stopped,
        };
        let container = "c".to_owned();
        let ending = Ending::Crashed;
        let states = [
            State::Fetching,
            State::Launching,
            State::Checking(place.clone()),
            State::Running(place.clone()),
            State::Evacuating(place),
            stopping(StopStep::Launch),
            stopping(StopStep::Term("c".to_owned())),
            State::Removing { container, ending },
            State::Ended(Ending::Crashed),
        ];
        let instance = |state: &State| Instance {
            id: "i".to_owned(),
            private_id: "p".to_owned(),
            order: StartInstance {
                droplet: "d".to_owned(),
                health_check: HealthCheck::Process,
                ..StartInstance::default()
            },
            port: 61_001,
            state: state.clone(),
            since_ms: 1,
        };
        let mut ports = Ports::new(1..=2, 0);
        ports.take(0).unwrap();
        let snapshot = Snapshot::new(ports, states.iter().map(instance).collect());
        let read = Snapshot::from_text(&snapshot.to_text()).unwrap();
        assert_eq!(read.instances, snapshot.instances);
        assert_eq!(read.ports.resumed(1..=2, 0), snapshot.ports);
    }

    #[test]
    fn what_is_no_snapshot_is_told_from_one_of_a_newer_program() {
        let error = |text: &str| Snapshot::from_text(text).unwrap_err();
        assert_eq!(error(r#"{"form":2,"new":true}"#), SnapshotError::Newer(2));
        for text in ["", "[]", "{}", r#"{"form":1}"#, r#"{"form":-1}"#] {
            assert!(matches!(error(text), SnapshotError::Malformed(_)), "{text}");
        }
    }
}
