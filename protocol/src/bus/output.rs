//! What apps, and those who work for them, write.

use serde::{Deserialize, Serialize};

use super::subject::{Subject, SubjectFamily, json_message};

/// The lines of one app, by its guid.
pub static LOGS: SubjectFamily<OutputLine> = SubjectFamily::new("logs.", "");
/// Asks whoever ran instances of an app for its latest lines; each answers with [`RecentLines`].
pub static DEA_FIND_LOGS: Subject<FindLines> = Subject::new("dea.find.logs");

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputLine {
    /// The line, without its end.
    pub text: String,
    /// When, in nanoseconds since 1970: unique for the app, and increasing.
    pub unix_nanos: i64,
    /// The same in seconds.
    pub unix_time: i64,
    /// The same for people: `2006-01-02T15:04:05-07:00`.
    pub human_time: String,
    /// The address of the node.
    pub node_id: String,
    /// Which stream.
    pub filename: Stream,
    /// Who wrote it: `app`, `staging`, or a part of the platform, such as `dea`.
    pub source: String,
    /// Which instance; -1 when it is of none.
    pub instance_index: i64,
    /// The type of the process: `web`, `worker`; empty when it is of none.
    pub process_type: String,
    /// The app.
    pub app_guid: String,
    /// Its name.
    pub app_name: String,
    /// The space that it is in.
    pub app_space: String,
}

/// Which stream a line was written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    #[default]
    Stdout,
    /// Standard error.
    Stderr,
}

/// Which lines are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FindLines {
    /// The app.
    pub app_guid: String,
    /// How many at most, the latest ones.
    pub limit: u32,
}

/// The latest lines of an app on one node, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecentLines {
    /// The lines.
    pub lines: Vec<OutputLine>,
}

json_message!(derived OutputLine);
json_message!(derived FindLines);
json_message!(derived RecentLines);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Message as _;

    #[test]
    fn a_line_travels_under_the_guid_of_its_app() {
        let subject = LOGS.subject("a-1").unwrap();
        assert_eq!(subject.name(), "logs.a-1");
        assert_eq!(LOGS.word("logs.a-1"), Some("a-1"));
        let line = OutputLine {
            text: "hello".to_owned(),
            unix_nanos: 1_793_607_330_123_456_789,
            filename: Stream::Stderr,
            instance_index: -1,
            ..OutputLine::default()
        };
        let written = line.encode();
        assert!(String::from_utf8_lossy(&written).contains(r#""filename":"stderr""#));
        assert_eq!(OutputLine::decode(&written), Ok(line));
    }
}
