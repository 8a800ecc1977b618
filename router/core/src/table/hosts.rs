//! The routes of one host.

use std::sync::Arc;

use super::Probe;
use super::depths::Depths;
use super::trie::{Keyed, Trie};
use crate::pool::Pool;
use crate::route::{MAX_PATH, RouteKey};

/// The routes of one host: one without a path, and those with one.
///
/// Holds no name of its own: the host is in the key of every pool, and there is always a pool.
#[derive(Clone, Debug, Default)]
pub(super) struct HostRoutes {
    root: Option<Arc<Pool>>,
    paths: Option<Arc<Paths>>,
}

#[derive(Clone, Debug, Default)]
struct Paths {
    pools: Trie<ByPath>,
    depths: Depths,
    /// No path here is longer; bytes beyond are never looked at.
    longest: usize,
}

/// A pool, found by the path of its key.
#[derive(Clone, Debug)]
struct ByPath(Arc<Pool>);

impl Keyed for ByPath {
    fn key(&self) -> &[u8] {
        self.0.key().path_bytes()
    }
}

impl Keyed for HostRoutes {
    fn key(&self) -> &[u8] {
        match &self.root {
            Some(pool) => pool.key().host_bytes(),
            None => self
                .iter()
                .next()
                .map_or(&[], |pool| pool.key().host_bytes()),
        }
    }
}

impl HostRoutes {
    /// The pool for a request to this host: see [`super::RouteTable::lookup`].
    pub(super) fn find(&self, path: &str) -> Option<&Arc<Pool>> {
        let root = self.root.as_ref();
        let Some(paths) = &self.paths else {
            return root;
        };
        let (mut serving, mut empty) = (None, None);
        paths.probe(path.as_bytes(), |_, found| match found {
            Some(pool) if pool.endpoints().is_empty() => empty = Some(pool),
            Some(pool) => serving = Some(pool),
            None => {}
        });
        serving
            .or_else(|| root.filter(|pool| !pool.endpoints().is_empty()))
            .or(empty)
            .or(root)
    }

    /// What [`Self::find`] asks for at `host`, the longest path first.
    pub(super) fn probes<'a>(&'a self, host: &str, path: &str) -> Vec<Probe<'a>> {
        let probe = |path: &[u8], pool| Probe {
            key: format!("{host}{}", String::from_utf8_lossy(path)),
            pool,
            known_host: true,
        };
        let mut probes = vec![probe(b"", self.root.as_ref())];
        if let Some(paths) = &self.paths {
            paths.probe(path.as_bytes(), |prefix, found| {
                probes.push(probe(prefix, found))
            });
        }
        probes.reverse();
        probes
    }

    /// The pool with exactly this path.
    pub(super) fn get(&self, path: &str) -> Option<&Arc<Pool>> {
        if path.is_empty() {
            return self.root.as_ref();
        }
        self.paths
            .as_ref()?
            .pools
            .get(path.as_bytes())
            .map(|ByPath(pool)| pool)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Pool>> {
        let deep = self.paths.iter().flat_map(|paths| paths.pools.iter());
        self.root.iter().chain(deep.map(|ByPath(pool)| pool))
    }

    /// Applies `change` to the pool of `key`, made by `make` if there is none.
    pub(super) fn update<R>(
        &mut self,
        key: &RouteKey,
        make: impl FnOnce() -> Pool,
        change: impl FnOnce(&mut Pool) -> R,
    ) -> R {
        let path = key.path();
        if path.is_empty() {
            let root = self.root.get_or_insert_with(|| Arc::new(make()));
            return change(Arc::make_mut(root));
        }
        let paths = Arc::make_mut(self.paths.get_or_insert_default());
        let make = || {
            paths.depths.add(depth(path));
            paths.longest = paths.longest.max(path.len());
            ByPath(Arc::new(make()))
        };
        paths.pools.update(path.as_bytes(), make, |ByPath(pool)| {
            change(Arc::make_mut(pool))
        })
    }

    /// Removes the pool with exactly this path, which must not be the only one.
    pub(super) fn remove(&mut self, path: &str) {
        if path.is_empty() {
            self.root = None;
        } else if let Some(paths) = self.paths.as_mut().map(Arc::make_mut)
            && paths.pools.remove(path.as_bytes()).is_some()
        {
            paths.depths.remove(depth(path));
            if paths.depths.is_empty() {
                self.paths = None;
            }
        }
    }
}

impl Paths {
    /// Asks for every prefix of `path` that could be a route, the shortest first, as `visit` is
    /// told. Only depths that occur are asked for: a long path costs no more than a short one.
    fn probe<'a>(&'a self, path: &[u8], mut visit: impl FnMut(&[u8], Option<&'a Arc<Pool>>)) {
        let mut buffer = [0; MAX_PATH + 2];
        let path = self.searched(path, &mut buffer);
        let (mut depth, mut end) = (0, 0);
        while end < path.len() {
            let segment = end + 1;
            end = memchr::memchr(b'/', &path[segment..]).map_or(path.len(), |len| segment + len);
            depth += 1;
            if self.depths.has(depth) {
                visit(
                    &path[..end],
                    self.pools.get(&path[..end]).map(|ByPath(pool)| pool),
                );
            }
            if !self.depths.reaches(depth + 1) {
                break;
            }
        }
    }

    /// As much of the path as can matter, without query and one trailing `/`, in lower case.
    ///
    /// Two bytes more than the longest route has are enough to tell its end from its middle.
    fn searched<'a>(&self, path: &[u8], buffer: &'a mut [u8; MAX_PATH + 2]) -> &'a [u8] {
        let mut head = &path[..path.len().min(self.longest + 2)];
        if !head.starts_with(b"/") {
            return &[];
        }
        let query = memchr::memchr(b'?', head);
        let whole = query.is_some() || head.len() == path.len();
        head = query.map_or(head, |query| &head[..query]);
        if whole {
            head = head.strip_suffix(b"/").unwrap_or(head);
        }
        let searched = &mut buffer[..head.len()];
        searched.copy_from_slice(head);
        searched.make_ascii_lowercase();
        searched
    }
}

/// How many segments a path has.
fn depth(path: &str) -> usize {
    memchr::memchr_iter(b'/', path.as_bytes()).count()
}
