//! A gate that a test opens when a fake may go on, instead of a sleep that hopes.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A gate, closed at first and open for good once opened. Clones are the same gate.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens it: whoever waits goes on, and whoever comes later does not wait.
    pub fn open(&self) {
        let (open, opened) = &*self.0;
        *open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        opened.notify_all();
    }

    /// Whether it is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is open, at most [`crate::PATIENCE`].
    ///
    /// # Errors
    /// `TimedOut` when nobody opened it.
    pub fn wait(&self) -> std::io::Result<()> {
        if self.wait_for(crate::PATIENCE) {
            Ok(())
        } else {
            Err(std::io::ErrorKind::TimedOut.into())
        }
    }

    /// Waits at most `limit`; says whether it is open. With a gate that nobody opens before the
    /// end, this is a pause that the end cuts short.
    #[must_use]
    pub fn wait_for(&self, limit: Duration) -> bool {
        let (open, opened) = &*self.0;
        let open = open.lock().unwrap_or_else(PoisonError::into_inner);
        let (open, _) = opened
            .wait_timeout_while(open, limit, |open| !*open)
            .unwrap_or_else(PoisonError::into_inner);
        *open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_holds_until_it_is_opened() {
        let gate = Gate::new();
        assert!(!gate.wait_for(Duration::from_millis(1)));
        let other = gate.clone();
        let waiter = std::thread::spawn(move || other.wait());
        gate.open();
        assert!(waiter.join().is_ok_and(|waited| waited.is_ok()));
        assert!(gate.is_open());
    }
}
