//! A package: the app as it was pushed, a zip that becomes a tar.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};

use time::{Date, Month};
use zip::ZipArchive;
use zip::result::ZipError;

/// Files and directories of one app at most.
const MOST_ENTRIES: usize = 100_000;
/// The longest path in bytes.
const LONGEST_PATH: usize = 1_024;
/// The most directories above a file.
const DEEPEST: usize = 64;
/// Who owns everything of an app, in its container.
pub(super) const OWNER: u64 = 2_000;

/// The bits of a Unix mode that tell the kind of file.
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

/// A zip that has been checked: no entry leaves the app, or is reached by way of a symbolic link.
#[derive(Debug)]
pub(super) struct Package {
    archive: ZipArchive<BufReader<File>>,
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Directory,
    File { index: usize, mode: u32 },
    Link { index: usize },
}

/// Why a package cannot be staged, in words for the developer.
#[derive(Debug, thiserror::Error)]
pub(super) enum PackageError {
    /// It is damaged.
    #[error("The package is not a zip archive that can be read: {0}")]
    Zip(#[from] ZipError),
    /// It has a bad name.
    #[error("The package has an entry with a path that is not allowed: {0:?}")]
    Path(String),
    /// It is reached through something that is no directory.
    #[error("The package has an entry below {0:?}, which is not a directory")]
    Below(String),
    /// It points out of the app.
    #[error("The package has a symbolic link that leaves the app: {0:?}")]
    Link(String),
    /// It is no file, directory or symbolic link.
    #[error("The package has an entry that is neither a file nor a directory: {0:?}")]
    Kind(String),
    /// It has too many entries.
    #[error("The package has more than {MOST_ENTRIES} files and directories")]
    Entries,
    /// It is too large.
    #[error("The package needs more than the {0} MiB of disk that staging may use")]
    Large(u64),
}

impl Package {
    /// Checks the zip in `file`, whose content may have up to `most_mib` MiB.
    pub(super) fn open(file: File, most_mib: u64) -> Result<Self, PackageError> {
        let mut archive = ZipArchive::new(BufReader::new(file))?;
        if archive.len() > MOST_ENTRIES {
            return Err(PackageError::Entries);
        }
        let mut entries = BTreeMap::new();
        let mut bytes = 0_u64;
        for index in 0..archive.len() {
            let data = archive.by_index_data(index)?;
            let name = data.name()?.into_owned();
            bytes = bytes.saturating_add(data.size());
            let mode = data.unix_mode().unwrap_or(0);
            let entry = match mode & KIND {
                _ if data.is_dir() => Entry::Directory,
                DIRECTORY => Entry::Directory,
                LINK => Entry::Link { index },
                0 | REGULAR => Entry::File { index, mode },
                _ => return Err(PackageError::Kind(name)),
            };
            let Some(path) = path(&name) else {
                return Err(PackageError::Path(name));
            };
            if !path.is_empty() {
                entries.insert(path, entry);
            }
        }
        if bytes > most_mib.saturating_mul(1 << 20) {
            return Err(PackageError::Large(most_mib));
        }
        add_directories(&mut entries)?;
        for (path, entry) in &entries {
            if let Entry::Link { index } = entry {
                let target = target(&mut archive, *index)?;
                if target.is_none_or(|target| !stays_within(path, &target)) {
                    return Err(PackageError::Link(path.clone()));
                }
            }
        }
        Ok(Self { archive, entries })
    }

