//! The configuration of a program: one YAML file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::regular_file;
use crate::yaml::{self, Fault, Keys, Line, Node, Output, Report, Variables};

/// A program's configuration: every key is read, printed and documented by one declaration.
pub trait ConfigFile: Clone + Default {
    /// What stands at the top of the example file, as comments.
    const EXAMPLE_HEAD: &'static str;

    /// Names every key with its documentation and the value it stands for.
    fn keys(&mut self, keys: &mut Keys<'_>);

    /// Takes over what a file says. What it does not understand of it is a fault.
    fn take(&mut self, mut root: Node, report: &mut Report) {
        yaml::expand(&mut root, ENVIRONMENT, report);
        yaml::read(&root, report, |keys| self.keys(keys));
        report.refuse_unknown(|_| None);
        report.refuse_lax();
    }

    /// Adds to the example file what is no key of this program.
    fn add_to_example(_text: &mut String) {}

    /// Looks at the files that the configuration names, and adds a line to `faults` for each that
    /// cannot be used. `file` is what messages call the configuration's own file. Returns what the
    /// configuration amounts to, in a few words: `3 listeners, no bus`.
    fn examine(&self, file: &str, depth: Depth, faults: &mut Vec<String>) -> String;
}

/// How closely the named files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What the program reads when it starts.
    Start,
    /// Also whether what it writes later can be written.
    All,
}

/// A configuration and what its author should know about the file.
#[derive(Clone, Debug)]
pub struct Loaded<C> {
    /// The configuration.
    pub config: C,
    /// `file:line: remark` each.
    pub warnings: Vec<String>,
}

/// A configuration that can be used, with the files that it names.
#[derive(Clone, Debug)]
pub struct Checked<C> {
    /// The configuration.
    pub config: C,
    /// `file:line: remark` each.
    pub warnings: Vec<String>,
    /// What it amounts to.
    pub summary: String,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{}: cannot be read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It can be read, but not used.
    #[error("{}", .0.join("\n"))]
    Faults(
        /// `file:line: reason` each, at least one.
        Vec<String>,
    ),
}

/// The variables of this process that are text.
pub const ENVIRONMENT: Variables<'static> = &|name| std::env::var(name).ok();

/// Reads and checks a file.
///
/// # Errors
/// The file cannot be read, or holds something that cannot be used; all such places are named.
pub fn load<C: ConfigFile>(file: &Path) -> Result<Loaded<C>, ConfigError> {
    parse(&file.display(), &text_of(file)?)
}

/// Reads and checks the text of a file that messages call `file`.
///
/// # Errors
/// As [`load`].
pub fn parse<C: ConfigFile>(file: &dyn fmt::Display, text: &str) -> Result<Loaded<C>, ConfigError> {
    let Read {
        config,
        faults,
        warnings,
    } = read(file, text);
    if faults.is_empty() {
        Ok(Loaded { config, warnings })
    } else {
        Err(ConfigError::Faults(faults))
    }
}

/// Reads and checks a file and the files that it names.
///
/// # Errors
/// The file cannot be read, or something in it or in those that it names cannot be used; all such
/// places are named.
pub fn check<C: ConfigFile>(file: &Path, depth: Depth) -> Result<Checked<C>, ConfigError> {
    let name = file.display().to_string();
    let Read {
        config,
        mut faults,
        warnings,
    } = read::<C>(&name, &text_of(file)?);
    let summary = config.examine(&name, depth, &mut faults);
    if !faults.is_empty() {
        return Err(ConfigError::Faults(faults));
    }
    Ok(Checked {
        config,
        warnings,
        summary,
    })
}

/// Returns the configuration as YAML that reads back as the same configuration, with secrets masked.
#[must_use]
pub fn to_yaml<C: ConfigFile>(config: &C) -> String {
    let mut lines = lines(config);
    lines.iter_mut().for_each(keep_as_it_is);
    yaml::render(&lines)
}

/// Returns the example file: every key with its documentation and default.
#[must_use]
pub fn example<C: ConfigFile>() -> String {
    let mut text = String::from(C::EXAMPLE_HEAD);
    text += &yaml::render_documented(&lines(&C::default()));
    C::add_to_example(&mut text);
    text
}

/// Returns every key with its value.
#[must_use]
pub fn lines<C: ConfigFile>(config: &C) -> Vec<Line> {
    yaml::write(|keys| config.clone().keys(keys))
}

/// Returns the text of a file.
///
/// # Errors
/// [`ConfigError::Unreadable`].
pub fn text_of(file: &Path) -> Result<String, ConfigError> {
    regular_file::read_text(file).map_err(|source| ConfigError::Unreadable {
        file: file.to_owned(),
        source,
    })
}

/// Returns a fault as a line that names the file.
#[must_use]
pub fn in_file(file: &dyn fmt::Display, fault: &Fault) -> String {
    let colon = if fault.place.line > 0 { ":" } else { ": " };
    format!("{file}{colon}{fault}")
}

/// What was read of a file, however much of it can be used.
struct Read<C> {
    config: C,
    faults: Vec<String>,
    warnings: Vec<String>,
}

fn read<C: ConfigFile>(file: &dyn fmt::Display, text: &str) -> Read<C> {
    let lines = |faults: &[Fault]| faults.iter().map(|f| in_file(file, f)).collect::<Vec<_>>();
    let mut config = C::default();
    let mut report = Report::default();
    match yaml::parse(text) {
        Ok(root) => config.take(root, &mut report),
        Err(fault) => report.faults.push(fault),
    }
    report.faults.sort_by_key(|fault| fault.place);
    Read {
        config,
        faults: lines(&report.faults),
        warnings: lines(&report.warnings),
    }
}

/// Writes a `${` so that it is read as one.
fn keep_as_it_is(line: &mut Line) {
    fn keep(value: &mut Output) {
        match value {
            Output::Absent => {}
            Output::Scalar(text) => *text = yaml::unexpanded(text),
            Output::List(rows) => rows.iter_mut().for_each(keep),
            Output::Map(lines) => lines.iter_mut().for_each(keep_as_it_is),
        }
    }
    keep(&mut line.value);
}
