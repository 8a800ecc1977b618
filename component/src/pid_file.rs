//! The file that names the process.

use std::path::PathBuf;

use crate::regular_file;

/// A file with the number of this process. Dropping it removes the file.
#[derive(Debug)]
pub struct PidFile(PathBuf);

impl PidFile {
    /// Writes the file. Do it once the program serves: another one may own the file until then.
    /// That it cannot be written is logged.
    #[must_use]
    pub fn write(file: PathBuf) -> Self {
        if let Err(error) = regular_file::write(&file, &std::process::id().to_string()) {
            tracing::warn!(file = %file.display(), %error, "pid-file-not-written");
        }
        Self(file)
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // It may be gone already.
        std::fs::remove_file(&self.0).ok();
    }
}
