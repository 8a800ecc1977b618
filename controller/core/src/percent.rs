//! The escapes of URLs.

/// Returns `text` with each `%XX` replaced by its byte (RFC 3986 section 2.1). What is no escape
/// stays; bytes that are not UTF-8 become U+FFFD.
#[must_use]
pub fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        match escaped(rest) {
            Some(byte) => {
                bytes.push(byte);
                rest = rest.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns a name or value of a form or query: [`decode`], and `+` is a blank.
#[must_use]
pub fn decode_form(text: &str) -> String {
    decode(&text.replace('+', " "))
}

/// Returns `text` such that it may stand in a query or a warning: all but the unreserved characters of
/// RFC 3986 section 2.3 is escaped.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Returns the byte that `text` begins with an escape of.
fn escaped(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_read_once() {
        let check = |text: &str, expected: &str| assert_eq!(decode(text), expected);
        check("a%20b", "a b");
        check("a%252Cb", "a%2Cb");
        check("100%", "100%");
        check("%zz%4", "%zz%4");
        check("%e4+", "\u{fffd}+");
        assert_eq!(decode_form("a+b%2B"), "a b+");
        assert_eq!(encode("A note, ü"), "A%20note%2C%20%C3%BC");
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_back(text in ".*") {
            prop_assert_eq!(decode(&encode(&text)), text.clone());
            prop_assert_eq!(decode_form(&encode(&text)), text);
        }
    }
}
