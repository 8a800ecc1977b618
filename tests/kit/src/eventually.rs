//! Waiting for what must come true, with a deadline.

use std::time::{Duration, Instant};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// Looks again and again until `condition` holds; `false` when it still does not after `within`.
/// At least two looks are taken, however late the thread is woken.
#[must_use]
pub fn eventually(within: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return condition();
        }
        std::thread::park_timeout(PAUSE);
    }
}

/// [`eventually`] for a test that runs on a runtime, which goes on meanwhile.
#[must_use]
pub async fn eventually_async(within: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return condition();
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_as_soon_as_the_condition_holds_and_at_the_deadline() {
        let mut looks = 0;
        assert!(eventually(crate::PATIENCE, || {
            looks += 1;
            looks == 3
        }));
        assert_eq!(looks, 3);
        assert!(!eventually(Duration::from_millis(1), || false));
    }
}
