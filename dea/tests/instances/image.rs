//! A small image with a shell.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use tests_kit::{Engine, TempDir, installed};

/// The image's name.
pub(crate) const IMAGE: &str = "switchyard-test/busybox:1";

/// Gives the image to `engine`: one static program, and a `bash` that is its shell. Says so and returns
/// false where there is no such program.
pub(crate) fn import(engine: &Engine) -> bool {
    let Some(busybox) = installed("busybox") else {
        eprintln!("SKIPPED: instances in containers: busybox is not installed");
        return false;
    };
    let directory = TempDir::new();
    let root = directory.path().join("root");
    make(&root, busybox);
    let archive = directory.path().join("root.tar");
    let mut tar = tar::Builder::new(fs::File::create(&archive).unwrap());
    tar.follow_symlinks(false);
    tar.append_dir_all(".", &root).unwrap();
    tar.into_inner().unwrap();
    engine
        .docker(&["import", archive.to_str().unwrap(), IMAGE])
        .is_some()
}

fn make(root: &std::path::Path, busybox: PathBuf) {
    let bin = root.join("bin");
    for directory in ["bin", "home/vcap", "tmp", "etc", "dev", "proc", "sys"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::copy(busybox, bin.join("busybox")).unwrap();
    for name in ["sh", "sleep", "httpd", "true"] {
        symlink("busybox", bin.join(name)).unwrap();
    }
    let bash = bin.join("bash");
    fs::write(&bash, "#!/bin/sh\nexec /bin/sh \"$@\"\n").unwrap();
    fs::set_permissions(&bash, fs::Permissions::from_mode(0o755)).unwrap();
    let users = "vcap:x:2000:2000::/home/vcap:/bin/sh\n";
    fs::write(root.join("etc/passwd"), users).unwrap();
    fs::write(root.join("etc/group"), "vcap:x:2000:\n").unwrap();
}
