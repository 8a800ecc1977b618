//! What a table of many routes costs, from the messages that make it to the memory that it takes.
//!
//! `cargo run --release -p router-core --example table_figures [routes]`
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use component_core::tick::Tick;
use protocol::bus::{Message, Register};
use router_core::endpoint::Origin;
use router_core::own_listeners::OwnListeners;
use router_core::pool::Want;
use router_core::registration::{Registration, RegistrationRules, Sharding, Withdrawal};
use router_core::registry::{Command, Registry, RegistryConfig};
use router_core::snapshot::{self, Snapshot};
use router_core::table::RouteTable;
use uuid::Uuid;

fn main() {
    let routes = std::env::args()
        .nth(1)
        .and_then(|arg| arg.parse().ok())
        .unwrap_or(100_000);
    let rules = RegistrationRules {
        max_threshold: Duration::from_secs(120),
        sharding: Sharding::All,
        http2: true,
        own: OwnListeners::default(),
    };
    let mut registry = Registry::new(RegistryConfig::default());
    println!("message: {} bytes", message(0).len());

    let before = resident();
    timed("register", routes, || {
        for number in 0..routes {
            register(&mut registry, &message(number), &rules);
        }
    });
    let grown = resident() - before;
    println!(
        "memory: {:.1} MiB, {} bytes a route",
        grown as f64 / 1048576.0,
        grown / routes
    );

    timed("heartbeat", routes, || {
        for number in 0..routes {
            register(&mut registry, &message(number), &rules);
        }
    });
    timed("making the messages", routes, || {
        for number in 0..routes {
            black_box(message(number));
        }
    });
    lookups(&registry.table(), routes);
    snapshots(&registry.table(), routes);
    churn(&mut registry, routes, &rules);
}

/// A message as a route emitter sends it, with seven GUIDs for tags.
fn message(number: usize) -> Vec<u8> {
    let guid = |kind: u64| {
        Uuid::from_u64_pair((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15), kind).to_string()
    };
    let tags = [
        "process_id",
        "process_instance_id",
        "app_id",
        "space_id",
        "organization_id",
        "instance_id",
        "source_id",
    ];
    Register {
        uris: vec![host(number)],
        host: format!(
            "10.{}.{}.{}",
            number >> 16 & 255,
            number >> 8 & 255,
            number & 255
        ),
        port: 61_001,
        app: guid(100),
        private_instance_id: guid(101),
        private_instance_index: "0".into(),
        tags: (0..)
            .zip(tags)
            .map(|(kind, tag)| (tag, guid(kind)))
            .collect(),
        ..Register::default()
    }
    .encode()
}

fn host(number: usize) -> String {
    format!("app-{number:06}.apps.example.com")
}

fn register(registry: &mut Registry, message: &[u8], rules: &RegistrationRules) {
    let Ok(message) = Register::decode(message) else {
        return;
    };
    let Ok(accepted) = Registration::from_message(&message, rules) else {
        return;
    };
    for registration in accepted.claims {
        registry.apply(Command::Register(registration), Tick::from_millis(1));
    }
}

fn lookups(table: &RouteTable, routes: usize) {
    let hosts: Vec<String> = (0..routes)
        .map(|number| host(number.wrapping_mul(0x9e37_79b1) % routes))
        .collect();
    timed("lookup, random host", routes, || {
        for host in &hosts {
            black_box(table.lookup(host, "/some/path?query"));
        }
    });
    let want = Want {
        tried: &[],
        instance: None,
        first_attempt: true,
        zone: None,
        max_conns: 500,
        ejection: Duration::from_secs(30),
        now: Tick::from_millis(1),
        entropy: 0,
    };
    if let Some(pool) = table.lookup(&hosts[0], "/") {
        timed("pick, one endpoint", routes, || {
            for _ in 0..routes {
                black_box(pool.pick(&want).is_ok());
            }
        });
    }
    timed("lookup, no such host", routes, || {
        for host in &hosts {
            black_box(table.lookup(&host[1..], "/"));
        }
    });
}

fn snapshots(table: &RouteTable, routes: usize) {
    let mut bytes = Vec::new();
    timed("snapshot, write", routes, || {
        let written = snapshot::write(table, 0, |piece| {
            bytes.extend_from_slice(piece);
            Ok::<_, ()>(())
        });
        black_box(written.is_ok());
    });
    println!("snapshot: {:.1} MiB", bytes.len() as f64 / 1048576.0);
    let mut restored = Registry::new(RegistryConfig::default());
    timed("snapshot, load", routes, || {
        if let Ok(snapshot) = Snapshot::open(&bytes) {
            let registrations = snapshot.registrations(0, Duration::from_secs(3600));
            black_box(restored.restore(registrations, Tick::default()));
        }
    });
    let first = restored
        .table()
        .iter()
        .next()
        .map(|pool| pool.endpoints()[0].origin());
    println!(
        "restored: {} routes, {:?}",
        restored.table().len(),
        first.unwrap_or(Origin::Bus)
    );
}

/// Single changes, each with a table given out in between.
fn churn(registry: &mut Registry, routes: usize, rules: &RegistrationRules) {
    let changes = 10_000.min(routes);
    let messages: Vec<_> = (0..changes)
        .map(|number| message(number * 7 % routes))
        .collect();
    let mut published = RouteTable::default();
    timed("change and publish", 2 * changes, || {
        for payload in &messages {
            if let Ok(message) = Register::decode(payload)
                && let Ok(accepted) = Withdrawal::from_message(&message, rules)
            {
                for withdrawal in accepted.claims {
                    registry.apply(Command::Unregister(withdrawal), Tick::from_millis(1));
                }
            }
            published.clone_from(&registry.table());
            register(registry, payload, rules);
            published.clone_from(&registry.table());
        }
    });
    black_box(published);
    timed("prune cycle", 1, || {
        registry.apply(Command::BusBack, Tick::from_millis(1));
        black_box(registry.prune(Tick::from_millis(1)));
        black_box(registry.prune(Tick::from_millis(1)));
    });
}

fn timed(what: &str, times: usize, run: impl FnOnce()) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program measures; the rules do not"
    )]
    let (start, on_cpu) = (Instant::now(), cpu_nanos());
    run();
    // On a busy machine only the time on a processor means anything.
    let took = match (on_cpu, cpu_nanos()) {
        (Some(before), Some(after)) => Duration::from_nanos(after - before),
        _ => start.elapsed(),
    };
    let each = took.as_nanos() / times.max(1) as u128;
    println!(
        "{what}: {:.1} ms, {each} ns each",
        took.as_secs_f64() * 1000.0
    );
}

/// Time that this process has spent on a processor.
fn cpu_nanos() -> Option<u64> {
    let schedule = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    schedule.split_whitespace().next()?.parse().ok()
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    kib.unwrap_or_default() * 1024
}
