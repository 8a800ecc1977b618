//! The sockets that a router listens on, bound before anything else is started.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use component::address::is_local;
use router_core::own_listeners::OwnListeners;
use tokio::net::TcpListener;

use super::server::StartError;
use crate::admin::Role;
use crate::config::{self, Config};
use crate::edge::listen::Listener;

/// Binds the listeners for clients.
pub(super) fn listen(config: &Config) -> Result<Vec<Arc<Listener>>, StartError> {
    let bind = |listener: &config::ListenerConfig| {
        Listener::bind(
            &listener.address,
            listener.proxy_protocol,
            config.client.connection.keep_alive,
        )
        .map(Arc::new)
        .map_err(|source| StartError::Listen {
            address: listener.address.to_string(),
            source,
        })
    };
    config.listeners.iter().map(bind).collect()
}

/// Binds those of the admin endpoint, each with what it answers.
pub(super) async fn listen_admin(config: &Config) -> Result<Vec<(TcpListener, Role)>, StartError> {
    let admin = &config.admin;
    let status = if admin.deprecated_status {
        Role::Status
    } else {
        Role::Health
    };
    let wanted = [
        (Some(admin.address), Role::Everything),
        (admin.status, status),
        (admin.debug, Role::LogLevel),
    ];
    let mut listeners = Vec::new();
    for (address, role) in wanted {
        let Some(address) = address else { continue };
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| StartError::Listen {
                address: address.to_string(),
                source,
            })?;
        listeners.push((listener, role));
    }
    Ok(listeners)
}

/// Returns where the admin endpoint listens, with the ports that the system chose.
pub(super) fn addresses_of(
    listeners: &[(TcpListener, Role)],
) -> io::Result<Vec<(SocketAddr, Role)>> {
    listeners
        .iter()
        .map(|(listener, role)| Ok((listener.local_addr()?, *role)))
        .collect()
}

/// Where no endpoint may be.
pub(super) fn own_listeners(
    listeners: &[Arc<Listener>],
    admin: &[(SocketAddr, Role)],
) -> OwnListeners {
    let clients = listeners
        .iter()
        .filter_map(|listener| listener.address().tcp());
    let admin = admin.iter().map(|(address, _)| *address);
    OwnListeners::new(clients.chain(admin), is_local)
}
