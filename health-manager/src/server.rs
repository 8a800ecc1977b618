//! The parts of the health manager, put together and ended in order.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use component::admin::{Auth, basics, serve_listener};
use component::announce::{Identity, announce};
use component::orders::{Order, Orders};
use component::program::Started;
use component::tasks::Tasks;
use tokio::net::TcpListener;

use crate::config::{Config, DELIVERIES};
use crate::figures::Figures;
use crate::listener::{Watch, listen};
use crate::rounds::repair;

/// How long the tasks may take to end.
const END: Duration = Duration::from_secs(1);

/// Watches until `orders` end it.
///
/// # Errors
/// Why it cannot start.
pub async fn serve(started: Started<Config>, mut orders: Orders) -> Result<(), Box<dyn Error>> {
    let config = started.config;
    let admin = TcpListener::bind(config.admin).await?;
    let address = admin.local_addr()?;
    tracing::info!(%address, "admin-listening");
    let bus = Bus::connect(&config.bus.options("health-manager", DELIVERIES))?;
    let watch = Arc::new(Watch::new(config.policy()));
    let figures = Arc::new(Figures::default());
    let mut tasks = Tasks::new();
    let shown = (Arc::clone(&watch), Arc::clone(&figures));
    let figured = move || {
        let (watch, figures) = &shown;
        figures.exposition(watch.planner().ready(watch.now()).is_ok())
    };
    let auth = Arc::new(Auth::new(config.admin_user.as_ref()));
    let app = basics(auth, Arc::new(|| None), started.log_level, figured);
    tasks.spawn("admin", serve_listener(admin, app));
    let user = config.admin_user.as_ref();
    let identity = Identity::new("HealthManager", 0, fastrand::u128(..), address, user);
    let announcing = bus.clone();
    tasks.spawn("announce", async move {
        if let Err(error) = announce(&announcing, &identity).await {
            tracing::error!(%error, "announce-ended");
        }
    });
    let (listening, heard) = (bus.clone(), Arc::clone(&watch));
    tasks.spawn("listen", async move {
        if let Err(error) = listen(&heard, &listening).await {
            tracing::error!(%error, "listen-ended");
        }
    });
    let refresh = config.refresh;
    tasks.spawn("repair", async move {
        repair(&watch, &bus, &figures, refresh).await;
    });
    tokio::select! {
        order = orders.at_least(Order::Drain) => tracing::info!(?order, "stopping"),
        ended = tasks.next() => tracing::error!(?ended, "task-ended"),
    }
    tasks.shutdown(END).await;
    tracing::info!("stopped");
    Ok(())
}
