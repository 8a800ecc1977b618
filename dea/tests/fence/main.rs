//! Containers on a real engine: what a hostile app tries fails, and what is told of containers is true.
//! Skipped with the reason where no engine can run.
#![expect(
    clippy::unwrap_used,
    reason = "a fixture that cannot be had fails the test that asked for it"
)]

use std::collections::BTreeMap;
use std::io::Cursor;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::pin::pin;
use std::process::Command;
use std::time::Duration;

use dea::fence::{
    ContainerId, ContainerLine, ContainerSpec, Fence, FenceError, FenceOptions, Signal,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::StreamExt as _;
use protocol::bus::output::Stream;
use tests_kit::{Engine, PATIENCE, eventually};
use tokio::time::timeout;

/// How long anything may take that the engine has a part in.
const LONG: Duration = PATIENCE.saturating_mul(6);

/// What comes of each probe of `probes.py`; of several words, one.
const PROBES: &[(&str, &str)] = &[
    ("uid", "2000 2000"),
    ("capabilities", "0 0"),
    ("no-new-privileges", "1 filter 2"),
    ("mapped", "['0', '100000']"),
    ("files", "64 64"),
    ("core", "0 0"),
    ("addresses-of-ipv6", "0"),
    ("unshare", "EPERM"),
    ("mount", "EPERM"),
    ("keyctl", "EPERM|ENOSYS"),
    ("bpf", "EPERM"),
    ("perf_event_open", "EPERM"),
    ("userfaultfd", "EPERM"),
    ("io_uring_setup", "EPERM|ENOSYS"),
    ("ptrace", "EPERM"),
    ("process_vm_readv", "EPERM"),
    ("setns", "EPERM"),
    ("chroot", "EPERM"),
    ("vsock", "EPERM|EAFNOSUPPORT"),
    ("raw-socket", "EPERM"),
    ("device", "EPERM"),
    ("root-file-system", "EROFS"),
    ("kernel-setting", "EROFS"),
    ("metadata", REFUSED),
    ("gateway", REFUSED),
    ("node", REFUSED),
    ("neighbour", REFUSED),
    ("refused", REFUSED),
    ("many-files", "ENOSPC"),
    ("large-file", "ENOSPC"),
    ("large-tmp", "ENOSPC"),
    ("processes", "EAGAIN"),
];
/// At once, and not by silence.
const REFUSED: &str = "EACCES|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH";

/// An engine with its image.
struct Fenced {
    engine: Engine,
    fence: Fence,
    image: String,
}

#[tokio::test]
async fn containers_are_fenced() {
    let Some(fenced) = Fenced::start().await else {
        return;
    };
    a_hostile_app_gets_nowhere(&fenced).await;
    memory_has_an_end(&fenced).await;
    output_is_told(&fenced).await;
    an_archive_stays_on_its_disk(&fenced).await;
    only_ours_is_touched(&fenced).await;
    a_container_is_used_signalled_and_removed(&fenced).await;
    assert!(fenced.engine.containers().is_empty());
    let disks = std::fs::read_dir(fenced.engine.disks()).unwrap();
    assert_eq!(disks.count(), 0, "disks are left");
}

async fn a_hostile_app_gets_nowhere(fenced: &Fenced) {
    let server = "exec python3 -m http.server 8080 --directory /tmp";
    let (neighbour, address) = fenced
        .run("neighbour", 64, &["/bin/sh", "-c", server])
        .await;
    let at = SocketAddr::new(address, 8080);
    let is_there = || TcpStream::connect_timeout(&at, PATIENCE).is_ok();
    assert!(eventually(PATIENCE, is_there), "the node itself reaches it");
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (gateway, node) = (gateway(fenced.engine.bridge()), node());
    let arguments = [gateway, node, port.to_string(), address.to_string()];
    let probes = ["python3", "-c", include_str!("probes.py")];
    let arguments = arguments.iter().map(String::as_str);
    let command: Vec<&str> = probes.into_iter().chain(arguments).collect();
    let (hostile, _) = fenced.run("hostile", 64, &command).await;
    let lines = fenced.output(&hostile).await;
    let found: BTreeMap<&str, &str> = lines
        .lines()
        .filter_map(|line| line.split_once(' '))
        .collect();
    for (name, expected) in PROBES {
        let outcome = found.get(name).unwrap_or(&"nothing");
        let is_right = expected.split('|').any(|one| one == *outcome);
        assert!(is_right, "{name}: {outcome}, not {expected}\n{lines}");
    }
    for container in [neighbour, hostile] {
        fenced.fence.remove(&container).await.unwrap();
    }
}

async fn memory_has_an_end(fenced: &Fenced) {
    let eat = "x = b'x' * (128 << 20)";
    let check = async |name: &str, command: &[&str], status: i64, out_of_memory: bool| {
        let (container, _) = fenced.run(name, 64, command).await;
        let exit = timeout(LONG, fenced.fence.wait(&container)).await;
        let exit = exit.unwrap().unwrap();
        assert_eq!(
            (exit.status, exit.out_of_memory),
            (status, out_of_memory),
            "{name}"
        );
        fenced.fence.remove(&container).await.unwrap();
    };
    check("greedy", &["python3", "-c", eat], 137, true).await;
    // A child that dies of it is not the end of the app.
    let parent = format!("python3 -c \"{eat}\"; exit 7");
    check("parent", &["/bin/sh", "-c", &parent], 7, false).await;
    check("killed", &["/bin/sh", "-c", "kill -KILL $$"], 137, false).await;
}

async fn output_is_told(fenced: &Fenced) {
    let speak = "for n in 1 2 3; do echo line $n; done; echo last >&2";
    let (container, _) = fenced.run("speaker", 64, &["/bin/sh", "-c", speak]).await;
    fenced.fence.wait(&container).await.unwrap();
    let all = fenced.lines(&container, None).await;
    let texts = |stream| {
        let of = all.iter().filter(move |line| line.stream == stream);
        of.map(|line| String::from_utf8_lossy(&line.bytes).into_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(texts(Stream::Stdout), ["line 1\n", "line 2\n", "line 3\n"]);
    assert_eq!(texts(Stream::Stderr), ["last\n"]);
    // Earlier ones may come again.
    let later = fenced.lines(&container, Some(all[1].at_nanos)).await;
    assert!(later.ends_with(&all[2..]), "{later:?}");
    fenced.fence.remove(&container).await.unwrap();
}

/// An absolute link of an archive would lead the engine out of the container's disk.
async fn an_archive_stays_on_its_disk(fenced: &Fenced) {
    let container = fenced.create("unpacked", 64, &["true"]).await;
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_mode(0o777);
    header.set_mtime(0);
    header.set_size(0);
    tar.append_link(&mut header, "out", "/opt").unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(3);
    tar.append_data(&mut header, "out/file", &b"abc"[..])
        .unwrap();
    let archive = Cursor::new(tar.into_inner().unwrap().finish().unwrap());
    let unpacked = fenced.fence.unpack(&container, "/home/vcap", archive).await;
    let reason = unpacked.unwrap_err().to_string();
    assert_eq!(reason, "the archive has a file below a link: out/file");
    let changed = fenced.engine.docker(&["diff", &container]).unwrap();
    assert!(!changed.contains("/opt"), "{changed}");
    fenced.fence.remove(&container).await.unwrap();
}

async fn only_ours_is_touched(fenced: &Fenced) {
    let run = ["create", "--name", "stranger", &fenced.image, "true"];
    let stranger = fenced.engine.docker(&run).unwrap();
    assert_eq!(fenced.fence.list().await.unwrap(), []);
    fenced.fence().await;
    assert_eq!(fenced.engine.containers(), [stranger]);
    fenced.engine.docker(&["rm", "stranger"]).unwrap();
}

async fn a_container_is_used_signalled_and_removed(fenced: &Fenced) {
    let script = "trap 'exit 9' TERM; dd if=/dev/zero of=file bs=1M count=8 2>/dev/null; echo ready; \
                  while true; do sleep 0.05; done";
    let (container, _) = fenced.run("worker", 64, &["/bin/sh", "-c", script]).await;
    let lines = fenced.fence.lines(&container, None);
    timeout(LONG, pin!(lines).next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let used = fenced.fence.usage(&container).await.unwrap();
    assert!(used.cpu_nanos > 0 && used.memory > 0, "{used:?}");
    assert!((8 << 20..64 << 20).contains(&used.disk), "{used:?}");
    let owned = fenced.fence.list().await.unwrap();
    assert!(owned[0].is_running && owned[0].id == container, "{owned:?}");
    fenced.fence.signal(&container, Signal::Term).await.unwrap();
    let exit = timeout(LONG, fenced.fence.wait(&container)).await;
    assert_eq!(exit.unwrap().unwrap().status, 9);
    let got = fenced
        .fence
        .get(&container, "/home/vcap/file")
        .await
        .unwrap();
    assert_eq!(got.size, 8 << 20);
    drop(got);
    fenced.fence.remove(&container).await.unwrap();
    let gone = fenced.fence.remove(&container).await;
    assert!(matches!(gone, Err(FenceError::Gone)), "{gone:?}");
}

impl Fenced {
    async fn start() -> Option<Self> {
        let engine = Engine::start("containers")?;
        let image = engine.stack();
        let fence = connect(&engine).await;
        Some(Self {
            engine,
            fence,
            image,
        })
    }

    /// Another handle, as after a restart.
    async fn fence(&self) -> Fence {
        connect(&self.engine).await
    }

    async fn create(&self, name: &str, memory_mib: u64, command: &[&str]) -> ContainerId {
        let spec = ContainerSpec {
            name: format!("switchyard-test-{name}"),
            image: self.image.clone(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            memory_mib,
            disk_mib: 64,
            cpu_shares: 16,
            pids: 32,
            nofile: 64,
            ..ContainerSpec::default()
        };
        self.fence.create(&spec).await.unwrap()
    }

    async fn run(&self, name: &str, memory_mib: u64, command: &[&str]) -> (ContainerId, IpAddr) {
        let container = self.create(name, memory_mib, command).await;
        let address = self.fence.start(&container).await.unwrap();
        (container, address)
    }

    /// What it writes until its end.
    async fn output(&self, container: &ContainerId) -> String {
        timeout(LONG, self.fence.wait(container))
            .await
            .unwrap()
            .unwrap();
        let lines = self.lines(container, None).await;
        let lines = lines
            .iter()
            .map(|line| String::from_utf8_lossy(&line.bytes));
        lines.collect()
    }

    async fn lines(&self, container: &ContainerId, since: Option<i64>) -> Vec<ContainerLine> {
        let lines = self.fence.lines(container, since);
        let lines: Vec<_> = timeout(LONG, lines.collect()).await.unwrap();
        lines.into_iter().map(Result::unwrap).collect()
    }
}

async fn connect(engine: &Engine) -> Fence {
    let options = FenceOptions {
        socket: engine.socket(),
        bridge: engine.bridge().to_owned(),
        disks: engine.disks(),
        tmp: component::size::ByteSize::mib(8),
        files: 2_000,
        refused: vec!["198.51.100.0/24".to_owned()],
        ..FenceOptions::default()
    };
    Fence::connect(&options).await.unwrap()
}

/// The address of the bridge.
fn gateway(bridge: &str) -> String {
    let shown = Command::new("ip")
        .args(["-4", "-o", "addr", "show", bridge])
        .output();
    let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
    let net = shown.split_whitespace().find(|word| word.contains('/'));
    net.unwrap().split('/').next().unwrap().to_owned()
}

/// The address that this machine has for others.
fn node() -> String {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent.
    socket.connect("198.51.100.1:9").unwrap();
    socket.local_addr().unwrap().ip().to_string()
}
