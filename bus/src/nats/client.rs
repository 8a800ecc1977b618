//! The task that keeps one connection alive.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use component_core::host_port;
use rustls::ClientConfig;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Duration, Instant, Interval, MissedTickBehavior, interval_at, sleep, timeout};

use super::choice::Choice;
use super::decoder::{Info, Operation, deafens};
use super::dial::{Inlet, Link, Outlet, dial};
use crate::Address;
use crate::arrival::Arrival;
use crate::options::{Options, Server};
use crate::status::Status;

/// Servers that a server may tell us about. Further ones are not tried.
const DISCOVERED: usize = 32;

/// Pings without an answer after which a server is given up.
const UNANSWERED: u32 = 2;

/// A connection that lasted so long was a good one: its loss is not held against the server.
const LASTING: Duration = Duration::from_secs(10);

/// Commands that are carried out before the connection is looked at again.
const COMMANDS: usize = 64;

/// How long what was published last may take to leave when nobody has a handle any more.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a message costs beyond its payload, in bytes.
const MESSAGE: usize = 128;

/// What the handles ask for.
#[derive(Debug)]
pub(super) enum Command {
    /// Send this; forget it when no server is connected.
    Publish {
        subject: Address,
        reply: Option<Address>,
        payload: Bytes,
    },
    /// Deliver what this pattern selects, on this connection and every later one.
    Subscribe(u64, Interest),
    /// Deliver it no longer.
    Unsubscribe(u64),
    /// Say when all that was published before is with the operating system.
    Flush(oneshot::Sender<()>),
}

/// One subscription.
#[derive(Debug)]
pub(super) struct Interest {
    pub(super) pattern: Address,
    /// Each message goes to one subscription of the group.
    pub(super) group: Option<Address>,
    pub(super) sender: mpsc::Sender<Arrival>,
    /// The bytes that wait for its reader.
    pub(super) held: Arc<AtomicUsize>,
}

/// What a message takes of the bytes that may wait for a reader.
pub(super) fn cost(arrival: &Arrival) -> usize {
    let reply = arrival.reply.as_ref().map_or(0, |reply| reply.len());
    arrival.payload.len() + arrival.subject.len() + reply + MESSAGE
}

/// The state of the task. It ends with the last handle; whatever ends it closes every subscription
/// and the status, which is how others learn of it.
pub(super) struct Client {
    options: Arc<Options>,
    trust: Option<Arc<ClientConfig>>,
    choice: Choice,
    discovered: Vec<Server>,
    subscriptions: BTreeMap<u64, Interest>,
    commands: mpsc::Receiver<Command>,
    status: watch::Sender<Status>,
}

/// Why a connection is served no longer.
enum End {
    /// Nobody has a handle any more.
    Closed,
    /// The server is lost, for this reason.
    Lost(String),
}

/// Whether a server is there.
struct Pulse {
    pings: Interval,
    unanswered: u32,
}

impl Pulse {
    fn new(interval: Duration) -> Self {
        let mut pings = interval_at(Instant::now() + interval, interval);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            pings,
            unanswered: 0,
        }
    }

    /// Bytes have come, and something `whole` was among them: half a line is no sign of life.
    fn heard(&mut self, whole: bool) {
        if whole {
            self.unanswered = 0;
            self.pings.reset();
        }
    }

    /// It has been silent for an interval.
    fn ask(&mut self, outlet: &mut Outlet) -> Result<(), String> {
        if self.unanswered == UNANSWERED {
            return Err("the server is silent".to_owned());
        }
        self.unanswered += 1;
        outlet.line(&["PING"]);
        Ok(())
    }
}

impl Client {
    pub(super) fn new(
        options: Arc<Options>,
        trust: Option<Arc<ClientConfig>>,
        commands: mpsc::Receiver<Command>,
        status: watch::Sender<Status>,
    ) -> Self {
        Self {
            choice: Choice::new(options.max_pause),
            options,
            trust,
            discovered: Vec::new(),
            subscriptions: BTreeMap::new(),
            commands,
            status,
        }
    }

    /// Works until nobody has a handle any more.
    pub(super) async fn run(mut self) {
        while let Some((name, link)) = self.connect().await {
            let since = Instant::now();
            let End::Lost(reason) = self.serve(&name, link).await else {
                return;
            };
            if since.elapsed() >= LASTING {
                self.choice.lasted(&name);
            } else {
                self.choice.failed(&name);
            }
            self.status.send_modify(|status| {
                status.connected = false;
                status.disconnects += 1;
                status.loss = Some(reason.into());
            });
        }
    }

