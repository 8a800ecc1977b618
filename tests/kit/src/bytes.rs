//! Bytes as text: one character a byte, so that nothing is lost and every byte can be written.

/// The bytes as text, one character (U+0000 to U+00FF) for each byte.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The bytes that [`text`] wrote: `None` when a character is above U+00FF.
#[must_use]
pub fn from_text(text: &str) -> Option<Vec<u8>> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).ok())
        .collect()
}

/// The bytes for a report: control and 8-bit bytes escaped, long runs cut in the middle.
#[must_use]
pub fn show(bytes: &[u8]) -> String {
    const EACH_SIDE: usize = 400;
    if bytes.len() <= 2 * EACH_SIDE {
        return bytes.escape_ascii().to_string();
    }
    let (first, last) = (&bytes[..EACH_SIDE], &bytes[bytes.len() - EACH_SIDE..]);
    let left_out = bytes.len() - 2 * EACH_SIDE;
    format!(
        "{}[.. {left_out} bytes ..]{}",
        first.escape_ascii(),
        last.escape_ascii()
    )
}

/// Where `needle` starts in `hay`, letter case aside.
#[must_use]
pub fn find_ignoring_case(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len().max(1))
        .position(|window| window.eq_ignore_ascii_case(needle))
}

/// Where `needle` starts in `hay`.
#[must_use]
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len().max(1))
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_way_through_text() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(from_text(&text(&all)), Some(all));
        assert_eq!(from_text("\u{100}"), None);
    }

    #[test]
    fn long_runs_are_cut_in_the_middle() {
        let shown = show(&[b'a'; 2000]);
        assert!(shown.contains("[.. 1200 bytes ..]"), "{shown}");
        assert_eq!(show(b"a\r\n\0\xff"), r"a\r\n\x00\xff");
    }
}
