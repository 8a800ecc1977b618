//! How a droplet is made of a package, on a DEA.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::dea::Limits;
use super::subject::{Subject, SubjectFamily, json_message};

/// The DEA of that id shall stage. It answers twice, both with a [`StagingReply`]: when everything is
/// set up, and when it is done.
pub static STAGING_ID_START: SubjectFamily<StagingRequest> =
    SubjectFamily::new("staging.", ".start");
/// Whoever stages for that app shall stop.
pub static STAGING_STOP: Subject<StopStaging> = Subject::new("staging.stop");

/// A package that shall become a droplet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StagingRequest {
    /// The app.
    pub app_id: String,
    /// Its name.
    pub app_name: String,
    /// The build; the same one is never staged twice at a time.
    pub task_id: String,
    /// The stack to stage on.
    pub stack: String,
    /// The buildpacks to use, by name; none: the first that detects the app.
    pub buildpacks: Vec<String>,
    /// What staging may use.
    pub limits: Limits,
    /// `KEY=value`.
    pub environment: Vec<String>,
    /// Where the package is, with user and password.
    pub download_uri: String,
    /// Where the droplet goes, with user and password.
    pub upload_uri: String,
    /// Where the cache of the last staging is; a 404 there means that there is none.
    pub buildpack_cache_download_uri: String,
    /// Where the cache goes.
    pub buildpack_cache_upload_uri: String,
    /// Seconds until it must be done; 0 is the DEA's own limit.
    pub timeout: u64,
}

/// How far staging has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StagingReply {
    /// The build.
    pub task_id: String,
    /// How far.
    pub stage: StagingStage,
    /// The name of the buildpack that made the droplet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buildpack_key: Option<String>,
    /// What it says that the app is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detected_buildpack: Option<String>,
    /// The start command of each process type.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub process_types: BTreeMap<String, String>,
    /// The digest of the droplet, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub droplet_sha256: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_info: Option<StagingFailure>,
}

/// How far staging has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StagingStage {
    /// It has begun.
    #[default]
    SetUp,
    /// It has ended, well unless there is `error_info`.
    Done,
}

/// Why there is no droplet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StagingFailure {
    /// The kind.
    #[serde(rename = "type")]
    pub kind: StagingFault,
    /// In words, for the developer.
    pub message: String,
}

/// The kinds of failed staging, in the words that clients know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StagingFault {
    /// No buildpack knows the app.
    NoAppDetectedError,
    /// The buildpack failed.
    BuildpackCompileFailed,
    /// The buildpack does not say how the app is started.
    BuildpackReleaseFailed,
    /// Nobody has the memory or the disk.
    InsufficientResources,
    /// It took too long.
    StagingTimeExpired,
    /// Anything else.
    #[default]
    StagingError,
}

/// Staging that shall stop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StopStaging {
    /// The app.
    pub app_id: String,
    /// Only this build; none: all of the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
}

json_message!(derived StagingRequest);
json_message!(derived StagingReply);
json_message!(derived StopStaging);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Message as _;

    #[test]
    fn a_reply_says_how_far_and_what_failed() {
        let check = |reply: StagingReply, expected: &str| {
            assert_eq!(String::from_utf8(reply.encode()).unwrap(), expected);
            assert_eq!(StagingReply::decode(expected.as_bytes()), Ok(reply));
        };
        let task = |stage| StagingReply {
            task_id: "t".to_owned(),
            stage,
            ..StagingReply::default()
        };
        check(
            task(StagingStage::SetUp),
            r#"{"task_id":"t","stage":"set_up"}"#,
        );
        let failed = StagingReply {
            error_info: Some(StagingFailure {
                kind: StagingFault::NoAppDetectedError,
                message: "no buildpack".to_owned(),
            }),
            ..task(StagingStage::Done)
        };
        check(
            failed,
            concat!(
                r#"{"task_id":"t","stage":"done","error_info":"#,
                r#"{"type":"NoAppDetectedError","message":"no buildpack"}}"#
            ),
        );
    }
}
