//! What YAML takes for its own where a value was meant.

/// The word in a line that should have been quoted, if there is one: a value that begins with what
/// YAML keeps for itself (`*.example.com`, `@x`), or an IPv6 address, which begins like a list.
pub(super) fn unquoted(line: &str) -> Option<&str> {
    let mut quote = None;
    let mut before = ' ';
    let mut begins = true;
    for (at, c) in line.char_indices() {
        match quote {
            Some(open) => quote = (c != open).then_some(open),
            None if c == '#' && before == ' ' => return None,
            None if begins && matches!(c, '"' | '\'') => quote = Some(c),
            None => {
                if begins && let Some(word) = reserved(&line[at..]) {
                    return Some(word);
                }
            }
        }
        // A value begins behind "- ", ": ", and the marks of lists and mappings within a line.
        begins = match c {
            ' ' | '\t' => begins || matches!(before, ':' | '-' | ','),
            '[' | '{' => true,
            _ => c == ',',
        };
        before = c;
    }
    None
}

/// The word at the beginning of `text`, if YAML does not take it for a value.
fn reserved(text: &str) -> Option<&str> {
    let word = if text.starts_with('[') {
        let address = text.find(']')? + 1;
        let inside = text.get(1..address - 1)?;
        let digit = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.');
        if inside.matches(':').count() < 2 || !inside.chars().all(digit) {
            return None;
        }
        let behind = text.get(address..)?;
        &text[..address + end(behind)]
    } else if text.starts_with(['*', '&', '!', '%', '@', '`']) {
        &text[..end(text)]
    } else {
        return None;
    };
    Some(word)
}

/// Where a word ends.
fn end(text: &str) -> usize {
    text.find([' ', '\t', ',', ']', '}']).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_need_quotes() {
        for (line, word) in [
            ("uris: [*.example.com]", Some("*.example.com")),
            (
                "uris: [a.com, *.example.com/api, b]",
                Some("*.example.com/api"),
            ),
            ("  - *.example.com", Some("*.example.com")),
            ("address: [::]:80", Some("[::]:80")),
            (
                "l: [{address: [::1]:80, proxy_protocol: off}]",
                Some("[::1]:80"),
            ),
            ("l: [[fd00::1]:80, b]", Some("[fd00::1]:80")),
            ("host: [::1]", Some("[::1]")),
            ("pass: %x", Some("%x")),
            ("pass: @x", Some("@x")),
            ("pass: !x", Some("!x")),
            ("a: ['*.b', c]", None),
            ("a: [\"[::]:80\"]", None),
            ("a: [b, c]", None),
            ("a: b # *.c", None),
            ("a: b*c", None),
            ("", None),
        ] {
            assert_eq!(unquoted(line), word, "{line}");
        }
    }
}
