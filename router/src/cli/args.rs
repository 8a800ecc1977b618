//! The command line.

use std::net::{SocketAddr, ToSocketAddrs as _};

use clap::{Args as Group, Parser};
use component::config_file;
use component::program::{Common, VERSION};
use component::secret::Secret;

use crate::cli::Command;
use crate::config::{AdminConfig, Config, ConfigError};
use component::admin::Credentials;

/// Routes HTTP requests to the instances of apps.
///
/// With -c FILE alone it serves. A gorouter.yml is accepted as FILE; --print-example shows all keys.
#[derive(Debug, Parser)]
#[command(name = "router", version = VERSION, arg_required_else_help = true)]
pub struct Args {
    /// What every program takes.
    #[command(flatten)]
    pub common: Common,
    /// How to reach a running router.
    #[command(flatten)]
    pub target: Target,
    /// Asks a running router.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Where a running router answers questions. What is not given here comes from FILE.
#[derive(Clone, Debug, Group)]
pub struct Target {
    /// The admin listener of the router to ask. [default: that of FILE, else 127.0.0.1:8082]
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_admin, global = true)]
    pub admin: Option<SocketAddr>,
    /// The user there; the password is taken from ROUTER_ADMIN_PASSWORD.
    #[arg(long, value_name = "NAME", global = true)]
    pub user: Option<String>,
}

/// The environment variable with the password, which would be seen by all on the command line.
pub const PASSWORD_VARIABLE: &str = "ROUTER_ADMIN_PASSWORD";

impl Args {
    /// The admin listener to ask, with `password` for a user who was given.
    ///
    /// # Errors
    ///
    /// FILE is given and cannot be used.
    pub fn admin(&self, password: Option<&str>) -> Result<AdminConfig, ConfigError> {
        let mut admin = match &self.common.config {
            Some(file) => config_file::load::<Config>(file)?.config.admin,
            None => AdminConfig::default(),
        };
        if let Some(address) = self.target.admin {
            admin.address = address;
        }
        if let Some(user) = &self.target.user {
            let password = Secret::new(password.unwrap_or_default());
            admin.credentials = Some(Credentials {
                user: user.clone(),
                password,
            });
        }
        Ok(admin)
    }
}

/// `host:port`, perhaps as a URL.
fn parse_admin(text: &str) -> Result<SocketAddr, String> {
    if text.starts_with("https://") {
        return Err("the admin listener speaks plain http".into());
    }
    let bare = text
        .strip_prefix("http://")
        .unwrap_or(text)
        .trim_end_matches('/');
    let mut addresses = bare.to_socket_addrs().map_err(|error| error.to_string())?;
    addresses.next().ok_or_else(|| "no such host".into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        Args::try_parse_from(line.split(' ')).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn what_goes_together() {
        for line in [
            "router -c f",
            "router --config f --check",
            "router -c f --print-config",
            "router --print-example",
            "router routes",
            "router -c f routes",
            "router routes -c f",
            "router --admin 127.0.0.1:1 --user u top",
            "router explain https://a.b/c --header X:y --admin http://127.0.0.1:1/",
            "router log-level debug",
        ] {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line));
        }
        for line in [
            "router",
            "router --check",
            "router --print-config",
            "router -c f --check --print-config",
            "router frobnicate",
            "router log-level loud",
            "router --admin https://127.0.0.1:1 top",
            "router --admin 127.0.0.1 top",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn whom_to_ask() {
        let admin = parse("router top").unwrap().admin(None).unwrap();
        assert_eq!(admin, AdminConfig::default());
        let args = parse("router top --admin [::1]:99 --user u").unwrap();
        let admin = args.admin(Some("p")).unwrap();
        assert_eq!(admin.address, "[::1]:99".parse().unwrap());
        let password = Secret::new("p");
        assert_eq!(
            admin.credentials,
            Some(Credentials {
                user: "u".into(),
                password
            })
        );
        assert!(
            parse("router top -c /nonexistent.yml")
                .unwrap()
                .admin(None)
                .is_err()
        );
    }
}
