//! A small app that registers itself with the routers on a message bus, as platforms do for the
//! apps they run, and answers with what the router sent it. `make up` starts one.

use std::error::Error;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::extract::{Request, State};
use bus::{Bus, Options, Server};
use clap::Parser;
use protocol::bus::{ROUTER_REGISTER, ROUTER_START, ROUTER_UNREGISTER, Register};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

/// Registrations are renewed this often; the routers forget one after two minutes of silence.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// How long the withdrawal may take at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

#[derive(Parser)]
#[command(name = "sample-app", about = "An app that registers itself over NATS.")]
struct Args {
    /// Address of nats-server.
    #[arg(long, default_value = "127.0.0.1:4222")]
    nats: SocketAddr,
    /// What to register: a host name, perhaps with a path.
    #[arg(long, required = true)]
    uri: Vec<String>,
    /// Number of this copy of the app.
    #[arg(long, default_value_t = 0)]
    index: u16,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    writeln!(std::io::stdout(), "sample app {} on {address}", args.index)?;
    let claim = claim(&args, address);
    let app = axum::Router::new()
        .fallback(answer)
        .with_state(claim.clone());
    tokio::select! {
        served = axum::serve(listener, app) => Ok(served?),
        kept = keep_registered(args.nats, &claim) => kept,
    }
}

fn claim(args: &Args, address: SocketAddr) -> Register {
    Register {
        uris: args.uri.clone(),
        host: address.ip().to_string(),
        port: address.port(),
        app: "5a3b1e5e-0000-4000-8000-000000000001".to_owned(),
        private_instance_id: format!("5a3b1e5e-0000-4000-8000-1{:011}", args.index),
        private_instance_index: args.index.to_string(),
        tags: [("component", "sample-app"), ("app_name", "hello")]
            .into_iter()
            .collect(),
        ..Register::default()
    }
}

/// Registers at once, at every heartbeat and whenever a router says that it has started;
/// withdraws the claim when the process is asked to end.
async fn keep_registered(nats: SocketAddr, claim: &Register) -> Result<(), Box<dyn Error>> {
    let server = Server {
        host: nats.ip().to_string(),
        port: nats.port(),
    };
    let options = Options {
        servers: vec![server],
        name: "sample-app".to_owned(),
        ..Options::default()
    };
    let bus = Bus::connect(&options)?;
    let mut starts = bus.subscribe(&ROUTER_START).await?;
    let mut events = bus.events();
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = heartbeat.tick() => {}
            Some(_) = events.next() => {}
            Some(_) = starts.next() => {}
            _ = terminate.recv() => break,
            _ = tokio::signal::ctrl_c() => break,
        }
        // A lost bus is no reason to end: the next event or heartbeat tries again.
        bus.publish(&ROUTER_REGISTER, claim).await.ok();
    }
    let farewell = async {
        bus.publish(&ROUTER_UNREGISTER, claim).await?;
        bus.flush().await
    };
    tokio::time::timeout(LAST_WORDS, farewell).await.ok();
    Ok(())
}

/// Says which copy answered and shows the request as it arrived.
async fn answer(State(claim): State<Register>, request: Request) -> String {
    let mut text = format!(
        "Hello from copy {} of the sample app.\n\n{} {} {:?}\n",
        claim.private_instance_index,
        request.method(),
        request.uri(),
        request.version()
    );
    for (name, value) in request.headers() {
        text.push_str(&format!(
            "{name}: {}\n",
            String::from_utf8_lossy(value.as_bytes())
        ));
    }
    text
}
