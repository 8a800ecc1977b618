//! What is said between the controller and the agents that run apps (DEAs).
//!
//! Names are those of the public messages. There `droplet` is the guid of a *process*; for the process
//! `web` that is the guid of its app. Our fields beside them: `app_id`, `process_type`, `sha256` and
//! `health_check`. All memory and disk is in MiB unless a field says bytes.

mod find;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::subject::{Subject, SubjectFamily, json_message};
pub use find::{FindInstances, FoundInstance, InstanceStats, Usage};

/// A DEA says what it has left: at an interval, and when it is asked for.
pub static DEA_ADVERTISE: Subject<Advertisement> = Subject::new("dea.advertise");
/// A controller asks all DEAs for their [`Advertisement`].
pub static DEA_LOCATE: Subject<Ask> = Subject::new("dea.locate");
/// The DEA of that id shall run one instance. There is no answer; its heartbeats tell.
pub static DEA_ID_START: SubjectFamily<StartInstance> = SubjectFamily::new("dea.", ".start");
/// Whoever runs instances that the filter selects shall stop them.
pub static DEA_STOP: Subject<StopInstances> = Subject::new("dea.stop");
/// The URIs or the version of a running process have changed.
pub static DEA_UPDATE: Subject<UpdateProcess> = Subject::new("dea.update");
/// Asks for instances; each one that the filter selects is an answer, a [`FoundInstance`].
pub static DEA_FIND_DROPLET: Subject<FindInstances> = Subject::new("dea.find.droplet");
/// Asks each DEA how it is; the answer is a [`DeaStatus`].
pub static DEA_STATUS: Subject<Ask> = Subject::new("dea.status");
/// A DEA has started.
pub static DEA_START: Subject<Hello> = Subject::new("dea.start");
/// A DEA ends, and wants no more instances.
pub static DEA_SHUTDOWN: Subject<Goodbye> = Subject::new("dea.shutdown");
/// Which instances a DEA runs: at an interval, and when one changes its state.
pub static DEA_HEARTBEAT: Subject<Heartbeat> = Subject::new("dea.heartbeat");
/// An instance has ended.
pub static DROPLET_EXITED: Subject<Exited> = Subject::new("droplet.exited");
/// The desired state of a process has changed.
pub static DROPLET_UPDATED: Subject<Updated> = Subject::new("droplet.updated");
/// Who watches over apps has started: DEAs send their heartbeats at once.
pub static HEALTHMANAGER_START: Subject<Ask> = Subject::new("healthmanager.start");

/// A question or call without content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {}

/// What a DEA has left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Advertisement {
    /// The DEA.
    pub id: String,
    /// Its address.
    pub ip: String,
    /// The stacks that it can run.
    pub stacks: Vec<String>,
    /// Memory that is not reserved.
    pub available_memory: u64,
    /// Disk that is not reserved.
    pub available_disk: u64,
    /// All of its memory that may be reserved.
    pub physical_memory: u64,
    /// How many instances of each process it runs.
    pub app_id_to_count: BTreeMap<String, u32>,
    /// Where it stands.
    pub placement_properties: Placement,
}

/// Where a DEA stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Placement {
    /// The placement zones that it serves; none counts as `default`.
    pub zones: Vec<String>,
    /// What fails together with it.
    pub availability_zone: String,
}

/// One instance that shall run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StartInstance {
    /// The process.
    pub droplet: String,
    /// The app that it is of.
    pub app_id: String,
    /// Its type: `web`, `worker`.
    pub process_type: String,
    /// The name of the app.
    pub name: String,
    /// Changes with everything that makes running instances obsolete.
    pub version: String,
    /// Which instance of the process.
    pub index: u32,
    /// The stack that it runs on.
    pub stack: String,
    /// Where it shall be reached.
    pub uris: Vec<String>,
    /// The digest of the droplet, in hexadecimal.
    pub sha256: String,
    /// Where the droplet is, with user and password.
    #[serde(rename = "executableUri")]
    pub executable_uri: String,
    /// How it is started, if not as the droplet says.
    pub start_command: Option<String>,
    /// What it may use.
    pub limits: Limits,
    /// `KEY=value`, in this order, after what the platform sets.
    pub env: Vec<String>,
    /// What becomes `VCAP_APPLICATION`, but for what only the DEA knows.
    pub vcap_application: serde_json::Map<String, Value>,
    /// Services that are bound to the app.
    pub services: Vec<Value>,
    /// When it counts as running.
    pub health_check: HealthCheck,
    /// Seconds until it must be; None is the DEA's own limit.
    pub health_check_timeout: Option<u64>,
    /// Which controllers it belongs to.
    pub cc_partition: String,
}

