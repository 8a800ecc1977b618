//! What is written about requests and about the router itself.

use std::path::PathBuf;

use component::size::ByteSize;
use component::yaml::Keys;

/// The access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogConfig {
    /// The file; `None`: none.
    pub file: Option<PathBuf>,
    /// Whether lines go to standard output.
    pub stdout: bool,
    /// What a line looks like.
    pub format: AccessLogFormat,
    /// The most bytes that wait for the writer; what does not fit is dropped and counted.
    pub queue: ByteSize,
    /// What becomes of query strings.
    pub redact_query: RedactQuery,
    /// Leaves `X-Forwarded-For` out.
    pub hide_forwarded_for: bool,
    /// Leaves the peer's address out.
    pub hide_source_ip: bool,
    /// Further fields in this order.
    pub extra_fields: Vec<ExtraField>,
    /// Request headers to log, in this order.
    pub extra_headers: Vec<String>,
}

/// What a line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// gorouter's line.
    #[default]
    Gorouter,
    /// One JSON object.
    Json,
}

/// What becomes of query strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RedactQuery {
    /// They stay.
    #[default]
    None,
    /// They are left out.
    All,
    /// They are replaced by their SHA-1.
    Hash,
}

/// A field that is logged on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the field of its name")]
pub enum ExtraField {
    BackendTime,
    DialTime,
    DnsTime,
    FailedAttempts,
    FailedAttemptsTime,
    LocalAddress,
    TlsTime,
}

const EXTRA_FIELDS: [(&str, ExtraField); 7] = [
    ("backend_time", ExtraField::BackendTime),
    ("dial_time", ExtraField::DialTime),
    ("dns_time", ExtraField::DnsTime),
    ("failed_attempts", ExtraField::FailedAttempts),
    ("failed_attempts_time", ExtraField::FailedAttemptsTime),
    ("local_address", ExtraField::LocalAddress),
    ("tls_time", ExtraField::TlsTime),
];

/// The router's own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggingConfig {
    /// Least important level that is written.
    pub level: LogLevel,
    /// How times are written.
    pub timestamp: Timestamp,
    /// JSON or text.
    pub json: bool,
}

/// How important an event is; `Fatal` is gorouter's word for what ends the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the usual levels")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

/// How times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timestamp {
    /// Seconds since 1970 with decimals.
    #[default]
    UnixEpoch,
    /// `2006-01-02T15:04:05.000000000Z`.
    Rfc3339,
}

impl Default for AccessLogConfig {
    fn default() -> Self {
        Self {
            file: None,
            stdout: false,
            format: AccessLogFormat::Gorouter,
            queue: ByteSize::mib(4),
            redact_query: RedactQuery::None,
            hide_forwarded_for: false,
            hide_source_ip: false,
            extra_fields: Vec::new(),
            extra_headers: Vec::new(),
        }
    }
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            timestamp: Timestamp::UnixEpoch,
            json: true,
        }
    }
}

/// The keys of both logs, which gorouter mixes.
pub(super) fn keys(log: &mut LoggingConfig, access: &mut AccessLogConfig, keys: &mut Keys<'_>) {
    keys.title("Logs");
    keys.section(
        "logging",
        "The router's own log, on standard error.",
        |keys| {
            log.keys(keys);
            access.logging_keys(keys);
        },
    );
    keys.section("access_log", "One line for each request.", |keys| {
        access.keys(keys)
    });
    keys.key(
        "extra_headers_to_log",
        "Request headers at the end of each line of the access log.",
        &mut access.extra_headers,
    );
}

impl LoggingConfig {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.choice(
            "level",
            "trace, debug, info, warn, error or fatal. gorouter begins at debug. A running router's \
             level is changed by `router log-level`.",
            &mut self.level,
            &[
                ("trace", LogLevel::Trace),
                ("debug", LogLevel::Debug),
                ("info", LogLevel::Info),
                ("warn", LogLevel::Warn),
                ("warning", LogLevel::Warn),
                ("error", LogLevel::Error),
                ("fatal", LogLevel::Fatal),
            ],
        );
        keys.choice(
            "output",
            "json, or text for people.",
            &mut self.json,
            &[("json", true), ("text", false)],
        );
        keys.section("format", "How a line looks.", |keys| {
            keys.choice(
                "timestamp",
                "unix-epoch or rfc3339.",
                &mut self.timestamp,
                &[
                    ("unix-epoch", Timestamp::UnixEpoch),
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
            &mut self.format,
            &[
                ("gorouter", AccessLogFormat::Gorouter),
                ("json", AccessLogFormat::Json),
            ],
        );
        keys.key(
            "queue",
            "How much may wait for the disk. What does not fit is dropped and counted; requests never \
             wait.",
            &mut self.queue,
        );
        if self.queue < ByteSize::kib(64) {
            keys.fault("queue", "must be at least 64KiB");
        }
    }

    /// The keys about the access log that gorouter has under `logging`.
    fn logging_keys(&mut self, keys: &mut Keys<'_>) {
        keys.key(
            "disable_log_forwarded_for",
            "Write \"-\" for X-Forwarded-For in the access log.",
            &mut self.hide_forwarded_for,
        );
        keys.key(
            "disable_log_source_ip",
            "Write \"-\" for the peer's address in the access log.",
            &mut self.hide_source_ip,
        );
        keys.choice(
            "redact_query_params",
            "What becomes of query strings in the access log: none (they stay), all (they are left \
             out) or hash.",
            &mut self.redact_query,
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
            &mut self.extra_fields,
            &EXTRA_FIELDS,
        );
    }
}
