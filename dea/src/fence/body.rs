//! What the engine is asked for: every limit that holds, and nothing that is not needed.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use bollard::models::{ContainerCreateBody, HostConfig, ResourcesUlimits};

use super::options::FenceOptions;
use super::{ContainerSpec, DISK_LABEL, FenceError, OUR_LABEL, seccomp};

/// The user and group that containers run as, as they see it.
const USER: u32 = 2000;
/// Where a container's disk is.
const HOME: &str = "/home/vcap";
/// How willingly a container is killed when the node itself has no memory left.
const OOM_SCORE: i64 = 500;

/// What all containers have in common.
#[derive(Clone, Debug)]
pub(super) struct Hardening {
    seccomp: String,
    tmp: u64,
    /// The first user of the range that the engine maps users of containers to; 0: they are not mapped.
    first_user: u32,
}

impl Hardening {
    /// What `options` ask for, on an engine whose data are at `root`: an engine that maps users has the
    /// first of them in the last part of that path.
    ///
    /// # Errors
    /// There is no profile of system calls.
    pub(super) fn open(options: &FenceOptions, root: Option<&str>) -> Result<Self, FenceError> {
        let file = options.seccomp.display();
        let refused =
            |error: String| FenceError::Refused(format!("engine.seccomp: {file}: {error}"));
        let text = fs::read(&options.seccomp).map_err(|error| refused(error.to_string()))?;
        let base = serde_json::from_slice(&text).map_err(|error| refused(error.to_string()))?;
        let profile = seccomp::profile(&base).ok_or_else(|| refused("it is no profile".into()))?;
        Ok(Self {
            seccomp: profile.to_string(),
            tmp: options.tmp.0,
            first_user: root.map_or(0, first_user),
        })
    }

    /// Who owns a container's disk, as the node sees it.
    pub(super) fn owner(&self) -> u32 {
        self.first_user.saturating_add(USER)
    }

    /// What the engine is asked for.
    pub(super) fn body(&self, spec: &ContainerSpec, disk: &Path) -> ContainerCreateBody {
        let mut labels: HashMap<String, String> = spec.labels.clone().into_iter().collect();
        labels.insert(OUR_LABEL.to_owned(), spec.kind.label().to_owned());
        labels.insert(DISK_LABEL.to_owned(), spec.name.clone());
        ContainerCreateBody {
            image: Some(spec.image.clone()),
            cmd: Some(spec.command.clone()),
            env: Some(spec.env.clone()),
            labels: Some(labels),
            user: Some(format!("{USER}:{USER}")),
            working_dir: Some(HOME.to_owned()),
            host_config: Some(self.host(spec, disk)),
            ..ContainerCreateBody::default()
        }
    }

    fn host(&self, spec: &ContainerSpec, disk: &Path) -> HostConfig {
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let memory = Some(signed(spec.memory_mib << 20));
        let limit = |name: &str, value: i64| ResourcesUlimits {
            name: Some(name.to_owned()),
            soft: Some(value),
            hard: Some(value),
        };
        let disk = format!("{}:{HOME}", disk.display());
        let binds = spec.binds.iter();
        let binds = binds.map(|(from, to)| format!("{}:{to}:ro", from.display()));
        let tmp = format!("rw,exec,nosuid,nodev,mode=1777,size={}", self.tmp);
        HostConfig {
            memory,
            // The same: no swap.
            memory_swap: memory,
            cpu_shares: Some(signed(spec.cpu_shares)),
            pids_limit: Some(signed(spec.pids)),
            oom_score_adj: Some(OOM_SCORE),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec![
                "no-new-privileges:true".to_owned(),
                format!("seccomp={}", self.seccomp),
            ]),
            readonly_rootfs: Some(true),
            tmpfs: Some(HashMap::from([("/tmp".to_owned(), tmp)])),
            binds: Some(std::iter::once(disk).chain(binds).collect()),
            init: Some(true),
            ulimits: Some(vec![limit("nofile", signed(spec.nofile)), limit("core", 0)]),
            ..HostConfig::default()
        }
    }
}

/// `.../100000.100000` is of an engine that maps users from 100000 on.
fn first_user(root: &str) -> u32 {
    let last = root.rsplit('/').next().unwrap_or_default();
    let user = last.split_once('.').and_then(|(user, _)| user.parse().ok());
    user.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn users_are_mapped_where_the_engine_says_so() {
        for (root, first) in [
            ("/var/lib/engine/100000.100000", 100_000),
            ("/var/lib/engine", 0),
            ("/var/lib/engine.d", 0),
            ("", 0),
        ] {
            assert_eq!(first_user(root), first, "{root}");
        }
    }

    #[test]
    fn every_limit_is_asked_for() {
        let hardening = Hardening {
            seccomp: "{}".to_owned(),
            tmp: 1024,
            first_user: 100_000,
        };
        assert_eq!(hardening.owner(), 102_000);
        let spec = ContainerSpec {
            name: "a".to_owned(),
            memory_mib: 64,
            pids: 10,
            nofile: 20,
            cpu_shares: 8,
            binds: vec![(PathBuf::from("/etc/x"), "/y".to_owned())],
            ..ContainerSpec::default()
        };
        let body = hardening.body(&spec, Path::new("/disks/a"));
        assert_eq!(body.user.as_deref(), Some("2000:2000"));
        let host = body.host_config.unwrap();
        assert_eq!(
            (host.memory, host.memory_swap),
            (Some(64 << 20), Some(64 << 20))
        );
        assert_eq!((host.pids_limit, host.cpu_shares), (Some(10), Some(8)));
        assert_eq!(host.readonly_rootfs, Some(true));
        assert_eq!(host.binds.unwrap(), ["/disks/a:/home/vcap", "/etc/x:/y:ro"]);
        assert_eq!(host.cap_drop.unwrap(), ["ALL"]);
        assert!(
            host.security_opt
                .unwrap()
                .contains(&"seccomp={}".to_owned())
        );
        assert!(host.tmpfs.unwrap()["/tmp"].contains("size=1024"));
        assert_eq!(body.labels.unwrap()["switchyard.disk"], "a");
    }
}
