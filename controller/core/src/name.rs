//! What apps, spaces and organizations may be called.

/// How many characters a name may have.
const LONGEST: usize = 255;

/// Returns what is wrong with `name` as the name of an app, a space or an organization, in the words
/// that clients know.
#[must_use]
pub fn problem(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        return Some("Name can't be blank".to_owned());
    }
    if name.chars().count() > LONGEST {
        return Some(format!(
            "Name is too long (maximum is {LONGEST} characters)"
        ));
    }
    let bad = name.chars().any(char::is_control);
    bad.then(|| "Name can't contain control characters".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_printable_and_short() {
        let check = |name: &str, good: bool| assert_eq!(problem(name).is_none(), good, "{name}");
        check("quill", true);
        check("my app, v2 (öäü)", true);
        check(&"ü".repeat(255), true);
        check(&"ü".repeat(256), false);
        check("", false);
        check(" ", false);
        check("a\nb", false);
        check("a\u{0}", false);
    }
}
