//! The everyday commands of the cf CLI on the command line, for machines that have none.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use cf_driver::commands::{Push, Summary, recent_logs, scale, start, stop};
use cf_driver::session::Session;
use clap::{Parser, Subcommand};

/// Talks to a controller as the cf CLI does.
#[derive(Debug, Parser)]
#[command(name = "cf-driver")]
struct Args {
    /// The API: http://127.0.0.1:9022.
    #[arg(long)]
    api: String,
    /// Who logs in.
    #[arg(long, default_value = "admin")]
    user: String,
    /// The file that the password is in.
    #[arg(long)]
    password_file: PathBuf,
    /// The organization; made if it is not there.
    #[arg(long, default_value = "dev")]
    org: String,
    /// The space; made if it is not there.
    #[arg(long, default_value = "dev")]
    space: String,
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Pushes a directory.
    Push {
        /// The name of the app.
        name: String,
        /// The directory.
        #[arg(short, long)]
        path: PathBuf,
    },
    /// Shows an app.
    App {
        /// The name of the app.
        name: String,
    },
    /// Starts an app.
    Start {
        /// The name of the app.
        name: String,
    },
    /// Stops an app.
    Stop {
        /// The name of the app.
        name: String,
    },
    /// Changes how many instances there are.
    Scale {
        /// The name of the app.
        name: String,
        /// How many.
        #[arg(short)]
        instances: u32,
    },
    /// Shows the latest lines of an app.
    Logs {
        /// The name of the app.
        name: String,
    },
    /// Deletes an app and its routes.
    Delete {
        /// The name of the app.
        name: String,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let password = fs::read_to_string(&args.password_file)
        .with_context(|| args.password_file.display().to_string())?;
    let mut session = Session::api(&args.api).await?;
    session.log_in(&args.user, password.trim_end()).await?;
    session.create_org(&args.org).await?;
    let orgs = session.orgs().await?;
    let org = orgs.into_iter().find(|org| org.name == args.org);
    let org = org.context("the organization is gone")?;
    session.create_space(&args.space, &org.guid).await?;
    let target = session.target(&args.org, &args.space).await?;
    let space = target.space.guid.as_str();
    match args.command {
        Verb::Push { name, path } => {
            let pushed = Push::new(&name, path).run(&mut session, space).await?;
            let mut out = io::stdout().lock();
            for line in &pushed.staging_output {
                writeln!(out, "   {line}")?;
            }
            print(&pushed.summary)
        }
        Verb::App { name } => print(&session.app(&name, space).await?),
        Verb::Start { name } => print(&start(&mut session, &name, space).await?),
        Verb::Stop { name } => stop(&mut session, &name, space).await,
        Verb::Scale { name, instances } => {
            print(&scale(&mut session, &name, space, instances).await?)
        }
        Verb::Logs { name } => {
            let mut out = io::stdout().lock();
            for line in recent_logs(&mut session, &name, space).await? {
                let (source, instance) = (&line.source, &line.instance);
                writeln!(out, "[{source}/{instance}] {} {}", line.stream, line.text)?;
            }
            Ok(())
        }
        Verb::Delete { name } => session.delete_app(&name, space).await,
    }
}

fn print(summary: &Summary) -> Result<()> {
    let mut out = io::stdout().lock();
    let (running, wanted) = summary.web();
    writeln!(out, "name:      {}", summary.app.name)?;
    writeln!(out, "state:     {}", summary.app.state.to_lowercase())?;
    writeln!(out, "instances: {running}/{wanted}")?;
    for route in &summary.routes {
        writeln!(out, "route:     {}", route.url)?;
    }
    Ok(())
}
