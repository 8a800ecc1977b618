//! What a droplet says of itself.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use component::yaml;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::package::OWNER;

/// The file in the droplet.
const FILE: &str = "./staging_info.yml";
/// Process types at most.
const MOST_TYPES: usize = 100;

/// What a droplet says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DropletInfo {
    /// The buildpack that made it.
    pub(super) buildpack: String,
    /// What that says that the app is.
    pub(super) detected: String,
    /// The start command of each process type.
    pub(super) process_types: BTreeMap<String, String>,
}

impl DropletInfo {
    /// Gathers what the buildpack and the app say. The app's `procfile` goes before the buildpack's
    /// `release`.
    ///
    /// # Errors
    /// Says why `release` cannot be understood.
    pub(super) fn new(
        buildpack: String,
        detected: String,
        release: &str,
        procfile: &str,
    ) -> Result<Self, String> {
        let mut process_types = released(release)?;
        process_types.extend(declared(procfile));
        if process_types.len() > MOST_TYPES {
            return Err(format!("there are more than {MOST_TYPES} process types"));
        }
        Ok(Self {
            buildpack,
            detected,
            process_types,
        })
    }

    /// Returns the beginning of a droplet: a gzip member with the first file of its archive. The members
    /// of a gzip file follow each other, so what the container packed is the rest.
    ///
    /// # Errors
    /// None in practice: it is written to memory.
    pub(super) fn member(&self) -> io::Result<Vec<u8>> {
        let text = self.to_yaml();
        let mut header = tar::Header::new_gnu();
        header.set_path(FILE)?;
        header.set_mode(0o644);
        header.set_uid(OWNER);
        header.set_gid(OWNER);
        header.set_size(text.len() as u64);
        header.set_cksum();
        let mut member = GzEncoder::new(Vec::new(), Compression::fast());
        member.write_all(header.as_bytes())?;
        member.write_all(text.as_bytes())?;
        // An archive consists of blocks of 512 bytes.
        let padding = text.len().next_multiple_of(512) - text.len();
        member.write_all(&vec![0; padding])?;
        member.finish()
    }

    fn to_yaml(&self) -> String {
        let web = self.process_types.get("web").map_or("", String::as_str);
        let mut text = format!(
            "buildpack_path: {}\ndetected_buildpack: {}\nstart_command: {}\nprocess_types:",
            quoted(&self.buildpack),
            quoted(&self.detected),
            quoted(web),
        );
        if self.process_types.is_empty() {
            text.push_str(" {}\n");
            return text;
        }
        text.push('\n');
        for (name, command) in &self.process_types {
            text.push_str(&format!("  {}: {}\n", quoted(name), quoted(command)));
        }
        text
    }
}

/// Returns the process types of a Procfile: lines `type: command`. Others are passed over.
fn declared(procfile: &str) -> BTreeMap<String, String> {
    let declare = |line: &str| {
        let (name, command) = line.split_once(':')?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let (name, command) = (name.trim_end(), command.trim());
        let is_declared = !name.is_empty() && name.chars().all(is_name) && !command.is_empty();
        is_declared.then(|| (name.to_owned(), command.to_owned()))
    };
    procfile.lines().filter_map(declare).collect()
}

/// Returns the process types that a buildpack prints as YAML.
fn released(release: &str) -> Result<BTreeMap<String, String>, String> {
    let root = yaml::parse(release).map_err(|error| error.to_string())?;
    let Some(types) = root.get("default_process_types") else {
        return Ok(BTreeMap::new());
    };
    let yaml::Content::Map(entries) = &types.content else {
        return Err("default_process_types is no map".to_owned());
    };
    let read = |entry: &yaml::Entry| {
        let command = entry.value.text().unwrap_or_default();
        (entry.key.clone(), command.to_owned())
    };
    let all = entries.iter().map(read);
    Ok(all.filter(|(_, command)| !command.is_empty()).collect())
}

/// Returns `text` as YAML, of which JSON is a part.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_procfile_goes_before_the_buildpack() {
        let check = |release: &str, procfile: &str, expected: Result<&[(&str, &str)], &str>| {
            let info = DropletInfo::new(String::new(), String::new(), release, procfile);
            let owned = |(name, command): &(&str, &str)| ((*name).into(), (*command).into());
            let expected = expected.map(|all| all.iter().map(owned).collect());
            let found = info.map(|info| info.process_types);
            assert_eq!(found, expected.map_err(str::to_owned));
        };
        let web = "---\ndefault_process_types:\n  web: npm start\n";
        check(web, "", Ok(&[("web", "npm start")]));
        check(web, "web: node x.js\n", Ok(&[("web", "node x.js")]));
        check(
            web,
            "worker : run $A: b \r\n# web: no\n\n two words: no\nempty:\n",
            Ok(&[("web", "npm start"), ("worker", "run $A: b")]),
        );
        check("", "", Ok(&[]));
        check("addons: []", "", Ok(&[]));
        check("default_process_types: {}", "", Ok(&[]));
        check(
            "default_process_types: 7",
            "",
            Err("default_process_types is no map"),
        );
        assert!(DropletInfo::new(String::new(), String::new(), "{", "").is_err());
        let many: String = (0..101).map(|n| format!("p{n}: x\n")).collect();
        check("", &many, Err("there are more than 100 process types"));
    }

    #[test]
    fn a_droplet_begins_with_what_it_says_of_itself() {
        let info = DropletInfo {
            buildpack: "python_buildpack".to_owned(),
            detected: "Python".to_owned(),
            process_types: BTreeMap::from([("web".to_owned(), "a \"b\": c\n#d".to_owned())]),
        };
        let text = info.to_yaml();
        let root = yaml::parse(&text).unwrap();
        let get = |key| root.get(key).and_then(yaml::Node::text).unwrap();
        assert_eq!(get("buildpack_path"), "python_buildpack");
        assert_eq!(get("start_command"), "a \"b\": c\n#d");
        let web = root.get("process_types").and_then(|types| types.get("web"));
        assert_eq!(web.and_then(yaml::Node::text), Some("a \"b\": c\n#d"));

        // What follows is read as if it were one archive.
        let mut rest = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        rest.append_data(&mut header, "./app/x", &b"abc"[..])
            .unwrap();
        let rest = rest.into_inner().unwrap().finish().unwrap();
        let droplet = [info.member().unwrap(), rest].concat();
        let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(&*droplet));
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            found.push((entry.path().unwrap().display().to_string(), content));
        }
        let path = |path: &str| path.trim_start_matches("./").to_owned();
        assert_eq!(path(&found[0].0), "staging_info.yml");
        assert_eq!(found[0].1, text);
        assert_eq!(
            (path(&found[1].0).as_str(), found[1].1.as_str()),
            ("app/x", "abc")
        );
    }
}
