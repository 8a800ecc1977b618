//! The snapshot on disk, and the id of the DEA beside it.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use component::atomic_file;
use component::regular_file;
use dea_core::snapshot::Snapshot;
use tokio::sync::watch;

/// How long a disk that takes nothing is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// Returns the snapshot of the last run; none when there was none.
///
/// # Errors
/// There is one, but it cannot be read. To go on without it would give up running instances.
pub(crate) fn read(base_dir: &Path) -> io::Result<Option<Snapshot>> {
    match regular_file::read_text(&path(base_dir)) {
        Ok(text) => match Snapshot::from_text(&text) {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(error) => Err(io::Error::other(format!(
                "{}: {error}",
                path(base_dir).display()
            ))),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes each snapshot that comes, the latest one when several have come meanwhile. Ends with its
/// sender, after the last one.
pub(crate) async fn keep(base_dir: PathBuf, mut snapshots: watch::Receiver<String>) {
    while snapshots.changed().await.is_ok() {
        let text = snapshots.borrow_and_update().clone();
        let base_dir = base_dir.clone();
        let written = tokio::task::spawn_blocking(move || write(&base_dir, &text)).await;
        if let Ok(Err(error)) = written {
            tracing::error!(%error, "snapshot-not-written");
            snapshots.mark_changed();
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Writes a snapshot. It holds passwords, so nobody else may read it.
fn write(base_dir: &Path, text: &str) -> io::Result<()> {
    atomic_file::replace(&path(base_dir), |out| {
        out.set_permissions(Permissions::from_mode(0o600))?;
        out.write_all(text.as_bytes())
    })
}

/// Returns the id that the DEA made at its first start, or makes one with `random`.
///
/// # Errors
/// It can neither be read nor be written.
pub(crate) fn own_id(base_dir: &Path, index: u32, random: &str) -> io::Result<String> {
    let path = base_dir.join("id");
    match fs::read_to_string(&path) {
        Ok(id) if protocol::bus::is_word(id.trim()) => return Ok(id.trim().to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let id = format!("{index}-{random}");
    atomic_file::replace(&path, |out| writeln!(out, "{id}"))?;
    Ok(id)
}

fn path(base_dir: &Path) -> PathBuf {
    base_dir.join("instances.json")
}

#[cfg(test)]
mod tests {
    use dea_core::ports::Ports;
    use tests_kit::TempDir;

    use super::*;

    #[test]
    fn an_id_is_made_once() {
        let directory = TempDir::new();
        let base = directory.path().join("dea");
        assert_eq!(own_id(&base, 3, "ab").unwrap(), "3-ab");
        assert_eq!(own_id(&base, 3, "cd").unwrap(), "3-ab");
        fs::write(base.join("id"), "two words").unwrap();
        assert_eq!(own_id(&base, 3, "cd").unwrap(), "3-cd");
    }

    #[tokio::test]
    async fn the_last_snapshot_is_on_disk_and_nobody_else_may_read_it() {
        let directory = TempDir::new();
        let base = directory.path();
        assert!(read(base).unwrap().is_none());
        let (sender, receiver) = watch::channel(String::new());
        let mut ports = Ports::new(1..=9, 0);
        for _ in 0..3 {
            ports.take(0).unwrap();
            let snapshot = Snapshot::new(ports.clone(), Vec::new());
            sender.send_replace(snapshot.to_text());
        }
        drop(sender);
        keep(base.to_owned(), receiver).await;
        let found = read(base).unwrap().unwrap();
        assert_eq!(found.ports.resumed(1..=9, 0), ports);
        let mode = fs::metadata(path(base)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(path(base), "{\"form\":99}").unwrap();
        assert!(read(base).unwrap_err().to_string().contains("newer"));
    }
}
