//! Where the CLI is logged in, and its calls.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use reqwest::{Client, Method};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::decode::{Claims, claims};
use crate::http::{Incoming, Outgoing, encode};
use crate::resource::{Job, Link, Page};

/// How often the CLI asks for what is not done yet.
pub const POLL: Duration = Duration::from_secs(3);
/// A token that is this close to its end is renewed first.
const RENEWAL: i64 = 60;
/// `cf:` with an empty secret.
const CLIENT: &str = "Basic Y2Y6";

/// A target, and who is logged in there.
#[derive(Clone, Debug)]
pub struct Session {
    client: Client,
    api: String,
    links: RootLinks,
    token: Option<Token>,
    /// What the server warned of, as it was sent.
    pub warnings: Vec<String>,
    /// Each request that was sent: `GET /v3/apps?names=hello`.
    pub sent: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Root {
    links: RootLinks,
}

#[derive(Clone, Debug, Deserialize)]
struct RootLinks {
    cloud_controller_v3: Versioned,
    login: Link,
    uaa: Link,
    log_cache: Link,
}

#[derive(Clone, Debug, Deserialize)]
struct Versioned {
    meta: Version,
}

#[derive(Clone, Debug, Deserialize)]
struct Version {
    version: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Token {
    access_token: String,
    refresh_token: String,
    token_type: String,
}

impl Session {
    /// `cf api URL`.
    ///
    /// # Errors
    /// The target is not there, or not what the CLI expects.
    pub async fn api(url: &str) -> Result<Self> {
        let client = Client::builder()
            .user_agent("cf/8.18.4+0000000.2026-11-02 (go1.26.4; amd64 linux)")
            .build()?;
        let api = url.trim_end_matches('/').to_owned();
        let root = Outgoing::new(Method::GET, format!("{api}/"));
        let Root { links } = root.send(&client).await?.json()?;
        let version = &links.cloud_controller_v3.meta.version;
        ensure!(
            version
                .split('.')
                .filter(|part| part.parse::<u32>().is_ok())
                .count()
                == 3,
            "{version} is not a full version"
        );
        Ok(Self {
            client,
            api,
            links,
            token: None,
            warnings: Vec::new(),
            sent: vec!["GET /".to_owned()],
        })
    }

    /// The version that the API claims.
    #[must_use]
    pub fn api_version(&self) -> &str {
        &self.links.cloud_controller_v3.meta.version
    }

    /// Where users are kept.
    #[must_use]
    pub fn uaa(&self) -> &str {
        &self.links.uaa.href
    }

    /// `cf login`, its first half: asks what is asked for, then for a token.
    ///
    /// # Errors
    /// The prompts are not what the CLI expects; the password is wrong.
    pub async fn log_in(&mut self, user: &str, password: &str) -> Result<()> {
        #[derive(Deserialize)]
        struct Prompts {
            prompts: std::collections::BTreeMap<String, (String, String)>,
        }
        let url = format!("{}/login", self.links.login.href);
        let Prompts { prompts } = self
            .exchange(Outgoing::new(Method::GET, url))
            .await?
            .json()?;
        ensure!(
            prompts.contains_key("username"),
            "no user name is asked for"
        );
        self.authenticate(user, password).await
    }

    /// `cf auth`: asks for a token.
    ///
    /// # Errors
    /// The password is wrong, or the token not what the CLI expects.
    pub async fn authenticate(&mut self, user: &str, password: &str) -> Result<()> {
        let form = encode([
            ("grant_type", "password"),
            ("password", password),
            ("username", user),
        ]);
        self.fetch_token(form).await
    }

    /// Renews the token.
    ///
    /// # Errors
    /// Nobody is logged in, or the refresh token is refused.
    pub async fn refresh(&mut self) -> Result<()> {
        let token = self.token.as_ref().context("not logged in")?;
        let form = encode([
            ("grant_type", "refresh_token"),
            ("refresh_token", token.refresh_token.as_str()),
        ]);
        self.fetch_token(form).await
    }

    async fn fetch_token(&mut self, form: String) -> Result<()> {
        let url = format!("{}/oauth/token", self.links.login.href);
        let mut outgoing = Outgoing::new(Method::POST, url);
        outgoing.content_type = "application/x-www-form-urlencoded";
        outgoing.authorization = Some(CLIENT.to_owned());
        outgoing.body = form.into_bytes();
        let token: Token = self.exchange(outgoing).await?.json()?;
        ensure!(
            token.token_type == "bearer",
            "token_type {}",
            token.token_type
        );
        ensure!(!token.refresh_token.is_empty(), "no refresh token");
        claims(&token.access_token)?;
        self.token = Some(token);
        Ok(())
    }

    /// What the access token says.
    ///
    /// # Errors
    /// Nobody is logged in.
    pub fn claims(&self) -> Result<Claims> {
        claims(&self.token.as_ref().context("not logged in")?.access_token)
    }

    /// Takes `token` for the access token.
    pub fn forge(&mut self, token: &str) {
        if let Some(ours) = &mut self.token {
            token.clone_into(&mut ours.access_token);
        }
    }

