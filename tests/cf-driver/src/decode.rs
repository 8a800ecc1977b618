//! Values that the CLI decodes more strictly than JSON asks for.

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, de};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Reads a time: RFC 3339 in UTC, without a fraction.
pub(crate) fn timestamp<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    let time = OffsetDateTime::parse(&text, &Rfc3339).map_err(de::Error::custom)?;
    let is_go = text.len() == 20 && text.ends_with('Z') && text.contains('T');
    if !is_go || time.nanosecond() != 0 {
        return Err(de::Error::custom(format_args!(
            "{text} is not as 2026-11-02T08:15:30Z"
        )));
    }
    Ok(text)
}

/// What the CLI reads in an access token, which it does not verify.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Claims {
    /// When it expires, in seconds since 1970.
    pub exp: i64,
    /// The user's name.
    pub user_name: Option<String>,
    /// The user's guid.
    pub user_id: Option<String>,
    /// Who keeps the user.
    pub origin: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

/// Reads an access token.
///
/// # Errors
/// It has not three parts, is signed in a way that the CLI does not know, or has a user's name without
/// the user's id and origin, at which the CLI panics.
pub(crate) fn claims(token: &str) -> Result<Claims> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, _] = parts.as_slice() else {
        bail!("the access token has {} parts", parts.len());
    };
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).context("the token's base64");
    let header: Header = serde_json::from_slice(&part(header)?)?;
    let known =
        ["HS", "RS", "ES", "PS"].map(|kind| ["256", "384", "512"].map(|n| format!("{kind}{n}")));
    ensure!(
        header.alg == "none" || known.concat().contains(&header.alg),
        "the CLI knows no algorithm {}",
        header.alg
    );
    let claims: Claims = serde_json::from_slice(&part(payload)?)?;
    let names = (&claims.user_name, &claims.user_id, &claims.origin);
    ensure!(
        !matches!(names, (Some(_), None, _) | (Some(_), _, None)),
        "user_name without user_id or origin"
    );
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, payload: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2ln", part(header), part(payload))
    }

    #[test]
    fn a_token_that_breaks_the_cli_is_refused() {
        let rs256 = r#"{"alg":"RS256"}"#;
        let whole = r#"{"exp":1,"user_name":"a","user_id":"b","origin":"uaa"}"#;
        for (header, payload, is_good) in [
            (rs256, whole, true),
            (rs256, r#"{"exp":1}"#, true),
            (r#"{"alg":"EdDSA"}"#, whole, false),
            (
                rs256,
                r#"{"user_name":"a","user_id":"b","origin":"uaa"}"#,
                false,
            ),
            (rs256, r#"{"exp":1,"user_name":"a","user_id":"b"}"#, false),
            (rs256, r#"{"exp":1.5}"#, false),
        ] {
            let read = claims(&token(header, payload));
            assert_eq!(read.is_ok(), is_good, "{header} {payload}: {read:?}");
        }
        assert!(claims("a.b").is_err());
    }

    #[test]
    fn a_time_has_no_fraction() {
        #[derive(Deserialize)]
        struct At(#[serde(deserialize_with = "timestamp")] String);
        for (text, is_good) in [
            ("2026-11-02T08:15:30Z", true),
            ("2026-11-02T08:15:30.5Z", false),
            ("2026-11-02T08:15:30+00:00", false),
            ("2026-11-02 08:15:30Z", false),
        ] {
            let read = serde_json::from_str::<At>(&format!("{text:?}"));
            assert_eq!(read.is_ok_and(|at| at.0 == text), is_good, "{text}");
        }
    }
}
