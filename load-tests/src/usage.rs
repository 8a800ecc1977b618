//! What a process has used so far, read from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// CPU time of all living threads of a process, user and kernel, from `schedstat` (nanosecond
/// resolution; `stat` counts in hundredths of a second).
///
/// # Errors
/// When the process is gone.
pub fn cpu(pid: u32) -> Result<Duration> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).context("the process is gone")?;
    let mut nanos = 0;
    for task in tasks {
        // A thread that ends between the two reads takes its time with it.
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else {
            continue;
        };
        nanos += on_cpu(&text).context("schedstat is not readable")?;
    }
    Ok(Duration::from_nanos(nanos))
}

/// Proportional set size of a process in bytes: shared pages count by their share.
///
/// # Errors
/// When the process is gone.
pub fn memory(pid: u32) -> Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .context("the memory of the process is not readable")?;
    pss(&rollup).context("smaps_rollup has no Pss line")
}

fn on_cpu(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

fn pss(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find(|line| line.starts_with("Pss:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read() {
        assert_eq!(on_cpu("1234567 89 10\n"), Some(1_234_567));
        assert_eq!(on_cpu(""), None);
        assert_eq!(
            pss("Rss: 10 kB\nPss:                 375 kB\nPss_Dirty: 1 kB\n"),
            Some(384_000)
        );
        assert_eq!(pss("Rss: 10 kB\n"), None);
    }

    #[test]
    fn this_process_uses_something() {
        assert!(cpu(std::process::id()).unwrap() > Duration::ZERO);
        assert!(memory(std::process::id()).unwrap() > 0);
    }
}
