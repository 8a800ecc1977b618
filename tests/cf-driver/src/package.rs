//! What is uploaded of a directory.

use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Names that the CLI never uploads.
const IGNORED: &[&str] = &[
    ".cfignore",
    ".DS_Store",
    ".git",
    ".gitignore",
    ".hg",
    ".svn",
    "_darcs",
    "manifest.yml",
    "manifest.yaml",
];
/// What separates the parts of an upload.
const BOUNDARY: &str = "a-boundary-that-no-file-has-7f3c2e";

/// The files of a directory, in order.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
    /// Relative to the root; directories end with a slash.
    names: Vec<String>,
}

impl Files {
    /// Finds the files under `root`.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn under(root: &Path) -> Result<Self> {
        let mut names = Vec::new();
        walk(root, "", &mut names).with_context(|| root.display().to_string())?;
        Ok(Self {
            root: root.to_owned(),
            names,
        })
    }

    /// What the CLI asks the controller about: files that are not empty.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn resources(&self) -> Result<Value> {
        let mut resources = Vec::new();
        for name in &self.names {
            let path = self.root.join(name);
            let about = fs::symlink_metadata(&path)?;
            if !about.is_file() || about.len() == 0 {
                continue;
            }
            let digest = Sha1::digest(fs::read(&path)?);
            let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            resources.push(json!({
                "path": name,
                "mode": format!("{:o}", about.permissions().mode() & 0o777),
                "checksum": { "value": digest },
                "size_in_bytes": about.len(),
            }));
        }
        Ok(Value::Array(resources))
    }

    /// The files as a zip.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn zip(&self) -> Result<Vec<u8>> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for name in &self.names {
            let path = self.root.join(name);
            let about = fs::symlink_metadata(&path)?;
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Deflated)
                .unix_permissions(about.permissions().mode() & 0o777);
            if about.is_dir() {
                zip.add_directory(name.trim_end_matches('/'), options)?;
            } else if about.is_symlink() {
                let target = fs::read_link(&path)?;
                zip.add_symlink(name, target.to_string_lossy(), options)?;
            } else {
                zip.start_file(name, options)?;
                let mut content = Vec::new();
                fs::File::open(&path)?.read_to_end(&mut content)?;
                zip.write_all(&content)?;
            }
        }
        Ok(zip.finish()?.into_inner())
    }
}

fn walk(directory: &Path, prefix: &str, names: &mut Vec<String>) -> Result<()> {
    let mut entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if IGNORED.contains(&name.as_str()) {
            continue;
        }
        let name = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            names.push(format!("{name}/"));
            walk(&entry.path(), &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}

/// The content type and the body of an upload: the resources that the controller has first, then the zip.
#[must_use]
pub fn multipart(resources: &str, zip: &[u8]) -> (&'static str, Vec<u8>) {
    let mut body = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"resources\"\r\n\r\n{resources}\r\n\
         --{BOUNDARY}\r\nContent-Disposition: form-data; name=\"bits\"; filename=\"package.zip\"\r\n\
         Content-Type: application/zip\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(zip);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    (
        "multipart/form-data; boundary=a-boundary-that-no-file-has-7f3c2e",
        body,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_packed_with_its_modes_and_links() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::create_dir_all(at("static/.git")).unwrap();
        fs::write(at("static/page"), "hello").unwrap();
        fs::write(at("empty"), "").unwrap();
        fs::write(at("run"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(at("run"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(at("manifest.yml"), "applications: []").unwrap();
        std::os::unix::fs::symlink("run", at("link")).unwrap();
        let files = Files::under(home.path()).unwrap();
        assert_eq!(
            files.names,
            ["empty", "link", "run", "static/", "static/page"]
        );
        let resources = files.resources().unwrap();
        let paths: Vec<&str> = resources
            .as_array()
            .unwrap()
            .iter()
            .map(|resource| resource["path"].as_str().unwrap())
            .collect();
        assert_eq!(paths, ["run", "static/page"]);
        assert_eq!(resources[0]["mode"], "755");
        let sum = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d";
        assert_eq!(resources[1]["checksum"]["value"], sum);
        let mut zip = zip::ZipArchive::new(Cursor::new(files.zip().unwrap())).unwrap();
        assert_eq!(zip.by_name("run").unwrap().unix_mode(), Some(0o100_755));
        assert!(zip.by_name("link").unwrap().is_symlink());
    }
}
