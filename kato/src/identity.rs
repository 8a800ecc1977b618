//! Which process is which: a number alone may be another process by now.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

/// Between two looks at whether a process has ended.
const PAUSE: Duration = Duration::from_millis(50);

/// One process of one run of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its number.
    pub pid: u32,
    /// When it began, in clock ticks since the machine started; field 22 of proc(5)'s `stat`.
    pub began: u64,
    /// The run of the machine.
    pub boot: String,
}

/// A hold on one process, which can be waited for and sent signals. The number may be given to another
/// process meanwhile; the hold never means that one.
#[derive(Debug)]
pub struct Hold(OwnedFd);

impl Identity {
    /// Returns the identity of the process that has this number now and runs.
    ///
    /// # Errors
    /// There is none, or it cannot be looked at.
    pub fn of(pid: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (state, began) = state_and_began(&stat).ok_or(io::ErrorKind::InvalidData)?;
        if matches!(state, "Z" | "X") {
            return Err(io::ErrorKind::NotFound.into());
        }
        Self::with(pid, began)
    }

    /// Returns the identity of a child that was not waited for, whether it has ended or not.
    ///
    /// # Errors
    /// There is none, or it cannot be looked at.
    pub fn of_child(pid: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (_, began) = state_and_began(&stat).ok_or(io::ErrorKind::InvalidData)?;
        Self::with(pid, began)
    }

    fn with(pid: u32, began: u64) -> io::Result<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let boot = boot.trim().to_owned();
        Ok(Self { pid, began, boot })
    }

    /// Takes hold of the process if it still runs.
    ///
    /// # Errors
    /// It does not, or another one has its number.
    pub fn hold(&self) -> io::Result<Hold> {
        let hold = Hold::of(self.pid)?;
        // Looked at after the hold: if this is the process, the hold is on it.
        if Self::of(self.pid)? == *self {
            Ok(hold)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }
}

impl Hold {
    /// Takes hold of the process with this number. A child of ours keeps it until it is waited for.
    ///
    /// # Errors
    /// There is none.
    pub fn of(pid: u32) -> io::Result<Self> {
        let raw = i32::try_from(pid).map_err(io::Error::other)?;
        let pid = Pid::from_raw(raw).ok_or(io::ErrorKind::NotFound)?;
        Ok(Self(pidfd_open(pid, PidfdFlags::empty())?))
    }

    /// Sends a signal. That the process has ended is no error.
    ///
    /// # Errors
    /// We may not.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(&self.0, signal) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            sent => Ok(sent?),
        }
    }

    fn has_ended(&self) -> bool {
        let mut files = [PollFd::new(&self.0, PollFlags::IN)];
        let at_once = Timespec::default();
        matches!(poll(&mut files, Some(&at_once)), Ok(1))
    }

    /// Waits until the process has ended.
    pub async fn ended(&self) {
        while !self.has_ended() {
            sleep(PAUSE).await;
        }
    }
}

/// The state and the start time in the text of `/proc/PID/stat`. The second field, in brackets, may hold
/// anything.
fn state_and_began(stat: &str) -> Option<(&str, u64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_time_is_found_behind_any_name() {
        let fields = "S 1 2 2 0 -1 4 5 6 7 8 9 10 11 12 20 0 1 0 4711 99 98";
        for (stat, expected) in [
            (format!("12 (cat) {fields}"), Some(("S", 4711))),
            (format!("12 (a) S (b) {fields}"), Some(("S", 4711))),
            (
                format!("12 (cat) {}", fields.replace('S', "Z")),
                Some(("Z", 4711)),
            ),
            ("12 (cat) S 1".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(state_and_began(&stat), expected, "{stat}");
        }
    }

    #[tokio::test]
    async fn another_process_of_the_same_number_is_told_apart() {
        let own = Identity::of(std::process::id()).unwrap();
        assert!(own.hold().is_ok());
        let other = Identity {
            began: own.began + 1,
            ..own.clone()
        };
        assert!(other.hold().is_err());
        let of_an_earlier_run = Identity {
            boot: "earlier".to_owned(),
            ..own
        };
        assert!(of_an_earlier_run.hold().is_err());
    }
}
