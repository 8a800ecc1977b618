//! How the parts of a process learn that it ends.

use tokio::sync::watch;

/// How far the process is on its way out. It never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It serves.
    #[default]
    Running,
    /// It takes nothing new and finishes what it has.
    Draining,
    /// It finishes what will end by itself, and ends what may last for ever.
    Closing,
    /// It ends at once.
    Stopping,
}

/// The side that decides. Without any trigger left the phase is [`Phase::Stopping`].
#[derive(Clone, Debug)]
pub struct Trigger(watch::Sender<Phase>);

/// The side that listens; clones are independent.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Phase>);

/// A trigger and one who listens to it.
#[must_use]
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Goes on to `phase`; nothing happens when the process is there or further already.
    pub fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let later = phase > *now;
            if later {
                *now = phase;
            }
            later
        });
    }

    /// One more who listens.
    #[must_use]
    pub fn listen(&self) -> Shutdown {
        Shutdown(self.0.subscribe())
    }
}

impl Shutdown {
    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        if self.0.has_changed().is_err() {
            Phase::Stopping
        } else {
            *self.0.borrow()
        }
    }

    /// Waits until the process is in `phase` or further.
    pub async fn reached(&mut self, phase: Phase) {
        // An error says that no trigger is left, which counts as the last phase.
        drop(self.0.wait_for(|now| *now >= phase).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn phases_go_forward_only() {
        let (trigger, mut shutdown) = channel();
        assert_eq!(shutdown.phase(), Phase::Running);
        trigger.advance(Phase::Stopping);
        trigger.advance(Phase::Draining);
        shutdown.reached(Phase::Draining).await;
        assert_eq!(shutdown.phase(), Phase::Stopping);
        assert_eq!(trigger.listen().phase(), Phase::Stopping);
    }

    #[tokio::test]
    async fn nobody_left_to_decide_means_stop() {
        let (trigger, mut shutdown) = channel();
        drop(trigger);
        shutdown.reached(Phase::Stopping).await;
        assert_eq!(shutdown.phase(), Phase::Stopping);
    }
}
