//! Hostile buses: nats-servers that say what no server may.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::scene::{Ended, Setup};
use tests_kit::Client;

const INFO: &str = "INFO {\"server_id\":\"x\",\"version\":\"2.10.0\",\"proto\":1,\
                    \"headers\":true,\"max_payload\":1048576}\r\n";

/// How much of a line is sent that never ends.
const LINE: usize = 64 << 20;

/// The pause between two looks for a connection.
const LOOK: Duration = Duration::from_millis(20);

/// How long it waits for the router to speak, or to listen.
const PATIENCE: Duration = Duration::from_secs(1);

/// A server that greets as one should, and at the first subscription begins a message of which no
/// memory can hold the end.
pub(super) fn endless_message() -> Setup {
    bus(|stream| {
        stream.write_all(INFO.as_bytes())?;
        let mut heard = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let count = stream.read(&mut piece)?;
            if count == 0 {
                return Ok(());
            }
            heard.extend_from_slice(&piece[..count]);
            if tests_kit::bytes::find(&heard, b"PING\r\n").is_some() {
                stream.write_all(b"PONG\r\n")?;
                heard.clear();
            }
            if tests_kit::bytes::find(&heard, b"SUB ").is_some() {
                stream.write_all(b"MSG router.register 1 18446744073709551615\r\n")?;
                stream.write_all(&vec![b'a'; 1 << 20])?;
            }
        }
    })
}

/// A server whose greeting is a line without end.
pub(super) fn endless_line() -> Setup {
    bus(|stream| {
        stream.write_all(b"INFO {\"server_id\":\"")?;
        let piece = vec![b'a'; 1 << 20];
        for _ in 0..LINE / piece.len() {
            stream.write_all(&piece)?;
        }
        Ok(())
    })
}

/// A router whose bus does this with each connection, from the beginning of the attack on.
fn bus(speak: fn(&mut TcpStream) -> std::io::Result<()>) -> Setup {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port to listen on");
    let address = listener.local_addr().expect("a listener has an address");
    listener
        .set_nonblocking(true)
        .expect("a socket takes its options");
    let (host, port) = (address.ip(), address.port());
    Setup::new(move |scene| {
        let mut met = 0;
        while scene.goes_on(LOOK) {
            let Ok((mut stream, _)) = listener.accept() else {
                continue;
            };
            met += 1;
            stream.set_nonblocking(false).ok();
            stream.set_read_timeout(Some(PATIENCE)).ok();
            stream.set_write_timeout(Some(PATIENCE)).ok();
            // How it ends is up to the router.
            speak(&mut stream).ok();
        }
        let says = state(scene.admin);
        Ended::noted(format!("{met} connections; {says}"))
            .demand(met > 0, "the bus was not asked")
            .demand(says == "disconnected", &format!("it calls the bus {says}"))
    })
    .keys(&format!(
        "nats: {{hosts: [{{hostname: {host}, port: {port}}}]}}"
    ))
    // It waits for a bus of which it has heard nothing yet.
    .never_well()
}

fn state(admin: SocketAddr) -> String {
    let varz = Client::connect(admin).get("localhost", "/varz").text();
    let varz: serde_json::Value = serde_json::from_str(&varz).unwrap_or_default();
    varz["switchyard"]["bus"]
        .as_str()
        .unwrap_or("nothing")
        .to_owned()
}
