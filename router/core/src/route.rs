//! What a route is known by.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use memchr::memchr;

use crate::host::{self, MAX_HOST};

/// Longest path that a route can have, in bytes.
pub const MAX_PATH: usize = 1024;

/// A host pattern and a path prefix: `app.example.com`, `*.example.com/api`.
///
/// Always in its canonical form (lower case, no port, no query, one trailing `/` trimmed), so that
/// equal keys are equal text.
#[derive(Clone)]
pub struct RouteKey(Text);

/// A lookup compares a key with every host that it finds, so most keys lie where the pool does, and
/// cost no further visit to memory.
#[derive(Clone)]
enum Text {
    Inline {
        bytes: [u8; INLINE],
        len: u8,
        host_len: u8,
    },
    Shared {
        text: Arc<str>,
        host_len: u16,
    },
}

/// Longest key that is kept in place; as many as fit in 48 bytes together with their lengths.
const INLINE: usize = 45;

/// Why a URI names no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadUri {
    /// It has no host.
    NoHost,
    /// Its host is longer than [`MAX_HOST`], or its path than [`MAX_PATH`].
    TooLong,
    /// It has a space or a control character.
    BadCharacter,
}

impl RouteKey {
    /// Reads a URI as registrars send it: a host, perhaps with a leading `*.`, and perhaps a path.
    ///
    /// # Errors
    /// When no request could ever match.
    pub fn parse(uri: &str) -> Result<Self, BadUri> {
        let uri = memchr(b'?', uri.as_bytes()).map_or(uri, |query| &uri[..query]);
        let slash = memchr(b'/', uri.as_bytes()).unwrap_or(uri.len());
        let (host, path) = uri.split_at(slash);
        let host = host::bare(host);
        let path = path.strip_suffix('/').unwrap_or(path);
        if host.is_empty() {
            return Err(BadUri::NoHost);
        }
        if host.len() > MAX_HOST || path.len() > MAX_PATH {
            return Err(BadUri::TooLong);
        }
        if host
            .bytes()
            .chain(path.bytes())
            .any(|byte| byte <= b' ' || byte == 0x7f)
        {
            return Err(BadUri::BadCharacter);
        }
        Text::new(host, path).map(Self).ok_or(BadUri::TooLong)
    }

    /// The whole key, host and path together.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Inline { .. } => std::str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Text::Shared { text, .. } => text,
        }
    }

    /// The host pattern.
    pub fn host(&self) -> &str {
        &self.as_str()[..self.host_len()]
    }

    /// The path prefix: empty, or starting with `/`.
    pub fn path(&self) -> &str {
        &self.as_str()[self.host_len()..]
    }

    /// Whether the host stands for every name that ends like it.
    pub fn is_wildcard(&self) -> bool {
        self.as_bytes().starts_with(b"*.")
    }

    pub(crate) fn host_bytes(&self) -> &[u8] {
        &self.as_bytes()[..self.host_len()]
    }

    pub(crate) fn path_bytes(&self) -> &[u8] {
        &self.as_bytes()[self.host_len()..]
    }

    fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Inline { bytes, len, .. } => &bytes[..usize::from(*len)],
            Text::Shared { text, .. } => text.as_bytes(),
        }
    }

    fn host_len(&self) -> usize {
        match &self.0 {
            Text::Inline { host_len, .. } => usize::from(*host_len),
            Text::Shared { host_len, .. } => usize::from(*host_len),
        }
    }
}

impl Text {
    /// The two behind one another, in lower case; nothing when the host is far too long.
    fn new(host: &str, path: &str) -> Option<Self> {
        let length = host.len() + path.len();
        if length <= INLINE {
            let mut bytes = [0; INLINE];
            let (before, behind) = bytes[..length].split_at_mut(host.len());
            before.copy_from_slice(host.as_bytes());
            behind.copy_from_slice(path.as_bytes());
            bytes.make_ascii_lowercase();
            return Some(Self::Inline {
                bytes,
                len: u8::try_from(length).ok()?,
                host_len: u8::try_from(host.len()).ok()?,
            });
        }
        let mut text = String::with_capacity(length);
        text.push_str(host);
        text.push_str(path);
        text.make_ascii_lowercase();
        Some(Self::Shared {
            text: text.into(),
            host_len: u16::try_from(host.len()).ok()?,
        })
    }
}

// A key is its text: where the host ends follows from it.

impl PartialEq for RouteKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for RouteKey {}

impl Hash for RouteKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl PartialOrd for RouteKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RouteKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RouteKey({self})")
    }
}

impl fmt::Display for BadUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHost => "the uri has no host",
            Self::TooLong => "the uri is too long",
            Self::BadCharacter => "the uri has a space or a control character",
        })
    }
}

impl std::error::Error for BadUri {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, expected: Result<(&str, &str), BadUri>) {
        let key = RouteKey::parse(uri);
        let parts = key
            .as_ref()
            .map(|key| (key.host(), key.path()))
            .map_err(|bad| *bad);
        assert_eq!(parts, expected, "{uri}");
    }

    #[test]
    fn long_and_short_keys_are_alike() {
        assert_eq!(size_of::<RouteKey>(), 48);
        for len in [1, 40, INLINE - 2, INLINE - 1, 200] {
            let uri = format!("{}/b", "a".repeat(len));
            let key = RouteKey::parse(&uri).unwrap();
            assert_eq!((key.as_str(), key.path()), (uri.as_str(), "/b"));
            assert_eq!(key, key.clone());
        }
    }

    #[test]
    fn one_key_for_every_spelling() {
        check("App.Example.COM", Ok(("app.example.com", "")));
        check("app.example.com/", Ok(("app.example.com", "")));
        check("app.example.com//", Ok(("app.example.com", "/")));
        check("app.example.com/Ctx/", Ok(("app.example.com", "/ctx")));
        check("app.example.com/a/b?x=/y", Ok(("app.example.com", "/a/b")));
        check("app.example.com?x", Ok(("app.example.com", "")));
        check("app.example.com:8080/a", Ok(("app.example.com", "/a")));
        check("*.example.com/api", Ok(("*.example.com", "/api")));
        check("[::1]:80/a", Ok(("[::1]", "/a")));
        check("", Err(BadUri::NoHost));
        check("/a", Err(BadUri::NoHost));
        check("a b.com", Err(BadUri::BadCharacter));
        check("a.com/\r\n", Err(BadUri::BadCharacter));
        check(&"a".repeat(256), Err(BadUri::TooLong));
        check(&format!("a/{}", "b".repeat(MAX_PATH)), Err(BadUri::TooLong));
    }
}
