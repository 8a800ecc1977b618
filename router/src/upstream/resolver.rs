//! From the names of backends to their addresses, off the workers.
//!
//! The system's resolver blocks and does not say how long an answer holds. So it runs on a few
//! threads of its own, and an answer holds for a time that the operator sets. Whoever asks for a
//! name that is being looked up waits for that same lookup.

mod cache;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use component::threads;
use tokio::time::{Instant, timeout};

use cache::{Answer, Cache, Lookup, Next};

/// Lookups that run at the same time. Each may block for as long as the system's resolver likes.
const THREADS: usize = 4;

/// Lookups that wait for a thread. One more fails, or is answered with what was known before.
const QUEUE: usize = 1024;

/// How long anybody waits for the first answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long anybody waits for a newer answer before the last one has to do.
const PATIENCE_WITH_ANSWER: Duration = Duration::from_millis(500);

/// Resolves names for all workers. Cloning it clones a handle.
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
}

struct Inner {
    cache: Mutex<Cache>,
    jobs: SyncSender<LookupJob>,
}

/// A name that a thread shall look up. A thread outlives its resolver by one lookup at most.
struct LookupJob {
    name: Box<str>,
    asked: Instant,
    resolver: Weak<Inner>,
}

/// Why there is no address.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ResolveError {
    /// The system's resolver knows none.
    #[error("name cannot be resolved: {0}")]
    Unknown(Arc<io::Error>),
    /// The system's resolver did not answer in time, and nothing was known before.
    #[error("name was not resolved in time")]
    TimedOut,
    /// Too many other names are being looked up.
    #[error("too many names are being resolved")]
    Busy,
}

impl Resolver {
    /// A resolver whose answers hold for `interval`. When a name that is in use cannot be resolved
    /// any more, its last answer stays in use.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn new(interval: Duration) -> io::Result<Self> {
        Self::with_lookup(interval, system_lookup)
    }

    /// As [`Self::new`], with another way to look a name up; it may block.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn with_lookup(
        interval: Duration,
        lookup: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let lookup = Arc::new(lookup);
        for n in 0..THREADS {
            let (queue, lookup) = (Arc::clone(&queue), Arc::clone(&lookup));
            // Not joined: it may be stuck in the system's resolver, and holds nothing that matters.
            let name = format!("resolver-{n}");
            let work = move |name: &str| run(name, &queue, &*lookup);
            let thread_name = name.clone();
            drop(threads::spawn(&name, move || work(&thread_name))?);
        }
        let cache = Mutex::new(Cache::new(interval));
        let inner = Arc::new(Inner { cache, jobs });
        Ok(Self { inner })
    }

    /// The addresses of `name`, in the order in which they should be tried; at least one.
    ///
    /// Usually answers at once from what is known. Waits for five seconds at most, and for half a
    /// second at most when there was an answer before.
    ///
    /// # Errors
    /// There is none, and none was known before.
    pub async fn resolve(&self, name: &str, port: u16) -> Result<Arc<[SocketAddr]>, ResolveError> {
        let addresses = match name.parse::<IpAddr>() {
            Ok(address) => return Ok([SocketAddr::new(address, port)].into()),
            Err(_) => self.addresses(name).await?,
        };
        let with_port = |address: &IpAddr| SocketAddr::new(*address, port);
        Ok(addresses.iter().map(with_port).collect())
    }

    async fn addresses(&self, name: &str) -> Answer {
        let (mut lookup, last) = {
            let mut cache = self.inner.cache();
            match cache.next(name, Instant::now()) {
                Next::Use(answer) => return answer,
                Next::Refresh(addresses) => {
                    // When too many wait for a thread, whoever asks next tries again.
                    drop(self.inner.begin(&mut cache, name));
                    return Ok(addresses);
                }
                Next::Wait(lookup, last) => (lookup, last),
                Next::LookUp(last) => match self.inner.begin(&mut cache, name) {
                    Ok(lookup) => (lookup, last),
                    Err(error) => return last.ok_or(error),
                },
            }
        };
        let patience = if last.is_some() {
            PATIENCE_WITH_ANSWER
        } else {
            PATIENCE
        };
        let outcome = timeout(patience, lookup.wait_for(Option::is_some)).await;
        let answer = match outcome {
            Ok(Ok(answer)) => answer.clone(),
            Ok(Err(_)) | Err(_) => None,
        };
        let answer = answer.unwrap_or(Err(ResolveError::TimedOut));
        answer.or_else(|error| last.ok_or(error))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Inner {
    /// Has `name` looked up.
    fn begin(self: &Arc<Self>, cache: &mut Cache, name: &str) -> Result<Lookup, ResolveError> {
        let asked = Instant::now();
        let job = LookupJob {
            name: name.into(),
            asked,
            resolver: Arc::downgrade(self),
        };
        self.jobs.try_send(job).map_err(|_| ResolveError::Busy)?;
        Ok(cache.begin(name, asked))
    }

    /// No statement leaves the cache half changed, so a panic elsewhere does not spoil it.
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run<L>(name: &str, queue: &Mutex<Receiver<LookupJob>>, lookup: &L)
where
    L: Fn(&str) -> io::Result<Vec<IpAddr>>,
{
    loop {
        let job = {
            let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.recv()
        };
        // An error says that the resolver is gone.
        let Ok(job) = job else {
            return;
        };
        let began = std::time::Instant::now();
        // A lookup that panics is one without an answer.
        let answer = match threads::guard(name, || lookup(&job.name)) {
            Err(_) => Err(io::Error::other("the lookup failed")),
            Ok(Ok(found)) if found.is_empty() => Err(io::ErrorKind::NotFound.into()),
            Ok(found) => found,
        };
        let answer = answer.map(Into::into);
        let answer = answer.map_err(|error| ResolveError::Unknown(Arc::new(error)));
        if let Some(resolver) = job.resolver.upgrade() {
            let now = job.asked + began.elapsed();
            resolver.cache().finish(&job.name, answer, now);
        }
    }
}

/// What the system says, in the order of its preference.
fn system_lookup(name: &str) -> io::Result<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    for found in (name, 0).to_socket_addrs()? {
        if !addresses.contains(&found.ip()) {
            addresses.push(found.ip());
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests;
