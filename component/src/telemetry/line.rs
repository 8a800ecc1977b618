//! One line of the log.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::sink::Sink;
use super::{Lines, LogLevel, Settings, Timestamp};

/// Turns events into lines and sends them to the sink.
#[derive(Debug)]
pub(super) struct Lined {
    pub(super) settings: Settings,
    pub(super) level: LogLevel,
    pub(super) sink: Arc<Sink>,
    /// The time since 1970.
    pub(super) now: fn() -> Duration,
}

/// The time since 1970 by the calendar of the machine.
pub(super) fn since_1970() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lined {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::new(self.settings.lines);
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if self.level.hushes(event.metadata(), self.settings.talkative) {
            return;
        }
        let mut fields = Fields::new(self.settings.lines);
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.inherit(outer);
            }
        }
        self.sink.send(line(
            &self.settings,
            (self.now)(),
            *event.metadata().level(),
            &fields,
        ));
    }
}

/// The longest text of one field, in bytes; the rest is cut off.
const LONGEST: usize = 4096;

fn line(settings: &Settings, now: Duration, level: Level, fields: &Fields) -> String {
    let mut line = String::with_capacity(160 + fields.message.len() + 32 * fields.data.len());
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
            line.push_str(",\"data\":{");
            for (index, (name, value)) in fields.data.iter().enumerate() {
                line.push_str(if index == 0 { "" } else { "," });
                quoted(&mut line, name);
                line.push(':');
                line.push_str(value);
            }
            line.push_str("}}");
        }
        Lines::Text => {
            time(&mut line, settings.timestamp, now);
            _ = write!(line, " {level:<5} ");
            for c in fields.message.chars() {
                line.push(if c.is_control() { ' ' } else { c });
            }
            for (name, value) in &fields.data {
                _ = write!(line, " {name}={value}");
            }
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

/// The fields of one event or span as they will stand in the line.
struct Fields {
    lines: Lines,
    message: String,
    /// Names and what stands for their values.
    data: Vec<(&'static str, String)>,
}

impl Fields {
    const fn new(lines: Lines) -> Self {
        Self {
            lines,
            message: String::new(),
            data: Vec::new(),
        }
    }

    /// Sets a field. The last value of a name holds.
    fn set(&mut self, name: &'static str, value: String) {
        match self.data.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.data.push((name, value)),
        }
    }

    /// Adds the fields of a span around it, but for those that it has itself.
    fn inherit(&mut self, outer: &Self) {
        for (name, value) in &outer.data {
            if !self.data.iter().any(|(known, _)| known == name) {
                self.data.push((name, value.clone()));
            }
        }
    }

    fn plain(&mut self, field: &Field, value: impl fmt::Display) {
        self.set(field.name(), value.to_string());
    }

    fn text(&mut self, field: &Field, value: &str) {
        let value = &value[..value.floor_char_boundary(LONGEST)];
        if field.name() == "message" {
            value.clone_into(&mut self.message);
            return;
        }
        let bare = !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
        let mut text = String::new();
        if self.lines == Lines::Text && bare {
            value.clone_into(&mut text);
        } else {
            quoted(&mut text, value);
        }
        self.set(field.name(), text);
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
    use std::io;
    use std::sync::Mutex;

    use tests_kit::PATIENCE;
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// The lines that a log of one run has, at seven seconds past 1970.
    fn logged(lines: Lines, log: impl FnOnce()) -> String {
        let settings = Settings {
            lines,
            source: "program",
            ..Settings::default()
        };
        let kept = Kept::default();
        let lined = Lined {
            settings,
            level: LogLevel::detached(super::super::Level::Trace),
            sink: Arc::new(Sink::start(kept.clone()).unwrap()),
            now: || Duration::from_secs(7),
        };
        let sink = Arc::clone(&lined.sink);
        with_default(tracing_subscriber::registry().with(lined), log);
        sink.flush(PATIENCE);
        let kept = kept.0.lock().unwrap();
        String::from_utf8(kept.clone()).unwrap()
    }

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
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
    fn an_event_has_the_fields_of_the_spans_around_it() {
        let text = logged(Lines::Text, || {
            let task = tracing::error_span!("task", task = "sweep", turn = tracing::field::Empty);
            task.in_scope(|| {
                task.record("turn", 1);
                tracing::info!("first");
                task.record("turn", 2);
                let request = tracing::error_span!("request", id = "a b", task = "inner");
                request.in_scope(|| tracing::info!(id = 7, "second"));
            });
            tracing::info!("third");
        });
        assert_eq!(
            text,
            "7.000000000 INFO  first task=sweep turn=1\n\
             7.000000000 INFO  second id=7 task=inner turn=2\n\
             7.000000000 INFO  third\n"
        );
        let json = logged(Lines::Json, || {
            let span = tracing::error_span!("request", id = "a b");
            span.in_scope(|| tracing::info!(code = 7, "m"));
        });
        let data = "\"data\":{\"code\":7,\"id\":\"a b\"}}\n";
        assert!(json.ends_with(data), "{json}");
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
