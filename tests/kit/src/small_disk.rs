//! A disk that is soon full.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of a few MiB in memory, mounted at a directory until it is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    directory: PathBuf,
}

impl SmallDisk {
    /// Mounts one; says so loudly and returns none where that is not allowed. `what` is what cannot be
    /// tested then.
    ///
    /// # Panics
    /// When the directory cannot be made.
    #[must_use]
    pub fn mount(directory: &Path, mib: u32, what: &str) -> Option<Self> {
        fs::create_dir_all(directory).expect("a directory");
        let size = format!("size={mib}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(directory)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self {
                directory: directory.to_owned(),
            }),
            _ => {
                eprintln!("SKIPPED: {what}: no file system can be mounted here");
                None
            }
        }
    }

    /// Fills it until nothing more can be written.
    ///
    /// # Panics
    /// When it fails for another reason than that it is full.
    pub fn fill(&self) {
        let mut file = File::create(self.filler()).expect("a file");
        loop {
            match file.write_all(&[0; 4096]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => std::panic::panic_any(error),
            }
        }
    }

    /// Makes room again.
    ///
    /// # Panics
    /// When it was not filled.
    pub fn make_room(&self) {
        fs::remove_file(self.filler()).expect("the file that filled it");
    }

    fn filler(&self) -> PathBuf {
        self.directory.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that still has it open ends soon.
        let unmounted = Command::new("umount")
            .arg("-l")
            .arg(&self.directory)
            .status();
        assert!(
            unmounted.is_ok_and(|status| status.success()),
            "it was mounted"
        );
    }
}
