//! Files that are replaced as a whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Puts a new file, written by `write`, in the place of the one at `path`, and returns what `write`
/// did. Whoever reads sees one file or the other, also after a crash. Directories are made as needed;
/// what is written first is at `path` with `.new` behind it.
///
/// # Errors
/// Nothing can be written there, or `write` fails; then the old file stays.
pub fn replace<T>(path: &Path, write: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(directory)?;
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(".new");
    let next = directory.join(name);
    let mut out = File::create(&next)?;
    let written = write(&mut out)?;
    out.sync_all()?;
    fs::rename(&next, path)?;
    File::open(directory)?.sync_all()?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tests_kit::TempDir;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let directory = TempDir::new();
        let path = directory.path().join("state/file");
        let text = |text: &'static str| move |out: &mut File| out.write_all(text.as_bytes());
        replace(&path, text("old")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        let failed = replace(&path, |out| {
            out.write_all(b"ne")?;
            Err::<(), _>(io::Error::other("no more"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(replace(&path, |out| out.write(b"new")).unwrap(), 3);
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        let left = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "nothing else is left");
    }

    #[test]
    fn where_nothing_can_be_written_the_error_says_so() {
        let directory = TempDir::new();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        replace(&file.join("below"), |_| Ok(())).unwrap_err();
    }
}
