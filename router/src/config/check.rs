//! A file and all that it names, looked at together.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use bus::Bus;
use component::address::ListenAddress;
use component::config_file::{in_file, text_of};
use component::error_chain::error_chain;
use rustix::fs::{Access, access};

use super::{Config, Depth, leads_back, lookup_keys, parse_routes};

/// Adds what cannot be used of the files that `config` names to `faults`, and returns what it amounts
/// to: `3 listeners, 10 routes, no bus`.
pub(super) fn examine(
    config: &Config,
    name: &str,
    depth: Depth,
    faults: &mut Vec<String>,
) -> String {
    let filed = config.filed_routes().unwrap_or_else(|more| {
        faults.extend(more);
        0
    });
    if let Err(error) = config.error_page() {
        faults.push(error_chain(&error));
    }
    if let Some(bus) = &config.bus
        && let Err(error) = Bus::check(&bus.options("router", 1))
    {
        faults.push(format!("{name}: {}", error_chain(&error)));
    }
    if depth == Depth::All {
        faults.extend(config.unwritable().map(|fault| format!("{name}: {fault}")));
    }
    config.summary(filed)
}

impl Config {
    /// How many routes the routes file holds, or each place in it that cannot be used.
    fn filed_routes(&self) -> Result<usize, Vec<String>> {
        let Some(file) = &self.routes_file else {
            return Ok(0);
        };
        let text = text_of(file).map_err(|error| vec![error_chain(&error)])?;
        let taken: HashSet<_> = lookup_keys(&self.routes).collect();
        let routes = parse_routes(&text, &taken).map_err(|faults| {
            let line = |fault| in_file(&file.display(), fault);
            faults.iter().map(line).collect::<Vec<_>>()
        })?;
        match leads_back(&routes, &self.own_listeners()) {
            Some(back) => Err(vec![format!("{}: {back}", file.display())]),
            None => Ok(lookup_keys(&routes).count()),
        }
    }

    /// What cannot be written, in words.
    fn unwritable(&self) -> impl Iterator<Item = String> {
        let files = [
            ("snapshot_file", &self.snapshot.file, Folder::Made),
            ("pid_file", &self.process.pid_file, Folder::Needed),
            ("access_log.file", &self.access_log.file, Folder::Needed),
        ];
        let files = files
            .into_iter()
            .filter_map(|(key, file, folder)| Some((key, file.as_deref()?, folder)));
        let sockets = self.listeners.iter().filter_map(|listener| {
            let ListenAddress::Unix(path) = &listener.address else {
                return None;
            };
            Some(("listeners", path.as_path(), Folder::Needed))
        });
        files.chain(sockets).filter_map(|(key, file, folder)| {
            let fault = writable(file, folder).err()?;
            Some(format!("{key}: {}: {fault}", file.display()))
        })
    }

    fn summary(&self, filed: usize) -> String {
        let count = |count: usize, what: &str| match count {
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        };
        let listeners = count(self.listeners.len(), "listener");
        let routes = count(lookup_keys(&self.routes).count() + filed, "route");
        let bus = match &self.bus {
            Some(bus) => count(bus.servers.len(), "bus server"),
            None => "no bus".to_owned(),
        };
        format!("{listeners}, {routes}, {bus}")
    }
}

/// Whether the folder of a file must be there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Folder {
    Needed,
    Made,
}

/// Whether a file can be written, without writing it.
fn writable(file: &Path, folder: Folder) -> io::Result<()> {
    match fs::metadata(file) {
        Ok(found) if found.is_dir() => Err(io::Error::other("is a directory, not a file")),
        Ok(_) => Ok(access(file, Access::WRITE_OK)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut parents = file.ancestors().skip(1).map(|parent| {
                let here = parent.as_os_str().is_empty();
                if here { Path::new(".") } else { parent }
            });
            let parent = match folder {
                Folder::Needed => parents.next(),
                Folder::Made => parents.find(|parent| parent.exists()),
            };
            let parent = parent.unwrap_or_else(|| Path::new("/"));
            if fs::metadata(parent)?.is_dir() {
                Ok(access(parent, Access::WRITE_OK | Access::EXEC_OK)?)
            } else {
                Err(io::Error::other(format!(
                    "{} is no folder",
                    parent.display()
                )))
            }
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use component::config_file;
    use tests_kit::TempDir;

    use super::*;

    /// What is said about a file `c.yml` beside `files`; `@` in it stands for their folder.
    fn check(yaml: &str, files: &[(&str, &str)]) -> Result<String, String> {
        let directory = TempDir::new();
        for (name, text) in files {
            _ = directory.file(name, text);
        }
        let folder = directory.path().display().to_string();
        let file = directory.file("c.yml", yaml.replace('@', &folder));
        match config_file::check::<Config>(&file, Depth::All) {
            Ok(checked) => Ok(checked.summary),
            Err(error) => Err(error
                .to_string()
                .replace(&format!("{folder}/"), "")
                .replace(&folder, "@")),
        }
    }

    #[test]
    fn a_summary_of_what_is_there() {
        let ok = |yaml: &str, files: &[(&str, &str)]| check(yaml, files).unwrap();
        assert_eq!(ok("port: 80", &[]), "1 listener, 0 routes, 1 bus server");
        assert_eq!(
            ok(
                "listeners: [':1', ':2', ':3']\nroutes:\n- {uris: [a, b], backends: ['c:1']}\n\
                 routes_file: '@/r.yml'",
                &[("r.yml", "- {uris: [d, e, f], backends: ['c:1']}")]
            ),
            "3 listeners, 5 routes, no bus"
        );
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let said = check(
            "workers: many\nlisteners: ['unix:no/s']\nrouts: []\nroutes_file: '@/r.yml'\n\
             html_error_template_file: '@/page'\npid_file: '@/no/where'\naccess_log: {file: '@'}\n\
             snapshot_file: '@/r.yml/s'\n",
            &[("r.yml", "- {uris: [a]}\n- {backends: ['x:1']}\n")],
        );
        assert_eq!(
            said.unwrap_err().lines().collect::<Vec<_>>(),
            [
                "c.yml:1: workers: must be auto or at most 1024",
                "c.yml:3: routs: no such key, did you mean routes?",
                "r.yml:1: routes.backends: names no backend",
                "r.yml:2: routes.uris: names no route",
                "page: cannot be read: No such file or directory (os error 2)",
                "c.yml: snapshot_file: r.yml/s: Not a directory (os error 20)",
                "c.yml: pid_file: no/where: No such file or directory (os error 2)",
                "c.yml: access_log.file: @: is a directory, not a file",
                "c.yml: listeners: no/s: No such file or directory (os error 2)",
            ]
        );
    }

    #[test]
    fn a_folder_that_will_be_made_need_not_be_there() {
        let made = check("snapshot_file: '@/a/b/s'\nnats: {user: x}", &[]);
        assert!(made.is_ok(), "{made:?}");
    }
}
