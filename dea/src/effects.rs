//! What is done about an instance and takes its time. Each of these runs as a task of its own, whose
//! result goes back to the [agent](crate::agent).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use component::error_chain::error_chain;
use dea_core::environment::{self, Circumstances};
use dea_core::input::{Exit, Input};
use dea_core::instance::{Instance, Place};
use dea_core::resources;
use protocol::bus::Register;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::droplets;
use crate::fence::{ContainerSpec, FenceError, Kind, Signal};
use crate::health;
use crate::node::{Node, now_ms, random_hex};
use crate::output::Position;

/// The label of a container with the id of its instance.
pub(crate) const INSTANCE_LABEL: &str = "switchyard.instance";

/// How long the engine is left alone when it does not answer.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a droplet may take to come.
const FETCH: Duration = Duration::from_secs(600);
/// How long the last output of an instance may take.
const LAST_OUTPUT: Duration = Duration::from_secs(5);

/// Brings the droplet of `instance` to this node.
pub(crate) async fn fetch(node: Arc<Node>, instance: Instance) -> Input {
    let order = instance.order;
    let fetched = node.droplets.fetch(&order.executable_uri, &order.sha256);
    let file = match timeout(FETCH, fetched).await {
        Err(_) => return Input::Failed("the droplet did not come in time".to_owned()),
        Ok(Ok(file)) => file,
        Ok(Err(error)) => return Input::Failed(error_chain(&error).to_string()),
    };
    if order.start_command.is_some() {
        let start_command = order.start_command;
        return Input::Fetched { start_command };
    }
    let read = move || droplets::start_command(&file, &order.process_type);
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(start_command)) => Input::Fetched { start_command },
        Ok(Err(error)) => Input::Failed(format!("the droplet cannot be read: {error}")),
        Err(error) => Input::Failed(format!("the droplet cannot be read: {error}")),
    }
}

/// Makes the container of `instance`, fills it and starts it. One that is not started is removed.
pub(crate) async fn launch(
    node: Arc<Node>,
    instance: Instance,
    start_command: Option<String>,
) -> Input {
    let Some(start_command) = start_command else {
        return Input::Failed("there is no start command".to_owned());
    };
    let Some(image) = node.config.stacks.get(&instance.order.stack) else {
        return Input::Failed(format!("there is no stack {:?}", instance.order.stack));
    };
    let spec = spec(&node, &instance, image, &start_command);
    let container = match node.fence.create(&spec).await {
        Ok(container) => container,
        Err(error) => return Input::Failed(error_chain(&error).to_string()),
    };
    match fill_and_start(&node, &instance, &container).await {
        Ok(address) => Input::Launched(Place { container, address }),
        Err(reason) => {
            remove_container(&node, &container).await;
            Input::Failed(reason)
        }
    }
}

fn spec(node: &Node, instance: &Instance, image: &str, start_command: &str) -> ContainerSpec {
    let order = &instance.order;
    let circumstances = Circumstances {
        node: node.config.address,
        now: i64::try_from(now_ms() / 1_000).unwrap_or(0),
    };
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    ContainerSpec {
        // The engine may still make the container that was wanted before this program was killed.
        name: format!("switchyard-{}-{}", instance.id, random_hex(2)),
        kind: Kind::Running,
        labels: BTreeMap::from([
            label(INSTANCE_LABEL, &instance.id),
            label("switchyard.app", &order.app_id),
        ]),
        image: image.to_owned(),
        command: environment::command(start_command),
        env: environment::environment(instance, circumstances),
        memory_mib: order.limits.mem,
        disk_mib: order.limits.disk,
        cpu_shares: resources::cpu_shares(order.limits.mem),
        pids: node.config.processes,
        nofile: order.limits.fds,
        binds: Vec::new(),
    }
}

async fn fill_and_start(
    node: &Node,
    instance: &Instance,
    container: &String,
) -> Result<IpAddr, String> {
    let order = &instance.order;
    // It was fetched a moment ago; should it have gone since, it is fetched again.
    let file = node
        .droplets
        .fetch(&order.executable_uri, &order.sha256)
        .await;
    let file = file.map_err(|error| error_chain(&error).to_string())?;
    let said = |error: FenceError| error_chain(&error).to_string();
    let archive = std::fs::File::open(file);
    let archive = archive.map_err(|error| format!("the droplet cannot be read: {error}"))?;
    let unpacked = node.fence.unpack(container, environment::HOME, archive);
    unpacked.await.map_err(said)?;
    node.fence.start(container).await.map_err(said)
}

