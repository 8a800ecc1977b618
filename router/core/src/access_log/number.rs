//! Times and addresses, written without the formatting machinery.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use time::{Date, Month};

use crate::decimal::{pair, unsigned};

const NANOS: u64 = 1_000_000_000;
const DAY: u64 = 86_400;

/// Appends seconds with six decimals, as C's `%f` does.
pub(super) fn seconds(time: Duration, out: &mut Vec<u8>) {
    let mut whole = time.as_secs();
    let mut micros = (u64::from(time.subsec_nanos()) + 500) / 1_000;
    if micros == 1_000_000 {
        whole = whole.saturating_add(1);
        micros = 0;
    }
    let [a, b] = pair(micros / 10_000);
    let [c, d] = pair(micros / 100);
    let [e, f] = pair(micros);
    if whole < 10 {
        let [_, whole] = pair(whole);
        out.extend_from_slice(&[whole, b'.', a, b, c, d, e, f]);
    } else {
        unsigned(whole, out);
        out.extend_from_slice(&[b'.', a, b, c, d, e, f]);
    }
}

/// Appends a time of day in UTC: `2006-01-02T15:04:05.000000000Z`.
pub(super) fn timestamp(unix_nanos: u64, out: &mut Vec<u8>) {
    let seconds = unix_nanos / NANOS;
    let nanos = unix_nanos % NANOS;
    let (year, month, day) = civil(seconds / DAY);
    let second = seconds % DAY;
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    let mut put = |at: usize, value: u64| [text[at], text[at + 1]] = pair(value);
    put(0, year / 100);
    put(2, year);
    put(5, month);
    put(8, day);
    put(11, second / 3_600);
    put(14, second / 60 % 60);
    put(17, second % 60);
    put(20, nanos / 10_000_000);
    put(22, nanos / 100_000);
    put(24, nanos / 1_000);
    // Eight digits by pairs from the left, the last two overlap by one.
    put(27, nanos);
    put(26, nanos / 10);
    out.extend_from_slice(&text);
}

/// The Gregorian date of a day counted from 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    let day = i32::try_from(days).ok().and_then(|days| {
        let julian = Date::from_calendar_date(1970, Month::January, 1).ok()?;
        Date::from_julian_day(julian.to_julian_day().checked_add(days)?).ok()
    });
    let (year, month, day) = day.map_or((1970, Month::January, 1), Date::to_calendar_date);
    (
        u64::from(year.unsigned_abs()),
        u8::from(month).into(),
        day.into(),
    )
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
            let mut text = [0; 16];
            let mut at = 0;
            for octet in v4.octets() {
                let [tens, ones] = pair(u64::from(octet));
                if octet >= 100 {
                    text[at] = b'0' + octet / 100;
                    at += 1;
                }
                if octet >= 10 {
                    text[at] = tens;
                    at += 1;
                }
                text[at] = ones;
                text[at + 1] = b'.';
                at += 2;
            }
            out.extend_from_slice(&text[..at - 1]);
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
