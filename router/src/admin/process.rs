//! What the kernel knows of this process.

use std::fs;

/// Its use of the machine. Zeros where `/proc` cannot be read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// Processor time used, in milliseconds.
    pub(super) cpu_ms: u64,
    /// Resident memory, in bytes.
    pub(super) resident: u64,
    /// Open file descriptors.
    pub(super) descriptors: u64,
}

/// Looks now. With very many descriptors this takes milliseconds: call it off the event loop.
pub(super) fn usage() -> Usage {
    Usage {
        cpu_ms: cpu_ms().unwrap_or(0),
        resident: resident().unwrap_or(0),
        descriptors: descriptors(),
    }
}

fn cpu_ms() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let ticks = cpu_ticks(&stat)?;
    Some(ticks * 1_000 / rustix::param::clock_ticks_per_second().max(1))
}

/// User and system time, the 14th and 15th field. The second may hold spaces and parentheses.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
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
    fn a_process_with_a_difficult_name() {
        let stat = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 17 0 0 20 0 1 0 100";
        assert_eq!(cpu_ticks(stat), Some(267));
        assert_eq!(cpu_ticks("nonsense"), None);
    }

    #[test]
    fn this_process_uses_something() {
        let usage = usage();
        assert!(
            usage.resident > 100_000 && usage.descriptors >= 3,
            "{usage:?}"
        );
    }
}
