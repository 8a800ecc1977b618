//! Where a run takes place: programs, CPUs, ports, a directory for files, and the backend.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tests_kit::free_address;

use crate::cores::Cores;
use crate::server::Server;

/// The host name that every peer routes to the backend.
pub const HOST: &str = "app.test";

/// All that is shared by the scenarios of one run.
#[derive(Debug)]
pub struct Site {
    /// The CPUs of each side.
    pub cores: Cores,
    /// The router's program.
    pub router: PathBuf,
    /// Where the backend listens.
    pub backend: SocketAddr,
    /// Descriptors that a process may hold.
    pub descriptors: usize,
    directory: Directory,
    server: Server,
    written: RefCell<Written>,
}

/// Files of a run by their names, each as it was written last.
pub type Written = BTreeMap<String, String>;

impl Site {
    /// Makes the directory, raises the limit of descriptors for this process and its children, and
    /// starts the backend.
    ///
    /// # Errors
    /// When the backend does not come up.
    pub async fn open(router: &Path) -> Result<Self> {
        let cores = Cores::plan();
        // What this process does itself must not disturb the proxy.
        cores.load.stay();
        let directory = Directory::make()?;
        let descriptors = raise_descriptors();
        let backend = free_address();
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["backend", "--listen", &backend.to_string()]);
        let log = directory.0.join("backend.log");
        let mut server = Server::spawn("backend", command, cores.backend, &log)?;
        server.accepts(backend, &log).await?;
        Ok(Self {
            cores,
            router: router.to_owned(),
            backend,
            descriptors,
            directory,
            server,
            written: RefCell::default(),
        })
    }

    /// Ends the backend; the files go with the site.
    ///
    /// # Errors
    /// When the backend cannot be waited for.
    pub async fn close(self) -> Result<()> {
        self.server.stop().await
    }

    /// A path for a file of this run.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.0.join(name)
    }

    /// Writes a file of this run and returns its path.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        let mut written = self.written.borrow_mut();
        written.insert(name.to_owned(), text.to_owned());
        Ok(path)
    }

    /// Returns what was written since the last call: the configurations of the programs that ran.
    #[must_use]
    pub fn take_written(&self) -> Written {
        self.written.take()
    }
}

/// A directory of this run alone, removed when dropped.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn make() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("switchyard-load-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// The program of that name, in the search path or in the places where distributions keep servers.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let servers = ["/usr/local/sbin", "/usr/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(servers)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}

/// Ten thousand clients need more descriptors than the usual limit.
fn raise_descriptors() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(65_536).min(65_536);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(wanted),
            maximum,
        },
    )
    .ok();
    let current = getrlimit(Resource::Nofile).current.unwrap_or(65_536);
    usize::try_from(current).unwrap_or(usize::MAX)
}
