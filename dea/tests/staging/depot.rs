//! Who has the packages and takes the droplets, as a controller does.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use component::tasks::Tasks;
use tokio::net::TcpListener;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// What there is, by path.
type Blobs = Arc<Mutex<BTreeMap<String, Bytes>>>;

/// A store of blobs that asks for a password.
#[derive(Debug)]
pub(crate) struct Depot {
    address: String,
    blobs: Blobs,
    _tasks: Tasks,
}

impl Depot {
    pub(crate) async fn start() -> Self {
        let blobs = Blobs::default();
        let app = axum::Router::new()
            .fallback(serve)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&blobs));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut tasks = Tasks::new();
        tasks.spawn("depot", async move {
            axum::serve(listener, app).await.unwrap();
        });
        Self {
            address,
            blobs,
            _tasks: tasks,
        }
    }

    /// Where `name` is, with user and password.
    pub(crate) fn uri(&self, name: &str) -> String {
        format!("http://user:secret@{}/{name}", self.address)
    }

    pub(crate) fn put(&self, name: &str, content: Vec<u8>) {
        let mut blobs = self.blobs.lock().unwrap();
        blobs.insert(format!("/{name}"), content.into());
    }

    pub(crate) fn get(&self, name: &str) -> Option<Bytes> {
        let blobs = self.blobs.lock().unwrap();
        blobs.get(&format!("/{name}")).cloned()
    }
}

async fn serve(
    State(blobs): State<Blobs>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // user:secret
    if headers
        .get("authorization")
        .is_none_or(|value| value != "Basic dXNlcjpzZWNyZXQ=")
    {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let path = uri.path().to_owned();
    let mut blobs = blobs.lock().unwrap();
    if method == Method::POST {
        blobs.insert(path, body);
        return StatusCode::CREATED.into_response();
    }
    match blobs.get(&path) {
        Some(blob) => blob.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Returns a package of `files`: name, content, mode.
pub(crate) fn package(files: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content, mode) in files {
        let options = SimpleFileOptions::default().unix_permissions(*mode);
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Returns a package of the sample `name`.
pub(crate) fn sample(name: &str) -> Vec<u8> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("samples")
        .join(name);
    let files = fs::read_dir(directory).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        (name, fs::read(entry.path()).unwrap(), mode & 0o777)
    });
    let files: Vec<_> = files.collect();
    let files: Vec<_> = files
        .iter()
        .map(|(name, content, mode)| (name.as_str(), content.as_slice(), *mode))
        .collect();
    package(&files)
}
