//! What containers write, as the engine keeps it.

use std::pin::Pin;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::{Stream, StreamExt as _};
use protocol::bus::output::Stream as StreamName;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{ContainerId, ContainerLine, Fence, FenceError};

impl Fence {
    /// Its output after `since_nanos`, and on until its end. The line of that moment may come again.
    pub fn lines(
        &self,
        id: &ContainerId,
        since_nanos: Option<i64>,
    ) -> impl Stream<Item = Result<ContainerLine, FenceError>> + Send + 'static {
        let mut options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .follow(true)
            .timestamps(true);
        if let Some(since) = since_nanos {
            options = options.since(i32::try_from(since / 1_000_000_000).unwrap_or(i32::MAX));
        }
        let lines = self.engine.logs(id, Some(options.build()));
        let lines: Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>> = Box::pin(lines);
        lines.map(|line| Ok(read(line?)))
    }
}

/// Takes the stamp off a line.
fn read(line: LogOutput) -> ContainerLine {
    let stream = match line {
        LogOutput::StdErr { .. } => StreamName::Stderr,
        _ => StreamName::Stdout,
    };
    let bytes = line.into_bytes();
    let stamp = bytes.iter().position(|byte| *byte == b' ').unwrap_or(0);
    let text = String::from_utf8_lossy(&bytes[..stamp]).into_owned();
    let at = OffsetDateTime::parse(&text, &Rfc3339);
    let at_nanos = at.map_or(0, |at| {
        i64::try_from(at.unix_timestamp_nanos()).unwrap_or(0)
    });
    ContainerLine {
        at_nanos,
        stream,
        bytes: bytes.slice((stamp + 1).min(bytes.len())..),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_line_is_told_apart_from_its_stamp() {
        let check = |text: &'static str, at_nanos: i64, rest: &str| {
            let message = Bytes::from_static(text.as_bytes());
            let line = read(LogOutput::StdErr { message });
            assert_eq!((line.at_nanos, line.stream), (at_nanos, StreamName::Stderr));
            assert_eq!(line.bytes, rest, "{text}");
        };
        check(
            "1970-01-01T00:00:01.000000002Z a b\n",
            1_000_000_002,
            "a b\n",
        );
        check("1970-01-01T00:00:01Z ", 1_000_000_000, "");
        check("x y", 0, "y");
        check("", 0, "");
    }
}
