//! Holds the allocations of a keep-alive request to their limit.
//!
//! A router runs in this process, under an allocator that counts for every thread but those of
//! the clients and the backend: workers, log writer and timers are all in the figure.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{Context as _, Result, ensure};
use benches::gate;
use benches::traffic::{self, Clients};
use component::config_file;
use component::telemetry::{Level, LogLevel};
use router::config::Config;
use router::process::server::Router;

/// The most that is allowed for each request.
const LIMIT: u32 = 2;

/// Requests before the counting begins: pools fill, buffers find their sizes.
const WARM_UP: u64 = 5_000;

/// Requests that are counted.
const COUNTED: u64 = 50_000;

const CLIENTS: usize = 64;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static UNCOUNTED: Cell<bool> = const { Cell::new(false) };
}

/// Counts what is asked of the system's allocator.
struct Counting;

impl Counting {
    fn count() {
        // A thread that is being taken down has no flag any more.
        if !UNCOUNTED.try_with(Cell::get).unwrap_or(true) {
            ALLOCATIONS.fetch_add(1, Relaxed);
        }
    }
}

#[expect(
    unsafe_code,
    reason = "an allocator is an unsafe trait; this one only passes on"
)]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count();
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count();
        // SAFETY: as above.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(old, layout) }
    }
}

fn uncounted() {
    UNCOUNTED.set(true);
}

fn main() -> Result<ExitCode> {
    uncounted();
    let backend = traffic::backend(uncounted)?;
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config = config_file::parse::<Config>(&"gate", &traffic::config(any, any, backend))?.config;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let running = runtime.block_on(Router::start(config, LogLevel::detached(Level::Error)))?;
    let address = running.addresses().iter().find_map(|address| address.tcp());
    let mut clients = Clients::connect(address.context("no TCP listener")?, CLIENTS)?;
    let started = ALLOCATIONS.load(Relaxed);
    clients.send(WARM_UP)?;
    let before = ALLOCATIONS.load(Relaxed);
    ensure!(
        before > started,
        "the allocations of workers are not counted"
    );
    let requests = clients.send(COUNTED)?;
    let allocations = ALLOCATIONS.load(Relaxed) - before;
    drop(clients);
    runtime.block_on(running.stop(std::time::Duration::from_secs(5)));
    Ok(gate::judge("allocations", allocations, requests, LIMIT))
}
