//! What may be in a package: a zip that strangers made.

use thiserror::Error;

/// Entries that a package may have.
pub const MOST_ENTRIES: u64 = 100_000;
/// Bytes that they may have together, unpacked.
pub const LARGEST: u64 = 1 << 30;
/// How many times larger than packed they may be together, beyond [`SMALL`].
const LARGEST_RATIO: u64 = 100;
/// Bytes up to which the ratio does not matter: a few lines of blanks are no bomb.
const SMALL: u64 = 1 << 20;
/// Bytes that the name of an entry may have.
const LONGEST_NAME: usize = 4_096;
/// The bits of a Unix mode that say what kind of file it is, and what they are for a file, a
/// directory and a link.
const KIND: u32 = 0o170_000;
const FILE: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

/// Why a package is refused, for the developer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PackageProblem {
    /// An entry would be unpacked somewhere else.
    #[error("The package has a file with a bad path: {0:?}")]
    Path(String),
    /// An entry is a device, a socket or a pipe.
    #[error("The package has an entry that is no file, directory or link: {0:?}")]
    Kind(String),
    /// There are too many.
    #[error("The package has more than {MOST_ENTRIES} files")]
    Entries,
    /// It would be too large when unpacked.
    #[error("The package has more than {LARGEST} bytes when unpacked")]
    Size,
    /// It would be far larger when unpacked.
    #[error("The package is more than {LARGEST_RATIO} times larger when unpacked")]
    Ratio,
}

/// One entry of a zip, as its directory says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZipEntry<'a> {
    /// Its name. That of a directory ends in `/`.
    pub name: &'a str,
    /// Bytes that it has in the package.
    pub packed: u64,
    /// Bytes that it has when unpacked.
    pub size: u64,
    /// Its Unix mode, if it has one.
    pub mode: Option<u32>,
}

/// What has been seen of a package.
#[derive(Clone, Copy, Debug, Default)]
pub struct PackageCheck {
    entries: u64,
    packed: u64,
    size: u64,
}

impl PackageCheck {
    /// Looks at the next entry.
    ///
    /// # Errors
    /// Why the package cannot be taken.
    pub fn add(&mut self, entry: ZipEntry<'_>) -> Result<(), PackageProblem> {
        if !is_inside(entry.name) {
            return Err(PackageProblem::Path(shown(entry.name)));
        }
        let kind = entry.mode.unwrap_or(0) & KIND;
        if ![0, FILE, DIRECTORY, LINK].contains(&kind) {
            return Err(PackageProblem::Kind(shown(entry.name)));
        }
        self.entries += 1;
        self.packed = self.packed.saturating_add(entry.packed);
        self.size = self.size.saturating_add(entry.size);
        if self.entries > MOST_ENTRIES {
            return Err(PackageProblem::Entries);
        }
        if self.size > LARGEST {
            return Err(PackageProblem::Size);
        }
        if self.size > SMALL && self.size / LARGEST_RATIO > self.packed {
            return Err(PackageProblem::Ratio);
        }
        Ok(())
    }

    /// Returns how many bytes the entries have when unpacked.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// Returns whether an entry of that name is unpacked below the directory that the package is.
fn is_inside(name: &str) -> bool {
    let name = name.strip_suffix('/').unwrap_or(name);
    // A drive letter is a path to somewhere else for whoever unpacks on Windows.
    let drive = name.as_bytes().get(1) == Some(&b':');
    name.len() <= LONGEST_NAME
        && !drive
        && !name.contains(['\\', '\0'])
        && name.split('/').all(|part| !part.is_empty() && part != "..")
}

/// Returns the beginning of a name that may be long.
fn shown(name: &str) -> String {
    name.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(name: &str) -> ZipEntry<'_> {
        ZipEntry {
            name,
            packed: 1,
            size: 1,
            mode: Some(0o100_644),
        }
    }

    #[test]
    fn no_path_leaves() {
        let check = |name: &str, good: bool| {
            assert_eq!(
                PackageCheck::default().add(entry(name)).is_ok(),
                good,
                "{name}"
            );
        };
        check("Procfile", true);
        check("a/b/..c", true);
        check("static/", true);
        check("./a", true);
        check("../a", false);
        check("a/../../b", false);
        check("a/..", false);
        check("/etc/passwd", false);
        check("//a", false);
        check("a//b", false);
        check("", false);
        check("/", false);
        check("..\\a", false);
        check("C:/a", false);
        check("a\0b", false);
        check(&"a".repeat(4_096), true);
        check(&"a".repeat(4_097), false);
    }

    #[test]
    fn bombs_are_refused() {
        let check = |packed, size, expected: Result<(), PackageProblem>| {
            let entry = ZipEntry {
                packed,
                size,
                ..entry("a")
            };
            assert_eq!(
                PackageCheck::default().add(entry),
                expected,
                "{packed} {size}"
            );
        };
        check(10_000_000, LARGEST, Err(PackageProblem::Ratio));
        check(11_000_000, LARGEST, Ok(()));
        check(u64::MAX, LARGEST + 1, Err(PackageProblem::Size));
        check(1, SMALL, Ok(()));
        check(1, SMALL + 1, Err(PackageProblem::Ratio));
        let mut many = PackageCheck::default();
        for _ in 0..MOST_ENTRIES {
            assert_eq!(many.add(entry("a")), Ok(()));
        }
        assert_eq!(many.size(), MOST_ENTRIES);
        assert_eq!(many.add(entry("a")), Err(PackageProblem::Entries));
    }

    #[test]
    fn only_files_directories_and_links() {
        let check = |mode: Option<u32>, good: bool| {
            let entry = ZipEntry { mode, ..entry("a") };
            assert_eq!(PackageCheck::default().add(entry).is_ok(), good, "{mode:?}");
        };
        check(None, true);
        check(Some(0o644), true);
        check(Some(0o120_777), true);
        check(Some(0o040_755), true);
        check(Some(0o020_666), false);
        check(Some(0o010_644), false);
        check(Some(0o140_644), false);
    }

    proptest! {
        #[test]
        fn what_is_taken_stays_inside(name in r"[a./\\]{0,12}") {
            if PackageCheck::default().add(entry(&name)).is_ok() {
                let mut depth = 0_i32;
                for part in name.split('/') {
                    depth += match part {
                        ".." => -1,
                        "" | "." => 0,
                        _ => 1,
                    };
                    prop_assert!(depth >= 0);
                }
                prop_assert!(!name.starts_with('/'));
            }
        }
    }
}
