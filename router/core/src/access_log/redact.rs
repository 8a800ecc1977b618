//! The target as the log may show it.

use super::{RedactQuery, text};

/// Appends a target through `escape`, its query redacted as configured.
///
/// As in gorouter, only the query of a GET is redacted: other methods carry theirs in the body.
pub(super) fn target(
    redact: RedactQuery,
    method: &[u8],
    target: &[u8],
    escape: impl Fn(&[u8], &mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    let query = match redact {
        RedactQuery::None => None,
        RedactQuery::All | RedactQuery::Hash if method != b"GET" => None,
        RedactQuery::All | RedactQuery::Hash => memchr::memchr(b'?', target),
    };
    let Some(at) = query else {
        escape(target, out);
        return;
    };
    escape(&target[..at], out);
    if redact == RedactQuery::Hash && at + 1 < target.len() {
        out.extend_from_slice(b"?hash=");
        for byte in sha1(&target[at + 1..]) {
            text::hex(byte, out);
        }
    }
}

/// SHA-1 (FIPS 180-4). It names a query in a log and protects nothing.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [
        0x6745_2301,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];
    let (blocks, rest) = message.as_chunks::<64>();
    for block in blocks {
        compress(&mut state, block);
    }
    // The tail: a one bit, zeros, and the length in bits as the last eight bytes.
    let mut tail = [0_u8; 128];
    tail[..rest.len()].copy_from_slice(rest);
    tail[rest.len()] = 0x80;
    let end = if rest.len() < 56 { 64 } else { 128 };
    tail[end - 8..end].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    for block in tail[..end].as_chunks::<64>().0 {
        compress(&mut state, block);
    }
    let mut digest = [0_u8; 20];
    for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

fn compress(state: &mut [u32; 5], block: &[u8; 64]) {
    let mut words = [0_u32; 80];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    for i in 16..80 {
        words[i] = (words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16]).rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (i, word) in words.into_iter().enumerate() {
        let (mix, constant) = match i {
            0..20 => ((b & c) | (!b & d), 0x5a82_7999_u32),
            20..40 => (b ^ c ^ d, 0x6ed9_eba1),
            40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6),
        };
        let next = a
            .rotate_left(5)
            .wrapping_add(mix)
            .wrapping_add(e)
            .wrapping_add(constant)
            .wrapping_add(word);
        (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
    }
    for (sum, value) in state.iter_mut().zip([a, b, c, d, e]) {
        *sum = sum.wrapping_add(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn sha1_vectors() {
        let million = vec![b'a'; 1_000_000];
        let two_blocks: &[u8] = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        for (message, digest) in [
            (b"".as_slice(), "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (two_blocks, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
            (&million, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
        ] {
            assert_eq!(hex(&sha1(message)), digest);
        }
    }

    #[test]
    fn queries() {
        let check = |redact, method: &str, whole: &str, expected: &str| {
            let mut out = Vec::new();
            target(
                redact,
                method.as_bytes(),
                whole.as_bytes(),
                text::quoted_part,
                &mut out,
            );
            assert_eq!(
                String::from_utf8(out).unwrap(),
                expected,
                "{redact:?} {method} {whole}"
            );
        };
        let hashed = "/a?hash=a9993e364706816aba3e25717850c26c9cd0d89d";
        check(RedactQuery::None, "GET", "/a?abc", "/a?abc");
        check(RedactQuery::All, "GET", "/a?abc", "/a");
        check(RedactQuery::All, "GET", "/a?", "/a");
        check(RedactQuery::All, "GET", "/a", "/a");
        check(RedactQuery::All, "POST", "/a?abc", "/a?abc");
        check(RedactQuery::Hash, "GET", "/a?abc", hashed);
        check(RedactQuery::Hash, "GET", "/a?", "/a");
        check(
            RedactQuery::Hash,
            "GET",
            "/a\"?x",
            "/a\\\"?hash=11f6ad8ec52a2984abaafd7c3b516503785c2072",
        );
        check(RedactQuery::Hash, "HEAD", "/a?abc", "/a?abc");
    }
}
