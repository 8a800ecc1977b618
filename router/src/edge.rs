//! The edge: worker threads that accept, serve, and end together.

mod accept;
mod connection;
mod linger;
pub mod listen;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use component::shutdown::{self, Phase, Shutdown, Trigger};
use component::tasks::Tasks;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::spawn_local;

use crate::config::settings::Settings;
use crate::edge::accept::{Accepted, Crew, HANDOVERS, Handover, accept};
use crate::edge::listen::Listener;
use crate::exchange;
use crate::observe::access_log::AccessLog;
use crate::upstream::resolver::Resolver;
use crate::worker::client::{After, Client, Job};
use crate::worker::connections::Ask;
use crate::worker::reused_tasks::ReusedTasks;
use crate::worker::shared::Shared;
use crate::worker::{Parts, Worker};

/// How often a closing worker looks whether its last connection has ended.
const LOOK: Duration = Duration::from_millis(10);

/// What the edge is made of.
#[derive(Debug)]
pub struct EdgeParts {
    /// Bound sockets; every worker accepts from all of them.
    pub listeners: Vec<Arc<Listener>>,
    /// The settings of the data path.
    pub settings: Arc<Settings>,
    /// What all parts of the router share.
    pub shared: Shared,
    /// Addresses of backends by name.
    pub resolver: Arc<Resolver>,
    /// Each worker's end for questions about its connections.
    pub asks: Vec<mpsc::Receiver<Ask>>,
}

/// The running workers. Dropped, it stops them without waiting.
#[derive(Debug)]
pub struct Edge {
    phase: Trigger,
    settings: watch::Sender<Arc<Settings>>,
    /// Behind a lock because whoever waits for their end may give up, and another waits instead.
    threads: Mutex<Tasks>,
    loads: Arc<[Arc<AtomicUsize>]>,
}

impl Edge {
    /// Starts the workers, within a tokio runtime, which notices their end.
    ///
    /// # Errors
    /// A thread or its event loop could not be made.
    pub fn start(parts: EdgeParts, log: &AccessLog) -> io::Result<Self> {
        let EdgeParts {
            listeners,
            settings,
            shared,
            resolver,
            asks,
        } = parts;
        let workers = settings.workers.max(1);
        let loads: Arc<[_]> = (0..workers)
            .map(|_| Arc::new(AtomicUsize::new(0)))
            .collect();
        let (senders, inboxes): (Vec<_>, Vec<_>) =
            (0..workers).map(|_| mpsc::channel(HANDOVERS)).unzip();
        let senders: Arc<[_]> = senders.into();
        let (phase, _) = shutdown::channel();
        let (settings_in_force, _) = watch::channel(Arc::clone(&settings));
        let mut edge = Self {
            phase,
            settings: settings_in_force,
            threads: Mutex::default(),
            loads: Arc::clone(&loads),
        };
        for (index, (inbox, asks)) in inboxes.into_iter().zip(asks).enumerate() {
            let worker = WorkerThread {
                parts: Parts {
                    index,
                    shared: shared.clone(),
                    settings: Arc::clone(&settings),
                    resolver: Arc::clone(&resolver),
                    log: log.handle(),
                    load: Arc::clone(&loads[index]),
                },
                listeners: listeners.clone(),
                crew: Crew::new(index, Arc::clone(&loads), Arc::clone(&senders)),
                inbox,
                asks,
                settings: edge.settings.subscribe(),
                phase: edge.phase.listen(),
            };
            let runtime = move || {
                Builder::new_current_thread()
                    .enable_io()
                    .enable_time()
                    .build_local(LocalOptions::default())
            };
            let name = format!("worker-{index}");
            edge.threads
                .get_mut()
                .spawn_thread(name, move || match runtime() {
                    Ok(runtime) => runtime.block_on(worker.run()),
                    Err(error) => tracing::error!(%error, index, "worker-not-started"),
                })?;
        }
        Ok(edge)
    }

    /// Has all workers go by these settings: requests under way end by those that they began with.
    pub fn change_settings(&self, settings: Arc<Settings>) {
        self.settings.send_replace(settings);
    }

