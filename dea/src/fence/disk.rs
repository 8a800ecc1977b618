//! The disk of a container: an image file of fixed size with a file system of its own, so that its limit
//! holds whatever the file system of the node can do.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;
use tokio::process::Command;

use super::FenceError;

/// Where disks are.
#[derive(Clone, Debug)]
pub(super) struct Disks {
    directory: PathBuf,
    files: u64,
}

impl Disks {
    /// The disks below `directory`, each of which holds `files` files at most.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub(super) fn open(directory: &Path, files: u64) -> Result<Self, FenceError> {
        let made = fs::create_dir_all(directory).and_then(|()| {
            // The engine enters it as a user of the container's own range.
            fs::set_permissions(directory, fs::Permissions::from_mode(0o711))
        });
        made.map_err(|error| FenceError::Refused(format!("{}: {error}", directory.display())))?;
        Ok(Self {
            directory: directory.to_owned(),
            files,
        })
    }

    /// Makes a disk of `mib` MiB that belongs to `owner`, user and group alike, and mounts it. Returns
    /// where.
    pub(super) async fn make(
        &self,
        name: &str,
        mib: u64,
        owner: u32,
    ) -> Result<PathBuf, FenceError> {
        let (image, mount) = (self.image(name), self.mount(name));
        let sized = File::create(&image).and_then(|file| file.set_len(mib << 20));
        let made = sized.and_then(|()| fs::create_dir_all(&mount));
        made.map_err(|error| FenceError::Refused(format!("{}: {error}", image.display())))?;
        let extended = format!("lazy_itable_init=1,root_owner={owner}:{owner}");
        let files = self.files.to_string();
        run(Command::new("mkfs.ext4")
            .args([
                "-q",
                "-F",
                "-m",
                "0",
                "-O",
                "^has_journal",
                "-N",
                &files,
                "-E",
            ])
            .arg(extended)
            .arg(&image))
        .await?;
        run(Command::new("mount")
            .args(["-o", "loop,nosuid,nodev,noatime"])
            .args([&image, &mount]))
        .await?;
        Ok(mount)
    }

    /// Removes a disk. That there is none is no error.
    pub(super) async fn remove(&self, name: &str) {
        let mount = self.mount(name);
        if mount.exists() {
            // It is not mounted after a restart of the node.
            drop(run(Command::new("umount").arg("-l").arg(&mount)).await);
            // What is mounted still is not removed, and found again by the next one who looks.
            drop(fs::remove_dir(&mount));
        }
        drop(fs::remove_file(self.image(name)));
    }

    /// The names of all disks.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten();
        let name = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_suffix(".img").map(str::to_owned)
        };
        entries.filter_map(name).collect()
    }

    /// Bytes that are used of a disk.
    pub(super) fn used(&self, name: &str) -> u64 {
        statvfs(self.mount(name)).map_or(0, |about| {
            about.f_blocks.saturating_sub(about.f_bfree) * about.f_frsize
        })
    }

    fn image(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.img"))
    }

    fn mount(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

async fn run(command: &mut Command) -> Result<(), FenceError> {
    let name = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    let output = command.kill_on_drop(true).output().await;
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(FenceError::Refused(format!("{name}: {said}")))
        }
        Err(error) => Err(FenceError::Refused(format!("{name}: {error}"))),
    }
}
