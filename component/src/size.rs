//! Sizes in bytes: `64KiB`, `100MiB`, `1048576`.

use std::fmt;
use std::str::FromStr;

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// The size in kibibytes, for constants.
    #[must_use]
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// The size in mebibytes, for constants.
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// As a length in memory. Saturates where memory is smaller than the number.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// The text is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a size such as 4096, 64KiB, 100MiB or 1GB")]
pub struct SizeError(String);

const UNITS: [(&str, u64); 9] = [
    ("", 1),
    ("b", 1),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tib", 1 << 40),
];

impl FromStr for ByteSize {
    type Err = SizeError;

    /// A whole number and a unit in any case, bytes when there is none; `K`, `M` and `G` alone are
    /// refused, because half of the world reads them as powers of ten.
    fn from_str(text: &str) -> Result<Self, SizeError> {
        let error = || SizeError(text.to_owned());
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let unit = unit.trim_start().to_ascii_lowercase();
        let unit = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(error)?
            .1;
        let number: u64 = number.parse().map_err(|_| error())?;
        number.checked_mul(unit).map(Self).ok_or_else(error)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
            if self.0 != 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        for (text, bytes, printed) in [
            ("0", 0, "0"),
            ("1", 1, "1"),
            ("4096", 4096, "4KiB"),
            ("64KiB", 65_536, "64KiB"),
            ("100MiB", 104_857_600, "100MiB"),
            ("100 mib", 104_857_600, "100MiB"),
            ("1MB", 1_000_000, "1000000"),
            ("2GiB", 2 << 30, "2GiB"),
            ("1TiB", 1 << 40, "1024GiB"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!(
                (size.0, size.to_string().as_str()),
                (bytes, printed),
                "{text}"
            );
            assert_eq!(printed.parse(), Ok(size));
        }
        for text in [
            "",
            "KiB",
            "1K",
            "1.5MiB",
            "-1",
            "1 x",
            "99999999999999999999",
            "99999999999TiB",
        ] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }
}