    /// Client connections of all workers.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.loads.iter().map(|load| load.load(Relaxed)).sum()
    }

    /// Accepts no more, ends idle connections, and lets the others finish what is under way.
    pub fn drain(&self) {
        self.phase.advance(Phase::Draining);
    }

    /// The same, and ends the tunnels: nobody knows whether they ever would by themselves.
    pub fn close(&self) {
        self.phase.advance(Phase::Closing);
    }

    /// Waits until every connection has ended after [`drain`](Self::drain) or
    /// [`close`](Self::close), but no longer than `limit`. Returns whether they have.
    pub async fn finished(&self, limit: Duration) -> bool {
        self.threads.lock().await.ended(limit).await
    }

    /// Ends every connection now, and waits for the workers' end.
    pub async fn stop(mut self) {
        self.phase.advance(Phase::Stopping);
        let threads = self.threads.get_mut();
        while threads.next().await.is_some() {}
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.phase.advance(Phase::Stopping);
    }
}

/// What one worker thread begins with.
struct WorkerThread {
    parts: Parts,
    listeners: Vec<Arc<Listener>>,
    crew: Crew,
    inbox: mpsc::Receiver<Handover>,
    asks: mpsc::Receiver<Ask>,
    settings: watch::Receiver<Arc<Settings>>,
    phase: Shutdown,
}

impl WorkerThread {
    /// Runs the worker until its phase says stop, or says close and its last connection has ended.
    /// Its tasks belong to its event loop and end with it.
    async fn run(self) {
        let Self {
            parts,
            listeners,
            crew,
            mut inbox,
            asks,
            settings,
            mut phase,
        } = self;
        let worker = Worker::new(parts);
        let exchanges = ReusedTasks::new(|slot| Box::pin(exchange::run(slot)));
        let serve = {
            let (worker, exchanges) = (Rc::clone(&worker), Rc::clone(&exchanges));
            move |accepted: Accepted| begin(&worker, &exchanges, accepted)
        };
        spawn_local(Rc::clone(&worker.deadlines).sweep());
        spawn_local(Rc::clone(&worker).follow_settings(settings));
        let swept = Rc::clone(&exchanges);
        spawn_local(Rc::clone(&worker).housekeeping(phase.clone(), move || swept.sweep()));
        let clock = worker.clock.clone();
        spawn_local(worker.roster.clone().answer(asks, move || clock.now()));
        let starved = {
            let worker = Rc::clone(&worker);
            move |error: &io::Error, listener: &Listener| worker.starved(error, listener.address())
        };
        let acceptors: Vec<_> = listeners
            .into_iter()
            .map(|listener| {
                let (crew, serve, starved) = (crew.clone(), serve.clone(), starved.clone());
                spawn_local(accept(listener, crew, serve, starved, phase.clone()))
            })
            .collect();
        loop {
            tokio::select! {
                Some(handover) = inbox.recv() => enter(&worker, handover, &serve),
                () = phase.reached(Phase::Draining) => break,
            }
        }
        worker.turn(phase.phase());
        for acceptor in acceptors {
            if acceptor.await.is_err() {
                tracing::error!("acceptor-panicked");
            }
        }
        // Closed before it is emptied: whoever still has a connection for this worker keeps it.
        inbox.close();
        while let Some(handover) = inbox.recv().await {
            enter(&worker, handover, &serve);
        }
        while phase.phase() < Phase::Stopping && worker.load.load(Relaxed) > 0 {
            worker.turn(phase.phase());
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = phase.reached(Phase::Stopping) => {}
            }
        }
        worker.log.borrow_mut().flush();
    }
}

/// Begins to serve a connection that was counted for this worker.
fn begin(worker: &Rc<Worker>, exchanges: &Rc<ReusedTasks<Job, After>>, accepted: Accepted) {
    let Accepted {
        socket,
        peer,
        proxy_protocol,
    } = accepted;
    let client = Client::new(Rc::clone(worker), socket, peer);
    spawn_local(connection::serve(
        client,
        peer,
        proxy_protocol,
        Rc::clone(exchanges),
    ));
}

/// Takes over a connection that another worker accepted for this one.
fn enter(worker: &Worker, handover: Handover, serve: impl Fn(Accepted)) {
    match handover.enter() {
        Ok(accepted) => serve(accepted),
        Err(error) => {
            worker.load.fetch_sub(1, Relaxed);
            tracing::warn!(%error, "connection-not-registered");
        }
    }
}