    /// Writes its content as a tar, all of it owned by [`OWNER`].
    ///
    /// # Errors
    /// Those of `out`; [`io::ErrorKind::InvalidData`] when the package is damaged.
    pub(super) fn write_tar(mut self, out: impl Write) -> io::Result<()> {
        let mut tar = tar::Builder::new(out);
        for (path, entry) in &self.entries {
            match entry {
                Entry::Directory => append_directory(&mut tar, path)?,
                Entry::Link { index } => {
                    let target = target(&mut self.archive, *index).map_err(damaged)?;
                    let mut header = header(tar::EntryType::Symlink, 0o777, 0);
                    tar.append_link(&mut header, path, target.unwrap_or_default())?;
                }
                Entry::File { index, mode } => {
                    let mut file = self.archive.by_index(*index).map_err(damaged)?;
                    let size = file.size();
                    let mode = if *mode == 0 {
                        0o644
                    } else {
                        mode & 0o777 | 0o600
                    };
                    let mut header = header(tar::EntryType::Regular, mode, size);
                    header.set_mtime(file.last_modified().and_then(unix_seconds).unwrap_or(0));
                    let mut exact = Counted {
                        inner: (&mut file).take(size),
                        count: 0,
                    };
                    tar.append_data(&mut header, path, &mut exact)?;
                    // The check sum is compared where the file ends.
                    let is_whole = exact.count == size && file.read(&mut [0])? == 0;
                    if !is_whole {
                        return Err(damaged(format!("{path:?} has another size than it says")));
                    }
                }
            }
        }
        tar.finish()
    }
}

/// Appends a directory of the app.
pub(super) fn append_directory<W: Write>(tar: &mut tar::Builder<W>, path: &str) -> io::Result<()> {
    let mut header = header(tar::EntryType::Directory, 0o755, 0);
    tar.append_data(&mut header, path, io::empty())
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(OWNER);
    header.set_gid(OWNER);
    header.set_size(size);
    header
}

fn damaged(reason: impl Into<Box<dyn Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Returns the path that `name` means within the app, which is empty for the app itself; None: it is not
/// allowed.
fn path(name: &str) -> Option<String> {
    if name.len() > LONGEST_PATH || name.starts_with('/') || name.contains(['\0', '\\']) {
        return None;
    }
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => return None,
            _ => parts.push(part),
        }
    }
    (parts.len() <= DEEPEST).then(|| parts.join("/"))
}

/// Adds the directories that entries are in and that have no entry of their own.
fn add_directories(entries: &mut BTreeMap<String, Entry>) -> Result<(), PackageError> {
    let mut missing = BTreeMap::new();
    for path in entries.keys() {
        let mut above = path.as_str();
        while let Some((parent, _)) = above.rsplit_once('/') {
            match entries.get(parent) {
                Some(Entry::Directory) => {}
                Some(_) => return Err(PackageError::Below(parent.to_owned())),
                // All above it were looked at for the same reason.
                None if missing.contains_key(parent) => break,
                None => {
                    missing.insert(parent.to_owned(), Entry::Directory);
                    if entries.len() + missing.len() > MOST_ENTRIES {
                        return Err(PackageError::Entries);
                    }
                }
            }
            above = parent;
        }
    }
    entries.append(&mut missing);
    Ok(())
}

/// Returns where a symbolic link points to, if that can be a path.
fn target(
    archive: &mut ZipArchive<BufReader<File>>,
    index: usize,
) -> Result<Option<String>, ZipError> {
    let mut text = Vec::new();
    let longest = LONGEST_PATH as u64;
    let link = archive.by_index(index)?;
    link.take(longest + 1).read_to_end(&mut text)?;
    let fits = text.len() <= LONGEST_PATH && !text.is_empty() && !text.contains(&0);
    Ok(String::from_utf8(text).ok().filter(|_| fits))
}

/// Whether a link at `path` to `target` stays within the app. No entry is below a link, so what is above
/// `path` are directories.
fn stays_within(path: &str, target: &str) -> bool {
    if target.starts_with('/') {
        return false;
    }
    let mut depth = path.matches('/').count();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return false,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    true
}

