//! What is written about requests and about the router itself.

use std::path::PathBuf;

use component::telemetry::{Level, Lines, LogOutput, Timestamp};
use component::yaml::Keys;
use router_core::access_log::{ExtraField, Format, RedactQuery, Style};

/// The access log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessLogConfig {
    /// The file; `None`: none.
    pub file: Option<PathBuf>,
    /// Whether lines go to standard output.
    pub stdout: bool,
    /// What a line looks like.
    pub format: Format,
    /// Request headers to log, in this order.
    pub extra_headers: Vec<String>,
}

/// Extra headers in one line.
pub const MOST_EXTRA_HEADERS: usize = 32;

/// The router's own log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoggingConfig {
    /// Least important level that is written.
    pub level: Level,
    /// Where it goes.
    pub output: LogOutput,
    /// JSON or text.
    pub lines: Lines,
    /// How times are written.
    pub timestamp: Timestamp,
}

/// The keys of both logs, which gorouter mixes.
pub(super) fn keys(log: &mut LoggingConfig, access: &mut AccessLogConfig, keys: &mut Keys<'_>) {
    keys.title("Logs");
    keys.section("logging", "The router's own log.", |keys| {
        log.keys(keys);
        access.logging_keys(keys);
    });
    keys.section("access_log", "One line for each request.", |keys| {
        access.keys(keys)
    });
    keys.key(
        "extra_headers_to_log",
        "Request headers at the end of each line of the access log.",
        &mut access.extra_headers,
    );
    if access.extra_headers.len() > MOST_EXTRA_HEADERS {
        keys.fault(
            "extra_headers_to_log",
            format_args!("names more than {MOST_EXTRA_HEADERS} headers"),
        );
    }
}

impl LoggingConfig {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.choice(
            "level",
            "error, warn, info, debug or trace; fatal, panic and dpanic count as error, and an empty \
             text as info. gorouter begins at debug. A running router's level is changed by `router \
             log-level`.",
            &mut self.level,
            &[
                ("error", Level::Error),
                ("fatal", Level::Error),
                ("panic", Level::Error),
                ("dpanic", Level::Error),
                ("warn", Level::Warn),
                ("info", Level::Info),
                ("", Level::Info),
                ("debug", Level::Debug),
                ("trace", Level::Trace),
            ],
        );
        keys.choice(
            "output",
            "stdout or stderr. In a file without any key of ours it is stdout, where gorouter's tools \
             look for it. Whole lines of the access log may stand between those of this one.",
            &mut self.output,
            &[("stderr", LogOutput::Stderr), ("stdout", LogOutput::Stdout)],
        );
        keys.section("format", "How a line looks.", |keys| {
            keys.choice(
                "lines",
                "json, or text for people.",
                &mut self.lines,
                &[("json", Lines::Json), ("text", Lines::Text)],
            );
            keys.lax_choice(
                "timestamp",
                "unix-epoch or rfc3339.",
                &mut self.timestamp,
                &[
                    ("unix-epoch", Timestamp::UnixEpoch),
                    ("", Timestamp::UnixEpoch),
                    ("rfc3339", Timestamp::Rfc3339),
                ],
            );
        });
    }
}

impl AccessLogConfig {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.key(
            "file",
            "The file; opened anew when it is moved away.",
            &mut self.file,
        );
        keys.key(
            "enable_streaming",
            "Write the lines to standard output.",
            &mut self.stdout,
        );
        keys.choice(
            "format",
            "gorouter or json.",
            &mut self.format.style,
            &[("gorouter", Style::Line), ("json", Style::Json)],
        );
    }

    /// The keys about the access log that gorouter has under `logging`.
    fn logging_keys(&mut self, keys: &mut Keys<'_>) {
        keys.key(
            "disable_log_forwarded_for",
            "Write \"-\" for X-Forwarded-For in the access log.",
            &mut self.format.hide_forwarded_for,
        );
        keys.key(
            "disable_log_source_ip",
            "Write \"-\" for the peer's address in the access log.",
            &mut self.format.hide_source_ip,
        );
        keys.choice(
            "redact_query_params",
            "What becomes of query strings in the access log: none (they stay), all (they are left \
             out) or hash.",
            &mut self.format.redact_query,
            &[
                ("none", RedactQuery::None),
                ("all", RedactQuery::All),
                ("hash", RedactQuery::Hash),
            ],
        );
        keys.choices(
            "extra_access_log_fields",
            "Further fields of the access log in this order: backend_time, dial_time, dns_time, \
             failed_attempts, failed_attempts_time, local_address, tls_time.",
            &mut self.format.extra_fields,
            &ExtraField::ALL.map(|field| (field.name(), field)),
        );
    }
}
