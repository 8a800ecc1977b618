//! The registration that changes nothing.

use crate::endpoint::{ComponentId, Digest, Endpoint, Facts, Origin, address};
use crate::registration::Registration;
use crate::route::RouteKey;
use crate::table::RouteTable;
use component_core::tick::Tick;

/// Renews the claim in `table` that `registration` only repeats, and returns whether it did.
///
/// This is what a [`Registry`](super::Registry) would do with it, without being one: a claim is
/// renewed in the table that everybody shares. It must not overtake a command about the same claim
/// that the registry has not carried out yet.
pub fn renew(table: &RouteTable, registration: &Registration, now: Tick) -> bool {
    let Registration {
        key,
        facts,
        origin,
        digest,
        ..
    } = registration;
    let pool = table.get(key);
    let Some((_, known)) = pool.and_then(|pool| pool.find(facts.address())) else {
        return false;
    };
    let repeats = is_repeated(known, facts, *origin);
    if repeats {
        known.renew(*origin, *digest, now);
    }
    repeats
}

/// Renews the claims of one message that is repeated byte for byte, as nearly all are. Gives the
/// component of its endpoint if that was all there was to do; else the message is for [`renew`].
///
/// `uris`, `host` and `port` are what the message says, `digest` is its own. Nothing else of it has to
/// be read: a registration with that digest last said what these endpoints are.
pub fn repeat(
    table: &RouteTable,
    uris: &[&str],
    (host, port): (&str, u16),
    digest: Digest,
    now: Tick,
) -> Option<Option<ComponentId>> {
    let address = address(host, port);
    let mut component = None;
    for uri in uris {
        let key = RouteKey::parse(uri).ok()?;
        let (_, known) = table.get(&key)?.find(&address)?;
        if !known.renew_if_said(digest, now) {
            return None;
        }
        component = Some(known.component());
    }
    component
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
    use crate::registry::{Change, Command, Registered, Registry, RegistryConfig};

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
            digest: Digest::NONE,
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
                let mut change = Change::default();
                let outcome = registry.register(claim(app, origin), later, &mut change);
                let expected = outcome == Registered::Renewed;
                assert_eq!(renewed, expected, "{before:?} {app} {origin:?}");
                let seen_renewed = seen == (later, origin);
                assert_eq!(seen_renewed, renewed, "{before:?} {app} {origin:?}");
            }
        }
        let empty = RouteTable::default();
        assert!(!renew(&empty, &claim("x", Origin::Bus), Tick::default()));
    }

    #[test]
    fn a_message_repeats_what_its_digest_last_said_of_every_claim_and_nothing_else() {
        let mut registry = Registry::new(RegistryConfig::default());
        let (said, other) = (Digest::of(5), Digest::of(6));
        let at = ("10.0.0.1", 80);
        let mut apply = |registration: Registration| {
            registry.apply(Command::Register(registration), Tick::default());
            registry.table()
        };
        let check = |table: &RouteTable, uris: &[&str], at, digest, expected: bool| {
            let now = Tick::from_millis(7);
            let repeated = repeat(table, uris, at, digest, now).is_some();
            assert_eq!(repeated, expected, "{uris:?} {digest:?}");
        };
        let bus = |app, digest| Registration {
            digest,
            ..claim(app, Origin::Bus)
        };
        let table = apply(bus("x", said));
        check(&table, &["a.test"], at, said, true);
        check(&table, &["A.test/"], at, said, true);
        check(&table, &["a.test"], at, other, false);
        check(&table, &["a.test"], at, Digest::NONE, false);
        check(&table, &["a.test"], ("10.0.0.1", 81), said, false);
        check(&table, &["a.test", "b.test"], at, said, false);
        check(&table, &["b.test"], at, said, false);
        check(&table, &["a .test"], at, said, false);
        check(&table, &[], at, said, false);
        // Another message that says the same takes the place of the first, one that says something
        // else all the more.
        let table = apply(bus("x", other));
        check(&table, &["a.test"], at, other, true);
        check(&table, &["a.test"], at, said, false);
        let table = apply(bus("y", said));
        check(&table, &["a.test"], at, other, false);
        check(&table, &["a.test"], at, said, true);
        // What the operator has written down is not the bus's to renew.
        let table = apply(claim("y", Origin::Static));
        check(&table, &["a.test"], at, said, false);
    }
}
