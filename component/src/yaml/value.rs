//! Single values.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::{Laxity, Node, Output, Report};
use crate::address::ListenAddress;
use crate::duration;
use crate::secret::Secret;
use crate::size::ByteSize;

/// A type that one key can hold.
pub trait Value {
    /// Takes the value from `node`. With a fault in the report, `self` stays as it was.
    fn read(&mut self, node: &Node, report: &mut Report);
    /// The value for a file. What is written reads back as the same value, secrets excepted.
    fn write(&self) -> Output;
}

/// A type of value that can stand in an option, a list or a map.
pub trait Single: Value + Sized {
    /// Whether an empty text stands for no value, where there may be none.
    const EMPTY_IS_NONE: bool = true;

    /// What a value is read into.
    fn blank() -> Self;

    /// Whether this value stands for no value, where there may be none.
    fn says_none(&self) -> bool {
        false
    }

    /// How no value is written.
    fn none() -> Output {
        Output::Absent
    }
}

/// Reads a scalar with `parse`, whose error becomes the fault.
fn read_scalar<T>(
    slot: &mut T,
    node: &Node,
    report: &mut Report,
    parse: impl FnOnce(&str) -> Result<T, String>,
) {
    let Some(text) = node.text() else {
        return report.fault(node.place, node.not_single());
    };
    match parse(text) {
        Ok(value) => *slot = value,
        Err(reason) => report.fault(node.place, reason),
    }
}

macro_rules! scalar {
    ($($type:ty: $blank:expr, $parse:expr, $write:expr;)*) => {$(
        impl Single for $type {
            fn blank() -> Self {
                $blank
            }
        }

        impl Value for $type {
            fn read(&mut self, node: &Node, report: &mut Report) {
                read_scalar(self, node, report, $parse);
            }

            fn write(&self) -> Output {
                let write: fn(&Self) -> String = $write;
                Output::Scalar(write(self))
            }
        }
    )*};
}

scalar! {
    String: Self::new(), |text| Ok(text.to_owned()), Clone::clone;
    PathBuf: Self::new(), |text| Ok(text.into()), |path| path.to_string_lossy().into_owned();
    bool: false, parse_bool, ToString::to_string;
    u16: 0, |text| whole(text, u16::MAX), ToString::to_string;
    u32: 0, |text| whole(text, u32::MAX), ToString::to_string;
    u64: 0, |text| whole(text, u64::MAX), ToString::to_string;
    usize: 0, |text| whole(text, usize::MAX), ToString::to_string;
    f64: 0.0, parse_float, |number| format!("{number:?}");
    ByteSize: Self(0), |text| text.parse().map_err(|e| format!("{e}")), ToString::to_string;
    ListenAddress: Self::Tcp((Ipv6Addr::UNSPECIFIED, 0).into()), |text| text.parse().map_err(|e| format!("{e}")), ToString::to_string;
    IpAddr: Self::from(Ipv6Addr::UNSPECIFIED), parse_ip, ToString::to_string;
    SocketAddr: (Ipv6Addr::UNSPECIFIED, 0).into(), parse_socket, ToString::to_string;
    Secret: Self::default(), |text| Ok(Self::new(text)), |secret| (if secret.is_empty() { "" } else { Self::MASK }).to_owned();
}

/// A Go duration. A number without a unit, which is nanoseconds, and a time below zero, which is
/// zero, are [lax](Laxity::Duration): Go reads them so, and hardly anybody means it.
impl Value for Duration {
    fn read(&mut self, node: &Node, report: &mut Report) {
        let text = node.text().unwrap_or_default();
        if let Some(Ok(size)) = text.strip_prefix('-').map(duration::parse)
            && !size.is_zero()
        {
            *self = Self::ZERO;
            let reason = format!("{text:?} is below zero; it counts as 0s");
            return report.lax(node.place, Laxity::Duration, reason);
        }
        read_scalar(self, node, report, |text| {
            duration::parse(text).map_err(|e| e.to_string())
        });
        let bare = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if bare && !self.is_zero() {
            let reason = format!(
                "without a unit this is {} nanoseconds; write {text}s for seconds",
                self.as_nanos()
            );
            report.lax(node.place, Laxity::Duration, reason);
        }
    }

    fn write(&self) -> Output {
        Output::Scalar(duration::print(*self))
    }
}

impl Single for Duration {
    const EMPTY_IS_NONE: bool = false;

    fn blank() -> Self {
        Self::ZERO
    }

    fn says_none(&self) -> bool {
        self.is_zero()
    }

    fn none() -> Output {
        Self::ZERO.write()
    }
}

/// A number that may be written below zero, which counts as zero: other programs say "no limit" or
/// "none" like that.
#[derive(Debug)]
pub struct Count<'a, T>(pub &'a mut T);

impl<T: Value + Default> Value for Count<'_, T> {
    fn read(&mut self, node: &Node, report: &mut Report) {
        let negative = node.text().and_then(|text| text.strip_prefix('-'));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if negative.is_some_and(digits) {
            *self.0 = T::default();
        } else {
            self.0.read(node, report);
        }
    }

    fn write(&self) -> Output {
        self.0.write()
    }
}

