//! Typed messaging over NATS, with an in-memory twin.
