//! Routes that lead back to the router: one request would become thousands.

use std::net::SocketAddr;
use std::time::Duration;

use super::backends::GET;
use super::clients::TURN;
use super::scene::{Ended, Scene, Setup};
use crate::Registrar as _;
use tests_kit::{Client, FaultProxy, NatsClient, NatsProgram, NatsServer, free_address};

/// How many requests one may become before it is known to go round.
const ROUNDS: u64 = 4;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// By another address, so that only the message can tell (RFC 9110 §7.6.3).
pub(super) fn by_a_way_round() -> Setup {
    let router = free_address();
    let way = FaultProxy::start(router);
    Setup::new(|scene| {
        let (ended, statuses) = go_round(scene);
        let right = !statuses.is_empty() && statuses.iter().all(|status| *status == 508);
        ended.demand(right, &format!("answered {statuses:?}"))
    })
    .keys(&format!("listeners: [{{address: \"{router}\"}}]"))
    .route("bad.test", way.address())
    .keep(way)
}

/// By a registration of the address at which the router listens: it has no such endpoint.
pub(super) fn by_registration() -> Setup {
    let Some(program) = NatsProgram::all_for("a registration of the router itself").pop() else {
        return Setup::new(|_| Ended::noted("SKIPPED: no nats-server"));
    };
    let server = NatsServer::start(&program);
    let port = server.port();
    Setup::new(move |scene| {
        let mut registrar = NatsClient::connect(port);
        registrar.register(&["bad.test"], scene.router);
        registrar.flush();
        let (ended, statuses) = go_round(scene);
        let right = statuses.iter().all(|status| (400..600).contains(status));
        ended.demand(right, &format!("answered {statuses:?}"))
    })
    .keys(&format!(
        "nats: {{hosts: [{{hostname: 127.0.0.1, port: {port}}}]}}"
    ))
    .keys("start_response_delay_interval: 1s")
    // It does not call itself well before that second is over.
    .never_well()
    .keep(server)
}

/// Sends requests one after the other: what each became, and the statuses.
fn go_round(scene: &Scene) -> (Ended, Vec<u16>) {
    let before = bad_requests(scene.admin);
    let mut sent = 0;
    let mut statuses = Vec::new();
    while scene.goes_on(TURN * 5) {
        let Ok(mut client) = Client::try_connect(scene.router) else {
            break;
        };
        client.set_patience(PATIENCE);
        let answer = client.try_send(GET).ok();
        let answer = answer.and_then(|()| client.try_response("GET").ok());
        statuses.push(answer.map_or(0, |response| response.status()));
        sent += 1;
    }
    let became = bad_requests(scene.admin).saturating_sub(before) / sent.max(1);
    statuses.dedup();
    let ended = Ended::noted(format!("{sent} requests; {statuses:?}"));
    let fault = format!("one request became {became}");
    (ended.demand(became <= ROUNDS, &fault), statuses)
}

/// The requests that the router has answered with 4xx and 5xx: none of the well-behaved is.
fn bad_requests(admin: SocketAddr) -> u64 {
    let varz = Client::connect(admin).get("localhost", "/varz").text();
    let varz: serde_json::Value = serde_json::from_str(&varz).unwrap_or_default();
    ["responses_4xx", "responses_5xx"]
        .iter()
        .filter_map(|group| varz[group].as_u64())
        .sum()
}
