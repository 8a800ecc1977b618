//! Escaping: what somebody else chose never leaves its field.

use crate::byte_scan;

/// Appends the inside of a quoted string, `-` for an empty one.
#[inline]
pub(super) fn part_or_dash(value: &[u8], out: &mut Vec<u8>) {
    if value.is_empty() {
        out.push(b'-');
    } else {
        quoted_part(value, out);
    }
}

/// Appends the inside of a quoted string: printable text as it is, `"` and `\` with a backslash,
/// `\n \r \t` by name, every other control character and every byte that is not UTF-8 as `\xNN`,
/// and the characters that some readers take for the end of a line as `\uNNNN`.
pub(super) fn quoted_part(value: &[u8], out: &mut Vec<u8>) {
    if is_plain(value, b' ') {
        out.extend_from_slice(value);
    } else {
        escaped(value, out);
    }
}

/// Appends a value that the line carries without quotes: spaces and quotes are escaped as well.
pub(super) fn bare_or_dash(value: &[u8], out: &mut Vec<u8>) {
    if value.is_empty() {
        out.push(b'-');
    } else if is_plain(value, b'!') {
        out.extend_from_slice(value);
    } else {
        for &byte in value {
            match byte {
                b' ' | b'"' | b'\\' | 0x00..=0x1f | 0x7f..=0xff => hex_escape(byte, out),
                _ => out.push(byte),
            }
        }
    }
}

/// Appends the inside of a JSON string. Bytes that are not UTF-8 become U+FFFD.
pub(super) fn json_part(value: &[u8], out: &mut Vec<u8>) {
    if is_plain(value, b' ') {
        out.extend_from_slice(value);
        return;
    }
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                _ if ends_lines(character) => unicode_escape(character, out),
                _ => utf8(character, out),
            }
        }
        if !chunk.invalid().is_empty() {
            utf8(char::REPLACEMENT_CHARACTER, out);
        }
    }
}

/// Whether every byte is printable ASCII from `first` on, other than `"` and `\`.
#[inline]
fn is_plain(value: &[u8], first: u8) -> bool {
    !byte_scan::any(value, |block| {
        byte_scan::below(block, first)
            | byte_scan::above_printable(block)
            | byte_scan::is(block, b'"')
            | byte_scan::is(block, b'\\')
    })
}

fn escaped(value: &[u8], out: &mut Vec<u8>) {
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                '\0'..='\x1f' | '\x7f' => hex_escape(character as u8, out),
                _ if ends_lines(character) => unicode_escape(character, out),
                _ => utf8(character, out),
            }
        }
        for &byte in chunk.invalid() {
            hex_escape(byte, out);
        }
    }
}

/// Control characters, and the separators and direction marks that change how a line is shown.
fn ends_lines(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends a byte as two hex digits.
pub(super) fn hex(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
}

fn hex_escape(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\x");
    hex(byte, out);
}

fn unicode_escape(character: char, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.push(HEX[(u32::from(character) >> shift) as usize & 15]);
    }
}

fn utf8(character: char, out: &mut Vec<u8>) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(write: impl Fn(&[u8], &mut Vec<u8>), rows: &[(&[u8], &str)]) {
        for (value, expected) in rows {
            let mut out = Vec::new();
            write(value, &mut out);
            assert_eq!(
                String::from_utf8(out).unwrap(),
                *expected,
                "{}",
                value.escape_ascii()
            );
        }
    }

    #[test]
    fn quoted_values_stay_in_their_quotes() {
        check(
            part_or_dash,
            &[
                (b"", "-"),
                (b"curl/8.0 (x; y)", "curl/8.0 (x; y)"),
                (br#"a" status:200 "b"#, r#"a\" status:200 \"b"#),
                (br"back\slash", r"back\\slash"),
                (b"two\nlines\r\n", r"two\nlines\r\n"),
                (b"tab\there\x00\x1b[31m\x7f", r"tab\there\x00\x1b[31m\x7f"),
                ("grüße €".as_bytes(), "grüße €"),
                (b"lone \xff\xc3 byte", r"lone \xff\xc3 byte"),
                (
                    "a\u{85}b\u{2028}c\u{202e}d".as_bytes(),
                    r"a\u0085b\u2028c\u202ed",
                ),
            ],
        );
    }

    #[test]
    fn bare_values_are_one_word() {
        check(
            bare_or_dash,
            &[
                (b"", "-"),
                (b"a.example.com:8080", "a.example.com:8080"),
                (b"[::1]:80", "[::1]:80"),
                (b"a - [x] \"GET", r"a\x20-\x20[x]\x20\x22GET"),
                ("ü\n".as_bytes(), r"\xc3\xbc\x0a"),
            ],
        );
    }

    #[test]
    fn every_length_and_place_is_looked_at() {
        for length in 0..40 {
            let mut value = vec![b'~'; length];
            assert!(is_plain(&value, b' '), "{length}");
            for at in 0..length {
                for byte in *b"\"\\\x1f\x7f\x80\xff\0" {
                    value[at] = byte;
                    assert!(!is_plain(&value, b' '), "{length} {at} {byte}");
                }
                value[at] = b' ';
            }
        }
    }

    #[test]
    fn json_strings_parse_back() {
        for value in [
            "plain",
            "a\"b\\c",
            "\u{0}\u{1f}\u{7f}\u{85}\u{2028}",
            "grüße €",
            "\r\n\t",
        ] {
            let mut out = vec![b'"'];
            json_part(value.as_bytes(), &mut out);
            out.push(b'"');
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), value);
        }
        check(json_part, &[(b"lone \xff byte", "lone \u{fffd} byte")]);
    }
}
