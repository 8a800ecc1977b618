//! How a message from a stranger is read: as Go's decoder reads it, which all predecessors of ours
//! use, and which every registrar was tried against. A key counts in any case, the last of several
//! counts, `null` says nothing, and bytes that are no text are shown as U+FFFD.

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

/// Finds the field that a key means, by its place among these names, all of them in lower case.
#[derive(Clone, Copy)]
pub(super) struct Names(pub(super) &'static [&'static str]);

impl Names {
    fn find(self, key: &str) -> Option<usize> {
        let Self(names) = self;
        let exact = names.iter().position(|name| *name == key);
        exact.or_else(|| names.iter().position(|name| means(key, name)))
    }
}

impl<'de> DeserializeSeed<'de> for Names {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Names {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.find(key))
    }
}

/// Whether `key` is `name` but for its case. Two letters beyond ASCII have a lower case within it.
pub(super) fn means(key: &str, name: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    key.len() >= name.len() && key.chars().map(fold).eq(name.chars())
}

/// Takes the next value of `map` over, unless it is `null`.
pub(super) fn set<'de, A, T>(map: &mut A, field: &mut T) -> Result<(), A::Error>
where
    A: MapAccess<'de>,
    T: Deserialize<'de>,
{
    if let Some(value) = map.next_value()? {
        *field = value;
    }
    Ok(())
}

/// As [`set`], for a number or a number in quotes: some registrars send every option as a string.
pub(super) fn set_number<'de, A>(map: &mut A, field: &mut f64) -> Result<(), A::Error>
where
    A: MapAccess<'de>,
{
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Given {
        Number(f64),
        Text(String),
    }

    *field = match map.next_value()? {
        None => return Ok(()),
        Some(Given::Number(number)) => number,
        Some(Given::Text(text)) if text.is_empty() => 0.0,
        Some(Given::Text(text)) => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => number,
            _ => return Err(A::Error::custom(format_args!("{text:?} is not a number"))),
        },
    };
    Ok(())
}

/// As [`set`], for text, or a number that is taken as text.
pub(super) fn set_text<'de, A>(map: &mut A, field: &mut String) -> Result<(), A::Error>
where
    A: MapAccess<'de>,
{
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Given {
        Text(String),
        Number(serde_json::Number),
    }

    match map.next_value()? {
        None => {}
        Some(Given::Text(text)) => *field = text,
        Some(Given::Number(number)) => *field = number.to_string(),
    }
    Ok(())
}

/// `payload` with U+FFFD for each byte that is no text, and for each half of a pair of surrogates.
/// None when there is nothing of the kind.
pub(super) fn mended(payload: &[u8]) -> Option<Vec<u8>> {
    const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();
    let mut text = Vec::with_capacity(payload.len());
    for chunk in payload.utf8_chunks() {
        text.extend_from_slice(chunk.valid().as_bytes());
        for _ in chunk.invalid() {
            text.extend_from_slice(REPLACEMENT);
        }
    }
    mend_escapes(&mut text);
    (text != payload).then_some(text)
}

fn mend_escapes(text: &mut [u8]) {
    let mut at = 0;
    let next = |text: &[u8], at: usize| {
        let rest = text.get(at..)?;
        rest.iter().position(|byte| *byte == b'\\').map(|n| at + n)
    };
    while let Some(escape) = next(text, at) {
        let (len, alone) = match unit(text, escape) {
            None => (2, false),
            Some(0xd800..=0xdbff) => match unit(text, escape + 6) {
                Some(0xdc00..=0xdfff) => (12, false),
                _ => (6, true),
            },
            Some(0xdc00..=0xdfff) => (6, true),
            Some(_) => (6, false),
        };
        if alone && let Some(digits) = text.get_mut(escape + 2..escape + 6) {
            digits.copy_from_slice(b"fffd");
        }
        at = escape + len;
    }
}

/// The number of the escape `\uXXXX` at that place, if there is one.
fn unit(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits).ok()?;
    let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_mended_and_the_rest_left_alone() {
        let check = |bytes: &[u8], expected: Option<&str>| {
            let mended = mended(bytes);
            let mended = mended.as_ref().map(|text| String::from_utf8_lossy(text));
            assert_eq!(mended.as_deref(), expected, "{}", bytes.escape_ascii());
        };
        check(b"{\"a\":\"\xc3\xa4\"}", None);
        check(b"\"\xff\"", Some("\"\u{fffd}\""));
        check(b"\xe2\x82a", Some("\u{fffd}\u{fffd}a"));
        check(br#""\u0041\n\\ud800""#, None);
        check(br#""\ud83d\ude00""#, None);
        check(br#""\ud83d""#, Some(r#""\ufffd""#));
        check(br#""\ude00\ud83d""#, Some(r#""\ufffd\ufffd""#));
        check(br#""\ud83d\u0041""#, Some(r#""\ufffd\u0041""#));
        check(br#""\ud83d\ud83d\ude00""#, Some(r#""\ufffd\ud83d\ude00""#));
        check(br"\ud8", None);
        check(br"\", None);
    }

    #[test]
    fn a_key_counts_in_any_case() {
        for (key, expected) in [
            ("host", true),
            ("HOST", true),
            ("Ho\u{17f}t", true),
            ("hosts", false),
            ("h\u{f6}st", false),
        ] {
            assert_eq!(means(key, "host"), expected, "{key}");
        }
        assert_eq!(Names(&["ab", "cd"]).find("cD"), Some(1));
        assert_eq!(Names(&["ab", "cd"]).find("ef"), None);
    }
}
