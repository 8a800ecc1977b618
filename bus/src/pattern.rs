//! Subjects and the patterns that select them.

/// Whether `subject` is one that `pattern` selects: `*` stands for one word, a last `>` for one or
/// more.
pub(crate) fn selects(pattern: &str, subject: &str) -> bool {
    let mut words = subject.split('.');
    for wanted in pattern.split('.') {
        match (wanted, words.next()) {
            (_, None) => return false,
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(word)) if wanted == word => {}
            _ => return false,
        }
    }
    words.next().is_none()
}

/// Whether a message can be published on `subject`.
pub(crate) fn is_subject(subject: &str) -> bool {
    is_pattern(subject) && !subject.split('.').any(|word| word == "*" || word == ">")
}

/// Whether `pattern` can be subscribed to.
pub(crate) fn is_pattern(pattern: &str) -> bool {
    let mut words = pattern.split('.').peekable();
    while let Some(word) = words.next() {
        let misplaced = word == ">" && words.peek().is_some();
        let blank = |c: char| c.is_ascii_whitespace() || c.is_ascii_control();
        if word.is_empty() || misplaced || word.contains(blank) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selection() {
        let check = |pattern, subject, expected| {
            assert_eq!(selects(pattern, subject), expected, "{pattern} {subject}");
        };
        check("app.register", "app.register", true);
        check("app.register", "app.unregister", false);
        check("app.*", "app.register", true);
        check("app.*", "app", false);
        check("app.*", "app.a.b", false);
        check("*.greet", "app.greet", true);
        check("app.>", "app.a.b", true);
        check("app.>", "app", false);
        check(">", "app", true);
    }

    #[test]
    fn forms() {
        let check = |text, pattern, subject| {
            assert_eq!(is_pattern(text), pattern, "{text:?} as a pattern");
            assert_eq!(is_subject(text), subject, "{text:?} as a subject");
        };
        check("app.start", true, true);
        check("app", true, true);
        check("*", true, false);
        check("app.*", true, false);
        check("app.>", true, false);
        check("a.>.b", false, false);
        check("", false, false);
        check("a..b", false, false);
        check(".a", false, false);
        check("a b", false, false);
        check("a\r\nPUB b 1", false, false);
    }
}
