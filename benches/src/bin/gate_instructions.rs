//! Holds the user instructions of a keep-alive request to their limit.
//!
//!     gate-instructions ROUTER DIRECTORY
//!
//! callgrind counts the instructions of the router program in two runs of different lengths; the
//! difference is what requests cost, without start and end. The counts and their functions are
//! left in DIRECTORY for `callgrind_annotate`.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use benches::gate;
use benches::traffic::{self, Clients};
use rustix::process::{Pid, Signal, kill_process};

/// The most that is allowed for each request.
const LIMIT: u32 = 19_000;

/// Requests of the short run and of the long one.
const RUNS: [u64; 2] = [3_200, 16_000];

/// As many as the load that the router is compared under.
const CLIENTS: usize = 64;

/// How long the router may take to start, or to end, under valgrind.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(router), Some(directory)) = (arguments.next(), arguments.next()) else {
        bail!("usage: gate-instructions ROUTER DIRECTORY");
    };
    fs::create_dir_all(&directory)?;
    let backend = traffic::backend(|| {})?;
    let run = |(requests, name)| Run::of(&router, &directory.join(name), backend, requests);
    let short = run((RUNS[0], "short"))?;
    let long = run((RUNS[1], "long"))?;
    let instructions = long.instructions.saturating_sub(short.instructions);
    let requests = long.requests - short.requests;
    Ok(gate::judge("instructions", instructions, requests, LIMIT))
}

/// What one run of the router came to.
struct Run {
    requests: u64,
    instructions: u64,
}

impl Run {
    fn of(router: &Path, base: &Path, backend: SocketAddr, requests: u64) -> Result<Self> {
        let (listen, admin) = (traffic::free_address()?, traffic::free_address()?);
        let config = base.with_extension("yml");
        let counts = base.with_extension("callgrind");
        fs::write(&config, traffic::config(listen, admin, backend))?;
        let log = File::create(base.with_extension("log"))?;
        let child = Command::new("valgrind")
            .arg("--tool=callgrind")
            .arg(format!("--callgrind-out-file={}", counts.display()))
            .arg(router)
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("valgrind")?;
        let mut program = Program(child);
        let mut clients = program.clients(listen)?;
        let requests = clients.send(requests)?;
        drop(clients);
        program.stop()?;
        let instructions = total(&counts)?;
        Ok(Self {
            requests,
            instructions,
        })
    }
}

/// A running router. Dropped, it is killed.
struct Program(Child);

impl Program {
    /// Connections to it, as soon as it listens.
    fn clients(&mut self, listen: SocketAddr) -> Result<Clients> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Clients::connect(listen, CLIENTS) {
                Ok(clients) => return Ok(clients),
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => {}
            }
            if let Some(status) = self.0.try_wait()? {
                bail!("the router ended with {status}");
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Asks it to end, and waits until it has written its counts.
    fn stop(&mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.0), Signal::TERM)?;
        let deadline = Instant::now() + PATIENCE;
        while self.0.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("the router does not end");
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already, if all went well.
        self.0.kill().unwrap_or_default();
    }
}

/// The instructions in a file of callgrind's.
fn total(counts: &Path) -> Result<u64> {
    let text = fs::read_to_string(counts).with_context(|| counts.display().to_string())?;
    let line = text.lines().find_map(|line| line.strip_prefix("totals:"));
    let total = line.context("callgrind wrote no totals")?;
    Ok(total.trim().parse()?)
}