/// Waits for the end of the first process of `container`.
pub(crate) async fn watch(node: Arc<Node>, container: String) -> Input {
    loop {
        match node.fence.wait(&container).await {
            Ok(exit) => {
                return Input::Exited(Exit {
                    status: exit.status,
                    out_of_memory: exit.out_of_memory,
                });
            }
            Err(FenceError::Gone) => return Input::Exited(Exit::unknown()),
            // The container goes on without its engine.
            Err(error) => tracing::warn!(%error, container, "container-not-watched"),
        }
        sleep(PAUSE).await;
    }
}

/// Finds out whether `instance` is well.
pub(crate) async fn check_health(node: Arc<Node>, instance: Instance, address: IpAddr) -> Input {
    let order = &instance.order;
    let limit = order.health_check_timeout.map(Duration::from_secs);
    let limit = limit.unwrap_or(node.config.times.health);
    if address.is_unspecified() {
        // It has ended already, which is noticed by who watches.
        sleep(limit).await;
        return Input::Unhealthy;
    }
    let address = SocketAddr::new(address, instance.port);
    if health::is_well(&order.health_check, address, limit, &node.http).await {
        Input::Healthy
    } else {
        Input::Unhealthy
    }
}

/// Gives the routers time to notice that an instance is unregistered.
pub(crate) async fn await_routers(node: Arc<Node>) -> Input {
    sleep(node.config.times.routers).await;
    Input::RoutersKnow
}

/// Asks the first process of `container` to end, and waits for its grace to be over.
pub(crate) async fn terminate(node: Arc<Node>, container: String) -> Input {
    signal(&node, &container, Signal::Term).await;
    sleep(node.config.times.grace).await;
    Input::GraceOver
}

/// Ends the first process of `container`. That is noticed by who [watches](watch).
pub(crate) async fn kill(node: Arc<Node>, container: String) {
    signal(&node, &container, Signal::Kill).await;
}

/// Removes `container` of the instance `id`, once its last output has been passed on, which `drained`
/// tells.
pub(crate) async fn remove(
    node: Arc<Node>,
    id: String,
    container: String,
    drained: Option<oneshot::Receiver<()>>,
) -> Input {
    signal(&node, &container, Signal::Kill).await;
    if let Some(drained) = drained
        && timeout(LAST_OUTPUT, drained).await.is_err()
    {
        tracing::warn!(instance = id, "output-lost");
    }
    remove_container(&node, &container).await;
    Position::remove(&node.config.base_dir, &id);
    Input::Removed
}

/// Removes `container`, however long it takes.
pub(crate) async fn remove_container(node: &Node, container: &String) {
    loop {
        match node.fence.remove(container).await {
            Ok(()) | Err(FenceError::Gone) => return,
            Err(error) => {
                tracing::warn!(error = %error_chain(&error), container, "container-not-removed")
            }
        }
        sleep(PAUSE).await;
    }
}

/// Sends a signal as soon as the engine answers.
async fn signal(node: &Node, container: &String, signal: Signal) {
    loop {
        match node.fence.signal(container, signal).await {
            Err(FenceError::Unavailable) => sleep(PAUSE).await,
            // Whoever watches notices that it does not run any more.
            _ => return,
        }
    }
}

/// Returns what the routers are told of `instance` at `address`.
pub(crate) fn claim(node: &Node, instance: &Instance, address: IpAddr) -> Register {
    let order = &instance.order;
    let index = order.index.to_string();
    let component = format!("dea-{}", node.config.index);
    Register {
        uris: order.uris.clone(),
        host: address.to_string(),
        port: instance.port,
        app: order.app_id.clone(),
        private_instance_id: instance.private_id.clone(),
        private_instance_index: index.clone(),
        tags: [
            ("component", component.as_str()),
            ("instance_id", index.as_str()),
            ("process_id", order.droplet.as_str()),
            ("process_type", order.process_type.as_str()),
        ]
        .into_iter()
        .collect(),
        availability_zone: node.config.placement.availability_zone.clone(),
        ..Register::default()
    }
}
