//! A small app that registers itself with the routers on a message bus, as platforms do for the
//! apps they run, and answers with what the router sent it. `make up` starts one.

use std::error::Error;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::extract::{Request, State};
use bus::{Bus, Options, Server};
use clap::Parser;
use protocol::bus::Register;
use router_registrar::Registrations;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// What the claim is called.
const CLAIM: &str = "sample";
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
        kept = keep_registered(args.nats, claim) => kept,
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

/// Keeps the claim until the process is asked to end, and withdraws it then.
async fn keep_registered(nats: SocketAddr, claim: Register) -> Result<(), Box<dyn Error>> {
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
    let registrations = Registrations::new(bus.clone());
    registrations.add(CLAIM, claim).await;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        kept = registrations.keep() => return Ok(kept?),
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    let farewell = async {
        registrations.remove(CLAIM).await;
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
