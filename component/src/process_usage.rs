//! What the kernel knows of this process.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The use that this process makes of the machine. Memory and descriptors are zero where `/proc` cannot be read, as when
/// no descriptor is left to read it with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Processor time used, in milliseconds.
    pub cpu_ms: u64,
    /// Resident memory, in bytes.
    pub resident: u64,
    /// Open file descriptors.
    pub descriptors: u64,
}

/// Returns the use so far. With very many descriptors this takes milliseconds: call it off the event loop.
pub fn usage() -> Usage {
    Usage {
        cpu_ms: cpu_ms(),
        resident: resident().unwrap_or(0),
        descriptors: descriptors(),
    }
}

/// Needs no descriptor, so that a process without any still tells.
fn cpu_ms() -> u64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(used).map_or(0, |used| {
        u64::try_from(used.as_millis()).unwrap_or(u64::MAX)
    })
}

fn resident() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

fn descriptors() -> u64 {
    fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let usage = usage();
        assert!(tests_kit::eventually(tests_kit::PATIENCE, || cpu_ms() > 0));
        assert!(
            usage.resident > 100_000 && usage.descriptors >= 3,
            "{usage:?}"
        );
    }
}