/// What an instance may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Memory in MiB.
    pub mem: u64,
    /// Disk in MiB.
    pub disk: u64,
    /// Open files.
    pub fds: u64,
}

/// How it is found out whether an instance is well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum HealthCheck {
    /// Its port accepts connections.
    #[default]
    Port,
    /// It has not ended.
    Process,
    /// A request for this path is answered with 200.
    Http {
        /// The path.
        endpoint: String,
    },
}

/// Which instances of a process. A list that is absent selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StopInstances {
    /// The process.
    pub droplet: String,
    /// Those of this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Those with these indices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indices: Option<Vec<u32>>,
    /// Those with these ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<Vec<String>>,
}

/// What has changed of a process that goes on running.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdateProcess {
    /// The process.
    pub droplet: String,
    /// Where it shall be reached from now on.
    pub uris: Vec<String>,
    /// Its version from now on.
    pub version: String,
}

/// What an instance is doing, as far as others are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum InstanceState {
    /// Not yet well.
    #[default]
    Starting,
    /// Serves.
    Running,
    /// Is being ended.
    Stopping,
    /// Has been ended as it should be.
    Stopped,
    /// Has ended by itself, or could not start.
    Crashed,
    /// Serves until another one does.
    Evacuating,
}

/// How a DEA is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeaStatus {
    /// The DEA.
    pub id: String,
    /// Its address.
    pub ip: String,
    /// Its version.
    pub version: String,
    /// Memory that may be reserved.
    pub max_memory: u64,
    /// Memory that is reserved.
    pub reserved_memory: u64,
    /// Memory that is used.
    pub used_memory: u64,
}

/// A DEA that has started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// The DEA.
    pub id: String,
    /// Its address.
    pub ip: String,
    /// Its version.
    pub version: String,
}

/// A DEA that ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Goodbye {
    /// The DEA.
    pub id: String,
    /// Its address.
    pub ip: String,
    /// Its version.
    pub version: String,
    /// How many instances of each process it ran.
    pub app_id_to_count: BTreeMap<String, u32>,
}

/// Which instances a DEA runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Heartbeat {
    /// The DEA.
    pub dea: String,
    /// Its instances that start, run, evacuate or have crashed.
    pub droplets: Vec<InstanceBeat>,
}

/// One instance in a heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InstanceBeat {
    /// Which controllers it belongs to.
    pub cc_partition: String,
    /// The process.
    pub droplet: String,
    /// Its version.
    pub version: String,
    /// Its id.
    pub instance: String,
    /// Which instance of the process.
    pub index: u32,
    /// What it is doing.
    pub state: InstanceState,
    /// Since when, in seconds since 1970.
    pub state_timestamp: f64,
}

/// An instance that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exited {
    /// Which controllers it belongs to.
    pub cc_partition: String,
    /// The process.
    pub droplet: String,
    /// Its version.
    pub version: String,
    /// Its id.
    pub instance: String,
    /// Which instance of the process.
    pub index: u32,
    /// Why.
    pub reason: ExitReason,
    /// The exit status of its first process; -1 when there is none.
    pub exit_status: i64,
    /// The same in words: `out of memory`, `app instance exited`.
    pub exit_description: String,
    /// When it crashed, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crash_timestamp: Option<i64>,
}

/// Why an instance has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExitReason {
    /// By itself, or because it could not start.
    #[default]
    Crashed,
    /// It was told to.
    Stopped,
    /// Its DEA ends.
    DeaShutdown,
    /// Its DEA is being emptied.
    DeaEvacuation,
}

