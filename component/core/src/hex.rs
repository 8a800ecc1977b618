//! Bytes as hexadecimal text.

use std::fmt::Write as _;

/// Returns two digits, in lower case, for each byte.
#[must_use]
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_two_digits() {
        for (bytes, text) in [(&[][..], ""), (&[0, 10, 255], "000aff")] {
            assert_eq!(hex(bytes), text);
        }
    }
}
