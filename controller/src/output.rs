//! What apps write: kept as it passes on the bus, and asked for from DEAs after a restart.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus::{Bus, BusError};
use controller_core::output::{Envelopes, Output, ReadLines};
use protocol::bus::output::{DEA_FIND_LOGS, FindLines, LOGS, RecentLines};

/// Lines of each DEA that are asked for.
const LINES: u32 = 1_000;
/// How long DEAs have to send them.
const ANSWERS: Duration = Duration::from_millis(500);
/// Apps of which it is known that DEAs have been asked. At one more, all are asked again.
const MOST_ASKED: usize = 100_000;

/// The latest lines of all apps.
#[derive(Debug, Default)]
pub(crate) struct KeptOutput {
    lines: Mutex<Output>,
    asked: Mutex<HashSet<String>>,
}

impl KeptOutput {
    /// Keeps every line that passes, until the bus is closed.
    ///
    /// # Errors
    /// The bus is closed.
    pub(crate) async fn listen(&self, bus: &Bus) -> Result<(), BusError> {
        let mut lines = bus.subscribe_family(&LOGS).await?;
        while let Some(delivery) = lines.next().await {
            match delivery.decode() {
                // The subject says whose line it is, whatever the line says.
                Ok(line) if LOGS.word(delivery.subject()) == Some(line.app_guid.as_str()) => {
                    self.lines().add(&line);
                }
                Ok(_) => tracing::debug!(subject = delivery.subject(), "line-of-another-app"),
                Err(error) => tracing::debug!(%error, "line-not-read"),
            }
        }
        Err(BusError::Closed)
    }

    /// Returns the lines of an app that are asked for. The first time, up to `deas` DEAs are asked for
    /// what was written before we listened.
    pub(crate) async fn read(
        &self,
        app: &str,
        asked: ReadLines,
        bus: &Bus,
        deas: usize,
    ) -> Envelopes {
        if self.is_new(app) && deas > 0 {
            let question = FindLines {
                app_guid: app.to_owned(),
                limit: LINES,
            };
            let found = bus.gather(&DEA_FIND_LOGS, &question, deas, ANSWERS).await;
            let found: Vec<RecentLines> = found
                .unwrap_or_default()
                .iter()
                .filter_map(|answer| answer.decode().ok())
                .collect();
            let mut lines = self.lines();
            let all = found.iter().flat_map(|recent| &recent.lines);
            for line in all.filter(|line| line.app_guid == app) {
                lines.add(line);
            }
        }
        self.lines().read(app, asked)
    }

    /// Forgets the lines of an app.
    pub(crate) fn forget(&self, app: &str) {
        self.lines().forget(app);
    }

    fn is_new(&self, app: &str) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() >= MOST_ASKED {
            asked.clear();
        }
        asked.insert(app.to_owned())
    }

    fn lines(&self) -> MutexGuard<'_, Output> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bus::Hub;
    use protocol::bus::output::OutputLine;

    use super::*;

    fn line(app: &str, time: i64, text: &str) -> OutputLine {
        OutputLine {
            app_guid: app.to_owned(),
            unix_nanos: time,
            text: text.to_owned(),
            ..OutputLine::default()
        }
    }

    fn count(envelopes: &Envelopes) -> usize {
        envelopes.envelopes.batch.len()
    }

    #[tokio::test]
    async fn what_deas_remember_is_asked_for_once() {
        let hub = Hub::new();
        let (ours, theirs) = (Bus::in_memory(&hub, 8), Bus::in_memory(&hub, 8));
        let mut questions = theirs.subscribe(&DEA_FIND_LOGS).await.unwrap();
        let output = KeptOutput::default();
        let all = ReadLines::parse("").unwrap();
        let reading = output.read("a", all, &ours, 1);
        let answering = async {
            let question = questions.next().await.unwrap();
            let recent = RecentLines {
                lines: vec![line("a", 1, "x"), line("a", 2, "y"), line("b", 3, "z")],
            };
            theirs.reply(&question, &recent).await.unwrap();
        };
        let (read, ()) = tokio::join!(reading, answering);
        assert_eq!(count(&read), 2);
        // Nobody answers, and nobody is asked.
        assert_eq!(count(&output.read("a", all, &ours, 1).await), 2);
        output.forget("a");
        assert_eq!(count(&output.read("a", all, &ours, 1).await), 0);
    }
}
