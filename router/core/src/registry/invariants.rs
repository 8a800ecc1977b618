//! What must hold of a registry, whatever was done to it.

use std::sync::Arc;

use super::Registry;

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
            let is_empty = pool.endpoints().is_empty();
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
