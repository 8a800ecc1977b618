//! Looks into a package without unpacking it.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use controller_core::package::{PackageCheck, PackageProblem, ZipEntry};
use thiserror::Error;
use zip::ZipArchive;
use zip::result::ZipError;

/// Bytes of the list of entries that are read. 100,000 entries with usual names have less.
const LARGEST_LIST: u64 = 32 << 20;

/// Why an upload is no package, for the developer.
#[derive(Debug, Error)]
pub(crate) enum BadPackage {
    /// It is no zip, or a damaged one.
    #[error("The upload is no zip that can be read: {0}")]
    Zip(String),
    /// It may not be unpacked.
    #[error(transparent)]
    Entry(#[from] PackageProblem),
    /// Entries share their bytes, as only bombs do.
    #[error("The package has files that overlap")]
    Overlap,
}

/// Checks the package in the file at `path`.
///
/// # Errors
/// The file cannot be read. What is wrong with the package is in the value.
pub(crate) fn check(path: &Path) -> io::Result<Result<(), BadPackage>> {
    let bounded = Bounded {
        file: BufReader::new(File::open(path)?),
        left: LARGEST_LIST,
    };
    Ok(look(bounded))
}

fn look(file: Bounded) -> Result<(), BadPackage> {
    let unreadable = |error: ZipError| BadPackage::Zip(error.to_string());
    let mut archive = ZipArchive::new(file).map_err(unreadable)?;
    let mut check = PackageCheck::default();
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(unreadable)?;
        check.add(ZipEntry {
            name: &entry.name().map_err(unreadable)?,
            packed: entry.compressed_size(),
            size: entry.size(),
            mode: entry.unix_mode(),
        })?;
    }
    if archive.has_overlapping_entries().map_err(unreadable)? {
        return Err(BadPackage::Overlap);
    }
    Ok(())
}

/// A file of which only so much is read: what is read of a zip to list its entries costs memory.
struct Bounded {
    file: BufReader<File>,
    left: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        let length = u64::try_from(read).unwrap_or(u64::MAX);
        let left = self.left.checked_sub(length);
        self.left = left.ok_or_else(|| io::Error::other("its list of files is too long"))?;
        Ok(read)
    }
}

impl Seek for Bounded {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tempfile::NamedTempFile;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn verdict(entries: &[(&str, Vec<u8>)]) -> Result<(), String> {
        let file = NamedTempFile::new().unwrap();
        let mut zip = ZipWriter::new(file.reopen().unwrap());
        for (name, content) in entries {
            let options = SimpleFileOptions::default();
            zip.start_file(*name, options).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap();
        check(file.path()).unwrap().map_err(|bad| bad.to_string())
    }

    #[test]
    fn packages_are_zips_that_stay_where_they_are() {
        let text = || b"hello".to_vec();
        assert_eq!(verdict(&[]), Ok(()));
        assert_eq!(verdict(&[("a", text()), ("b/c", text())]), Ok(()));
        let outside = verdict(&[("a", text()), ("../b", text())]);
        assert!(outside.unwrap_err().contains("bad path: \"../b\""));
        let bomb = verdict(&[("zeros", vec![0; 20 << 20])]);
        assert!(bomb.unwrap_err().contains("100 times"));
    }

    #[test]
    fn what_is_no_zip_is_told() {
        for content in [&b""[..], b"PK", b"hello", &[0; 100_000]] {
            let mut file = NamedTempFile::new().unwrap();
            file.write_all(content).unwrap();
            let told = check(file.path()).unwrap().unwrap_err().to_string();
            assert!(told.contains("no zip"), "{told}");
        }
    }
}
