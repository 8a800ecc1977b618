//! The instance that a client asks for by `X-CF-App-Instance` or `X-CF-Process-Instance`.

use crate::failure::Failure;
use crate::field::{FieldKind, Fields};

/// The instance asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// One instance of an app.
    App {
        /// The app.
        guid: &'a str,
        /// The instance.
        index: &'a str,
    },
    /// An instance of a process.
    Process {
        /// The process.
        guid: &'a str,
        /// The instance; any without it.
        index: Option<&'a str>,
    },
}

/// What the fields ask for, if anything. A field without a value asks for nothing.
///
/// # Errors
/// A value that is not `uuid:index`, or for a process `uuid` or `uuid:index`.
pub fn asked(fields: Fields<'_>) -> Result<Option<Asked<'_>>, Failure> {
    let (mut app, mut process) = (None, None);
    let lines = fields.lines().iter();
    for field in lines.filter(|field| !field.value.is_empty()) {
        match field.kind {
            FieldKind::XCfAppInstance => app = app.or(Some(fields.bytes(field.value))),
            FieldKind::XCfProcessInstance => process = process.or(Some(fields.bytes(field.value))),
            _ => {}
        }
    }
    if let Some(value) = app {
        let (guid, index) = split(value).ok_or(Failure::InvalidAppInstance)?;
        let index = index.ok_or(Failure::InvalidAppInstance)?;
        return Ok(Some(Asked::App { guid, index }));
    }
    let Some(value) = process else {
        return Ok(None);
    };
    let (guid, index) = split(value).ok_or(Failure::InvalidProcessInstance)?;
    Ok(Some(Asked::Process { guid, index }))
}

/// `uuid` or `uuid:digits`.
fn split(value: &[u8]) -> Option<(&str, Option<&str>)> {
    let text = std::str::from_utf8(value).ok()?;
    let (guid, index) = match text.split_once(':') {
        Some((guid, index)) => (guid, Some(index)),
        None => (text, None),
    };
    let digits = |index: &str| !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit());
    (is_uuid(guid) && index.is_none_or(digits)).then_some((guid, index))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::request::tests::parse;

    const GUID: &str = "01234567-89ab-cdef-0123-456789ABCDEF";

    #[track_caller]
    fn check(line: &str, expected: &Result<Option<Asked<'_>>, Failure>) {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n");
        let head = parse(&text);
        assert_eq!(&asked(head.fields(text.as_bytes())), expected, "{line}");
    }

    #[test]
    fn only_whole_values_are_understood() {
        let app = |index| Ok(Some(Asked::App { guid: GUID, index }));
        let process = |index| Ok(Some(Asked::Process { guid: GUID, index }));
        check(&format!("X-CF-App-Instance: {GUID}:3"), &app("3"));
        check(&format!("x-cf-process-instance: {GUID}"), &process(None));
        check(
            &format!("x-cf-process-instance: {GUID}:0"),
            &process(Some("0")),
        );
        check("X-Other: 1", &Ok(None));
        check("X-CF-App-Instance:", &Ok(None));
        check("X-CF-Process-Instance: \t", &Ok(None));
        check(
            &format!("X-CF-App-Instance:\r\nX-CF-App-Instance: {GUID}:3"),
            &app("3"),
        );
        check(
            &format!("X-CF-App-Instance:\r\nX-CF-Process-Instance: {GUID}"),
            &process(None),
        );
        for bad in [
            ":1",
            "guid:1",
            GUID,
            &format!("{GUID}:"),
            &format!("{GUID}:x"),
        ] {
            check(
                &format!("X-CF-App-Instance: {bad}"),
                &Err(Failure::InvalidAppInstance),
            );
        }
        for bad in ["guid", &format!("{GUID}:"), &format!("{GUID}:1:2")] {
            check(
                &format!("X-CF-Process-Instance: {bad}"),
                &Err(Failure::InvalidProcessInstance),
            );
        }
    }
}
