//! Work that blocks, on a thread of its own that ends soon when the run is interrupted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use anyhow::{Result, anyhow};
use tokio::task::spawn_blocking;

/// Whether the run still wants the work.
#[derive(Clone, Debug, Default)]
pub(super) struct KeepGoing(Arc<AtomicBool>);

impl KeepGoing {
    /// Whether the work is to go on.
    pub(super) fn holds(&self) -> bool {
        !self.0.load(Relaxed)
    }
}

/// Tells the work that nobody waits for it.
struct Interrupted(KeepGoing);

impl Drop for Interrupted {
    fn drop(&mut self) {
        self.0.0.store(true, Relaxed);
    }
}

/// Does the work. The kit's fixtures panic when they cannot be had: that is the error.
pub(super) async fn work<T: Send + 'static>(
    work: impl FnOnce(&KeepGoing) -> T + Send + 'static,
) -> Result<T> {
    let wanted = KeepGoing::default();
    let interrupted = Interrupted(wanted.clone());
    let done = spawn_blocking(move || work(&wanted)).await;
    drop(interrupted);
    done.map_err(|error| match error.try_into_panic() {
        Ok(payload) => anyhow!("{}", words(&*payload)),
        Err(error) => anyhow!(error),
    })
}

fn words(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("a fixture panicked")
}
