//! Threads that work behind the traffic.

use std::io;
use std::thread::JoinHandle;

use crate::threads;

/// How much lower the priority of such a thread is. Beside a busy thread on the same CPU it still gets a
/// quarter of the time.
const NICENESS: i32 = 5;

/// Starts a thread that a worker which has something to do need not wait for: a burst of registrations
/// is not to be felt by a request.
///
/// # Errors
/// No thread can be started.
pub fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    threads::spawn(name, move || {
        // On Linux this is the thread's own. Where it cannot be had, the work is done all the same.
        rustix::process::nice(NICENESS).ok();
        work()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The nice value of this thread, the 19th field of its line (proc(5)).
    fn niceness() -> i32 {
        let line = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = line.rsplit_once(") ").unwrap();
        fields.split(' ').nth(16).unwrap().parse().unwrap()
    }

    #[test]
    fn only_the_new_thread_has_a_lower_priority() {
        let ours = niceness();
        let theirs = spawn("behind", niceness).unwrap().join().unwrap();
        assert_eq!(theirs, (ours + NICENESS).min(19));
        assert_eq!(niceness(), ours);
    }
}