fn parse_bool(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Ok(true),
        "false" | "no" | "off" | "n" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// A number, written with or without a point or an exponent; neither infinite nor "not a number".
fn parse_float(text: &str) -> Result<f64, String> {
    let number = text.replace('_', "").parse::<f64>().ok();
    let number = number.filter(|number| number.is_finite());
    number.ok_or_else(|| format!("{text:?} is not a number"))
}

/// A whole number as YAML 1.1 and Go write it: underscores, `0x`, `0o`, `0b`, or `3.0`.
fn whole<T: TryFrom<u64>>(text: &str, most: impl std::fmt::Display) -> Result<T, String> {
    let digits = text.replace('_', "");
    let number = match digits.get(..2) {
        Some("0x" | "0X") => u64::from_str_radix(&digits[2..], 16),
        Some("0o" | "0O") => u64::from_str_radix(&digits[2..], 8),
        Some("0b" | "0B") => u64::from_str_radix(&digits[2..], 2),
        _ => digits.strip_suffix(".0").unwrap_or(&digits).parse(),
    };
    number
        .ok()
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| format!("{text:?} is not a whole number from 0 to {most}"))
}

fn parse_ip(text: &str) -> Result<IpAddr, String> {
    match text {
        "localhost" => Ok(IpAddr::from([127, 0, 0, 1])),
        "" | "*" => Ok(IpAddr::from([0u16; 8])),
        _ => {
            let bare = text
                .strip_prefix('[')
                .and_then(|t| t.strip_suffix(']'))
                .unwrap_or(text);
            bare.parse()
                .map_err(|_| format!("{text:?} is not an IP address"))
        }
    }
}

fn parse_socket(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<ListenAddress>() {
        Ok(ListenAddress::Tcp(address)) => Ok(address),
        Ok(ListenAddress::Unix(_)) => Err("must be an IP address and a port".into()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn check<T: Value>(mut value: T, text: &str, expected: &str) {
        let node = parse(&format!("k: {text}")).unwrap();
        let mut report = Report::default();
        value.read(node.get("k").unwrap(), &mut report);
        let found = match (report.faults.first(), value.write()) {
            (Some(fault), _) => fault.reason.clone(),
            (None, Output::Scalar(text)) => text,
            (None, other) => format!("{other:?}"),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn scalars_are_lenient() {
        check(String::new(), "22", "22");
        check(String::new(), "0x10", "0x10");
        check(String::new(), "true", "true");
        check(
            String::new(),
            "{a: 1}",
            "must be a single value, not a mapping",
        );
        check(0u16, "\"80\"", "80");
        check(0u16, "8_0", "80");
        check(0u16, "0x50", "80");
        check(0u16, "80.0", "80");
        check(
            0u16,
            "70000",
            "\"70000\" is not a whole number from 0 to 65535",
        );
        check(0u16, "-1", "\"-1\" is not a whole number from 0 to 65535");
        check(0u16, "''", "\"\" is not a whole number from 0 to 65535");
        check(false, "on", "true");
        check(true, "No", "false");
        check(true, "2", "\"2\" is neither true nor false");
        check(0.5, "3", "3.0");
        check(0.0, "1_000.25", "1000.25");
        check(0.0, "-1e-7", "-1e-7");
        check(0.0, ".inf", "\".inf\" is not a number");
        check(0.0, "1e999", "\"1e999\" is not a number");
        check(Duration::ZERO, "1m30s", "1m30s");
        check(Duration::ZERO, "5000000000", "5s");
        check(ByteSize(0), "64KiB", "64KiB");
        check(IpAddr::from([1, 1, 1, 1]), "localhost", "127.0.0.1");
        check(IpAddr::from([1, 1, 1, 1]), "\"::1\"", "::1");
        check(Secret::default(), "hush", Secret::MASK);
    }

    #[test]
    fn durations_that_go_alone_understands_are_lax() {
        let check = |text: &str, expected: Duration, reason: Option<&str>| {
            let mut report = Report::default();
            let mut value = Duration::from_secs(1);
            value.read(&parse(text).unwrap(), &mut report);
            let lax = report.lax.first().map(|lax| lax.fault.reason.as_str());
            assert_eq!((value, lax), (expected, reason), "{text}");
            assert!(report.faults.is_empty(), "{text}");
        };
        check("60s", Duration::from_secs(60), None);
        check("0", Duration::ZERO, None);
        check(
            "60",
            Duration::from_nanos(60),
            Some("without a unit this is 60 nanoseconds; write 60s for seconds"),
        );
        check(
            "-1m",
            Duration::ZERO,
            Some("\"-1m\" is below zero; it counts as 0s"),
        );
        check(
            "-1",
            Duration::ZERO,
            Some("\"-1\" is below zero; it counts as 0s"),
        );
    }

    #[test]
    fn a_count_below_zero_is_none() {
        for (text, expected) in [("-1", 0), ("-500", 0), ("7", 7)] {
            let mut report = Report::default();
            let mut value = 3u32;
            Count(&mut value).read(&parse(text).unwrap(), &mut report);
            assert_eq!((value, report.faults.len()), (expected, 0), "{text}");
        }
        for text in ["-", "-x", "--1", "x"] {
            let mut report = Report::default();
            Count(&mut 3u32).read(&parse(text).unwrap(), &mut report);
            assert_eq!(report.faults.len(), 1, "{text}");
        }
    }
}