    /// Tries one server after the other until one is connected; none when nobody wants one.
    async fn connect(&mut self) -> Option<(Arc<str>, Link)> {
        loop {
            let servers = self.servers();
            let names: Vec<Arc<str>> = servers.iter().map(|s| s.to_string().into()).collect();
            let (index, pause) = self.choice.next(&names, &mut fastrand::Rng::new())?;
            let (name, server) = (Arc::clone(&names[index]), &servers[index]);
            let (options, trust) = (Arc::clone(&self.options), self.trust.clone());
            let attempt = async {
                sleep(pause).await;
                let dialled = dial(&options, trust, server);
                let dialled = timeout(options.connect_timeout, dialled).await;
                dialled.unwrap_or_else(|_| Err("no answer in time".to_owned()))
            };
            let mut attempt = Box::pin(attempt);
            let reached = loop {
                tokio::select! {
                    reached = &mut attempt => break reached,
                    command = self.commands.recv() => self.obey(command?, None),
                }
            };
            match reached {
                Ok(link) => return Some((name, link)),
                Err(reason) => {
                    self.choice.failed(&name);
                    self.status.send_modify(|status| {
                        status.refusals += 1;
                        status.refusal = Some(format!("{name}: {reason}").into());
                    });
                }
            }
        }
    }

    /// Those of the options, and those that a server told us about.
    fn servers(&self) -> Vec<Server> {
        let ours = self.options.servers.iter();
        let theirs = self.discovered.iter();
        let theirs = theirs.filter(|server| !self.options.servers.contains(server));
        ours.chain(theirs).cloned().collect()
    }

    fn learn(&mut self, info: &Info) {
        let urls = info.connect_urls.iter().take(DISCOVERED);
        self.discovered = urls.filter_map(|url| parse(url)).collect();
    }

    async fn serve(&mut self, name: &Arc<str>, link: Link) -> End {
        let Link {
            mut inlet,
            mut outlet,
            info,
        } = link;
        self.learn(&info);
        for (id, entry) in &self.subscriptions {
            subscribe(&mut outlet, *id, entry);
        }
        self.status.send_modify(|status| {
            status.connects += 1;
            status.connected = true;
            status.server = Some(Arc::clone(name));
            status.max_payload = info.max_payload;
        });
        let mut pulse = Pulse::new(self.options.ping_interval);
        let mut flushes: Vec<oneshot::Sender<()>> = Vec::new();
        loop {
            let done = tokio::select! {
                read = inlet.read() => {
                    let heard = read.and_then(|()| self.hear(&mut inlet, &mut outlet));
                    heard.map(|heard| pulse.heard(heard))
                }
                sent = outlet.write(), if !outlet.is_done() => sent,
                command = self.commands.recv(), if !outlet.is_crowded() => {
                    let Some(command) = command else {
                        drop(timeout(FAREWELL, outlet.finish()).await);
                        return End::Closed;
                    };
                    self.obey_all(command, &mut outlet, &mut flushes);
                    Ok(())
                }
                _ = pulse.pings.tick() => pulse.ask(&mut outlet),
            };
            if let Err(reason) = done {
                return End::Lost(reason);
            }
            if outlet.is_clogged() {
                return End::Lost("the server does not read".to_owned());
            }
            if outlet.is_done() {
                for flush in flushes.drain(..) {
                    // Who asked may have gone.
                    flush.send(()).ok();
                }
            }
        }
    }

    /// Does what the bytes that arrived ask for. Returns whether there was anything whole in them.
    fn hear(&mut self, inlet: &mut Inlet, outlet: &mut Outlet) -> Result<bool, String> {
        let mut heard = false;
        let mut dropped = 0;
        let ended = loop {
            match inlet.next() {
                Ok(Some(Operation::Message(id, arrival))) => {
                    dropped += u64::from(!self.deliver(id, arrival, outlet));
                }
                Ok(Some(Operation::Ping)) => outlet.line(&["PONG"]),
                Ok(Some(Operation::Info(info))) => self.learn(&info),
                Ok(Some(Operation::Error(error))) if deafens(&error) => {
                    break Err(error.to_string());
                }
                Ok(Some(Operation::Error(error))) => self.status.send_modify(|status| {
                    status.complaints += 1;
                    status.complaint = Some(error.into());
                }),
                Ok(Some(Operation::Pong | Operation::Fine)) => {}
                Ok(None) => break Ok(heard),
                Err(reason) => break Err(reason),
            }
            heard = true;
        };
        if dropped > 0 {
            self.status.send_modify(|status| status.dropped += dropped);
        }
        ended
    }

