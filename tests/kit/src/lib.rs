//! Fakes and fixtures: backends, clients, a fault proxy, an in-process router.
