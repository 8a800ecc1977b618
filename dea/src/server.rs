//! The parts of the DEA, put together and ended in order.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use bus::Bus;
use component::admin::{Auth, basics, serve_listener};
use component::announce::{Identity, announce};
use component::orders::{Order, Orders};
use component::program::Started;
use component::tasks::Tasks;
use router_registrar::Registrations;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::agent::{Agent, EVENTS};
use crate::config::{Config, DELIVERIES};
use crate::droplets::Droplets;
use crate::fence::Fence;
use crate::figures::Figures;
use crate::messages;
use crate::node::{Node, random_hex};
use crate::output::Outputs;
use crate::reattach;
use crate::snapshot_file;
use crate::staging::Stager;
use crate::usage;

/// How long the tasks may take to end.
const END: Duration = Duration::from_secs(1);
/// How long a connection for a droplet, or for the health of an instance, may be silent.
const HTTP_SILENCE: Duration = Duration::from_secs(30);

/// Serves until `orders` end it.
///
/// # Errors
/// Why it cannot start.
pub async fn serve(started: Started<Config>, mut orders: Orders) -> Result<(), Box<dyn Error>> {
    let config = started.config;
    let listener = TcpListener::bind(config.admin).await?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "admin-listening");
    let auth = Arc::new(Auth::new(config.credentials.as_ref()));
    let credentials = config.credentials.clone();
    let base_dir = config.base_dir.clone();
    std::fs::create_dir_all(&base_dir)?;
    let snapshot = snapshot_file::read(&base_dir)?;
    let capacity = usage::capacity(&config.capacity, &base_dir);
    let node = Arc::new(node(config).await?);
    tracing::info!(id = node.id, ?capacity, "dea");

    let figures = {
        let node = Arc::clone(&node);
        move || node.figures.exposition()
    };
    let is_ready = Arc::new(AtomicBool::new(false));
    let health = {
        let (node, is_ready) = (Arc::clone(&node), Arc::clone(&is_ready));
        Arc::new(move || match is_ready.load(Relaxed) {
            false => Some("waits for the container engine"),
            true => (!node.bus.is_connected()).then_some("the bus is not connected"),
        })
    };
    let mut tasks = Tasks::new();
    let app = basics(auth, health, started.log_level, figures);
    tasks.spawn("admin", serve_listener(listener, app));
    let (events, inbox) = mpsc::channel(EVENTS);
    let (snapshots, snapshots_seen) = watch::channel(String::new());
    let mut last = Tasks::new();
    last.spawn("snapshot", snapshot_file::keep(base_dir, snapshots_seen));
    let mut agent = Agent::new(
        Arc::clone(&node),
        capacity,
        events.clone(),
        inbox,
        snapshots,
    );
    if let Some(snapshot) = snapshot {
        tokio::select! {
            () = reattach::clear_launches(&node, &snapshot) => {}
            _ = orders.at_least(Order::Stop) => return Ok(()),
        }
        agent.resume(snapshot).await;
    }
    is_ready.store(true, Relaxed);
    let id = fastrand::u128(..);
    let identity = Identity::new("DEA", node.config.index, id, address, credentials.as_ref());
    spawn_bus_tasks(&mut tasks, &node, events, identity);
    tokio::select! {
        () = agent.run(orders) => tracing::info!("stopping"),
        ended = tasks.next() => tracing::error!(?ended, "task-ended"),
    }
    tasks.shutdown(Duration::ZERO).await;
    last.shutdown(END).await;
    tracing::info!("stopped");
    Ok(())
}

/// Everything that listens to the bus.
fn spawn_bus_tasks(
    tasks: &mut Tasks,
    node: &Arc<Node>,
    events: mpsc::Sender<crate::agent::Event>,
    identity: Identity,
) {
    let listening = Arc::clone(node);
    tasks.spawn("messages", async move {
        if let Err(error) = messages::listen(listening, events).await {
            tracing::error!(%error, "messages-ended");
        }
    });
    let claiming = Arc::clone(node);
    tasks.spawn("claims", async move {
        if let Err(error) = claiming.claims.keep().await {
            tracing::error!(%error, "claims-ended");
        }
    });
    let announcing = node.bus.clone();
    tasks.spawn("announce", async move {
        if let Err(error) = announce(&announcing, &identity).await {
            tracing::error!(%error, "announce-ended");
        }
    });
}

async fn node(config: Config) -> Result<Node, Box<dyn Error>> {
    let options = config
        .bus
        .as_ref()
        .map(|bus| bus.options("dea", DELIVERIES));
    let bus = Bus::connect(&options.ok_or("a DEA does nothing without the bus")?)?;
    let id = match config.id.as_str() {
        "" => snapshot_file::own_id(&config.base_dir, config.index, &random_hex(8))?,
        id => id.to_owned(),
    };
    let http = reqwest::Client::builder()
        .no_proxy()
        .read_timeout(HTTP_SILENCE)
        .connect_timeout(HTTP_SILENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let droplets = Droplets::new(
        config.base_dir.join("droplets"),
        config.droplet_cache.0,
        http.clone(),
    );
    let fence = Fence::connect(&config.fence).await?;
    let stager = Stager::new(
        fence.clone(),
        http.clone(),
        config.stacks.clone(),
        config.staging.clone(),
        config.base_dir.join("staging"),
    );
    let outputs = Outputs::new(bus.clone(), config.address.to_string(), config.output);
    Ok(Node {
        id,
        fence,
        stager,
        droplets,
        outputs: Arc::new(outputs),
        claims: Registrations::new(bus.clone()),
        figures: Figures::default(),
        readings: usage::Readings::default(),
        http,
        bus,
        config,
    })
}
