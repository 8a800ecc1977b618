//! How the engine is reached, and what containers may do.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use component::size::ByteSize;
use component::yaml::Keys;

/// How the engine is reached, and what containers may do.
#[derive(Clone, Debug)]
pub struct FenceOptions {
    /// The engine's socket.
    pub socket: PathBuf,
    /// The bridge that containers are on.
    pub bridge: String,
    /// Where the disks of containers are.
    pub disks: PathBuf,
    /// Bytes of a container's `/tmp`, which counts as memory.
    pub tmp: ByteSize,
    /// Files of a container at most.
    pub files: u64,
    /// The profile of system calls that ours is made of.
    pub seccomp: PathBuf,
    /// Who answers for names; none: those of the node.
    pub resolvers: Vec<IpAddr>,
    /// Whether packets are filtered. Off: the operator does it.
    pub filters: bool,
    /// Where instances may connect to.
    pub running: Vec<String>,
    /// Where staging may connect to.
    pub staging: Vec<String>,
    /// Where nobody may connect to, whatever else is allowed.
    pub refused: Vec<String>,
}

impl Default for FenceOptions {
    fn default() -> Self {
        Self {
            socket: "/run/switchyard/engine/docker.sock".into(),
            bridge: "switchyard0".to_owned(),
            disks: "/var/lib/switchyard/disks".into(),
            tmp: ByteSize::mib(64),
            files: 200_000,
            seccomp: "/usr/share/containers/seccomp.json".into(),
            resolvers: Vec::new(),
            filters: true,
            running: vec!["0.0.0.0/0".to_owned()],
            staging: vec!["0.0.0.0/0".to_owned()],
            refused: Vec::new(),
        }
    }
}

impl FenceOptions {
    pub(crate) fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.title("Containers");
        keys.section("engine", "The container engine.", |keys| {
            keys.key("socket", "Its socket.", &mut self.socket);
            keys.key(
                "bridge",
                "The bridge that containers are on.",
                &mut self.bridge,
            );
            keys.key(
                "disks",
                "Where the disks of containers are: an image file of fixed size for each.",
                &mut self.disks,
            );
            keys.key(
                "tmp",
                "Bytes of a container's /tmp, which counts as memory.",
                &mut self.tmp,
            );
            keys.key("files", "Files of a container at most.", &mut self.files);
            keys.key(
                "seccomp",
                "The profile of system calls that ours is made of, by taking more away.",
                &mut self.seccomp,
            );
        });
        self.egress_keys(keys);
    }

    fn egress_keys(&mut self, keys: &mut Keys<'_>) {
        keys.section(
            "egress",
            "Where containers may connect to: lists of ADDRESS/BITS or ADDRESS/BITS:PORT. Other apps, the \
             node itself and link-local addresses are out of reach in any case.",
            |keys| {
                keys.key(
                    "filters",
                    "Whether packets are filtered. false: the operator does it.",
                    &mut self.filters,
                );
                keys.key(
                    "resolvers",
                    "Who answers for names. Empty: those of the node's /etc/resolv.conf.",
                    &mut self.resolvers,
                );
                keys.key("running", "Where instances may connect to.", &mut self.running);
                keys.key("staging", "Where staging may connect to.", &mut self.staging);
                keys.key(
                    "refused",
                    "Where nobody may connect to, whatever else is allowed: the platform's addresses.",
                    &mut self.refused,
                );
            },
        );
        if keys.reading() {
            for (name, list) in [
                ("running", &self.running),
                ("staging", &self.staging),
                ("refused", &self.refused),
            ] {
                if let Some(bad) = list
                    .iter()
                    .find(|text| super::egress::target(text).is_none())
                {
                    keys.fault(
                        "egress",
                        format!("{name}: {bad:?} is not ADDRESS/BITS[:PORT]"),
                    );
                }
            }
        }
    }

    /// Who answers for names, when the node's own list says `host`.
    pub(super) fn resolvers(&self, host: &str) -> Vec<Ipv4Addr> {
        let own = host.lines().filter_map(|line| {
            let address = line.trim().strip_prefix("nameserver")?.trim();
            address.parse::<IpAddr>().ok()
        });
        let all: Vec<IpAddr> = if self.resolvers.is_empty() {
            own.collect()
        } else {
            self.resolvers.clone()
        };
        let v4 = |address: IpAddr| match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        };
        all.into_iter().filter_map(v4).collect()
    }
}
