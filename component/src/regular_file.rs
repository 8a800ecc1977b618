//! Files that somebody names: read whole, and only if they are files.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// The longest file that is read, in bytes.
const MOST: u64 = crate::yaml::MAX_BYTES as u64;

/// The text of a file.
///
/// # Errors
/// As [`open`]; also when it is no UTF-8, or longer than 64 MiB.
pub fn read_text(path: &Path) -> io::Result<String> {
    let (file, _) = open(path)?;
    text(file)
}

/// The text of a file that was opened.
///
/// # Errors
/// It cannot be read, is no UTF-8, or longer than 64 MiB.
pub fn text(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(MOST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST {
        return Err(io::Error::other(format!("longer than {MOST} bytes")));
    }
    Ok(text)
}

/// Opens a file for reading, and tells what the system knows of it. Never waits for anybody: opening
/// a pipe the plain way waits for its writer.
///
/// # Errors
/// It is not there, may not be read, or is a directory, a pipe, a socket or a device.
pub fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    let metadata = file.metadata()?;
    check(&metadata)?;
    Ok((file, metadata))
}

/// Puts a text into a file, which is made if it is not there. Never waits for anybody.
///
/// # Errors
/// As [`open`], but for writing.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    check(&file.metadata()?)?;
    file.write_all(text.as_bytes())
}

/// Whether it is a file.
///
/// # Errors
/// It is a directory, a pipe, a socket or a device.
pub fn check(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    let reason = format!("is {what}, not a file");
    Err(io::Error::new(io::ErrorKind::InvalidInput, reason))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::sync::mpsc;

    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use tests_kit::{PATIENCE, TempDir};

    use super::*;

    /// What reading says, which must not take long.
    fn read(path: &Path) -> Result<String, String> {
        let (said, says) = mpsc::channel();
        let path = path.to_owned();
        std::thread::spawn(move || said.send(read_text(&path)));
        let read = says.recv_timeout(PATIENCE).expect("an answer in time");
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn only_a_file_is_read() {
        let directory = TempDir::new();
        let path = directory.file("text", "some text");
        assert_eq!(read(&path), Ok("some text".to_owned()));
        assert_eq!(
            read(directory.path()),
            Err("is a directory, not a file".to_owned())
        );
        let pipe = directory.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(read(&pipe), Err("is a pipe, not a file".to_owned()));
        // Nobody reads it, and somebody does.
        assert!(write(&pipe, "text").is_err());
        let _reader = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(&pipe);
        assert!(write(&pipe, "text").is_err());
        write(&path, "less").unwrap();
        assert_eq!(read(&path), Ok("less".to_owned()));
        assert_eq!(
            read(Path::new("/dev/null")),
            Err("is a device, not a file".to_owned())
        );
        let socket = directory.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        assert!(read(&socket).is_err());
        assert!(read(&directory.path().join("missing")).is_err());
        assert!(read(&directory.file("binary", b"\xff\xfe")).is_err());
    }
}
