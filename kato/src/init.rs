//! Writes the configuration of a node that runs the whole cloud.
//!
//! Each file is written again only while it is as it was written last: what an operator changed is kept.
//! What was written last is in `generated` in the same directory.

mod secrets;
mod templates;

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use component::atomic_file;
use rustix::fs::{Gid, Mode, Uid, chmod, chown};
use rustix::process::geteuid;

use crate::users::{self, User};

/// Where things are on the node, and how they are called.
#[derive(Clone, Debug, clap::Args)]
pub struct Layout {
    /// Where configuration, data and logs go.
    pub directory: PathBuf,
    /// The programs: nats-server, router, controller, health-manager, dea.
    #[arg(long)]
    pub programs: PathBuf,
    /// The script that runs the container engine in the foreground.
    #[arg(long)]
    pub engine: PathBuf,
    /// The buildpacks.
    #[arg(long)]
    pub buildpacks: PathBuf,
    /// The image that apps run on.
    #[arg(long, default_value = "switchyard/stack-bookworm:latest")]
    pub image: String,
    /// The domain of the platform.
    #[arg(long, default_value = "apps.localhost")]
    pub domain: String,
    /// The address that the router listens on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub listen: IpAddr,
    /// The router's port.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// The router's admin listener, on loopback.
    #[arg(long, default_value_t = 8082)]
    pub admin_port: u16,
    /// The message bus, on loopback.
    #[arg(long, default_value_t = 4222)]
    pub nats_port: u16,
    /// The API, on loopback; its admin listener has the next port.
    #[arg(long, default_value_t = 9022)]
    pub api_port: u16,
    /// The DEA's admin listener, on loopback.
    #[arg(long, default_value_t = 8084)]
    pub dea_port: u16,
    /// The health manager's admin listener, on loopback.
    #[arg(long, default_value_t = 8086)]
    pub health_port: u16,
}

/// A file of the configuration and who reads it.
#[derive(Debug)]
struct Draft {
    name: &'static str,
    text: String,
    /// None: root.
    reader: Option<User>,
}

/// Why there can be no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A path or name that the files could not hold as it is.
    #[error("{0:?} has characters other than letters, digits and -_./:+")]
    Characters(String),
}

/// Writes what is missing or as it was written last, and tells what became of each file.
///
/// # Errors
/// A file cannot be read or written.
pub fn run(layout: &Layout, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let layout = Layout {
        directory: std::path::absolute(&layout.directory)?,
        programs: std::path::absolute(&layout.programs)?,
        engine: std::path::absolute(&layout.engine)?,
        buildpacks: std::path::absolute(&layout.buildpacks)?,
        ..layout.clone()
    };
    layout.check()?;
    let directory = &layout.directory;
    fs::create_dir_all(directory.join("generated"))?;
    chmod(directory.join("generated"), Mode::RWXU)?;
    let mut values = templates::values(&layout);
    values.extend(secrets::open(directory)?);
    values.extend(layout.users());
    let reader = |user: &str| values.get(user).and_then(|name| users::look_up(name).ok());
    for (name, user, template) in templates::FILES {
        let text = templates::fill(template, &values);
        let reader = reader(user);
        let word = Draft { name, text, reader }.put(directory)?;
        writeln!(out, "    {name:<18} {word}")?;
    }
    for (name, user) in [("router", "ROUTER_USER"), ("controller", "CONTROLLER_USER")] {
        let data = directory.join(name);
        fs::create_dir_all(&data)?;
        give(&data, reader(user), Mode::RWXU)?;
    }
    Ok(())
}

impl Layout {
    /// Paths and names stand in the files as they are.
    fn check(&self) -> Result<(), LayoutError> {
        let paths = [
            &self.directory,
            &self.programs,
            &self.engine,
            &self.buildpacks,
        ];
        let paths = paths.map(|path| path.to_string_lossy());
        let names = [self.image.as_str().into(), self.domain.as_str().into()];
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:+".contains(c);
        match paths
            .iter()
            .chain(&names)
            .find(|text| !text.chars().all(is_plain))
        {
            Some(text) => Err(LayoutError::Characters(text.to_string())),
            None => Ok(()),
        }
    }

