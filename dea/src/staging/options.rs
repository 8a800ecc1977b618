//! How apps are staged.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use component::yaml::Keys;

/// How apps are staged.
#[derive(Clone, Debug)]
pub struct StagingOptions {
    /// Where the buildpacks are, each in a directory of its name.
    pub directory: PathBuf,
    /// Which of them are tried, in this order, for an app that names none.
    pub buildpacks: Vec<String>,
    /// How long it may take, where the request names no limit.
    pub timeout: Duration,
    /// The weight of a container that stages among all that want the processor.
    pub cpu_shares: u64,
    /// Processes and threads of one container that stages at most.
    pub processes: u64,
    /// Files of this machine that containers that stage see: the path there, and the path here.
    pub files: BTreeMap<String, String>,
    /// Variables of the environment that containers that stage have, as `KEY=value`.
    pub environment: Vec<String>,
}

impl Default for StagingOptions {
    fn default() -> Self {
        Self {
            directory: "/usr/share/switchyard/buildpacks".into(),
            buildpacks: ["staticfile", "python", "nodejs", "binary"]
                .map(|name| format!("{name}_buildpack"))
                .into(),
            timeout: Duration::from_secs(900),
            cpu_shares: 16,
            processes: 1_024,
            files: BTreeMap::new(),
            environment: Vec::new(),
        }
    }
}

impl StagingOptions {
    pub(crate) fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.title("Staging");
        keys.section("staging", "How droplets are made.", |keys| {
            keys.key(
                "directory",
                "Where the buildpacks are, each in a directory of its name.",
                &mut self.directory,
            );
            keys.key(
                "buildpacks",
                "Which of them are tried, in this order, for an app that names none.",
                &mut self.buildpacks,
            );
            keys.key(
                "timeout",
                "How long it may take, where the request names no limit.",
                &mut self.timeout,
            );
            if self.timeout.is_zero() {
                keys.fault("timeout", "must be more than 0s");
            }
            keys.key(
                "cpu_shares",
                "The weight among all that want the processor. An instance has 2 to 256, by its memory.",
                &mut self.cpu_shares,
            );
            keys.key(
                "processes",
                "Processes and threads at most.",
                &mut self.processes,
            );
            keys.key(
                "files",
                "Files of this machine that are seen while staging, read-only: the path there, and the \
                 path here. Settings of package clients, and certificates.",
                &mut self.files,
            );
            keys.key(
                "environment",
                "Variables that are set while staging, as KEY=value.",
                &mut self.environment,
            );
        });
    }
}
