//! Questions about every byte of a text, asked of eight at a time.
//!
//! Values are short: the vector code that a compiler makes of a loop spends most of its time on
//! what does not fill a vector. Here the last block overlaps the one before it.

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES * 0x80;

/// Whether `flags` sets the high bit of any byte of a block of `bytes`. What does not fill a block
/// is filled up with letters.
///
/// A borrow may flag the byte above one that is flagged rightly, so that the answer is about all
/// bytes together and never about one.
#[inline]
pub(crate) fn any(bytes: &[u8], flags: impl Fn(u64) -> u64) -> bool {
    let Some(last) = bytes.last_chunk::<8>() else {
        return flags(short(bytes)) & HIGH != 0;
    };
    let mut found = flags(u64::from_le_bytes(*last));
    for block in bytes.as_chunks::<8>().0 {
        found |= flags(u64::from_le_bytes(*block));
    }
    found & HIGH != 0
}

/// Where `byte` is first. The lines of heads are short; what is longer goes to `memchr`, which pays
/// off from there on.
#[inline]
pub(crate) fn position(bytes: &[u8], byte: u8) -> Option<usize> {
    const NEAR: usize = 6;
    let blocks = bytes.as_chunks::<8>().0;
    for (index, block) in blocks.iter().take(NEAR).enumerate() {
        // The lowest flag is right: a borrow only ever goes up, and up is towards the end.
        let found = is(u64::from_le_bytes(*block), byte) & HIGH;
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let near = blocks.len().min(NEAR) * 8;
    memchr::memchr(byte, &bytes[near..]).map(|at| near + at)
}

/// Flags bytes below `limit`, which is at most 0x80.
#[inline]
pub(crate) const fn below(block: u64, limit: u8) -> u64 {
    block.wrapping_sub(ONES * limit as u64) & !block
}

/// Flags bytes that are `byte`.
#[inline]
pub(crate) const fn is(block: u64, byte: u8) -> u64 {
    let other = block ^ (ONES * byte as u64);
    other.wrapping_sub(ONES) & !other
}

/// Flags bytes above `~`, the last that can be printed.
#[inline]
pub(crate) const fn above_printable(block: u64) -> u64 {
    // Adding one to 0x7f sets the high bit. The carry of 0xff goes to a byte above a flagged one.
    block.wrapping_add(ONES) | block
}

/// Whether `name` is `lower`, which is in lower case, in any case.
#[inline]
pub(crate) fn is_name(name: &[u8], lower: &[u8]) -> bool {
    if name.len() != lower.len() {
        return false;
    }
    let (Some(name_end), Some(lower_end)) = (name.last_chunk::<8>(), lower.last_chunk::<8>())
    else {
        return differs(short(name), short(lower)) == 0;
    };
    let mut found = differs(
        u64::from_le_bytes(*name_end),
        u64::from_le_bytes(*lower_end),
    );
    let pairs = name.as_chunks::<8>().0.iter().zip(lower.as_chunks::<8>().0);
    for (name, lower) in pairs {
        found |= differs(u64::from_le_bytes(*name), u64::from_le_bytes(*lower));
    }
    found == 0
}

/// Zero when `block` is `lower` but for the case of letters, which alone among the bytes of a name
/// in lower case have the bit 0x40.
#[inline]
const fn differs(block: u64, lower: u64) -> u64 {
    let case = (lower & (ONES * 0x40)) >> 1;
    (block | case) ^ lower
}

/// Fewer than eight bytes, filled up with letters or with some of themselves.
#[inline]
fn short(bytes: &[u8]) -> u64 {
    const X: u8 = b'x';
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
    }
    let four = match *bytes {
        [a] => [a, X, X, X],
        [a, b] => [a, b, X, X],
        [a, b, c] => [a, b, c, X],
        _ => [X; 4],
    };
    u64::from(u32::from_le_bytes(four)) | u64::from(u32::from_le_bytes([X; 4])) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of every length up to 40 with `byte` at every place.
    fn with_each(byte: u8, check: impl Fn(&[u8])) {
        for length in 1..40 {
            for at in 0..length {
                let mut text = vec![b'x'; length];
                text[at] = byte;
                check(&text);
            }
        }
    }

    #[test]
    fn every_byte_in_every_place_is_asked() {
        for byte in 0..=u8::MAX {
            with_each(byte, |text| {
                assert_eq!(any(text, |block| below(block, 0x20)), byte < 0x20, "{byte}");
                assert_eq!(any(text, |block| is(block, b'"')), byte == b'"', "{byte}");
                assert_eq!(any(text, above_printable), byte > b'~', "{byte}");
            });
        }
        assert!(!any(b"", |block| below(block, 0x20)));
    }

    #[test]
    fn the_first_place_is_found() {
        for length in 0..100 {
            let mut text = vec![b'\n' + 1; length];
            assert_eq!(position(&text, b'\n'), None);
            for at in (0..length).rev() {
                text[at] = b'\n';
                assert_eq!(position(&text, b'\n'), Some(at), "{length}");
            }
        }
    }

    #[test]
    fn names_match_as_the_standard_library_says() {
        for name in [
            "",
            "te",
            "host",
            "trailer",
            "http2-settings",
            "transfer-encoding",
        ] {
            assert!(is_name(
                name.to_ascii_uppercase().as_bytes(),
                name.as_bytes()
            ));
            for at in 0..name.len() {
                for byte in 0..=u8::MAX {
                    let mut other = name.as_bytes().to_vec();
                    other[at] = byte;
                    let expected = other.eq_ignore_ascii_case(name.as_bytes());
                    assert_eq!(
                        is_name(&other, name.as_bytes()),
                        expected,
                        "{name} {at} {byte}"
                    );
                }
            }
        }
    }
}
