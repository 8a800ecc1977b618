//! `logs` and `logs --recent`.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::resource::{LogCacheRead, LogEnvelope};
use crate::session::Session;

/// The year 1, where the CLI begins to read.
const BEGINNING: &str = "-6795364578871345152";
/// How far before the newest line tailing begins, in nanoseconds.
const STEP_BACK: i64 = 1_000_000_000;

/// One line as the CLI prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When, in nanoseconds since 1970.
    pub at: i64,
    /// `APP/PROC/WEB`, `STG`.
    pub source: String,
    /// Which instance.
    pub instance: String,
    /// `OUT` or `ERR`.
    pub stream: String,
    /// The text.
    pub text: String,
}

/// Where reading goes on.
#[derive(Clone, Debug)]
pub struct Follower {
    app: String,
    next: i64,
}

impl Follower {
    /// The lines since the last time.
    ///
    /// # Errors
    /// As [`Session::log_cache`]; the lines are not in order.
    pub async fn lines(&mut self, session: &mut Session) -> Result<Vec<Line>> {
        let mut all = Vec::new();
        loop {
            let start = self.next.to_string();
            let query = [("envelope_types", "LOG"), ("start_time", &start)];
            let batch = read(session, &self.app, &query).await?;
            let Some(last) = batch.last() else {
                return Ok(all);
            };
            let is_in_order = batch.windows(2).all(|pair| pair[0].at < pair[1].at);
            ensure!(is_in_order, "tailed lines are not in order: {batch:?}");
            self.next = last.at + 1;
            all.extend(batch);
        }
    }

    /// The text of the lines of staging since the last time.
    ///
    /// # Errors
    /// As [`Self::lines`].
    pub async fn staging_lines(&mut self, session: &mut Session) -> Result<Vec<String>> {
        let lines = self.lines(session).await?;
        let staging = lines.into_iter().filter(|line| line.source == "STG");
        Ok(staging.map(|line| line.text).collect())
    }
}

impl Session {
    /// Begins to follow the output of an app, from now on.
    ///
    /// # Errors
    /// As [`Self::log_cache`].
    pub async fn follow(&mut self, app: &str) -> Result<Follower> {
        let info: Value = self.log_cache("/api/v1/info", &[]).await?;
        let version = info["version"]
            .as_str()
            .context("no version of Log Cache")?;
        let major = version
            .split('.')
            .next()
            .and_then(|major| major.parse::<u32>().ok());
        ensure!(major.is_some_and(|major| major >= 2), "Log Cache {version}");
        let query = [
            ("descending", "true"),
            ("limit", "1"),
            ("start_time", BEGINNING),
        ];
        let newest = read(self, app, &query).await?;
        Ok(Follower {
            app: app.to_owned(),
            next: newest.last().map_or(0, |line| line.at - STEP_BACK),
        })
    }
}

/// `cf logs NAME --recent`: the latest 1,000 lines, oldest first.
///
/// # Errors
/// As [`Session::log_cache`].
pub async fn recent_logs(session: &mut Session, name: &str, space: &str) -> Result<Vec<Line>> {
    let app = session.find_app(name, space).await?;
    session.log_cache::<Value>("/api/v1/info", &[]).await?;
    let query = [
        ("descending", "true"),
        ("envelope_types", "LOG"),
        ("limit", "1000"),
        ("start_time", BEGINNING),
    ];
    let mut lines = read(session, &app.guid, &query).await?;
    lines.reverse();
    Ok(lines)
}

/// `cf logs NAME`: the follower of its output.
///
/// # Errors
/// As [`Session::follow`].
pub async fn tail(session: &mut Session, name: &str, space: &str) -> Result<Follower> {
    let app = session.find_app(name, space).await?;
    session.follow(&app.guid).await
}

async fn read(session: &mut Session, app: &str, query: &[(&str, &str)]) -> Result<Vec<Line>> {
    let path = format!("/api/v1/read/{app}");
    let read: LogCacheRead = session.log_cache(&path, query).await?;
    read.envelopes.batch.into_iter().map(line).collect()
}

fn line(envelope: LogEnvelope) -> Result<Line> {
    let log = envelope.log.context("an envelope without a line")?;
    let source = envelope.tags.get("source_type").cloned();
    Ok(Line {
        at: envelope.timestamp.parse().context("the timestamp")?,
        source: source.unwrap_or_default(),
        instance: envelope.instance_id,
        stream: log.kind,
        text: String::from_utf8_lossy(&STANDARD.decode(log.payload)?).into_owned(),
    })
}
