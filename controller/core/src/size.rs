//! Sizes as people write them: `256M`, `2gb`.

/// What a text must be to be a size, in the words that clients know.
pub const SIZE_RULE: &str = "must use a supported unit: B, K, KB, M, MB, G, GB, T, or TB";

const MEBIBYTE: u64 = 1 << 20;

/// Returns the bytes that `text` stands for: an integer and a unit, in any case. Units are powers of
/// 1,024. None when it is anything else, or more than fits.
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let shift = match unit.trim_start().to_ascii_uppercase().as_str() {
        "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Returns the whole MiB that `text` stands for. None as for [`bytes`].
#[must_use]
pub fn mebibytes(text: &str) -> Option<u64> {
    Some(bytes(text)? / MEBIBYTE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_have_units() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(bytes(text), expected, "{text}");
        check("1B", Some(1));
        check("1k", Some(1024));
        check("1KiB", Some(1024));
        check("64M", Some(64 << 20));
        check(" 64 mb ", Some(64 << 20));
        check("2Gb", Some(2 << 30));
        check("1T", Some(1 << 40));
        check("0M", Some(0));
        for wrong in [
            "64",
            "",
            "M",
            "-1M",
            "1.5G",
            "1P",
            "1MM",
            "16777216T",
            "1 M B",
        ] {
            check(wrong, None);
        }
        assert_eq!(mebibytes("1G"), Some(1024));
        assert_eq!(mebibytes("1023K"), Some(0));
    }

    proptest! {
        #[test]
        fn any_text_is_a_size_or_none(text in ".*") {
            prop_assert!(mebibytes(&text) <= bytes(&text));
        }

        #[test]
        fn what_is_written_is_read(size in 0_u64..1 << 40) {
            prop_assert_eq!(mebibytes(&format!("{size}M")), Some(size));
        }
    }
}
