//! Passwords and keys, made once.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use component::atomic_file;
use component::regular_file;
use rustix::fs::{Mode, fchmod};
use serde::{Deserialize, Serialize};

/// Bytes of chance in each.
const LENGTH: usize = 24;

/// All of them, each 48 hex digits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Secrets {
    /// The router's on the bus.
    pub(super) nats_router: String,
    /// The controller's on the bus.
    pub(super) nats_controller: String,
    /// The DEA's on the bus.
    pub(super) nats_dea: String,
    /// That of those who fetch packages and bring droplets.
    pub(super) staging: String,
    /// The administrator's.
    pub(super) administrator: String,
    /// What the controller encrypts secrets with.
    pub(super) encryption: String,
}

impl Secrets {
    /// Reads those of this directory, or makes them. The administrator's is in a file of its own too.
    ///
    /// # Errors
    /// They cannot be read, understood or written. They are never made twice.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let file = directory.join("secrets.json");
        if file.exists() {
            return Ok(serde_json::from_str(&regular_file::read_text(&file)?)?);
        }
        let secrets = Self {
            nats_router: by_chance()?,
            nats_controller: by_chance()?,
            nats_dea: by_chance()?,
            staging: by_chance()?,
            administrator: by_chance()?,
            encryption: by_chance()?,
        };
        write(&directory.join("admin-password"), &secrets.administrator)?;
        write(&file, &serde_json::to_string_pretty(&secrets)?)?;
        Ok(secrets)
    }

    pub(super) fn named(&self) -> [(&'static str, String); 6] {
        [
            ("NATS_ROUTER", self.nats_router.clone()),
            ("NATS_CONTROLLER", self.nats_controller.clone()),
            ("NATS_DEA", self.nats_dea.clone()),
            ("STAGING", self.staging.clone()),
            ("ADMINISTRATOR", self.administrator.clone()),
            ("ENCRYPTION", self.encryption.clone()),
        ]
    }
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
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