    /// Hands a message to its reader, and returns whether there was room.
    fn deliver(&mut self, id: u64, arrival: Arrival, outlet: &mut Outlet) -> bool {
        let Some(entry) = self.subscriptions.get(&id) else {
            return true;
        };
        let cost = cost(&arrival);
        if entry.held.fetch_add(cost, Relaxed) + cost > self.options.subscription_bytes {
            entry.held.fetch_sub(cost, Relaxed);
            return false;
        }
        match entry.sender.try_send(arrival) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                entry.held.fetch_sub(cost, Relaxed);
                false
            }
            Err(mpsc::error::TrySendError::Closed(_)) => {
                self.obey(Command::Unsubscribe(id), Some(outlet));
                true
            }
        }
    }

    /// Carries out the command and some of those that wait behind it.
    fn obey_all(
        &mut self,
        command: Command,
        outlet: &mut Outlet,
        flushes: &mut Vec<oneshot::Sender<()>>,
    ) {
        let mut next = Some(command);
        let mut left = COMMANDS;
        while let Some(command) = next {
            match command {
                Command::Flush(flush) => flushes.push(flush),
                command => self.obey(command, Some(outlet)),
            }
            left -= 1;
            next = if left == 0 || outlet.is_crowded() {
                None
            } else {
                self.commands.try_recv().ok()
            };
        }
    }

    /// Carries out a command, as far as it can be without a server when there is none. A flush is
    /// then forgotten, which tells who asked.
    fn obey(&mut self, command: Command, outlet: Option<&mut Outlet>) {
        match (command, outlet) {
            (Command::Publish { .. }, None) | (Command::Flush(_), _) => {}
            (
                Command::Publish {
                    subject,
                    reply,
                    payload,
                },
                Some(outlet),
            ) => {
                let len = payload.len().to_string();
                match reply {
                    Some(reply) => outlet.line(&["PUB", &subject, &reply, &len]),
                    None => outlet.line(&["PUB", &subject, &len]),
                }
                outlet.payload(&payload);
            }
            (Command::Subscribe(id, entry), outlet) => {
                if let Some(outlet) = outlet {
                    subscribe(outlet, id, &entry);
                }
                self.subscriptions.insert(id, entry);
            }
            (Command::Unsubscribe(id), outlet) => {
                let known = self.subscriptions.remove(&id).is_some();
                if let Some(outlet) = outlet.filter(|_| known) {
                    outlet.line(&["UNSUB", &id.to_string()]);
                }
            }
        }
    }
}

fn subscribe(outlet: &mut Outlet, id: u64, entry: &Interest) {
    let id = id.to_string();
    match &entry.group {
        Some(group) => outlet.line(&["SUB", &entry.pattern, group, &id]),
        None => outlet.line(&["SUB", &entry.pattern, &id]),
    }
}

/// `host:port`, perhaps with a scheme before it; an IPv6 host in brackets.
fn parse(url: &str) -> Option<Server> {
    let address = url.rsplit("://").next()?;
    let (host, port) = host_port::split(address)?;
    let host = host_port::bare(host);
    let sound = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
    Some(Server {
        host: Some(host)
            .filter(|host| !host.is_empty() && host.chars().all(sound))?
            .to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_are_told_of_are_read_with_care() {
        let check = |url: &str, expected: Option<&str>| {
            let parsed = parse(url).map(|server| server.to_string());
            assert_eq!(parsed.as_deref(), expected, "{url}");
        };
        check("10.0.0.1:4222", Some("10.0.0.1:4222"));
        check("nats://a.test:1", Some("a.test:1"));
        check("[fd00::1]:4222", Some("[fd00::1]:4222"));
        check("a.test", None);
        check("a.test:99999", None);
        check(":1", None);
        check("user:word@a.test:1", None);
        check("a b:1", None);
    }
}
