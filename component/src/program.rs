//! The frame of a program: its command line, its configuration, its log, its signals and its end.

use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command};
use tokio::runtime::Builder;

use crate::config_file::{self, Checked, ConfigFile, Depth, Loaded};
use crate::error_chain::error_chain;
use crate::manual;
use crate::orders::{self, Orders, Signals};
use crate::telemetry::{self, LogLevel};

/// The version of the program and the commit that it is built from, for `--version`.
pub const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("SWITCHYARD_COMMIT"),
    ")"
);

/// What every program takes on its command line.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// The configuration, in YAML.
    #[arg(short = 'c', long = "config", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// What to do with FILE instead of serving.
    #[command(flatten)]
    pub instead: Instead,
}

/// What to do instead of serving.
#[derive(Clone, Debug, Args)]
#[group(multiple = false)]
pub struct Instead {
    /// Check FILE and the files that it names: print "ok" and what they amount to, or each line at
    /// fault.
    #[arg(long, requires = "config")]
    pub check: bool,
    /// Print the configuration that FILE amounts to, with secrets masked.
    #[arg(long, requires = "config")]
    pub print_config: bool,
    /// Print a documented FILE with every key and its default.
    #[arg(long)]
    pub print_example: bool,
    /// Write the manual pages and the completions of bash, zsh and fish into DIRECTORY.
    #[arg(long, value_name = "DIRECTORY")]
    pub write_manual: Option<PathBuf>,
}

/// A program that serves until a signal ends it.
pub trait Program {
    /// What its file says.
    type Config: ConfigFile;

    /// Its command line.
    fn command_line() -> Command;

    /// How its log looks.
    fn log(config: &Self::Config) -> telemetry::Settings;

    /// Serves as `orders` say, and returns once they ended it. Runs on a runtime of one thread.
    ///
    /// # Errors
    /// Why it cannot start. The log tells it.
    fn serve(
        started: Started<Self::Config>,
        orders: Orders,
    ) -> impl Future<Output = Result<(), Box<dyn Error>>>;

    /// Is told the name of a signal that changes nothing.
    fn ignored(signal: &'static str) {
        tracing::info!(signal, "signal-ignored");
    }

    /// Is told, as text, why the program cannot start.
    fn not_started(file: &Path, error: &(dyn Error + 'static)) {
        tracing::error!(error = %error_chain(error), config = %file.display(), "not-started");
    }
}

/// What a program begins with.
#[derive(Debug)]
pub struct Started<C> {
    /// Its configuration, which was checked.
    pub config: C,
    /// The file that it is from.
    pub file: PathBuf,
    /// The level of its log.
    pub log_level: LogLevel,
}

/// Does what the command line says, to the end of the process. The exit code is 0 unless the
/// configuration cannot be used or the program cannot start; the reason goes to standard error, or
/// into the log once there is one.
#[must_use]
pub fn main<P: Program>(common: &Common) -> ExitCode {
    run::<P>(common).unwrap_or_else(|error| {
        complain(&*error);
        ExitCode::FAILURE
    })
}

/// Writes an error with its causes to standard error.
pub fn complain(error: &(dyn Error + 'static)) {
    // Nothing is left to do when nobody can be told.
    writeln!(io::stderr(), "{}", error_chain(error)).unwrap_or_default();
}

fn run<P: Program>(common: &Common) -> Result<ExitCode, Box<dyn Error>> {
    let mut out = io::stdout();
    if common.instead.print_example {
        out.write_all(config_file::example::<P::Config>().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(directory) = &common.instead.write_manual {
        manual::write(P::command_line(), directory)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(file) = &common.config else {
        return Err("name the configuration: -c FILE".into());
    };
    if common.instead.print_config {
        let Loaded { config, warnings } = config_file::load::<P::Config>(file)?;
        warn(&warnings)?;
        out.write_all(config_file::to_yaml(&config).as_bytes())?;
    } else if common.instead.check {
        let checked = config_file::check::<P::Config>(file, Depth::All)?;
        warn(&checked.warnings)?;
        writeln!(out, "ok: {}", checked.summary)?;
    } else {
        return serve::<P>(file);
    }
    Ok(ExitCode::SUCCESS)
}

fn serve<P: Program>(file: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let Checked {
        config, warnings, ..
    } = config_file::check::<P::Config>(file, Depth::Start)?;
    warn(&warnings)?;
    let log = telemetry::init(P::log(&config))?;
    tracing::info!(config = %file.display(), version = VERSION, "starting");
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let started = Started {
        config,
        file: file.to_owned(),
        log_level: log.level.clone(),
    };
    let ended = runtime.block_on(async {
        let (sender, orders) = orders::channel();
        let signals = Signals::listen()?;
        tokio::select! {
            ended = P::serve(started, orders) => ended,
            () = signals.forward(sender, P::ignored) => Ok(()),
        }
    });
    Ok(match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            P::not_started(file, &*error);
            ExitCode::FAILURE
        }
    })
}

/// Remarks about the configuration go to standard error.
fn warn(warnings: &[String]) -> io::Result<()> {
    let mut err = io::stderr();
    warnings
        .iter()
        .try_for_each(|warning| writeln!(err, "warning: {warning}"))
}
