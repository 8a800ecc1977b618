//! What is said between the health manager and the controller.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::subject::{Subject, json_message};

/// Asks a controller what shall run; the answer is a [`DesiredPage`].
pub static HEALTH_DESIRED: Subject<AskDesired> = Subject::new("health.desired");
/// An instance is missing, as far as the health manager knows. The controller looks at it again before it
/// does anything.
pub static HEALTH_START: Subject<StartMissing> = Subject::new("health.start");
/// Instances run that should not, as far as the health manager knows. The controller looks at it again
/// before it does anything.
pub static HEALTH_STOP: Subject<StopSurplus> = Subject::new("health.stop");

/// A part of what shall run is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AskDesired {
    /// Processes behind this one, in the order of their guids; empty: from the beginning.
    pub after: String,
    /// This process alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
}

/// A part of what shall run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DesiredPage {
    /// The processes, in the order of their guids.
    pub processes: Vec<DesiredProcess>,
    /// Whether there are more behind the last one.
    pub more: bool,
}

/// A process that shall run, or one that is stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DesiredProcess {
    /// The process.
    pub droplet: String,
    /// Its version.
    pub version: String,
    /// How many instances shall run; 0 when it is stopped.
    pub instances: u32,
}

/// Instances to be started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StartMissing {
    /// The process.
    pub droplet: String,
    /// The version that they shall have.
    pub version: String,
    /// Which instances.
    pub indices: Vec<u32>,
}

/// Instances to be stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StopSurplus {
    /// The process.
    pub droplet: String,
    /// Their ids, each with its version.
    pub instances: BTreeMap<String, String>,
}

json_message!(derived AskDesired);
json_message!(derived DesiredPage);
json_message!(derived StartMissing);
json_message!(derived StopSurplus);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Message as _;

    #[test]
    fn names_are_those_of_the_wire() {
        let check = |bytes: Vec<u8>, expected: &str| {
            assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        };
        let start = StartMissing {
            droplet: "a".to_owned(),
            version: "v".to_owned(),
            indices: vec![1],
        };
        check(
            start.encode(),
            r#"{"droplet":"a","version":"v","indices":[1]}"#,
        );
        let stop = StopSurplus {
            droplet: "a".to_owned(),
            instances: [("i".to_owned(), "v".to_owned())].into(),
        };
        check(stop.encode(), r#"{"droplet":"a","instances":{"i":"v"}}"#);
        check(AskDesired::default().encode(), r#"{"after":""}"#);
    }
}
