//! The parts of the controller, put together and ended in order.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Hub};
use component::admin::{Auth, basics, serve_listener};
use component::announce::{Identity, announce};
use component::orders::{Order, Orders};
use component::program::Started;
use component::tasks::Tasks;
use controller_core::fault::Fault;
use protocol::bus::Register;
use router_registrar::Registrations;
use tokio::net::TcpListener;

use crate::api::{Api, router};
use crate::blobs::Blobs;
use crate::bootstrap::bootstrap;
use crate::clock::now;
use crate::config::{Config, DELIVERIES};
use crate::dispatch::{self, Dispatch};
use crate::figures::{self, Answers};
use crate::listen;
use crate::output::KeptOutput;
use crate::reseal::reseal;
use crate::storage::Storage;
use crate::token_server::TokenServer;
use crate::vault::Vault;

/// How long the tasks may take to end.
const END: Duration = Duration::from_secs(1);
/// How long jobs are remembered, in microseconds: a day.
const JOB_MEMORY: i64 = 86_400_000_000;
/// How long events are remembered, in microseconds: a month.
const EVENT_MEMORY: i64 = 31 * JOB_MEMORY;
/// What our claim is called.
const CLAIM: &str = "api";

/// Serves until `orders` end it.
///
/// # Errors
/// Why it cannot start.
pub async fn serve(started: Started<Config>, mut orders: Orders) -> Result<(), Box<dyn Error>> {
    let mut config = started.config;
    std::fs::create_dir_all(&config.data)?;
    let listener = TcpListener::bind(config.listen).await?;
    config.listen = listener.local_addr()?;
    let admin = TcpListener::bind(config.admin).await?;
    config.admin = admin.local_addr()?;
    tracing::info!(address = %config.admin, "admin-listening");
    tracing::info!(address = %config.listen, "listening");
    let bus = match &config.bus {
        Some(bus) => Bus::connect(&bus.options("controller", DELIVERIES))?,
        // Nobody else is there.
        None => Bus::in_memory(&Hub::new(), DELIVERIES),
    };
    let api = Arc::new(open(config, bus.clone()).await?);
    dispatch::settle(&api).await;
    let mut tasks = Tasks::new();
    let auth = Arc::new(Auth::new(api.config.admin_user.as_ref()));
    let counted = Arc::clone(&api);
    let figures = move || figures::exposition(&counted);
    let app = basics(auth, Arc::new(|| None), started.log_level, figures);
    tasks.spawn("admin", serve_listener(admin, app));
    tasks.spawn("api", listen::serve(listener, router(Arc::clone(&api))));
    work(&mut tasks, &api);
    if api.config.bus.is_some() {
        join(&mut tasks, &bus, &api.config).await;
    }
    tokio::select! {
        order = orders.at_least(Order::Drain) => tracing::info!(?order, "stopping"),
        ended = tasks.next() => tracing::error!(?ended, "task-ended"),
    }
    tasks.shutdown(END).await;
    api.storage.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Everything that a request may need.
async fn open(config: Config, bus: Bus) -> Result<Api, Box<dyn Error>> {
    let keys: Vec<_> = config
        .encryption_keys
        .iter()
        .map(|key| (key.id.clone(), key.key.clone()))
        .collect();
    let vault = Arc::new(Vault::new(&keys)?);
    let storage = Storage::open(&config.data.join("controller.db")).await?;
    bootstrap(&storage, &config).await?;
    let interrupted = Fault::Unavailable("The controller was restarted meanwhile".to_owned());
    for reason in interrupted.entries() {
        storage.settle_jobs(&reason, now() - JOB_MEMORY).await?;
    }
    reseal(&storage, &vault).await?;
    let tokens = TokenServer::open(&storage, &vault, config.tokens).await?;
    storage.settle_packages(now()).await?;
    storage.forget_events(now() - EVENT_MEMORY).await?;
    Ok(Api {
        blobs: Blobs::open(&config.data.join("blobs"))?,
        output: KeptOutput::default(),
        dispatch: Dispatch::new(bus),
        addresses: config.addresses(),
        answers: Answers::default(),
        config,
        storage,
        tokens,
        vault,
    })
}

/// Replaces signing keys, listens to apps, and dispatches them.
fn work(tasks: &mut Tasks, api: &Arc<Api>) {
    let keeping = Arc::clone(api);
    tasks.spawn("signing-keys", async move {
        keeping.tokens.keep(&keeping.storage, &keeping.vault).await;
    });
    let listening = Arc::clone(api);
    tasks.spawn("output", async move {
        if let Err(error) = listening.output.listen(&listening.dispatch.bus).await {
            tracing::error!(%error, "output-ended");
        }
    });
    let dispatching = Arc::clone(api);
    tasks.spawn("dispatch", async move {
        if let Err(error) = dispatch::run(dispatching).await {
            tracing::error!(%error, "dispatch-ended");
        }
    });
}

/// Makes the controller known on the bus, and its names to the routers.
async fn join(tasks: &mut Tasks, bus: &Bus, config: &Config) {
    let id = fastrand::u128(..);
    let user = config.admin_user.as_ref();
    let identity = Identity::new("CloudController", 0, id, config.admin, user);
    let announcing = bus.clone();
    tasks.spawn("announce", async move {
        if let Err(error) = announce(&announcing, &identity).await {
            tracing::error!(%error, "announce-ended");
        }
    });
    let registrations = Registrations::new(bus.clone());
    registrations.add(CLAIM, claim(config, id)).await;
    tasks.spawn("registrations", async move {
        if let Err(error) = registrations.keep().await {
            tracing::error!(%error, "registrations-ended");
        }
    });
}

/// The names under which the API is reached through the routers.
fn claim(config: &Config, id: u128) -> Register {
    let address: SocketAddr = config.listen;
    let names = ["api", "login", "uaa", "log-cache"];
    Register {
        uris: names
            .map(|name| format!("{name}.{}", config.domain))
            .to_vec(),
        host: address.ip().to_string(),
        port: address.port(),
        private_instance_id: format!("{id:032x}"),
        tags: [("component", "CloudController")].into_iter().collect(),
        ..Register::default()
    }
}
