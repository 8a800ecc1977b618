//! Which system calls containers may make: the distribution's profile for containers, less what an app has
//! no use for and an attacker has.

use serde_json::{Value, json};

/// What is taken away. Calls that debug, keep keys, mount, or make namespaces; the ring of io_uring, whose
/// requests no profile sees; faults handled in user space.
const REFUSED: &[&str] = &[
    "add_key",
    "bpf",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "kcmp",
    "keyctl",
    "mount",
    "mount_setattr",
    "move_mount",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pidfd_getfd",
    "pivot_root",
    "process_madvise",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "request_key",
    "setns",
    "umount",
    "umount2",
    "unshare",
    "userfaultfd",
];
/// What has a rule of its own below.
const AMENDED: &[&str] = &["clone", "clone3", "socket"];
/// The flags of clone(2) that make namespaces.
const NAMESPACES: u64 = 0x7e02_0000;
/// The family of sockets to the machine below (vsock(7)).
const AF_VSOCK: u64 = 40;
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// Returns the profile of containers that is made of `base`. None when `base` is no profile.
pub(super) fn profile(base: &Value) -> Option<Value> {
    let mut profile = base.clone();
    let rules = profile.get_mut("syscalls")?.as_array_mut()?;
    for rule in rules.iter_mut() {
        let names = rule.get_mut("names")?.as_array_mut()?;
        names.retain(|name| {
            let taken = |list: &[&str]| list.iter().any(|refused| name == refused);
            !taken(REFUSED) && !taken(AMENDED)
        });
    }
    rules.retain(|rule| {
        rule["names"]
            .as_array()
            .is_some_and(|names| !names.is_empty())
    });
    rules.push(json!({ "names": REFUSED, "action": "SCMP_ACT_ERRNO", "errnoRet": EPERM }));
    // Its flags are behind a pointer, where no rule sees them; without it programs use clone.
    rules.push(json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS }));
    let no_namespaces = json!([{
        "index": 0, "value": NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ",
    }]);
    rules.push(json!({ "names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": no_namespaces }));
    let no_vsock = json!([{ "index": 0, "value": AF_VSOCK, "op": "SCMP_CMP_NE" }]);
    rules.push(json!({ "names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": no_vsock }));
    Some(profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules<'a>(profile: &'a Value, name: &str) -> Vec<&'a Value> {
        let all = profile["syscalls"].as_array().unwrap().iter();
        all.filter(|rule| {
            rule["names"]
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one == name)
        })
        .collect()
    }

    #[test]
    fn what_is_refused_is_allowed_by_no_rule() {
        let base = json!({ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
            { "names": ["read", "ptrace", "clone", "clone3"], "action": "SCMP_ACT_ALLOW" },
            { "names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [] },
        ]});
        let profile = profile(&base).unwrap();
        assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
        assert_eq!(rules(&profile, "read")[0]["action"], "SCMP_ACT_ALLOW");
        for name in REFUSED.iter().chain(&["clone3"]) {
            let all = rules(&profile, name);
            assert_eq!(all.len(), 1, "{name}");
            assert_eq!(all[0]["action"], "SCMP_ACT_ERRNO", "{name}");
        }
        for name in ["clone", "socket"] {
            let all = rules(&profile, name);
            assert_eq!(all.len(), 1, "{name}");
            assert!(all[0]["args"][0]["value"].is_u64(), "{name}");
        }
    }

    #[test]
    fn what_is_no_profile_is_none() {
        for base in [json!(null), json!({}), json!({ "syscalls": [{}] })] {
            assert_eq!(profile(&base), None, "{base}");
        }
    }
}
