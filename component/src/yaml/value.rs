//! Single values, and lists and options of them.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::{Content, Laxity, Node, Output, Report};
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
    ($($type:ty: $parse:expr, $write:expr;)*) => {$(
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
    String: |text| Ok(text.to_owned()), Clone::clone;
    PathBuf: |text| Ok(text.into()), |path| path.to_string_lossy().into_owned();
    bool: parse_bool, ToString::to_string;
    u16: |text| whole(text, u16::MAX), ToString::to_string;
    u32: |text| whole(text, u32::MAX), ToString::to_string;
    u64: |text| whole(text, u64::MAX), ToString::to_string;
    usize: |text| whole(text, usize::MAX), ToString::to_string;
    ByteSize: |text| text.parse().map_err(|e| format!("{e}")), ToString::to_string;
    ListenAddress: |text| text.parse().map_err(|e| format!("{e}")), ToString::to_string;
    IpAddr: parse_ip, ToString::to_string;
    SocketAddr: parse_socket, ToString::to_string;
    Secret: |text| Ok(Secret::new(text)), |secret| (if secret.is_empty() { "" } else { Secret::MASK }).to_owned();
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

/// Zero says "none".
impl Value for Option<Duration> {
    fn read(&mut self, node: &Node, report: &mut Report) {
        let mut value = self.unwrap_or_default();
        value.read(node, report);
        *self = (!value.is_zero()).then_some(value);
    }

    fn write(&self) -> Output {
        self.unwrap_or_default().write()
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

/// An empty text says "none".
macro_rules! option {
    ($($type:ty: $empty:expr;)*) => {$(
        impl Value for Option<$type> {
            fn read(&mut self, node: &Node, report: &mut Report) {
                if node.text() == Some("") {
                    *self = None;
                    return;
                }
                let faults = report.faults.len();
                let mut value: $type = $empty;
                value.read(node, report);
                if report.faults.len() == faults {
                    *self = Some(value);
                }
            }

            fn write(&self) -> Output {
                self.as_ref().map_or(Output::Absent, Value::write)
            }
        }
    )*};
}

option! {
    String: String::new();
    PathBuf: PathBuf::new();
    Secret: Secret::default();
    SocketAddr: SocketAddr::from(([0, 0, 0, 0], 0));
}

/// A list; a single value stands for a list of one, and a list in the file replaces the old one.
macro_rules! list {
    ($($type:ty: $empty:expr;)*) => {$(
        impl Value for Vec<$type> {
            fn read(&mut self, node: &Node, report: &mut Report) {
                let rows = match &node.content {
                    Content::List(rows) => rows.as_slice(),
                    Content::Scalar(text) if text.is_empty() => &[],
                    Content::Scalar(_) => std::slice::from_ref(node),
                    _ => return report.fault(node.place, format!("must be a list, not {}", node.kind())),
                };
                let faults = report.faults.len();
                let mut items: Self = Self::with_capacity(rows.len());
                for row in rows {
                    let mut item: $type = $empty;
                    item.read(row, report);
                    items.push(item);
                }
                if report.faults.len() == faults {
                    *self = items;
                }
            }

            fn write(&self) -> Output {
                Output::List(self.iter().map(Value::write).collect())
            }
        }
    )*};
}

list! {
    String: String::new();
}

fn parse_bool(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Ok(true),
        "false" | "no" | "off" | "n" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
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
        check(Duration::ZERO, "1m30s", "1m30s");
        check(Duration::ZERO, "5000000000", "5s");
        check(None::<Duration>, "0", "0s");
        check(ByteSize(0), "64KiB", "64KiB");
        check(IpAddr::from([1, 1, 1, 1]), "localhost", "127.0.0.1");
        check(IpAddr::from([1, 1, 1, 1]), "\"::1\"", "::1");
        check(Secret::default(), "hush", Secret::MASK);
        check(None::<String>, "''", "Absent");
        check(None::<SocketAddr>, "127.0.0.1:80", "127.0.0.1:80");
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

    #[test]
    fn lists_take_one_or_many() {
        let read = |text: &str| {
            let mut list = vec!["old".to_owned()];
            let mut report = Report::default();
            list.read(&parse(text).unwrap(), &mut report);
            (list, report.faults.len())
        };
        assert_eq!(read("[a, 1]"), (vec!["a".into(), "1".into()], 0));
        assert_eq!(read("a"), (vec!["a".into()], 0));
        assert_eq!(read("[]"), (vec![], 0));
        assert_eq!(read("[a, {}]"), (vec!["old".into()], 1));
        assert_eq!(read("{}"), (vec!["old".into()], 1));
    }
}
