//! Threads whose end is noticed.
//!
//! A thread that a process needs must not end in silence: whoever waits for it would wait for ever
//! while everything looks well. What fails here is logged and counted under the thread's name, for
//! the whole process, whether or not somebody starts the work again.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

/// How often each thread failed. Names are those that our own code gives.
static FAILURES: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

/// Starts a thread for `work`. Should that panic, it is reported, and the thread ends.
///
/// # Errors
/// The operating system has no thread.
pub fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let thread = Builder::new().name(name.to_owned());
    let name = name.to_owned();
    thread.spawn(move || match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done,
        Err(panic) => {
            failed(&name, &message(&*panic));
            resume_unwind(panic)
        }
    })
}

/// Does one piece of the work of the thread called `name`. Should it panic, that is reported; what the
/// work had in its hands is to be made anew.
///
/// # Errors
/// What the panic said.
pub fn guard<T>(name: &str, work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let reason = message(&*panic);
        failed(name, &reason);
        reason
    })
}

/// Reports that the thread called `name` does not do its work as it should.
pub fn failed(name: &str, reason: &str) {
    *failures_now().entry(name.to_owned()).or_default() += 1;
    tracing::error!(thread = name, reason, "thread-failed");
}

/// How often each thread has failed since the process started; those that never did are left out.
pub fn failures() -> BTreeMap<String, u64> {
    failures_now().clone()
}

/// What a panic said.
pub fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}

fn failures_now() -> MutexGuard<'static, BTreeMap<String, u64>> {
    FAILURES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_counted_under_the_name_of_the_thread() {
        let count = |name: &str| failures().get(name).copied().unwrap_or_default();
        let thread = spawn("fails at once", || panic!("oh"));
        thread.unwrap().join().unwrap_err();
        assert_eq!(count("fails at once"), 1);
        assert_eq!(
            guard("fails and goes on", || panic!("oh {}", 1)),
            Err::<(), _>("oh 1".to_owned())
        );
        assert_eq!(guard("fails and goes on", || 7), Ok(7));
        assert_eq!(count("fails and goes on"), 1);
        let thread = spawn("ends well", || 7);
        assert_eq!(thread.unwrap().join().unwrap(), 7);
        assert_eq!(count("ends well"), 0);
    }

    #[test]
    fn a_panic_is_told_in_its_words() {
        let check = |panic: Box<dyn Any + Send>, expected: &str| {
            assert_eq!(message(&*panic), expected);
        };
        check(Box::new("words"), "words");
        check(Box::new("words".to_owned()), "words");
        check(Box::new(7), "a panic without words");
    }
}
