//! What of a configuration can change while the router runs.

use component::config_file;
use component::yaml::{Line, Output};
use protocol::router::Reloaded;

use super::Config;

impl Config {
    /// Returns the configuration that is in force once `next` was read in the place of this one:
    /// `next` as far as no restart is needed for it.
    #[must_use]
    pub fn reloaded(&self, next: &Self) -> Self {
        let mut merged = self.clone();
        merged.client = next.client.clone();
        // What listeners and workers were made with.
        merged.client.max_heads_memory = self.client.max_heads_memory;
        merged.client.connection.keep_alive = self.client.connection.keep_alive;
        merged.backend = next.backend.clone();
        merged.backend.balance = self.backend.balance;
        merged.backend.resolve_interval = self.backend.resolve_interval;
        merged.backend.max_idle = self.backend.max_idle;
        merged.backend.max_idle_per_endpoint = self.backend.max_idle_per_endpoint;
        merged.backend.idle_timeout = self.backend.idle_timeout;
        merged.headers = next.headers.clone();
        merged.routes.clone_from(&next.routes);
        merged.logging.level = next.logging.level;
        merged.process.drain_wait = next.process.drain_wait;
        merged.process.drain_timeout = next.process.drain_timeout;
        merged
    }

    /// Returns the keys in which `next` differs from this configuration: those that `merged`, their
    /// [`reloaded`](Self::reloaded), has from `next`, and those that it has not.
    #[must_use]
    pub fn changes(&self, next: &Self, merged: &Self) -> Reloaded {
        let mut changes = Reloaded {
            applied: different(self, merged),
            needs_restart: different(merged, next),
        };
        // Secrets are printed alike whatever they are.
        if merged.headers.trace_key != self.headers.trace_key {
            name(&mut changes.applied, "trace_key");
        }
        if next.bus != merged.bus {
            name(&mut changes.needs_restart, "nats");
        }
        if next.admin != merged.admin {
            name(&mut changes.needs_restart, "status");
        }
        changes
    }
}

/// Adds a key, unless it or one within it is named.
fn name(keys: &mut Vec<String>, key: &str) {
    let within = format!("{key}.");
    if !keys
        .iter()
        .any(|named| named == key || named.starts_with(&within))
    {
        keys.push(key.to_owned());
    }
}

/// The dotted names of the keys in which two configurations differ as they are printed.
fn different(one: &Config, other: &Config) -> Vec<String> {
    let flat = |config: &Config| {
        let mut keys = Vec::new();
        flatten(&config_file::lines(config), "", &mut keys);
        keys
    };
    let (one, other) = (flat(one), flat(other));
    let pairs = one.into_iter().zip(other);
    let different = pairs.filter(|(one, other)| one != other);
    different.map(|((name, _), _)| name).collect()
}

fn flatten(lines: &[Line], within: &str, keys: &mut Vec<(String, Output)>) {
    // A comment repeats what another key says.
    for line in lines.iter().filter(|line| !line.comment) {
        let name = match within {
            "" => line.name.clone().into_owned(),
            within => format!("{within}.{}", line.name),
        };
        match &line.value {
            Output::Map(lines) => flatten(lines, &name, keys),
            value => keys.push((name, value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(yaml: &str) -> Config {
        let loaded = config_file::parse::<Config>(&"router.yml", yaml);
        loaded.unwrap().config
    }

    /// What `next` changes of `first`: keys that are applied, keys that wait.
    fn check(first: &str, next: &str, applied: &[&str], waiting: &[&str]) {
        let (first, next) = (config(first), config(next));
        let changes = first.changes(&next, &first.reloaded(&next));
        assert_eq!(changes.applied, applied);
        assert_eq!(changes.needs_restart, waiting);
    }

    #[test]
    fn what_is_applied_and_what_waits() {
        check("workers: 1", "workers: 1", &[], &[]);
        check(
            "workers: 1\nnats: off",
            "workers: 1\nnats: off\nendpoint_timeout: 7s\nlogging: {level: debug}\nvia: off",
            &["endpoint_timeout", "via", "logging.level", "drain_timeout"],
            &[],
        );
        check(
            "workers: 1\nnats: off",
            "workers: 2\nnats: off\nmax_heads_memory: 1MiB\nmax_request_body: 5KiB",
            &["max_request_body"],
            &["workers", "max_heads_memory"],
        );
        check(
            "workers: 1\nnats: {pass: a, user: u}",
            "workers: 1\nnats: {pass: b, user: u}\ntrace_key: x",
            &["trace_key"],
            &["nats"],
        );
        check(
            "workers: 1\nroutes: [{uris: [a.test], backends: ['10.0.0.1:80']}]",
            "workers: 1\nroutes: [{uris: [b.test], backends: ['10.0.0.1:80']}]",
            &["routes"],
            &[],
        );
    }
}
