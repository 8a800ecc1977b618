//! The droplets that are on this node.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use component::error_chain::error_chain;
use component::hex::hex;
use component::yaml;
use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

/// How often a droplet is asked for.
const TRIES: u32 = 3;
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// What a droplet says of itself.
const STAGING_INFO: &str = "staging_info.yml";
/// The longest such file that is read, in bytes.
const LONGEST_INFO: u64 = 64 * 1024;

/// The droplets that are on this node, by their digests. The least recently used ones go when they are
/// too many bytes; who has one open reads on.
#[derive(Debug)]
pub struct Droplets {
    directory: PathBuf,
    most_bytes: u64,
    http: reqwest::Client,
    under_way: Mutex<BTreeMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

/// Why a droplet is not here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DropletError {
    /// The order to start does not say which droplet.
    #[error("the digest of the droplet is no SHA-256: {0:?}")]
    Digest(String),
    /// Whoever has it does not give it.
    #[error("the droplet cannot be downloaded")]
    Download(#[source] reqwest::Error),
    /// It is another one than was announced. The next try may bring the right one.
    #[error("the droplet has the digest {found}, not {wanted}")]
    Different {
        /// The digest of what came.
        found: String,
        /// What it was to be.
        wanted: String,
    },
    /// It cannot be kept.
    #[error("the droplet cannot be stored")]
    Store(#[source] io::Error),
}

impl Droplets {
    /// The droplets in `directory`, of at most `most_bytes`, downloaded with `http`.
    #[must_use]
    pub fn new(directory: PathBuf, most_bytes: u64, http: reqwest::Client) -> Self {
        Self {
            directory,
            most_bytes,
            http,
            under_way: Mutex::default(),
        }
    }

    /// Returns the file of the droplet with the digest `sha256`, which is downloaded from `uri` unless it
    /// is here. Of several calls for one droplet at a time, one downloads and the others wait.
    ///
    /// # Errors
    /// See [`DropletError`]. No message has the password of `uri`.
    pub(crate) async fn fetch(&self, uri: &str, sha256: &str) -> Result<PathBuf, DropletError> {
        if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(DropletError::Digest(sha256.to_owned()));
        }
        let sha256 = sha256.to_ascii_lowercase();
        let turn = self.turn(&sha256);
        let _turn = turn.lock().await;
        let path = self.directory.join(&sha256);
        if is_touched(&path) {
            return Ok(path);
        }
        let mut tries = 1;
        loop {
            match self.download(uri, &sha256, &path).await {
                Ok(()) => break,
                Err(error) if tries < TRIES => {
                    tracing::warn!(error = %error_chain(&error), sha256, "droplet-not-fetched");
                }
                Err(error) => return Err(error),
            }
            tries += 1;
            tokio::time::sleep(PAUSE).await;
        }
        if let Err(error) = make_room(&self.directory, self.most_bytes, &path) {
            tracing::warn!(%error, "droplets-not-removed");
        }
        Ok(path)
    }

    /// Whose turn it is to download a droplet.
    fn turn(&self, sha256: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        under_way.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = under_way.get(sha256).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        under_way.insert(sha256.to_owned(), Arc::downgrade(&turn));
        turn
    }

    async fn download(&self, uri: &str, sha256: &str, path: &Path) -> Result<(), DropletError> {
        let download = |error: reqwest::Error| DropletError::Download(error.without_url());
        let store = DropletError::Store;
        fs::create_dir_all(&self.directory).map_err(store)?;
        let answer = self.http.get(uri).send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status);
        let mut answer = answer.map_err(download)?;
        // A file without a name: nothing is left of a download that breaks off.
        let new = tempfile::NamedTempFile::new_in(&self.directory).map_err(store)?;
        let mut out = File::from_std(new.reopen().map_err(store)?);
        let mut digest = Sha256::new();
        while let Some(chunk) = answer.chunk().await.map_err(download)? {
            digest.update(&chunk);
            out.write_all(&chunk).await.map_err(store)?;
        }
        out.flush().await.map_err(store)?;
        let found = hex(digest.finalize());
        if found != sha256 {
            let wanted = sha256.to_owned();
            return Err(DropletError::Different { found, wanted });
        }
        new.persist(path).map_err(|error| store(error.error))?;
        Ok(())
    }
}

/// Returns the command that the droplet in `file` names for `process_type`. Reads the archive up to
/// there.
pub(crate) fn start_command(file: &Path, process_type: &str) -> io::Result<Option<String>> {
    let file = io::BufReader::new(fs::File::open(file)?);
    let mut archive = tar::Archive::new(MultiGzDecoder::new(file));
    for entry in archive.entries()? {
        let entry = entry?;
        let is_info =
            entry.path()?.strip_prefix(".").unwrap_or(&entry.path()?) == Path::new(STAGING_INFO);
        if !is_info {
            continue;
        }
        let mut text = String::new();
        entry.take(LONGEST_INFO).read_to_string(&mut text)?;
        let info = yaml::parse(&text).map_err(io::Error::other)?;
        let of_type = info
            .get("process_types")
            .and_then(|types| types.get(process_type));
        let command = of_type.or_else(|| match process_type {
            "" | "web" => info.get("start_command"),
            _ => None,
        });
        let command = command.and_then(yaml::Node::text);
        return Ok(command.filter(|text| !text.is_empty()).map(str::to_owned));
    }
    Ok(None)
}

