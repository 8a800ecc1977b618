//! What must hold of a registry, whatever was done to it.

use std::sync::Arc;

use super::Registry;
use crate::endpoint::Origin;

impl Registry {
    /// What must hold after every change. Checked in debug builds only; costs a scan.
    ///
    /// # Panics
    /// When it does not hold.
    pub fn check_invariants(&self) {
        if !cfg!(debug_assertions) {
            return;
        }
        let mut endpoints = 0;
        for pool in self.table.iter() {
            let key = pool.key();
            let found = self
                .table
                .get(key)
                .is_some_and(|found| Arc::ptr_eq(found, pool));
            assert!(found, "{key} is not found by its key");
            for (index, endpoint) in pool.endpoints().iter().enumerate() {
                let at = pool.find(endpoint.address()).map(|(at, _)| at);
                assert_eq!(
                    at,
                    Some(index),
                    "{} of {key} is there twice",
                    endpoint.address()
                );
                assert!(endpoint.id().0 < self.next_id, "an id from nowhere");
            }
            let speaker = pool.speaker();
            let said = speaker.and_then(|speaker| speaker.facts().options());
            assert_eq!(
                pool.options(),
                said.map(|options| &**options),
                "{key} has options that nobody brought"
            );
            let mut origins = pool.endpoints().iter().map(|endpoint| endpoint.origin());
            let operated = origins.any(Origin::is_operator);
            assert_eq!(
                speaker.is_some_and(|speaker| speaker.origin().is_operator()),
                operated,
                "somebody speaks for {key} in place of the operator"
            );
            let is_empty = pool.endpoints().is_empty();
            assert_eq!(speaker.is_none(), is_empty, "nobody speaks for {key}");
            assert_eq!(
                is_empty,
                self.empty_since.contains_key(key),
                "{key} is empty"
            );
            endpoints += pool.endpoints().len();
        }
        assert_eq!(
            self.table.endpoints(),
            endpoints,
            "endpoints are miscounted"
        );
        assert_eq!(
            self.table.len(),
            self.table.iter().count(),
            "routes are miscounted"
        );
        let empty = self
            .empty_since
            .keys()
            .all(|key| self.table.get(key).is_some());
        assert!(empty, "an empty route is remembered that is gone");
    }
}