    /// `GET` of a path with a query, decoded.
    ///
    /// # Errors
    /// [`Refused`](crate::fault::Refused); an answer that the CLI cannot decode.
    pub async fn get<T: DeserializeOwned>(
        &mut self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T> {
        let url = self.url(path, query);
        self.call(Outgoing::new(Method::GET, url)).await?.json()
    }

    /// All pages of a list, unless the query names one.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn list<T: DeserializeOwned>(
        &mut self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>> {
        let mut url = self.url(path, query);
        let mut all = Vec::new();
        loop {
            let page = self.call(Outgoing::new(Method::GET, url)).await?;
            let Page {
                pagination,
                resources,
                ..
            } = page.json::<Page<T>>()?;
            all.extend(resources);
            let next = pagination.and_then(|pagination| pagination.next);
            match next.filter(|next| !next.href.is_empty()) {
                Some(next) if !query.iter().any(|(name, _)| *name == "page") => url = next.href,
                _ => return Ok(all),
            }
        }
    }

    /// A request with a JSON body, decoded.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn change<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<T> {
        self.change_raw(method, path, body).await?.json()
    }

    /// A request whose job is waited for, if there is one.
    ///
    /// # Errors
    /// As [`Self::get`]; the job failed.
    pub async fn change_and_wait(
        &mut self,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> Result<()> {
        let mut outgoing = Outgoing::new(method, self.url(path, &[]));
        outgoing.content_type = content_type;
        outgoing.body = body;
        let answer = self.call(outgoing).await?;
        match answer.location {
            Some(job) => self.wait_for(&job).await,
            None => Ok(()),
        }
    }

    /// A request with a body of any type, decoded.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn upload<T: DeserializeOwned>(
        &mut self,
        path: &str,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> Result<T> {
        let mut outgoing = Outgoing::new(Method::POST, self.url(path, &[]));
        outgoing.content_type = content_type;
        outgoing.body = body;
        self.call(outgoing).await?.json()
    }

    /// `GET` from Log Cache; the path of its link does not count.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn log_cache<T: DeserializeOwned>(
        &mut self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T> {
        let link = &self.links.log_cache.href;
        let (scheme, rest) = link.split_once("://").context("log_cache is no URL")?;
        let host = rest.split('/').next().unwrap_or_default();
        let url = with_query(format!("{scheme}://{host}{path}"), query);
        self.call(Outgoing::new(Method::GET, url)).await?.json()
    }

    async fn change_raw(&mut self, method: Method, path: &str, body: &Value) -> Result<Incoming> {
        let mut outgoing = Outgoing::new(method, self.url(path, &[]));
        if !body.is_null() {
            outgoing.body = serde_json::to_vec(body)?;
        }
        self.call(outgoing).await
    }

    async fn wait_for(&mut self, job: &str) -> Result<()> {
        ensure!(job.contains("://"), "unsupported protocol scheme: {job}");
        loop {
            let answer = self
                .call(Outgoing::new(Method::GET, job.to_owned()))
                .await?;
            let job: Job = answer.json()?;
            match (job.state.as_str(), job.errors.first()) {
                ("COMPLETE", _) => return Ok(()),
                ("FAILED", Some(error)) => bail!("{}", error.detail),
                ("FAILED", None) => bail!("a failed job without an error crashes the CLI"),
                ("PROCESSING" | "POLLING", _) => tokio::time::sleep(POLL).await,
                (state, _) => bail!("a job in state {state} hangs the CLI"),
            }
        }
    }

    /// A call of the controller: with a token that holds for a while yet.
    async fn call(&mut self, mut outgoing: Outgoing) -> Result<Incoming> {
        if let Some(token) = &self.token {
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
            let is_ending = claims(&token.access_token).map_or(true, |claims| {
                claims.exp - i64::try_from(now).unwrap_or(0) < RENEWAL
            });
            if is_ending {
                self.refresh().await?;
            }
        }
        let bearer = |token: &Token| format!("{} {}", token.token_type, token.access_token);
        outgoing.authorization = self.token.as_ref().map(bearer);
        self.exchange(outgoing).await
    }

    async fn exchange(&mut self, outgoing: Outgoing) -> Result<Incoming> {
        let path = outgoing
            .url
            .split_once("://")
            .and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
        let path = path.ok_or_else(|| anyhow!("{} is no URL", outgoing.url))?;
        self.sent.push(format!("{} {path}", outgoing.method));
        let answer = outgoing.send(&self.client).await?;
        self.warnings.extend(answer.warnings.iter().cloned());
        Ok(answer)
    }

    fn url(&self, path: &str, query: &[(&str, &str)]) -> String {
        with_query(format!("{}{path}", self.api), query)
    }
}

/// The query goes in the order of its keys.
fn with_query(url: String, query: &[(&str, &str)]) -> String {
    if query.is_empty() {
        return url;
    }
    let mut sorted = query.to_vec();
    sorted.sort_unstable();
    format!("{url}?{}", encode(sorted))
}
