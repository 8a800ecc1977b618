//! Times as people and programs write them, in UTC.

use time::OffsetDateTime;

/// Returns a time as `2006-01-02T15:04:05` with `separator` in the place of the `T`, and `offset` behind.
/// A time that no calendar has is empty.
#[must_use]
pub fn calendar(unix_seconds: i64, separator: char, offset: &str) -> String {
    let Ok(at) = OffsetDateTime::from_unix_timestamp(unix_seconds) else {
        return String::new();
    };
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = at.to_hms();
    format!("{year:04}-{month:02}-{day:02}{separator}{hour:02}:{minute:02}:{second:02}{offset}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_three_forms() {
        for (at, separator, offset, expected) in [
            (0, 'T', "Z", "1970-01-01T00:00:00Z"),
            (1_412_164_800, ' ', " +0000", "2014-10-01 12:00:00 +0000"),
            (1_793_607_330, 'T', "+00:00", "2026-11-02T08:15:30+00:00"),
            (i64::MAX, 'T', "Z", ""),
        ] {
            assert_eq!(calendar(at, separator, offset), expected);
        }
    }
}