    /// The users that processes run as; empty where there is none or we may not switch to it.
    fn users(&self) -> [(String, String); 4] {
        ["nats", "router", "controller", "health-manager"].map(|process| {
            let name = format!("switchyard-{process}");
            // Root alone may listen on the ports below.
            let needs_root = process == "router" && self.port < 1024;
            let is_usable = geteuid().is_root() && !needs_root && users::look_up(&name).is_ok();
            let user = if is_usable { name } else { String::new() };
            let name = process.to_uppercase().replace('-', "_");
            (format!("{name}_USER"), user)
        })
    }
}

impl Draft {
    /// Writes it unless somebody changed the file. Returns what became of it.
    fn put(&self, directory: &Path) -> io::Result<&'static str> {
        let (file, last) = (
            directory.join(self.name),
            directory.join("generated").join(self.name),
        );
        let read = |path: &Path| fs::read_to_string(path).ok();
        let (now, before) = (read(&file), read(&last));
        let word = match now {
            Some(now) if now == self.text => "unchanged",
            Some(now) if Some(&now) != before.as_ref() => {
                return Ok("kept: it was changed by hand");
            }
            Some(_) => "written again",
            None => "written",
        };
        let write = |path: &Path, owner| {
            atomic_file::replace(path, |out| {
                rustix::fs::fchmod(&out, Mode::RUSR | Mode::WUSR)?;
                out.write_all(self.text.as_bytes())
            })?;
            give(path, owner, Mode::RUSR | Mode::WUSR)
        };
        write(&last, None)?;
        write(&file, self.reader)?;
        Ok(word)
    }
}

/// Makes it the owner's alone.
fn give(path: &Path, owner: Option<User>, mode: Mode) -> io::Result<()> {
    chmod(path, mode)?;
    if let Some(owner) = owner {
        chown(
            path,
            Some(Uid::from_raw(owner.uid)),
            Some(Gid::from_raw(owner.gid)),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use component::config_file::{self, ConfigFile as _, Depth};
    use tests_kit::TempDir;

    use super::*;
    use crate::config::Config;

    fn layout(directory: &Path) -> Layout {
        Layout {
            directory: directory.to_owned(),
            programs: "/programs".into(),
            engine: "/engine/run.sh".into(),
            buildpacks: "/buildpacks".into(),
            image: "image:1".to_owned(),
            domain: "apps.example.com".to_owned(),
            listen: Ipv4Addr::UNSPECIFIED.into(),
            port: 80,
            admin_port: 1,
            nats_port: 2,
            api_port: 3,
            dea_port: 5,
            health_port: 6,
        }
    }

    fn written(layout: &Layout) -> String {
        let mut out = Vec::new();
        run(layout, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn files_are_written_once_and_again_only_while_nobody_changed_them() {
        let directory = TempDir::new();
        let mut layout = layout(directory.path());
        assert_eq!(written(&layout).matches(" written").count(), 6);
        let file = directory.path().join("controller.yml");
        let first = fs::read_to_string(&file).unwrap();
        assert_eq!(written(&layout).matches(" unchanged").count(), 6);
        drop(directory.file("router.yml", "workers: 1\n"));
        layout.domain = "other.example.com".to_owned();
        let told = written(&layout);
        assert!(told.contains("router.yml         kept"), "{told}");
        assert!(told.contains("controller.yml     written again"), "{told}");
        let second = fs::read_to_string(&file).unwrap();
        assert_eq!(first.replace("apps.ex", "other.ex"), second);
        let router = fs::read_to_string(directory.path().join("router.yml")).unwrap();
        assert_eq!(router, "workers: 1\n");
    }

    #[test]
    fn secrets_are_for_their_owner_alone() {
        let directory = TempDir::new();
        written(&layout(directory.path()));
        for name in [
            "admin-password",
            "secrets.json",
            "nats.conf",
            "router.yml",
            "controller.yml",
            "health-manager.yml",
            "dea.yml",
            "generated/dea.yml",
        ] {
            let mode = fs::metadata(directory.path().join(name)).unwrap().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn what_is_written_for_kato_itself_can_be_used() {
        let directory = TempDir::new();
        written(&layout(directory.path()));
        let file = directory.path().join("kato.yml");
        let config = config_file::load::<Config>(&file).unwrap().config;
        let mut faults = Vec::new();
        config.examine("kato.yml", Depth::All, &mut faults);
        assert_eq!(faults, Vec::<String>::new());
        let names = config.running().into_iter().map(|p| p.name.clone());
        let names: Vec<_> = names.collect();
        let expected = "engine nats router controller health-manager dea";
        assert_eq!(names.join(" "), expected);
    }
}
