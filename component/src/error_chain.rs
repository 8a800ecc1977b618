//! An error with what caused it, on one line.

use std::error::Error;

/// Returns the error's text and those of its causes, joined by `: `.
#[must_use]
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Outer(&'static str, #[source] Option<io::Error>);

    #[test]
    fn every_cause_is_told_once() {
        assert_eq!(error_chain(&Outer("alone", None)), "alone");
        let cause = io::Error::other(Outer("inner", Some(io::Error::other("last"))));
        assert_eq!(
            error_chain(&Outer("outer", Some(cause))),
            "outer: inner: last"
        );
    }
}
