//! Archives that are made or looked through on their way into a container.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tar::{Builder, Entry, EntryType, Header, PaxExtensions};

use super::{ContainerId, Fence, FenceError};
use crate::pieces::{Pieces, produce};

/// Who owns what is unpacked.
const OWNER: u64 = 2_000;
/// The longest path in bytes, and what stands around it in an archive.
const LONGEST: u64 = 8 * 1_024;
/// Symbolic links of one archive at most.
const MOST_LINKS: usize = 100_000;

impl Fence {
    /// Unpacks the archive that `write` writes, on a thread of its own, into a directory of the container.
    ///
    /// # Errors
    /// As the engine says; [`FenceError::Refused`] with the words of `write`.
    pub(crate) async fn put_written(
        &self,
        id: &ContainerId,
        directory: &str,
        write: impl FnOnce(&mut Pieces) -> io::Result<()> + Send + 'static,
    ) -> Result<(), FenceError> {
        let (archive, thread) = produce(write);
        let put = self.put(id, directory, archive).await;
        match thread.await {
            Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(FenceError::Refused(error.to_string()))
            }
            _ => put,
        }
    }

    /// Unpacks a gzipped archive that somebody else made into an empty directory of the container. All of
    /// it is owned by the container's user, and nothing is written by way of a symbolic link: the engine
    /// would follow one that leaves the container's disk.
    ///
    /// # Errors
    /// As the engine says; [`FenceError::Refused`] when the archive is not allowed.
    pub async fn unpack(
        &self,
        id: &ContainerId,
        directory: &str,
        archive: impl Read + Send + 'static,
    ) -> Result<(), FenceError> {
        let archive = MultiGzDecoder::new(BufReader::new(archive));
        self.put_written(id, directory, move |out| vet(archive, out))
            .await
    }
}

/// Writes what `from` has, entry by entry, as long as it is allowed.
fn vet(from: impl Read, out: impl Write) -> io::Result<()> {
    let mut from = tar::Archive::new(from);
    let mut out = Builder::new(out);
    let mut links = BTreeSet::new();
    let (mut long_path, mut long_link) = (None, None);
    // Raw, as otherwise a path of any length would be read into memory.
    for entry in from.entries()?.raw(true) {
        let mut entry = entry?;
        match entry.header().entry_type() {
            EntryType::GNULongName => long_path = Some(text(&mut entry)?),
            EntryType::GNULongLink => long_link = Some(text(&mut entry)?),
            EntryType::XHeader => {
                for extension in PaxExtensions::new(&text(&mut entry)?) {
                    let extension = extension?;
                    let value = extension.value_bytes().to_vec();
                    match extension.key_bytes() {
                        b"path" => long_path = Some(value),
                        b"linkpath" => long_link = Some(value),
                        b"size" => return Err(refused("has a file that is too large", b"")),
                        _ => {}
                    }
                }
            }
            EntryType::XGlobalHeader => {}
            _ => {
                let path = long_path.take();
                let path = path.unwrap_or_else(|| entry.path_bytes().into_owned());
                let link = long_link.take();
                let link = link.or_else(|| entry.link_name_bytes().map(Into::into));
                pass(entry, &path, link, &mut links, &mut out)?;
            }
        }
    }
    out.finish()
}

/// Writes one entry, as long as it is allowed.
fn pass<W: Write>(
    mut entry: Entry<'_, impl Read>,
    path: &[u8],
    link: Option<Vec<u8>>,
    links: &mut BTreeSet<Vec<u8>>,
    out: &mut Builder<W>,
) -> io::Result<()> {
    let path = within(path).ok_or_else(|| refused("has a path that is not allowed", path))?;
    if path.is_empty() {
        return Ok(());
    }
    if is_below(&path, links) {
        return Err(refused("has a file below a link", &path));
    }
    let (from, mut header) = (entry.header(), Header::new_gnu());
    let kind = from.entry_type();
    header.set_entry_type(kind);
    header.set_mode(from.mode()? & 0o777);
    header.set_mtime(from.mtime()?);
    header.set_uid(OWNER);
    header.set_gid(OWNER);
    header.set_size(0);
    let place = as_path(&path);
    match (kind, link) {
        (EntryType::Directory, _) => out.append_data(&mut header, place, io::empty()),
        (EntryType::Regular | EntryType::Continuous, _) => {
            header.set_size(entry.size());
            out.append_data(&mut header, place, &mut entry)
        }
        (EntryType::Symlink, Some(target)) => {
            out.append_link(&mut header, place, as_path(&target))?;
            note_link(path, links)
        }
        (EntryType::Link, Some(target)) => {
            let target = within(&target).filter(|target| !is_below(target, links));
            let target = target.ok_or_else(|| refused("has a bad hard link", &path))?;
            out.append_link(&mut header, place, as_path(&target))?;
            match links.contains(&target) {
                true => note_link(path, links),
                false => Ok(()),
            }
        }
        _ => Err(refused("has what is no file, directory or link", &path)),
    }
}

fn note_link(path: Vec<u8>, links: &mut BTreeSet<Vec<u8>>) -> io::Result<()> {
    links.insert(path);
    if links.len() > MOST_LINKS {
        return Err(refused("has too many links", b""));
    }
    Ok(())
}

