//! Durations as Go writes them: `500ms`, `2m`, `1h30m0s`.

use std::time::Duration;

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It does not follow the syntax.
    #[error("{0:?} is not a duration such as 500ms, 60s or 1m30s")]
    Syntax(String),
    /// It is longer than Go's longest, about 292 years.
    #[error("{0:?} is too long a duration")]
    TooLong(String),
}

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads one or more decimal numbers, each followed by its unit, or a bare whole number of
/// nanoseconds, which is how Go reads a YAML number.
///
/// # Errors
///
/// The text does not follow that syntax, is negative, or is longer than 2^63 - 1 nanoseconds.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let syntax = || DurationError::Syntax(text.to_owned());
    let too_long = || DurationError::TooLong(text.to_owned());
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) {
        return limited(rest.parse().map_err(|_| too_long())?).ok_or_else(too_long);
    }
    if rest.is_empty() {
        return Err(syntax());
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, after) = split(after, |c| !c.is_ascii_digit() && c != '.');
        let unit = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(syntax)?
            .1;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return Err(syntax());
        }
        total = total
            .checked_add(digits(whole, 20).ok_or_else(too_long)? * u128::from(unit))
            .and_then(|total| total.checked_add(fraction_of(fraction, unit)))
            .ok_or_else(too_long)?;
        rest = after;
    }
    limited(total).ok_or_else(too_long)
}

/// The shortest form that Go prints: `1h0m0s`, `1m30s`, `1.5s`, `500ms`, `0s`.
#[must_use]
pub fn print(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".into();
    }
    if nanos < 1_000_000_000 {
        let (unit, size) = match nanos {
            0..1_000 => ("ns", 1),
            1_000..1_000_000 => ("µs", 1_000),
            _ => ("ms", 1_000_000),
        };
        return decimal(nanos, size) + unit;
    }
    let (minutes, seconds) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let seconds = decimal(seconds, 1_000_000_000) + "s";
    match (hours, minutes) {
        (0, 0) => seconds,
        (0, minutes) => format!("{minutes}m{seconds}"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
    }
}

fn limited(nanos: u128) -> Option<Duration> {
    let nanos = u64::try_from(nanos)
        .ok()
        .filter(|nanos| i64::try_from(*nanos).is_ok())?;
    Some(Duration::from_nanos(nanos))
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// The value of up to `most` digits; nothing counts as 0.
fn digits(text: &str, most: usize) -> Option<u128> {
    let text = text.trim_start_matches('0');
    if text.is_empty() {
        return Some(0);
    }
    (text.len() <= most).then(|| text.parse().ok())?
}

/// `0.fraction` of `unit`, cut to whole nanoseconds.
fn fraction_of(fraction: &str, unit: u64) -> u128 {
    let mut scale = u128::from(unit);
    let mut sum = 0;
    let mut weight = 1u128;
    for digit in fraction.bytes().take(14) {
        weight *= 10;
        sum = sum * 10 + u128::from(digit - b'0');
    }
    scale *= sum;
    scale / weight
}

/// `value / unit` with as many decimals as it needs.
fn decimal(value: u128, unit: u128) -> String {
    let (whole, part) = (value / unit, value % unit);
    if part == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let part = format!("{part:0width$}");
    format!("{whole}.{}", part.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        for (text, nanos, printed) in [
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
            ("120s", 120_000_000_000, "2m0s"),
            ("1m0s", 60_000_000_000, "1m0s"),
            ("500ms", 500_000_000, "500ms"),
            ("1.5s", 1_500_000_000, "1.5s"),
            (".5s", 500_000_000, "500ms"),
            ("1.s", 1_000_000_000, "1s"),
            ("1h30m", 5_400_000_000_000, "1h30m0s"),
            ("+1s", 1_000_000_000, "1s"),
            ("1us", 1_000, "1µs"),
            ("1µs", 1_000, "1µs"),
            ("1.5ms", 1_500_000, "1.5ms"),
            ("60000000000", 60_000_000_000, "1m0s"),
            ("100000h", 360_000_000_000_000_000, "100000h0m0s"),
            ("0.000000001s", 1, "1ns"),
        ] {
            let duration = parse(text).unwrap();
            assert_eq!(duration.as_nanos(), nanos, "{text}");
            assert_eq!(print(duration), printed, "{text}");
            assert_eq!(parse(printed).unwrap(), duration, "{printed}");
        }
    }

    #[test]
    fn refuses() {
        for text in [
            "", "s", "1.5", "-1s", "1x", "1 s", "s1", "1s2", ".s", "1..2s", "+", "1d", "ten",
        ] {
            assert!(
                matches!(parse(text), Err(DurationError::Syntax(_))),
                "{text:?}"
            );
        }
        for text in ["9223372036854775808", "99999999999999999999h", "2562048h"] {
            assert!(
                matches!(parse(text), Err(DurationError::TooLong(_))),
                "{text:?}"
            );
        }
    }
}
