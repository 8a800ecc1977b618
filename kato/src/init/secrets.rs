//! Passwords and keys, made once.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use component::atomic_file;
use component::hex::hex;
use component::regular_file;
use rustix::fs::{Mode, fchmod};

/// Bytes of chance in each.
const LENGTH: usize = 24;

/// What there are: those of programs on the bus, that of the DEAs with the controller, the
/// administrator's, and what the controller encrypts with.
const NAMES: [&str; 7] = [
    "NATS_ROUTER",
    "NATS_CONTROLLER",
    "NATS_HEALTH_MANAGER",
    "NATS_DEA",
    "STAGING",
    ADMINISTRATOR,
    "ENCRYPTION",
];
const ADMINISTRATOR: &str = "ADMINISTRATOR";

/// Returns the secrets of this directory by their names, each 48 hex digits. Those that are not there are
/// made and kept. The administrator's is in a file of its own too.
///
/// # Errors
/// The file cannot be read, understood or written.
pub(super) fn open(directory: &Path) -> io::Result<BTreeMap<String, String>> {
    let file = directory.join("secrets.json");
    let mut secrets: BTreeMap<String, String> = match regular_file::read_text(&file) {
        Ok(text) => serde_json::from_str(&text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => return Err(error),
    };
    let before = secrets.len();
    for name in NAMES {
        if !secrets.contains_key(name) {
            secrets.insert(name.to_owned(), by_chance()?);
        }
    }
    if secrets.len() > before {
        write(&file, &serde_json::to_string_pretty(&secrets)?)?;
        write(&directory.join("admin-password"), &secrets[ADMINISTRATOR])?;
    }
    Ok(secrets)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    atomic_file::replace(path, |file| {
        fchmod(&file, Mode::RUSR | Mode::WUSR)?;
        writeln!(file, "{text}")
    })
}

fn by_chance() -> io::Result<String> {
    let mut bytes = [0; LENGTH];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex(bytes))
}
