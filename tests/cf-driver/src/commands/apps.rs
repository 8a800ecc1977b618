//! `app`, `apps`, `start`, `stop`, `restart`, `scale`, `delete`, `env`, `set-env`, `unset-env`.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::fault::refused;
use crate::resource::{App, AppEnv, Droplet, Package, Process, Route, Stats};
use crate::session::{POLL, Session};

/// How long an app may take until it runs.
const START_TIMEOUT: Duration = Duration::from_secs(300);

/// What `cf app` prints.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The app.
    pub app: App,
    /// Its processes with their instances.
    pub processes: Vec<(Process, Vec<Stats>)>,
    /// Its routes.
    pub routes: Vec<Route>,
    /// What it runs; None before the first staging.
    pub droplet: Option<Droplet>,
}

impl Summary {
    /// How many instances of `web` run, and how many there should be.
    #[must_use]
    pub fn web(&self) -> (usize, usize) {
        let web = self
            .processes
            .iter()
            .find(|(process, _)| process.kind == "web");
        web.map_or((0, 0), |(_, stats)| {
            let running = stats.iter().filter(|stats| stats.state == "RUNNING");
            (running.count(), stats.len())
        })
    }
}

impl Session {
    /// The app of that name.
    ///
    /// # Errors
    /// There is none.
    pub async fn find_app(&mut self, name: &str, space: &str) -> Result<App> {
        let query = [("names", name), ("space_guids", space)];
        let apps: Vec<App> = self.list("/v3/apps", &query).await?;
        let found = apps.into_iter().find(|app| app.name == name);
        found.with_context(|| format!("App '{name}' not found."))
    }

    /// `cf apps`.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn apps(&mut self, space: &str) -> Result<Vec<App>> {
        let query = [
            ("order_by", "name"),
            ("per_page", "5000"),
            ("space_guids", space),
        ];
        let apps: Vec<App> = self.list("/v3/apps", &query).await?;
        let guids: Vec<&str> = apps.iter().map(|app| app.guid.as_str()).collect();
        if !guids.is_empty() {
            let guids = guids.join(",");
            let of = [("app_guids", guids.as_str())];
            for process in self.list::<Process>("/v3/processes", &of).await? {
                self.stats(&process.guid).await?;
            }
            self.list::<Route>("/v3/routes", &of).await?;
        }
        Ok(apps)
    }

    /// `cf app NAME`.
    ///
    /// # Errors
    /// There is no such app; as [`Self::list`].
    pub async fn app(&mut self, name: &str, space: &str) -> Result<Summary> {
        self.summary(name, space, false).await
    }

    /// What `cf app`, and `cf push` with a look at each process, print.
    pub(super) async fn summary(
        &mut self,
        name: &str,
        space: &str,
        looks_at_each: bool,
    ) -> Result<Summary> {
        let app = self.find_app(name, space).await?;
        let of_app = format!("/v3/apps/{}", app.guid);
        let mut processes = Vec::new();
        for process in self
            .list::<Process>(&format!("{of_app}/processes"), &[])
            .await?
        {
            let path = format!("/v3/processes/{}", process.guid);
            let process = if looks_at_each {
                self.get(&path, &[]).await?
            } else {
                process
            };
            self.list::<Value>(&format!("{path}/sidecars"), &[]).await?;
            let stats = self.stats(&process.guid).await?;
            processes.push((process, stats));
        }
        let routes = self.list(&format!("{of_app}/routes"), &[]).await?;
        let droplet = self.get(&format!("{of_app}/droplets/current"), &[]).await;
        let droplet = match droplet {
            Ok(droplet) => Some(droplet),
            Err(error) => match refused(&error) {
                Some(refused)
                    if refused.status == 404 && refused.detail() == "Droplet not found" =>
                {
                    None
                }
                _ => return Err(error),
            },
        };
        let query = [
            ("app_guids", app.guid.as_str()),
            ("order_by", "-created_at"),
            ("page", "1"),
            ("per_page", "1"),
            ("status_values", "ACTIVE"),
        ];
        self.list::<Value>("/v3/deployments", &query).await?;
        Ok(Summary {
            app,
            processes,
            routes,
            droplet,
        })
    }

    /// The instances of a process.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn stats(&mut self, process: &str) -> Result<Vec<Stats>> {
        self.list(&format!("/v3/processes/{process}/stats"), &[])
            .await
    }

    /// Waits until every process of the app counts as started.
    ///
    /// # Errors
    /// All instances of a process have crashed, or the time is over.
    pub async fn wait_until_started(&mut self, app: &str) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        let processes = format!("/v3/apps/{app}/processes");
        for process in self.list::<Process>(&processes, &[]).await? {
            loop {
                let stats = self.stats(&process.guid).await?;
                let is = |state: &'static str| move |stats: &Stats| stats.state == state;
                if stats.is_empty() || stats.iter().any(is("RUNNING")) {
                    break;
                }
                if stats.iter().all(is("CRASHED")) {
                    bail!("Start unsuccessful");
                }
                if Instant::now() > deadline {
                    bail!("Start app timeout: {stats:?}");
                }
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }

    /// `cf delete NAME -r`.
    ///
    /// # Errors
    /// As [`Self::change_and_wait`].
    pub async fn delete_app(&mut self, name: &str, space: &str) -> Result<()> {
        let app = self.find_app(name, space).await?;
        let of_app = format!("/v3/apps/{}", app.guid);
        let routes: Vec<Route> = self.list(&format!("{of_app}/routes"), &[]).await?;
        self.delete(&of_app).await?;
        for route in routes {
            self.delete(&format!("/v3/routes/{}", route.guid)).await?;
        }
        Ok(())
    }

    pub(super) async fn delete(&mut self, path: &str) -> Result<()> {
        self.change_and_wait(Method::DELETE, path, "application/json", Vec::new())
            .await
    }

    /// `cf env NAME`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn env(&mut self, name: &str, space: &str) -> Result<AppEnv> {
        let app = self.find_app(name, space).await?;
        self.get(&format!("/v3/apps/{}/env", app.guid), &[]).await
    }

    /// `cf set-env NAME KEY VALUE`; without a value `cf unset-env NAME KEY`.
    ///
    /// # Errors
    /// As [`Self::change`].
    pub async fn set_env(
        &mut self,
        name: &str,
        space: &str,
        key: &str,
        value: Option<&str>,
    ) -> Result<()> {
        let app = self.find_app(name, space).await?;
        if value.is_none() {
            let env: AppEnv = self.get(&format!("/v3/apps/{}/env", app.guid), &[]).await?;
            if !env.environment_variables.contains_key(key) {
                return Ok(());
            }
        }
        let path = format!("/v3/apps/{}/environment_variables", app.guid);
        let body = json!({ "var": { key: value } });
        self.change::<Value>(Method::PATCH, &path, &body).await?;
        Ok(())
    }

    pub(super) async fn act(&mut self, app: &str, action: &str) -> Result<App> {
        let path = format!("/v3/apps/{app}/actions/{action}");
        self.change(Method::POST, &path, &Value::Null).await
    }
}

