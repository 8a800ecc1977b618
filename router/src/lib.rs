//! The edge router: listeners, data path, registrar, admin endpoint.
