//! One line of the log.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::sink::Sink;
use super::{Lines, LogLevel, Settings, Timestamp};

/// Turns events into lines and sends them to the sink.
#[derive(Debug)]
pub(super) struct Lined {
    pub(super) settings: Settings,
    pub(super) level: LogLevel,
    pub(super) sink: Arc<Sink>,
}

impl<S: Subscriber> Layer<S> for Lined {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if self.level.hushes(event.metadata(), self.settings.talkative) {
            return;
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mut fields = Fields::new(self.settings.lines);
        event.record(&mut fields);
        self.sink.send(line(
            &self.settings,
            now,
            *event.metadata().level(),
            &fields,
        ));
    }
}

/// The longest text of one field, in bytes; the rest is cut off.
const LONGEST: usize = 4096;

fn line(settings: &Settings, now: Duration, level: Level, fields: &Fields) -> String {
    let mut line = String::with_capacity(160 + fields.message.len() + fields.data.len());
    match settings.lines {
        Lines::Json => {
            _ = write!(line, "{{\"log_level\":{},\"timestamp\":", number(level));
            let quote = if settings.timestamp == Timestamp::Rfc3339 {
                "\""
            } else {
                ""
            };
            line.push_str(quote);
            time(&mut line, settings.timestamp, now);
            line.push_str(quote);
            line.push_str(",\"message\":");
            quoted(&mut line, &fields.message);
            line.push_str(",\"source\":");
            quoted(&mut line, settings.source);
            _ = write!(line, ",\"data\":{{{}}}}}", fields.data);
        }
        Lines::Text => {
            time(&mut line, settings.timestamp, now);
            _ = write!(line, " {level:<5} ");
            for c in fields.message.chars() {
                line.push(if c.is_control() { ' ' } else { c });
            }
            line.push_str(&fields.data);
        }
    }
    line.push('\n');
    line
}

/// The number of a level, as the tools of Cloud Foundry know it.
fn number(level: Level) -> u8 {
    match level {
        Level::TRACE | Level::DEBUG => 0,
        Level::INFO => 1,
        Level::WARN => 2,
        Level::ERROR => 3,
    }
}

fn time(line: &mut String, form: Timestamp, now: Duration) {
    let (seconds, nanos) = (now.as_secs(), now.subsec_nanos());
    if form == Timestamp::UnixEpoch {
        _ = write!(line, "{seconds}.{nanos:09}");
        return;
    }
    let calendar = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (hour, minute, second) = calendar.to_hms();
    _ = write!(
        line,
        "{}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z",
        calendar.date()
    );
}

/// The fields of one event as they will stand in the line.
struct Fields {
    lines: Lines,
    message: String,
    data: String,
}

impl Fields {
    const fn new(lines: Lines) -> Self {
        Self {
            lines,
            message: String::new(),
            data: String::new(),
        }
    }

    /// Begins a field; what follows is its value.
    fn begin(&mut self, name: &str) {
        match self.lines {
            Lines::Json => {
                if !self.data.is_empty() {
                    self.data.push(',');
                }
                quoted(&mut self.data, name);
                self.data.push(':');
            }
            Lines::Text => _ = write!(self.data, " {name}="),
        }
    }

    fn plain(&mut self, field: &Field, value: impl fmt::Display) {
        self.begin(field.name());
        _ = write!(self.data, "{value}");
    }

    fn text(&mut self, field: &Field, value: &str) {
        let mut end = value.len().min(LONGEST);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        let value = &value[..end];
        if field.name() == "message" {
            value.clone_into(&mut self.message);
            return;
        }
        self.begin(field.name());
        let bare = !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
        if self.lines == Lines::Text && bare {
            self.data.push_str(value);
        } else {
            quoted(&mut self.data, value);
        }
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.plain(field, value);
        } else {
            self.text(field, &value.to_string());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, &format!("{value:?}"));
    }
}

/// Appends the text as a JSON string.
fn quoted(out: &mut String, text: &str) {
    // A string can always be written as JSON.
    let json = serde_json::to_string(text).unwrap_or_default();
    for c in json.chars() {
        // JSON lets C1 controls stand, on which a terminal may act.
        if c.is_control() {
            _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Keeps the lines instead of sending them; it is always seven seconds past 1970.
    #[derive(Clone)]
    struct Kept(Settings, Arc<Mutex<String>>);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let mut fields = Fields::new(self.0.lines);
            event.record(&mut fields);
            let now = Duration::from_secs(7);
            *self.1.lock().unwrap() += &line(&self.0, now, *event.metadata().level(), &fields);
        }
    }

    fn logged(lines: Lines, log: impl FnOnce()) -> String {
        let settings = Settings {
            lines,
            source: "program",
            ..Settings::default()
        };
        let kept = Kept(settings, Arc::default());
        with_default(tracing_subscriber::registry().with(kept.clone()), log);
        kept.1.lock().unwrap().clone()
    }

    #[test]
    fn an_event_is_a_name_and_fields() {
        let json = logged(Lines::Json, || {
            tracing::info!(port = 80, secure = false, host = %"a\"b", "program.started");
        });
        assert_eq!(
            json,
            "{\"log_level\":1,\"timestamp\":7.000000000,\"message\":\"program.started\",\"source\":\"program\",\
             \"data\":{\"port\":80,\"secure\":false,\"host\":\"a\\\"b\"}}\n"
        );
        let text = logged(Lines::Text, || {
            tracing::warn!(path = "a b", code = "x", "program.signal.ignored\n\x1b[1m");
        });
        assert_eq!(
            text,
            "7.000000000 WARN  program.signal.ignored  [1m path=\"a b\" code=x\n"
        );
    }

    #[test]
    fn values_cannot_break_the_line() {
        let long = "é".repeat(LONGEST);
        let json = logged(Lines::Json, || {
            tracing::error!(a = "x\ny\u{1b}[2J\u{9b}", b = f64::NAN, long, "m");
        });
        assert_eq!(json.matches('\n').count(), 1);
        assert!(
            json.contains(r#""a":"x\ny\u001b[2J\u009b","b":"NaN""#),
            "{json}"
        );
        assert!(json.len() < LONGEST + 200);
    }

    #[test]
    fn times() {
        let check = |seconds: u64, expected: &str| {
            let mut line = String::new();
            time(&mut line, Timestamp::Rfc3339, Duration::new(seconds, 5));
            assert_eq!(line, expected);
        };
        check(0, "1970-01-01T00:00:00.000000005Z");
        check(951_782_400, "2000-02-29T00:00:00.000000005Z");
        check(1_709_251_199, "2024-02-29T23:59:59.000000005Z");
        check(4_102_444_800, "2100-01-01T00:00:00.000000005Z");
        let mut line = String::new();
        time(&mut line, Timestamp::UnixEpoch, Duration::new(7, 80));
        assert_eq!(line, "7.000000080");
    }
}