/// A process whose desired state has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Updated {
    /// The process.
    pub droplet: String,
}

json_message!(derived Ask);
json_message!(derived Advertisement);
json_message!(derived StartInstance);
json_message!(derived StopInstances);
json_message!(derived UpdateProcess);
json_message!(derived DeaStatus);
json_message!(derived Hello);
json_message!(derived Goodbye);
json_message!(derived Heartbeat);
json_message!(derived Exited);
json_message!(derived Updated);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Message as _;

    #[test]
    fn a_start_message_of_a_stranger_is_understood() {
        let theirs = r#"{"droplet":"a-1","name":"myapp","stack":"lucid64","uris":["myapp.example.com"],
            "prod":false,"sha1":"ab","executableFile":"deprecated",
            "executableUri":"http://u:p@10.0.0.1:9022/staging/droplets/a-1/download",
            "version":"v-1","index":2,"services":[{"credentials":{},"label":"mysql-5.5"}],
            "limits":{"mem":256,"disk":1024,"fds":16384,"allow_sudo":false},
            "env":["KEY=val"],"cc_partition":"ng","console":false,"debug":null,"start_command":null,
            "health_check_timeout":null,"vcap_application":{"users":null,"name":"myapp"},
            "egress_network_rules":null}"#;
        let start = StartInstance::decode(theirs.as_bytes()).unwrap();
        assert_eq!((start.droplet.as_str(), start.index), ("a-1", 2));
        assert_eq!(start.executable_uri.len(), 54);
        assert_eq!((start.limits.mem, start.limits.fds), (256, 16384));
        assert_eq!(start.health_check, HealthCheck::Port);
        assert_eq!(start.start_command, None);
        assert_eq!(start.vcap_application["users"], Value::Null);
        assert_eq!(StartInstance::decode(&start.encode()), Ok(start));
    }

    #[test]
    fn names_are_those_of_the_wire() {
        let check = |text: String, expected: &str| assert_eq!(text, expected);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let stop = StopInstances {
            droplet: "a".to_owned(),
            indices: Some(vec![1]),
            ..StopInstances::default()
        };
        check(text(stop.encode()), r#"{"droplet":"a","indices":[1]}"#);
        check(text(Ask {}.encode()), "{}");
        let beat = InstanceBeat {
            state: InstanceState::Running,
            state_timestamp: 1.5,
            ..InstanceBeat::default()
        };
        let heartbeat = Heartbeat {
            dea: "0-ab".to_owned(),
            droplets: vec![beat],
        };
        check(
            text(heartbeat.encode()),
            concat!(
                r#"{"dea":"0-ab","droplets":[{"cc_partition":"","droplet":"","version":"","#,
                r#""instance":"","index":0,"state":"RUNNING","state_timestamp":1.5}]}"#
            ),
        );
        let exited = Exited {
            reason: ExitReason::DeaShutdown,
            ..Exited::default()
        };
        assert!(text(exited.encode()).contains(r#""reason":"DEA_SHUTDOWN""#));
        let http = HealthCheck::Http {
            endpoint: "/up".to_owned(),
        };
        let written = serde_json::to_string(&http).unwrap();
        check(written, r#"{"type":"http","endpoint":"/up"}"#);
    }

    #[test]
    fn a_field_that_is_null_is_absent_and_one_of_another_type_is_refused() {
        let stop = |text: &str| StopInstances::decode(text.as_bytes());
        assert_eq!(stop(r#"{"droplet":null}"#), Ok(StopInstances::default()));
        for wrong in [r#"{"droplet":1}"#, r#"{"indices":[-1]}"#, "[]", ""] {
            assert!(stop(wrong).is_err(), "{wrong}");
        }
        let advert = r#"{"id":"d","stacks":null,"available_memory":5}"#;
        let advert = Advertisement::decode(advert.as_bytes()).unwrap();
        assert_eq!((advert.available_memory, advert.stacks.len()), (5, 0));
    }
}
