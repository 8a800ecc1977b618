//! The output of a process in a file of bounded size.
//!
//! The process itself writes to the file, always at its end, so that its output goes on while there is no
//! kato. A file that has grown too long is copied and emptied in place; what is written between the last
//! look at its length and the emptying, some microseconds, is lost.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// The log of one process.
#[derive(Clone, Debug)]
pub struct LogFile {
    path: PathBuf,
    /// Bytes.
    most: u64,
    older: u32,
}

impl LogFile {
    /// The log of the process `name` in `directory`: at most `most` bytes, and as many in each of `older`
    /// files.
    #[must_use]
    pub fn new(directory: &Path, name: &str, most: u64, older: u32) -> Self {
        Self {
            path: directory.join(format!("{name}.log")),
            most,
            older,
        }
    }

    /// Returns where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it for a process to write to; the directory is made as needed.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(&self) -> io::Result<File> {
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory)?;
        }
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.path)
    }

    /// Makes the file an older one if it is too long. Returns whether it was.
    ///
    /// # Errors
    /// A file cannot be copied or renamed; nothing is lost.
    pub fn rotate(&self) -> io::Result<bool> {
        match fs::metadata(&self.path) {
            Ok(metadata) if metadata.len() > self.most => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        }
        for number in (1..self.older).rev() {
            match fs::rename(self.older(number), self.older(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let mut log = OpenOptions::new().read(true).write(true).open(&self.path)?;
        if self.older > 0 {
            let mut copy = File::create(self.older(1))?;
            // At most twice the bound is kept of a process that writes faster than this copies.
            io::copy(&mut (&mut log).take(self.most.saturating_mul(2)), &mut copy)?;
        }
        log.set_len(0)?;
        Ok(true)
    }

    fn older(&self, number: u32) -> PathBuf {
        self.path.with_extension(format!("log.{number}"))
    }

    /// Returns what was written since `place`, at most `most` bytes, and the place behind it. A file that
    /// was emptied since is read from its beginning; one that is not there is empty.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self, place: u64, most: u64) -> io::Result<(Vec<u8>, u64)> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
            opened => opened?,
        };
        let place = if file.metadata()?.len() < place {
            0
        } else {
            place
        };
        file.seek(SeekFrom::Start(place))?;
        let mut bytes = Vec::new();
        let count = file.take(most).read_to_end(&mut bytes)?;
        Ok((bytes, place + count as u64))
    }

    /// Returns its last lines, of the last `most` bytes, and the place behind them.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn tail(&self, lines: usize, most: u64) -> io::Result<(Vec<u8>, u64)> {
        let length = fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        let (bytes, place) = self.read(length.saturating_sub(most), most)?;
        let last = bytes.len().saturating_sub(1);
        let mut ends = bytes
            .get(..last)
            .unwrap_or_default()
            .iter()
            .enumerate()
            .rev();
        let before = lines
            .checked_sub(1)
            .and_then(|more| ends.by_ref().filter(|(_, byte)| **byte == b'\n').nth(more));
        let first = before.map_or(0, |(at, _)| at + 1);
        Ok((bytes.get(first..).unwrap_or_default().to_owned(), place))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tests_kit::TempDir;

    use super::*;

    fn text(path: PathBuf) -> String {
        fs::read_to_string(path).unwrap_or_else(|_| "-".to_owned())
    }

    #[test]
    fn a_long_file_becomes_an_older_one_while_its_process_writes_on() {
        let directory = TempDir::new();
        let log = LogFile::new(&directory.path().join("log"), "app", 4, 2);
        assert!(!log.rotate().unwrap());
        let mut writer = log.open().unwrap();
        for (line, rotated, files) in [
            ("1\n", false, ["1\n", "-", "-", "-"]),
            ("two\n", true, ["", "1\ntwo\n", "-", "-"]),
            ("three\n", true, ["", "three\n", "1\ntwo\n", "-"]),
            ("fours\n", true, ["", "fours\n", "three\n", "-"]),
            ("5\n", false, ["5\n", "fours\n", "three\n", "-"]),
        ] {
            writer.write_all(line.as_bytes()).unwrap();
            assert_eq!(log.rotate().unwrap(), rotated, "{line}");
            let older = |number| text(log.older(number));
            let found = [text(log.path.clone()), older(1), older(2), older(3)];
            assert_eq!(found, files, "{line}");
        }
    }

    #[test]
    fn lines_are_read_from_the_end_and_on() {
        let directory = TempDir::new();
        let log = LogFile::new(directory.path(), "app", 100, 0);
        assert_eq!(log.tail(5, 100).unwrap(), (Vec::new(), 0));
        let mut writer = log.open().unwrap();
        writer.write_all(b"one\ntwo\nthree\n").unwrap();
        for (lines, most, expected) in [
            (1, 100, "three\n"),
            (2, 100, "two\nthree\n"),
            (9, 100, "one\ntwo\nthree\n"),
            (9, 8, "o\nthree\n"),
        ] {
            let (bytes, place) = log.tail(lines, most).unwrap();
            assert_eq!((bytes, place), (expected.into(), 14), "{lines} {most}");
        }
        writer.write_all(b"four").unwrap();
        assert_eq!(log.read(14, 100).unwrap(), (b"four".to_vec(), 18));
        fs::write(log.path(), "new").unwrap();
        assert_eq!(log.read(18, 100).unwrap(), (b"new".to_vec(), 3));
    }
}
