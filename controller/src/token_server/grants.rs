//! Tokens for a password, or for a refresh token.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::routing::{delete, get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use component::hex::hex;
use controller_core::claims::{CLI_CLIENT, Claims, ORIGIN, Subject};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::keys::PublicKey;
use super::oauth_fault::OauthFault;
use super::passwords;
use crate::api::Shared;
use crate::api::answer::{Answer, nothing};
use crate::api::call::Call;
use crate::api::links::Links;
use crate::clock::now;
use crate::storage::{RefreshToken, UserRow};

/// The version of UAA whose form this has.
const UAA_VERSION: &str = "77.21.0";

/// What the token server answers.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/login", get(login))
        .route("/oauth/token", post(token))
        .route("/oauth/token/revoke/{id}", delete(revoke))
        .route("/token_keys", get(token_keys))
}

/// How one logs in.
#[derive(Debug, Serialize)]
struct Login {
    app: AppVersion,
    links: BTreeMap<&'static str, String>,
    zone_name: &'static str,
    prompts: BTreeMap<&'static str, [&'static str; 2]>,
}

#[derive(Debug, Serialize)]
struct AppVersion {
    version: &'static str,
}

async fn login(links: Links) -> Json<Login> {
    let base = links.base().to_owned();
    Json(Login {
        app: AppVersion {
            version: UAA_VERSION,
        },
        links: [("uaa", base.clone()), ("login", base)].into(),
        zone_name: "uaa",
        prompts: [
            ("username", ["text", "Email"]),
            ("password", ["password", "Password"]),
        ]
        .into(),
    })
}

/// What a token is asked for with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TokenRequest {
    grant_type: String,
    username: String,
    password: String,
    refresh_token: String,
}

/// A token.
#[derive(Debug, Serialize)]
struct TokenAnswer {
    access_token: String,
    /// In lower case: clients put it before the token as it is.
    token_type: &'static str,
    refresh_token: String,
    expires_in: u64,
    scope: String,
    jti: String,
}

async fn token(
    State(api): State<Shared>,
    links: Links,
    headers: HeaderMap,
    Form(asked): Form<TokenRequest>,
) -> Result<Json<TokenAnswer>, OauthFault> {
    if !is_cli(&headers) {
        return Err(OauthFault::InvalidClient);
    }
    let user = match asked.grant_type.as_str() {
        "password" => by_password(&api, asked.username, asked.password).await?,
        "refresh_token" => by_refresh_token(&api, &asked.refresh_token).await?,
        _ => return Err(OauthFault::UnsupportedGrant),
    };
    issue(&api, &links, &user).await.map(Json)
}

/// Whether the client is the CLI, whose secret is empty.
fn is_cli(headers: &HeaderMap) -> bool {
    let given = headers
        .get(AUTHORIZATION)
        .and_then(|given| given.to_str().ok());
    let given = given.and_then(|given| given.strip_prefix("Basic "));
    let given = given.and_then(|given| STANDARD.decode(given).ok());
    given.is_some_and(|given| given == format!("{CLI_CLIENT}:").as_bytes())
}

async fn by_password(api: &Shared, name: String, password: String) -> Result<UserRow, OauthFault> {
    let tokens = &api.tokens;
    let name = name.to_lowercase();
    if !tokens
        .with_backoff(|backoff, now| backoff.wait(&name, now))
        .is_zero()
    {
        return Err(OauthFault::Locked);
    }
    let users = api.storage.users_named(&name).await?;
    let user = users.into_iter().find(|user| user.origin == ORIGIN);
    let kept = user.as_ref().map(|user| user.password_hash.clone());
    let room = tokens.room.acquire().await;
    let _room = room.map_err(|_| OauthFault::Unavailable)?;
    let kept = kept.unwrap_or_default();
    let looked = spawn_blocking(move || passwords::matches(&password, &kept)).await;
    let is_it = looked.map_err(|_| OauthFault::Unavailable)?;
    match user.filter(|_| is_it) {
        Some(user) => {
            tokens.with_backoff(|backoff, _| backoff.succeeded(&name));
            Ok(user)
        }
        None => {
            tokens.with_backoff(|backoff, now| backoff.failed(&name, now));
            Err(OauthFault::BadCredentials)
        }
    }
}

/// A refresh token is good once: with the next access token comes another one.
async fn by_refresh_token(api: &Shared, token: &str) -> Result<UserRow, OauthFault> {
    let digest = digest(token);
    let known = api.storage.refresh_token(&digest).await?;
    let known = known.filter(|known| known.expires_at > now() / 1_000_000);
    let known = known.ok_or(OauthFault::InvalidToken)?;
    let user: Option<UserRow> = api
        .storage
        .find(&UserRow::LISTING, &known.user_guid)
        .await?;
    let user = user.ok_or(OauthFault::InvalidToken)?;
    // Of two who bring it at the same time, one gets a token.
    if !api.storage.revoke(&digest).await? {
        return Err(OauthFault::InvalidToken);
    }
    Ok(user)
}

async fn issue(api: &Shared, links: &Links, user: &UserRow) -> Result<TokenAnswer, OauthFault> {
    let tokens = &api.tokens;
    let now = now() / 1_000_000;
    let id = Uuid::new_v4().simple().to_string();
    let subject = Subject {
        guid: &user.guid,
        name: &user.name,
        is_admin: user.is_admin,
    };
    let lifetime = tokens.times.access.as_secs();
    let seconds = |lifetime| i64::try_from(lifetime).unwrap_or(i64::MAX);
    let claims = Claims::new(id.clone(), subject, links.base(), now, seconds(lifetime));
    let access_token = tokens.keys.sign(&claims).ok_or(OauthFault::Unavailable)?;
    let refresh_token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let refresh = RefreshToken {
        digest: digest(&refresh_token),
        user_guid: user.guid.clone(),
        access_token: id.clone(),
        expires_at: now.saturating_add(seconds(tokens.times.refresh.as_secs())),
    };
    api.storage.save_refresh_token(&refresh, now).await?;
    Ok(TokenAnswer {
        access_token,
        token_type: "bearer",
        refresh_token,
        expires_in: lifetime.saturating_sub(1),
        scope: claims.scopes(),
        jti: id,
    })
}

/// What is kept of a refresh token.
fn digest(token: &str) -> String {
    hex(Sha256::digest(token.as_bytes()))
}

/// Takes a token by the id of the access token, or the refresh token itself. That it is not known is no
/// error (RFC 7009 §2.2).
async fn revoke(call: Call, Path(id): Path<String>) -> Answer {
    let storage = &call.api.storage;
    storage.revoke(&id).await?;
    storage.revoke(&digest(&id)).await?;
    nothing()
}

/// The public halves of the keys.
#[derive(Debug, Serialize)]
struct TokenKeys {
    keys: Vec<PublicKey>,
}

async fn token_keys(State(api): State<Shared>) -> Json<TokenKeys> {
    Json(TokenKeys {
        keys: api.tokens.keys.public(),
    })
}