/// Returns the path that `name` means within the directory; None: it is not allowed.
fn within(name: &[u8]) -> Option<Vec<u8>> {
    // A long name ends with a NUL.
    let name = name.strip_suffix(b"\0").unwrap_or(name);
    let is_bad = name.first() == Some(&b'/') || name.contains(&0) || name.len() as u64 > LONGEST;
    let parts = name.split(|byte| *byte == b'/');
    let parts: Vec<_> = parts
        .filter(|part| !part.is_empty() && *part != b".")
        .collect();
    (!is_bad && !parts.contains(&b"..".as_slice())).then(|| parts.join(&b'/'))
}

/// Whether a directory that `path` is in is a link.
fn is_below(path: &[u8], links: &BTreeSet<Vec<u8>>) -> bool {
    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let mut above = ends.map(|(end, _)| path.get(..end).unwrap_or_default());
    !links.is_empty() && above.any(|above| links.contains(above))
}

fn text(entry: &mut Entry<'_, impl Read>) -> io::Result<Vec<u8>> {
    if entry.size() > LONGEST {
        return Err(refused("has a path that is too long", b""));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn as_path(bytes: &[u8]) -> &Path {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    Path::new(OsStr::from_bytes(bytes))
}

fn refused(what: &str, path: &[u8]) -> io::Error {
    let path = String::from_utf8_lossy(path);
    let text = format!("the archive {what}: {path}");
    io::Error::new(io::ErrorKind::InvalidData, text.trim_end_matches(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of entries: path, kind and where a link points to.
    fn archive(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut tar = Builder::new(Vec::new());
        for (path, kind, target) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o4755);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(7);
            header.set_size(if kind.is_file() { 3 } else { 0 });
            // As it is, which the builder would not write.
            let name = &mut header.as_old_mut().name;
            if path.len() <= name.len() {
                name[..path.len()].copy_from_slice(path.as_bytes());
            } else {
                tar.append_data(&mut header, path, &b"abc"[..]).unwrap();
                continue;
            }
            if !target.is_empty() {
                header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
            }
            header.set_cksum();
            let content: &[u8] = if kind.is_file() { b"abc" } else { b"" };
            tar.append(&header, content).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn vetted(entries: &[(&str, EntryType, &str)]) -> Result<Vec<String>, String> {
        let mut out = Vec::new();
        vet(archive(entries).as_slice(), &mut out).map_err(|error| error.to_string())?;
        let mut found = tar::Archive::new(out.as_slice());
        let describe = |entry: io::Result<Entry<'_, &[u8]>>| {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let header = entry.header();
            let (uid, mode) = (header.uid().unwrap(), header.mode().unwrap());
            assert_eq!((uid, mode, header.mtime().unwrap()), (OWNER, 0o755, 7));
            let link = entry
                .link_name()
                .unwrap()
                .map(|to| to.display().to_string());
            format!(
                "{} {}",
                entry.path().unwrap().display(),
                link.unwrap_or(text)
            )
        };
        Ok(found.entries().unwrap().map(describe).collect())
    }

    const FILE: EntryType = EntryType::Regular;
    const DIRECTORY: EntryType = EntryType::Directory;
    const SYMLINK: EntryType = EntryType::Symlink;
    const LINK: EntryType = EntryType::Link;

    #[test]
    fn what_is_allowed_is_passed_on() {
        let long = format!("./app/{}", "x".repeat(300));
        let found = vetted(&[
            ("./", DIRECTORY, ""),
            ("./app/", DIRECTORY, ""),
            ("./app/f", FILE, ""),
            ("./app/python", SYMLINK, "/usr/bin/python3"),
            ("./app/up", SYMLINK, "../logs"),
            ("./app/again", LINK, "./app/f"),
            (&long, FILE, ""),
        ]);
        let expected = [
            "app ".to_owned(),
            "app/f abc".to_owned(),
            "app/python /usr/bin/python3".to_owned(),
            "app/up ../logs".to_owned(),
            "app/again app/f".to_owned(),
            format!("{} abc", &long[2..]),
        ];
        assert_eq!(found, Ok(expected.to_vec()));
    }

    #[test]
    fn what_would_leave_the_disk_is_refused() {
        let check = |entries: &[(&str, EntryType, &str)], expected: &str| {
            let reason = vetted(entries).unwrap_err();
            assert_eq!(reason, format!("the archive {expected}"));
        };
        let out = ("a", SYMLINK, "/opt");
        check(&[out, ("a/x", FILE, "")], "has a file below a link: a/x");
        check(
            &[out, ("./a//b/x", FILE, "")],
            "has a file below a link: a/b/x",
        );
        check(
            &[out, ("a/d", DIRECTORY, "")],
            "has a file below a link: a/d",
        );
        check(&[out, ("h", LINK, "a/x")], "has a bad hard link: h");
        check(
            &[out, ("h", LINK, "a"), ("h/x", FILE, "")],
            "has a file below a link: h/x",
        );
        check(&[("h", LINK, "../x")], "has a bad hard link: h");
        check(
            &[("../x", FILE, "")],
            "has a path that is not allowed: ../x",
        );
        check(&[("/x", FILE, "")], "has a path that is not allowed: /x");
        for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
            check(
                &[("d", kind, "")],
                "has what is no file, directory or link: d",
            );
        }
        let long = "x/".repeat(5_000);
        check(&[(&long, FILE, "")], "has a path that is too long");
    }
}
