//! The registration that changes nothing.

use crate::endpoint::{Endpoint, Facts, Origin};
use crate::registration::Registration;
use crate::table::RouteTable;
use crate::tick::Tick;

/// Renews the claim in `table` that `registration` only repeats, and says whether it did.
///
/// This is what a [`Registry`](super::Registry) would do with it, without being one: a claim is
/// renewed in the table that everybody shares. It must not overtake a command about the same claim
/// that the registry has not carried out yet.
pub fn renew(table: &RouteTable, registration: &Registration, now: Tick) -> bool {
    let Registration {
        key, facts, origin, ..
    } = registration;
    let pool = table.get(key);
    let Some((_, known)) = pool.and_then(|pool| pool.find(facts.address())) else {
        return false;
    };
    let repeats = is_repeated(known, facts, *origin);
    if repeats {
        known.renew(*origin, now);
    }
    repeats
}

/// Whether `origin` says of an endpoint what is known of it, and has a right to.
pub(super) fn is_repeated(known: &Endpoint, facts: &Facts, origin: Origin) -> bool {
    let from = known.origin();
    let may = origin.rank() >= from.rank();
    // A route that goes over to the operator is adopted, with another endpoint.
    let adopts = origin.is_operator() && origin != from;
    may && !adopts && known.facts() == facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Description;
    use crate::registry::{Command, Registry, RegistryConfig};
    use crate::route::RouteKey;

    fn claim(app: &str, origin: Origin) -> Registration {
        let given = Description {
            host: "10.0.0.1",
            port: 80,
            app,
            ..Description::default()
        };
        Registration {
            key: RouteKey::parse("a.test").unwrap(),
            facts: Facts::new(&given).unwrap(),
            origin,
            endpoint_updated_at_ns: 0,
        }
    }

    #[test]
    fn only_what_the_registry_would_renew_is_renewed() {
        let origins = [
            Origin::Snapshot,
            Origin::Bus,
            Origin::RoutesFile,
            Origin::Static,
        ];
        for before in origins {
            for (app, origin) in origins.iter().flat_map(|o| [("x", *o), ("y", *o)]) {
                let mut registry = Registry::new(RegistryConfig::default());
                registry.apply(Command::Register(claim("x", before)), Tick::default());
                let table = registry.table();
                let later = Tick::from_millis(7);
                let renewed = renew(&table, &claim(app, origin), later);
                let at = |table: &RouteTable| {
                    let key = RouteKey::parse("a.test").unwrap();
                    let endpoint = &table.get(&key).unwrap().endpoints()[0];
                    (endpoint.renewed(), endpoint.origin())
                };
                let seen = at(&table);
                let counts = registry.counts().renewed;
                registry.apply(Command::Register(claim(app, origin)), later);
                let expected = registry.counts().renewed > counts;
                assert_eq!(renewed, expected, "{before:?} {app} {origin:?}");
                let seen_renewed = seen == (later, origin);
                assert_eq!(seen_renewed, renewed, "{before:?} {app} {origin:?}");
            }
        }
        let empty = RouteTable::default();
        assert!(!renew(&empty, &claim("x", Origin::Bus), Tick::default()));
    }
}
