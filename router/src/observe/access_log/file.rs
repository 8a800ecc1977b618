//! A file that log rotation may move away.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// An open log file and the name it was opened under.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    identity: Identity,
    /// The last write ended inside a line.
    torn: bool,
}

/// By which a file that took the name's place is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl LogFile {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let (file, identity) = open_at(&path)?;
        Ok(Self {
            path,
            file,
            identity,
            torn: false,
        })
    }

    /// Opens the file under its name again when another one, or none, is there. Returns whether
    /// it did. Until a new file is open the old one is written to, so that no line is lost.
    pub(super) fn follow(&mut self) -> io::Result<bool> {
        let found = std::fs::metadata(&self.path).map(|there| Identity::of(&there));
        if found.is_ok_and(|identity| identity == self.identity) {
            return Ok(false);
        }
        let (file, identity) = open_at(&self.path)?;
        self.file = file;
        self.identity = identity;
        self.torn = false;
        Ok(true)
    }

    /// Writes whole lines. After a failure inside a line the next write begins a new one.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
            self.torn = false;
        }
        let mut rest = lines;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.torn = rest[written - 1] != b'\n';
                    rest = &rest[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Identity {
    fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
        }
    }
}

fn open_at(path: &Path) -> io::Result<(File, Identity)> {
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    let identity = Identity::of(&file.metadata()?);
    Ok((file, identity))
}
