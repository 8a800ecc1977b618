//! The route table: an immutable value that requests read while its successor is made.

mod depths;
mod hosts;
mod trie;

use std::sync::Arc;

use crate::endpoint::Components;
use crate::host::LookupHost;
use crate::pool::Pool;
use crate::route::RouteKey;
use depths::Depths;
use hosts::HostRoutes;
use trie::Trie;

/// All routes at one moment.
///
/// A clone costs nothing and shares everything. The registry changes its own clone: whatever is
/// shared with a table that was given out is copied first, which for one route is the path to it in
/// a tree of 64-way branches; the rest of a batch then edits in place.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    hosts: Trie<HostRoutes>,
    /// How many wildcard hosts there are of each number of dots.
    wildcards: Arc<Depths>,
    components: Arc<Components>,
    generation: u64,
    routes: usize,
    endpoints: usize,
}

impl RouteTable {
    /// The route for a request, without allocation.
    ///
    /// `host` is the host as sent, in any case, with or without a port. `path` is the path as sent;
    /// a query is ignored.
    ///
    /// Of the routes of a host, the one with the longest path that is a prefix of `path` on a
    /// segment boundary wins, among those with endpoints if there are any. Only when the host has
    /// no such route at all, the wildcards that cover it are asked, the narrowest first.
    pub fn lookup(&self, host: &str, path: &str) -> Option<&Arc<Pool>> {
        let mut host = LookupHost::new(host)?;
        let found = self
            .hosts
            .get(host.as_bytes())
            .and_then(|routes| routes.find(path));
        if found.is_some() || self.wildcards.is_empty() {
            return found;
        }
        if !host.widen() {
            return None;
        }
        let mut dots = host.dots();
        loop {
            if self.wildcards.has(dots)
                && let Some(routes) = self.hosts.get(host.as_bytes())
                && let Some(pool) = routes.find(path)
            {
                return Some(pool);
            }
            if !host.widen() {
                return None;
            }
            dots -= 1;
        }
    }

    /// What [`Self::lookup`] asks for, host by host, whether or not it would have to go so far.
    pub(crate) fn probes(&self, host: &str, path: &str) -> Vec<Vec<Probe<'_>>> {
        let mut forms = Vec::new();
        let Some(mut host) = LookupHost::new(host) else {
            return forms;
        };
        loop {
            let name = String::from_utf8_lossy(host.as_bytes()).into_owned();
            forms.push(match self.hosts.get(host.as_bytes()) {
                Some(routes) => routes.probes(&name, path),
                None => vec![Probe {
                    key: name,
                    pool: None,
                    known_host: false,
                }],
            });
            if !host.widen() {
                return forms;
            }
        }
    }

    /// The pool of exactly this route.
    pub fn get(&self, key: &RouteKey) -> Option<&Arc<Pool>> {
        self.hosts.get(key.host_bytes())?.get(key.path())
    }

    /// Counts the changes that led to this table; a later table has a higher one.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// How many routes there are.
    pub fn len(&self) -> usize {
        self.routes
    }

    /// Whether there is no route.
    pub fn is_empty(&self) -> bool {
        self.routes == 0
    }

    /// How many endpoints there are, each counted once for every route that it serves.
    pub fn endpoints(&self) -> usize {
        self.endpoints
    }

    /// The names of components that endpoints of this table refer to.
    pub fn components(&self) -> &Arc<Components> {
        &self.components
    }

    /// All routes, in an order that depends on nothing but the routes.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.hosts.iter().flat_map(HostRoutes::iter)
    }
}

/// One question of a lookup, and its answer.
#[derive(Debug)]
pub(crate) struct Probe<'a> {
    pub(crate) key: String,
    pub(crate) pool: Option<&'a Arc<Pool>>,
    /// Whether the host has any route; if not, no path was asked for.
    pub(crate) known_host: bool,
}

/// Changes, for the registry alone.
impl RouteTable {
    /// Applies `change` to the pool of `key`, made by `make` if there is none.
    pub(crate) fn update<R>(
        &mut self,
        key: &RouteKey,
        make: impl FnOnce() -> Pool,
        change: impl FnOnce(&mut Pool) -> R,
    ) -> R {
        let (mut new_host, mut new_route) = (false, false);
        let (before, after, result) = self.hosts.update(
            key.host_bytes(),
            || {
                new_host = true;
                HostRoutes::default()
            },
            |routes| {
                let make = || {
                    new_route = true;
                    make()
                };
                routes.update(key, make, |pool| {
                    let before = pool.endpoints().len();
                    let result = change(pool);
                    (before, pool.endpoints().len(), result)
                })
            },
        );
        self.generation += 1;
        self.routes += usize::from(new_route);
        self.endpoints = self.endpoints + after - before;
        if new_host && key.is_wildcard() {
            Arc::make_mut(&mut self.wildcards).add(dots(key));
        }
        result
    }

    /// Removes a route with all of its endpoints.
    pub(crate) fn remove(&mut self, key: &RouteKey) -> Option<Arc<Pool>> {
        let host = key.host_bytes();
        let routes = self.hosts.get(host)?;
        let removed = Arc::clone(routes.get(key.path())?);
        if routes.iter().nth(1).is_some() {
            self.hosts.update(host, HostRoutes::default, |routes| {
                routes.remove(key.path())
            });
        } else {
            self.hosts.remove(host);
            if key.is_wildcard() {
                Arc::make_mut(&mut self.wildcards).remove(dots(key));
            }
        }
        self.routes -= 1;
        self.endpoints -= removed.endpoints().len();
        self.generation += 1;
        Some(removed)
    }

    pub(crate) fn components_mut(&mut self) -> &mut Components {
        Arc::make_mut(&mut self.components)
    }
}

fn dots(key: &RouteKey) -> usize {
    memchr::memchr_iter(b'.', key.host_bytes()).count()
}

#[cfg(test)]
mod tests;
