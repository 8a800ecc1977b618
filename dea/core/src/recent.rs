//! The latest lines of an app.

use std::collections::VecDeque;

use protocol::bus::output::OutputLine;

/// What a line takes beside its text, in bytes, at least.
const OVERHEAD: usize = 256;

/// The latest lines of an app. The oldest ones go when there are too many, or too long ones.
#[derive(Debug)]
pub struct Recent {
    lines: VecDeque<OutputLine>,
    bytes: usize,
    most_lines: usize,
    most_bytes: usize,
}

impl Recent {
    /// Room for `most_lines`, and for `most_bytes` in all.
    #[must_use]
    pub fn new(most_lines: usize, most_bytes: usize) -> Self {
        Self {
            lines: VecDeque::new(),
            bytes: 0,
            most_lines,
            most_bytes,
        }
    }

    /// Keeps `line`.
    pub fn push(&mut self, line: OutputLine) {
        self.bytes += cost(&line);
        self.lines.push_back(line);
        while self.lines.len() > self.most_lines || self.bytes > self.most_bytes {
            let Some(oldest) = self.lines.pop_front() else {
                break;
            };
            self.bytes -= cost(&oldest);
        }
    }

    /// Returns the latest `limit` lines, oldest first.
    #[must_use]
    pub fn latest(&self, limit: usize) -> Vec<OutputLine> {
        let skipped = self.lines.len().saturating_sub(limit);
        self.lines.iter().skip(skipped).cloned().collect()
    }
}

fn cost(line: &OutputLine) -> usize {
    line.text.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> OutputLine {
        OutputLine {
            text: text.to_owned(),
            ..OutputLine::default()
        }
    }

    fn texts(lines: &[OutputLine]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn the_oldest_lines_go() {
        let mut recent = Recent::new(3, 1_000);
        for text in ["a", "b", "c", "d"] {
            recent.push(line(text));
        }
        assert_eq!(texts(&recent.latest(10)), ["b", "c", "d"]);
        assert_eq!(texts(&recent.latest(2)), ["c", "d"]);
        assert!(recent.latest(0).is_empty());
        recent.push(line(&"e".repeat(600)));
        assert_eq!(recent.latest(10).len(), 1);
        recent.push(line(&"f".repeat(2_000)));
        assert!(recent.latest(10).is_empty());
        recent.push(line("g"));
        assert_eq!(texts(&recent.latest(10)), ["g"]);
    }
}
