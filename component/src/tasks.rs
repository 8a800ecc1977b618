//! Tasks and threads with names and an owner.

use std::borrow::Cow;
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument as _;

use crate::threads::{self, message};

/// The name of a task, for logs and for whoever waits in vain.
pub type Name = Cow<'static, str>;

/// The tasks and threads of one owner, who waits for their end.
///
/// Dropping it aborts the tasks; threads go on until they return.
#[derive(Debug, Default)]
pub struct Tasks {
    set: JoinSet<Result<(), String>>,
    names: HashMap<Id, Name>,
}

/// Something that ended, or did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its name.
    pub name: Name,
    /// How it ended.
    pub how: Ending,
}

/// How a task or thread ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It returned.
    Finished,
    /// It panicked with this message.
    Panicked(String),
    /// It did not end in time. A task was aborted, a thread runs on.
    Late,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `future` on the current tokio runtime. What it logs bears its name.
    pub fn spawn(
        &mut self,
        name: impl Into<Name>,
        future: impl Future<Output = ()> + Send + 'static,
    ) {
        let name = name.into();
        let context = tracing::error_span!("task", task = &*name);
        let work = async move {
            future.await;
            Ok(())
        };
        let handle = self.set.spawn(work.instrument(context));
        self.names.insert(handle.id(), name);
    }

    /// Runs `work` on a thread of its own. Call it within a tokio runtime, which watches for the
    /// end. The thread itself learns in its own way that it should return. A panic is counted in
    /// [`threads::failures`].
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub fn spawn_thread(
        &mut self,
        name: impl Into<Name>,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let name = name.into();
        let (sender, ended) = oneshot::channel();
        let thread_name = name.clone().into_owned();
        // Its end is told by what it sends.
        drop(threads::spawn(&name, move || {
            let result = threads::guard(&thread_name, work);
            // Nobody listens when the owner is gone.
            drop(sender.send(result));
        })?);
        let handle = self.set.spawn(async move {
            ended
                .await
                .unwrap_or_else(|_| Err("the thread is gone".into()))
        });
        self.names.insert(handle.id(), name);
        Ok(())
    }

    /// How many have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// Whether all have ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Waits for the next one to end; `None` when there is none left. Nothing is lost when the
    /// future is dropped.
    pub async fn next(&mut self) -> Option<Ended> {
        let (id, how) = match self.set.join_next_with_id().await? {
            Ok((id, Ok(()))) => (id, Ending::Finished),
            Ok((id, Err(panic))) => (id, Ending::Panicked(panic)),
            Err(error) => (error.id(), ending(error)),
        };
        let name = self.names.remove(&id).unwrap_or_default();
        Some(Ended { name, how })
    }

    /// Waits for all to end, for at most `limit`, and returns whether they have. Those that are late go
    /// on.
    pub async fn ended(&mut self, limit: Duration) -> bool {
        let all = async { while self.next().await.is_some() {} };
        timeout(limit, all).await.is_ok()
    }

    /// Waits for all to end, for at most `limit`, and reports those that did not end well. Tasks
    /// that are late are aborted.
    pub async fn shutdown(&mut self, limit: Duration) -> Vec<Ended> {
        let deadline = Instant::now() + limit;
        let mut bad = Vec::new();
        while let Ok(ended) = timeout_at(deadline, self.next()).await {
            match ended {
                Some(ended) if ended.how != Ending::Finished => bad.push(ended),
                Some(_) => {}
                None => return bad,
            }
        }
        self.set.shutdown().await;
        bad.extend(self.names.drain().map(|(_, name)| Ended {
            name,
            how: Ending::Late,
        }));
        bad
    }
}

fn ending(error: JoinError) -> Ending {
    if error.is_panic() {
        Ending::Panicked(message(&*error.into_panic()))
    } else {
        Ending::Late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn all_ends_are_seen() {
        let mut tasks = Tasks::new();
        tasks.spawn("good", async {});
        tasks.spawn("bad", async { panic!("oh") });
        tasks.spawn_thread("good thread", || {}).unwrap();
        tasks
            .spawn_thread("bad thread", || panic!("no {}", 1))
            .unwrap();
        let mut bad = tasks.shutdown(SOON).await;
        bad.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(
            bad,
            [
                Ended {
                    name: "bad".into(),
                    how: Ending::Panicked("oh".into())
                },
                Ended {
                    name: "bad thread".into(),
                    how: Ending::Panicked("no 1".into())
                },
            ]
        );
        assert!(tasks.is_empty());
        assert_eq!(tasks.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_late_are_named() {
        let mut tasks = Tasks::new();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        tasks.spawn("endless", std::future::pending());
        tasks
            .spawn_thread("deaf", move || wait.recv().unwrap_or_default())
            .unwrap();
        let mut late = tasks.shutdown(Duration::from_millis(5)).await;
        late.sort_by(|a, b| a.name.cmp(&b.name));
        let late: Vec<_> = late
            .into_iter()
            .map(|ended| (ended.name, ended.how))
            .collect();
        assert_eq!(
            late,
            [
                ("deaf".into(), Ending::Late),
                ("endless".into(), Ending::Late)
            ]
        );
        drop(go);
    }

    #[tokio::test]
    async fn the_next_to_end() {
        let mut tasks = Tasks::new();
        tasks.spawn("endless", std::future::pending());
        tasks.spawn("quick", async {});
        assert_eq!(
            tasks.next().await,
            Some(Ended {
                name: "quick".into(),
                how: Ending::Finished
            })
        );
        assert_eq!(tasks.len(), 1);
    }
}