fn unix_seconds(at: zip::DateTime) -> Option<u64> {
    let month = Month::try_from(at.month()).ok()?;
    let date = Date::from_calendar_date(at.year().into(), month, at.day()).ok()?;
    let at = date.with_hms(at.hour(), at.minute(), at.second()).ok()?;
    u64::try_from(at.assume_utc().unix_timestamp()).ok()
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.count += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Seek as _;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn zipped(entries: &[(&str, &str, u32)]) -> File {
        let mut zip = ZipWriter::new(tempfile::tempfile().unwrap());
        for (name, content, mode) in entries {
            let options = SimpleFileOptions::default().unix_permissions(mode & 0o7777);
            if mode & KIND == LINK {
                zip.add_symlink(*name, *content, options).unwrap();
            } else if name.ends_with('/') {
                zip.add_directory(*name, options).unwrap();
            } else {
                zip.start_file(*name, options).unwrap();
                zip.write_all(content.as_bytes()).unwrap();
            }
        }
        let mut file = zip.finish().unwrap();
        file.rewind().unwrap();
        file
    }

    fn listing(entries: &[(&str, &str, u32)]) -> Vec<String> {
        let package = Package::open(zipped(entries), 1).unwrap();
        let mut tar = Vec::new();
        package.write_tar(&mut tar).unwrap();
        let mut archive = tar::Archive::new(tar.as_slice());
        let describe = |entry: io::Result<tar::Entry<'_, &[u8]>>| {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let header = entry.header();
            assert_eq!(header.uid().unwrap(), OWNER);
            let path = entry.path().unwrap().display().to_string();
            let link = entry
                .link_name()
                .unwrap()
                .map(|to| to.display().to_string());
            let mode = header.mode().unwrap();
            format!("{mode:o} {path} {}", link.unwrap_or(content))
        };
        archive.entries().unwrap().map(describe).collect()
    }

    #[test]
    fn modes_and_links_are_kept() {
        let found = listing(&[
            ("bin/run", "#!/bin/sh", 0o4755),
            ("a/b/c.txt", "text", 0o644),
            ("empty/", "", 0o700),
            ("a/link", "../bin/run", LINK | 0o777),
            ("./x", "", 0o400),
        ]);
        let expected = [
            "755 a ",
            "755 a/b ",
            "644 a/b/c.txt text",
            "777 a/link ../bin/run",
            "755 bin ",
            "755 bin/run #!/bin/sh",
            "755 empty ",
            "600 x ",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_leaves_the_app_is_refused() {
        let check = |entries: &[(&str, &str, u32)], expected: &str| {
            let error = Package::open(zipped(entries), 1).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        };
        for name in [
            "../x",
            "a/../../x",
            "/etc/passwd",
            "a\\..\\..\\x",
            "a/..",
            "nul\0",
        ] {
            check(&[(name, "", 0o644)], "path that is not allowed");
        }
        check(&[(&"a/".repeat(70), "", 0o755)], "path that is not allowed");
        check(
            &[(&"a".repeat(2_000), "", 0o644)],
            "path that is not allowed",
        );
        for (name, target) in [
            ("l", "/etc"),
            ("l", ".."),
            ("a/l", "../../x"),
            ("a/l", "b/../../../x"),
            ("l", ""),
        ] {
            check(&[(name, target, LINK)], "symbolic link that leaves");
        }
        check(&[("l", "a", LINK), ("l/x", "", 0o644)], "below \"l\"");
        check(&[("l/x", "", 0o644), ("l", "a", LINK)], "below \"l\"");
        check(&[("f", "", 0o644), ("f/x/y", "", 0o644)], "below \"f\"");
        let large = "0".repeat((1 << 20) + 1);
        check(&[("zeros", &large, 0o644)], "more than the 1 MiB of disk");
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let no_zip = tempfile::tempfile().unwrap();
        assert!(matches!(
            Package::open(no_zip, 1),
            Err(PackageError::Zip(_))
        ));
        let options =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
        zip.start_file("f", options).unwrap();
        zip.write_all(b"content").unwrap();
        let mut bytes = zip.finish().unwrap().into_inner();
        let at = bytes.windows(7).position(|at| at == b"content").unwrap();
        bytes[at] = b'C';
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        file.rewind().unwrap();
        let written = Package::open(file, 1).unwrap().write_tar(io::sink());
        assert!(written.is_err());
    }
}