/// `cf start NAME`.
///
/// # Errors
/// It has no package, cannot be staged or does not start.
pub async fn start(session: &mut Session, name: &str, space: &str) -> Result<Summary> {
    let app = session.find_app(name, space).await?;
    if app.state != "STARTED" {
        let query = [
            ("app_guids", app.guid.as_str()),
            ("order_by", "-created_at"),
            ("page", "1"),
            ("per_page", "1"),
        ];
        let packages: Vec<Package> = session.list("/v3/packages", &query).await?;
        if let Some(package) = packages.first() {
            let path = format!("/v3/packages/{}/droplets", package.guid);
            let query = [("page", "1"), ("per_page", "1"), ("states", "STAGED")];
            let droplets: Vec<Droplet> = session.list(&path, &query).await?;
            if droplets.is_empty() {
                let droplet = session.stage(&app.guid, &package.guid).await?;
                session.set_droplet(&app.guid, &droplet.guid).await?;
            }
        }
        session.act(&app.guid, "start").await?;
        session.wait_until_started(&app.guid).await?;
    }
    session.app(name, space).await
}

/// `cf stop NAME`.
///
/// # Errors
/// As [`Session::change`].
pub async fn stop(session: &mut Session, name: &str, space: &str) -> Result<()> {
    let app = session.find_app(name, space).await?;
    if app.state != "STOPPED" {
        session.act(&app.guid, "stop").await?;
    }
    Ok(())
}

/// `cf scale NAME -i INSTANCES`.
///
/// # Errors
/// As [`Session::change`].
pub async fn scale(
    session: &mut Session,
    name: &str,
    space: &str,
    instances: u32,
) -> Result<Summary> {
    let app = session.find_app(name, space).await?;
    let path = format!("/v3/apps/{}/processes/web/actions/scale", app.guid);
    let body = json!({ "instances": instances });
    session
        .change::<Process>(Method::POST, &path, &body)
        .await?;
    session.app(name, space).await
}
