//! `cf push` of a directory.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::apps::Summary;
use crate::package::{Files, multipart};
use crate::resource::{Build, Droplet, Package};
use crate::session::{POLL, Session};

/// How long staging may take.
const STAGING_TIMEOUT: Duration = Duration::from_secs(900);
/// How many files the controller is asked about at a time.
const RESOURCES_AT_A_TIME: usize = 5000;

/// What shall be pushed.
#[derive(Clone, Debug)]
pub struct Push {
    /// The name of the app.
    pub name: String,
    /// Where its files are.
    pub path: PathBuf,
    /// What the manifest says of the app beside its name: lines of YAML without an indent.
    pub manifest: String,
    /// Whether there is a manifest file, which is compared first.
    pub has_manifest_file: bool,
    /// Whether it is started.
    pub starts: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// What the CLI prints at the end.
    pub summary: Summary,
    /// What staging printed.
    pub staging_output: Vec<String>,
}

impl Push {
    /// A push without flags.
    #[must_use]
    pub fn new(name: &str, path: impl Into<PathBuf>) -> Self {
        Self {
            name: name.to_owned(),
            path: path.into(),
            manifest: "default-route: true".to_owned(),
            has_manifest_file: false,
            starts: true,
        }
    }

    fn yaml(&self) -> String {
        let mut yaml = format!("applications:\n- name: {}\n", self.name);
        for line in self.manifest.lines() {
            yaml.push_str(&format!("  {line}\n"));
        }
        yaml.push_str(&format!("  path: {}\n", self.path.display()));
        yaml
    }

    /// Pushes to `space`.
    ///
    /// # Errors
    /// The first step that is refused, fails or takes too long.
    pub async fn run(&self, session: &mut Session, space: &str) -> Result<Pushed> {
        const YAML: &str = "application/x-yaml";
        let of_space = format!("/v3/spaces/{space}");
        let yaml = self.yaml().into_bytes();
        if self.has_manifest_file {
            let diff = format!("{of_space}/manifest_diff");
            let answer: Value = session.upload(&diff, YAML, yaml.clone()).await?;
            ensure!(answer["diff"].is_array(), "no diff: {answer}");
        }
        let apply = format!("{of_space}/actions/apply_manifest");
        session
            .change_and_wait(Method::POST, &apply, YAML, yaml)
            .await?;
        let app = session.find_app(&self.name, space).await?;
        let package = self.upload(session, &app.guid).await?;
        let mut staging_output = Vec::new();
        if self.starts {
            session.find_app(&self.name, space).await?;
            let mut output = session.follow(&app.guid).await?;
            let droplet = session.stage(&app.guid, &package.guid).await?;
            staging_output = output.staging_lines(session).await?;
            session.set_droplet(&app.guid, &droplet.guid).await?;
            session.act(&app.guid, "restart").await?;
            session.wait_until_started(&app.guid).await?;
        } else if app.state == "STARTED" {
            session.act(&app.guid, "stop").await?;
        }
        Ok(Pushed {
            summary: session.summary(&self.name, space, true).await?,
            staging_output,
        })
    }

    async fn upload(&self, session: &mut Session, app: &str) -> Result<Package> {
        let files = Files::under(&self.path)?;
        let resources = files.resources()?;
        let all = resources.as_array().map_or(&[][..], Vec::as_slice);
        for some in all.chunks(RESOURCES_AT_A_TIME) {
            let body = json!({ "resources": some });
            let known: Value = session
                .change(Method::POST, "/v3/resource_matches", &body)
                .await?;
            let known = known["resources"].as_array().context("no resources")?;
            ensure!(known.is_empty(), "this driver always sends all files");
        }
        let body = json!({
            "relationships": { "app": { "data": { "guid": app } } },
            "type": "bits",
        });
        let package: Package = session.change(Method::POST, "/v3/packages", &body).await?;
        let (content_type, body) = multipart("[]", &files.zip()?);
        let path = format!("/v3/packages/{}", package.guid);
        let mut package: Package = session
            .upload(&format!("{path}/upload"), content_type, body)
            .await?;
        while package.state != "READY" {
            if matches!(package.state.as_str(), "FAILED" | "EXPIRED") {
                bail!("the package is {}", package.state);
            }
            tokio::time::sleep(POLL).await;
            package = session.get(&path, &[]).await?;
        }
        Ok(package)
    }
}

impl Session {
    /// Stages a package and waits for the droplet.
    ///
    /// # Errors
    /// Staging failed or took too long.
    pub async fn stage(&mut self, app: &str, package: &str) -> Result<Droplet> {
        let body = json!({ "package": { "guid": package } });
        let mut build: Build = self.change(Method::POST, "/v3/builds", &body).await?;
        ensure!(build.package.guid == package, "a build of another package");
        let deadline = Instant::now() + STAGING_TIMEOUT;
        let path = format!("/v3/builds/{}", build.guid);
        loop {
            build = self.get(&path, &[]).await?;
            match (build.state.as_str(), build.droplet) {
                ("STAGED", Some(droplet)) => {
                    return self
                        .get(&format!("/v3/droplets/{}", droplet.guid), &[])
                        .await;
                }
                ("STAGING", _) if Instant::now() < deadline => tokio::time::sleep(POLL).await,
                (state, _) => {
                    let reason = build.error.unwrap_or_default();
                    bail!("staging of {app} ended {state}: {reason}");
                }
            }
        }
    }

    /// Makes a droplet the one that the app runs.
    ///
    /// # Errors
    /// As [`Self::change`].
    pub async fn set_droplet(&mut self, app: &str, droplet: &str) -> Result<()> {
        let path = format!("/v3/apps/{app}/relationships/current_droplet");
        let body = json!({ "data": { "guid": droplet } });
        let answer: Value = self.change(Method::PATCH, &path, &body).await?;
        ensure!(
            answer["data"]["guid"] == droplet,
            "another droplet: {answer}"
        );
        Ok(())
    }
}
