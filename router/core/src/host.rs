//! The host part of a request, brought into the one form that routes are looked up by.

use memchr::memchr;

/// Longest host that can have a route, in bytes; a domain name has at most 253.
pub const MAX_HOST: usize = 255;

/// Cuts what does not belong to the name: the port, and the dot that ends an absolute name.
///
/// `[::1]:80` is cut at the port and keeps its brackets; anything else is cut at the first colon.
pub fn bare(host: &str) -> &str {
    let end = match host.strip_prefix('[') {
        Some(rest) => memchr(b']', rest.as_bytes()).map(|close| close + 2),
        None => memchr(b':', host.as_bytes()),
    };
    let name = end.map_or(host, |end| &host[..end]);
    name.strip_suffix('.').unwrap_or(name)
}

/// A host as looked up: [`bare`], in lower case, on the stack.
///
/// It starts as the host itself and can be widened label by label: `a.b.c`, `*.b.c`, `*.c`.
#[derive(Debug)]
pub struct LookupHost {
    /// The name lies at `start..end`; the byte before it leaves room for the `*` of `.b.c`.
    bytes: [u8; MAX_HOST + 1],
    start: usize,
    end: usize,
}

impl LookupHost {
    /// The first form of `host`; `None` when no route can have this name.
    pub fn new(host: &str) -> Option<Self> {
        let name = bare(host).as_bytes();
        if name.is_empty() || name.len() > MAX_HOST {
            return None;
        }
        let end = 1 + name.len();
        let mut bytes = [0; MAX_HOST + 1];
        bytes[1..end].copy_from_slice(name);
        bytes[1..end].make_ascii_lowercase();
        Some(Self {
            bytes,
            start: 1,
            end,
        })
    }

    /// The name in its current form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// How many dots the current form has.
    pub fn dots(&self) -> usize {
        memchr::memchr_iter(b'.', self.as_bytes()).count()
    }

    /// Goes on to the next wildcard that covers this name; false when there is none.
    pub fn widen(&mut self) -> bool {
        let label = if self.as_bytes().starts_with(b"*.") {
            self.start + 2
        } else {
            self.start
        };
        let Some(dot) = memchr(b'.', &self.bytes[label..self.end]) else {
            return false;
        };
        self.start = label + dot - 1;
        self.bytes[self.start] = b'*';
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(host: &str) -> Vec<String> {
        let mut forms = Vec::new();
        if let Some(mut host) = LookupHost::new(host) {
            loop {
                forms.push(String::from_utf8_lossy(host.as_bytes()).into_owned());
                if !host.widen() {
                    break;
                }
            }
        }
        forms
    }

    #[test]
    fn one_form_for_every_spelling() {
        assert_eq!(bare("a.example.com"), "a.example.com");
        assert_eq!(bare("a.example.com:443"), "a.example.com");
        assert_eq!(bare("a.example.com.:443"), "a.example.com");
        assert_eq!(bare("[::1]:80"), "[::1]");
        assert_eq!(bare("[::1]"), "[::1]");
        assert_eq!(bare("[::1"), "[::1");
        assert_eq!(bare("::1"), "");
        assert_eq!(bare(":80"), "");
        assert_eq!(bare("."), "");
    }

    #[test]
    fn widened_label_by_label() {
        assert_eq!(
            forms("A.b.C.com:80"),
            ["a.b.c.com", "*.b.c.com", "*.c.com", "*.com"]
        );
        assert_eq!(forms("*.b.c"), ["*.b.c", "*.c"]);
        assert_eq!(forms("localhost"), ["localhost"]);
        assert_eq!(forms(".b.c"), [".b.c", "*.b.c", "*.c"]);
        assert_eq!(forms("a..b"), ["a..b", "*..b", "*.b"]);
        assert_eq!(forms(""), [""; 0]);
        assert_eq!(forms(&"a".repeat(MAX_HOST)).len(), 1);
        assert_eq!(forms(&"a".repeat(MAX_HOST + 1)).len(), 0);
        assert_eq!(forms(&"a.".repeat(127)).len(), 127);
    }
}
