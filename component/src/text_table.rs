//! Aligned columns, and text that a terminal may be shown.

use std::io::{self, Write};

/// Rows of cells under a heading.
#[derive(Debug)]
pub struct TextTable {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    heading: &'static str,
    /// Numbers stand on the right.
    right: bool,
}

impl TextTable {
    /// A table with these headings. One that ends in `>` has its column set to the right.
    pub fn new(headings: &[&'static str]) -> Self {
        let column = |heading: &&'static str| match heading.strip_suffix('>') {
            Some(heading) => Column {
                heading,
                right: true,
            },
            None => Column {
                heading,
                right: false,
            },
        };
        Self {
            columns: headings.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Its cells are made fit to be shown.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| shown(&cell)).into());
    }

    /// Writes heading and rows, each column as wide as its widest cell.
    ///
    /// # Errors
    /// What `out` says.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let cells = self.rows.iter().filter_map(|row| row.get(at));
                let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
                widest.max(column.heading.len())
            })
            .collect();
        let headings = self.columns.iter().map(|column| column.heading);
        self.line(headings, &widths, out)?;
        for row in &self.rows {
            self.line(row.iter().map(String::as_str), &widths, out)?;
        }
        Ok(())
    }

    fn line<'a>(
        &self,
        cells: impl Iterator<Item = &'a str>,
        widths: &[usize],
        out: &mut impl Write,
    ) -> io::Result<()> {
        let mut line = String::new();
        for ((cell, column), width) in cells.zip(&self.columns).zip(widths) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            if column.right {
                line.push_str(&format!("{cell:>width$}"));
            } else {
                line.push_str(&format!("{cell:<width$}"));
            }
        }
        writeln!(out, "{}", line.trim_end())
    }
}

/// The text without what a terminal would take for a command, `-` when it is empty.
pub fn shown(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// A time as people read it: `1.2ms`, `3.4s`, `5m06s`, `7h08m`, `9d01h`.
pub fn span(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it saturates"
    )]
    let whole = seconds as u64;
    match whole {
        0 if seconds < 0.000_001 => "0".to_owned(),
        0 if seconds < 0.001 => format!("{:.0}µs", seconds * 1e6),
        0 => format!("{:.1}ms", seconds * 1e3),
        1..60 => format!("{seconds:.1}s"),
        60..3_600 => format!("{}m{:02}s", whole / 60, whole % 60),
        3_600..86_400 => format!("{}h{:02}m", whole / 3_600, whole / 60 % 60),
        _ => format!("{}d{:02}h", whole / 86_400, whole / 3_600 % 24),
    }
}

/// An amount of bytes as people read it.
pub fn bytes(amount: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut amount = amount;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{amount:.0} B")
    } else {
        format!("{amount:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_harmless() {
        let mut table = TextTable::new(&["NAME", "COUNT>", "NOTE"]);
        table.row(["a".into(), "7".into(), String::new()]);
        table.row(["längerer".into(), "1234".into(), "red\x1b[31m\n".into()]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        let expected = "NAME      COUNT  NOTE\na             7  -\n\
                        längerer   1234  red\u{fffd}[31m\u{fffd}\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn spans() {
        for (seconds, text) in [
            (0.0, "0"),
            (0.000_25, "250µs"),
            (0.0012, "1.2ms"),
            (3.42, "3.4s"),
            (306.0, "5m06s"),
            (25_680.0, "7h08m"),
            (781_200.0, "9d01h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn amounts() {
        for (amount, text) in [
            (0.0, "0 B"),
            (1023.0, "1023 B"),
            (1536.0, "1.5 KiB"),
            (5e9, "4.7 GiB"),
        ] {
            assert_eq!(bytes(amount), text);
        }
    }
}