/// Whether the file is there; then it counts as used just now.
fn is_touched(path: &Path) -> bool {
    let opened = fs::File::open(path);
    opened.is_ok_and(|file| file.set_modified(SystemTime::now()).is_ok())
}

/// Removes the least recently used files of `directory` but `kept`, until those that are left have no
/// more than `most_bytes`.
fn make_room(directory: &Path, most_bytes: u64, kept: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let known = entry.metadata()?;
        files.push((known.modified()?, known.len(), entry.path()));
    }
    files.sort();
    let mut bytes: u64 = files.iter().map(|(_, length, _)| length).sum();
    for (_, length, path) in files {
        if bytes <= most_bytes {
            break;
        }
        if path != kept {
            fs::remove_file(&path)?;
            bytes -= length;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tests_kit::TempDir;

    use super::*;

    fn droplet(info: Option<&str>) -> Vec<u8> {
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let mut add = |name: &str, content: &str| {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_path(name).unwrap();
            header.set_cksum();
            archive.append(&header, content.as_bytes()).unwrap();
        };
        add("./app/index.html", "hello");
        if let Some(info) = info {
            add("./staging_info.yml", info);
        }
        archive.into_inner().unwrap().finish().unwrap()
    }

    /// Serves `body` to who has the password, and counts.
    async fn serve(body: Vec<u8>) -> (String, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let app = axum::Router::new().fallback(move |headers: axum::http::HeaderMap| {
            counted.fetch_add(1, SeqCst);
            let body = body.clone();
            async move {
                match headers.get("authorization") {
                    Some(value) if value == "Basic dTpw" => (axum::http::StatusCode::OK, body),
                    _ => (axum::http::StatusCode::UNAUTHORIZED, Vec::new()),
                }
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = component::tasks::Tasks::new();
        tasks.spawn("server", async move {
            axum::serve(listener, app).await.unwrap();
        });
        // It serves to the end of the test.
        std::mem::forget(tasks);
        (format!("http://u:p@{address}/droplet"), count)
    }

    fn droplets(directory: &TempDir, most_bytes: u64) -> Droplets {
        let path = directory.path().join("droplets");
        Droplets::new(path, most_bytes, reqwest::Client::new())
    }

    #[tokio::test]
    async fn one_download_serves_all() {
        let directory = TempDir::new();
        let droplets = droplets(&directory, 1 << 20);
        let body = droplet(None);
        let sha256 = hex(Sha256::digest(&body));
        let (uri, count) = serve(body.clone()).await;
        let fetch = || droplets.fetch(&uri, &sha256);
        let (one, two) = tokio::join!(fetch(), fetch());
        assert_eq!(one.unwrap(), two.unwrap());
        let path = droplets.fetch(&uri, &sha256.to_uppercase()).await.unwrap();
        assert_eq!(fs::read(path).unwrap(), body);
        assert_eq!(count.load(SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_the_droplet_is_not_kept() {
        let directory = TempDir::new();
        let droplets = droplets(&directory, 1 << 20);
        let (uri, count) = serve(b"other".to_vec()).await;
        let wrong = "0".repeat(64);
        let error = droplets.fetch(&uri, &wrong).await.unwrap_err();
        assert!(matches!(error, DropletError::Different { .. }), "{error}");
        assert_eq!(count.load(SeqCst), TRIES as usize);
        let denied = uri.replace("u:p", "u:secret");
        let error = droplets.fetch(&denied, &wrong).await.unwrap_err();
        let told = error_chain(&error).to_string();
        assert!(told.contains("401") && !told.contains("secret"), "{told}");
        for bad in ["", "abc", "../../../etc/passwd"] {
            let error = droplets.fetch(&uri, bad).await.unwrap_err();
            assert!(matches!(error, DropletError::Digest(_)), "{error}");
        }
        let left = fs::read_dir(directory.path().join("droplets")).unwrap();
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn the_least_recently_used_go_first() {
        let directory = TempDir::new();
        let file = |name: &str, seconds: u64| {
            let path = directory.file(name, [0; 10]);
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            fs::File::open(&path).unwrap().set_modified(at).unwrap();
            path
        };
        let (old, used, new) = (file("old", 1), file("used", 2), file("new", 3));
        assert!(is_touched(&old) && !is_touched(&directory.path().join("none")));
        make_room(directory.path(), 20, &new).unwrap();
        assert!(old.exists() && !used.exists() && new.exists());
        make_room(directory.path(), 5, &new).unwrap();
        assert!(!old.exists() && new.exists());
    }

    #[test]
    fn a_droplet_names_its_commands() {
        let directory = TempDir::new();
        let check = |info: Option<&str>, process_type: &str, expected: Option<&str>| {
            let path = directory.file("droplet", droplet(info));
            let found = start_command(&path, process_type).unwrap();
            assert_eq!(found.as_deref(), expected, "{info:?} {process_type}");
        };
        let info = "start_command: node app.js\nprocess_types:\n  worker: node w.js\n";
        check(Some(info), "web", Some("node app.js"));
        check(Some(info), "worker", Some("node w.js"));
        check(Some(info), "clock", None);
        let both = "start_command: a\nprocess_types: {web: b}\n";
        check(Some(both), "web", Some("b"));
        check(Some("start_command: ''"), "web", None);
        check(None, "web", None);
        let broken = directory.file("broken", "no archive");
        start_command(&broken, "web").unwrap_err();
    }
}
