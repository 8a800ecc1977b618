//! Numbers, times and addresses, written without the formatting machinery.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const NANOS: u64 = 1_000_000_000;
const DAY: u64 = 86_400;

/// Appends `value` in decimal.
pub(super) fn unsigned(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = digit(value % 10);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends the last `N` decimal digits of `value`, with leading zeros.
fn padded<const N: usize>(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; N];
    for place in digits.iter_mut().rev() {
        *place = digit(value % 10);
        value /= 10;
    }
    out.extend_from_slice(&digits);
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a remainder of ten is below ten"
)]
fn digit(value: u64) -> u8 {
    b'0' + value as u8
}

/// Appends seconds with six decimals, as C's `%f` does.
pub(super) fn seconds(time: Duration, out: &mut Vec<u8>) {
    let mut whole = time.as_secs();
    let mut micros = (u64::from(time.subsec_nanos()) + 500) / 1_000;
    if micros == 1_000_000 {
        whole = whole.saturating_add(1);
        micros = 0;
    }
    unsigned(whole, out);
    out.push(b'.');
    padded::<6>(micros, out);
}

/// Appends a time of day in UTC: `2006-01-02T15:04:05.000000000Z`.
pub(super) fn timestamp(unix_nanos: u64, out: &mut Vec<u8>) {
    let seconds = unix_nanos / NANOS;
    let (year, month, day) = civil(seconds / DAY);
    let second = seconds % DAY;
    padded::<4>(year, out);
    out.push(b'-');
    padded::<2>(month, out);
    out.push(b'-');
    padded::<2>(day, out);
    out.push(b'T');
    padded::<2>(second / 3_600, out);
    out.push(b':');
    padded::<2>(second / 60 % 60, out);
    out.push(b':');
    padded::<2>(second % 60, out);
    out.push(b'.');
    padded::<9>(unix_nanos % NANOS, out);
    out.push(b'Z');
}

/// The Gregorian date of a day counted from 1970-01-01, by eras of 400 years that begin in March.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

/// Appends `address:port`, an IPv6 address in brackets.
pub(super) fn socket(address: SocketAddr, out: &mut Vec<u8>) {
    match address.ip() {
        ip @ IpAddr::V4(_) => self::ip(ip, out),
        ip @ IpAddr::V6(_) => {
            out.push(b'[');
            self::ip(ip, out);
            out.push(b']');
        }
    }
    out.push(b':');
    unsigned(u64::from(address.port()), out);
}

/// Appends an address.
pub(super) fn ip(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(v4) => {
            for (at, octet) in v4.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                unsigned(u64::from(octet), out);
            }
        }
        // Writing to a vector cannot fail.
        IpAddr::V6(v6) => write!(out, "{v6}").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn whole_numbers() {
        for value in [0, 7, 10, 99, 100, 65_535, u64::MAX] {
            assert_eq!(written(|out| unsigned(value, out)), value.to_string());
        }
    }

    #[test]
    fn seconds_have_six_rounded_decimals() {
        for (nanos, expected) in [
            (0, "0.000000"),
            (499, "0.000000"),
            (500, "0.000001"),
            (1_234_567_890, "1.234568"),
            (999_999_500, "1.000000"),
            (60_000_000_000, "60.000000"),
        ] {
            assert_eq!(
                written(|out| seconds(Duration::from_nanos(nanos), out)),
                expected
            );
        }
    }

    #[test]
    fn dates() {
        for (nanos, expected) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_827_696_000_000_001, "2000-02-29T12:34:56.000000001Z"),
            (1_700_000_000_123_456_789, "2023-11-14T22:13:20.123456789Z"),
            (4_107_542_399_999_999_999, "2100-02-28T23:59:59.999999999Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
        ] {
            assert_eq!(written(|out| timestamp(nanos, out)), expected);
        }
    }

    #[test]
    fn addresses_are_written_as_std_writes_them() {
        for text in [
            "10.0.0.1:80",
            "255.255.255.255:65535",
            "[::1]:8080",
            "[2001:db8::5:1]:443",
        ] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(written(|out| socket(address, out)), text);
        }
    }
}
