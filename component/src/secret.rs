//! Text that must not be seen.

use std::fmt;

/// A password or key. It hides itself in `Debug`, has no `Display`, and is shown only where a
/// caller says so.
#[derive(Clone, Default)]
pub struct Secret(Box<str>);

impl Secret {
    /// What is shown in its place.
    pub const MASK: &'static str = "********";

    /// Wraps the text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// True for the empty text, which stands for "no secret".
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Takes as long for a near miss as for a plain miss of the same length.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (self.0.as_bytes(), other.0.as_bytes());
        a.len() == b.len() && a.iter().zip(b).fold(0, |acc, (a, b)| acc | (a ^ b)) == 0
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "\"\"" } else { Self::MASK })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_and_compares() {
        let secret = Secret::new("hush");
        assert!(!format!("{secret:?} {:?}", Some(&secret)).contains("hush"));
        assert_eq!(secret.reveal(), "hush");
        assert_eq!(secret, Secret::new("hush"));
        assert_ne!(secret, Secret::new("husk"));
        assert_ne!(secret, Secret::default());
    }
}
