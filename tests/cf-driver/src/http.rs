//! Requests with the CLI's habits: its header fields, its tries, what it makes of an answer.

use anyhow::{Context as _, Result, anyhow};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION};
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::fault::{ApiError, Refused};

/// How often a request is sent that the CLI takes for safe to repeat.
const TRIES: u32 = 3;

/// What is sent.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
    pub(crate) authorization: Option<String>,
}

/// What came back, with a status of success.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) status: u16,
    /// The job to wait for.
    pub(crate) location: Option<String>,
    pub(crate) warnings: Vec<String>,
    body: Vec<u8>,
    request: String,
}

impl Outgoing {
    pub(crate) fn new(method: Method, url: String) -> Self {
        Self {
            method,
            url,
            content_type: "application/json",
            body: Vec::new(),
            authorization: None,
        }
    }

    /// Sends it, again after a failure that the CLI tries again after.
    ///
    /// # Errors
    /// [`Refused`]; anything else the CLI would not understand.
    pub(crate) async fn send(&self, client: &Client) -> Result<Incoming> {
        let tries = if self.method == Method::POST {
            1
        } else {
            TRIES
        };
        let mut last = anyhow!("not tried");
        for _ in 0..tries {
            match self.send_once(client).await {
                Ok(response) if is_worth_another_try(response.status()) => {
                    last = refusal(self, response).await;
                }
                Ok(response) if response.status().is_success() => {
                    return Incoming::read(self, response).await;
                }
                Ok(response) => return Err(refusal(self, response).await),
                Err(error) => last = error.into(),
            }
        }
        Err(last.context(self.name()))
    }

    async fn send_once(&self, client: &Client) -> reqwest::Result<Response> {
        let mut request = client
            .request(self.method.clone(), &self.url)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, self.content_type)
            .header("X-B3-TraceId", "463ac35c9f6413ad48485a3953bb6124")
            .header("X-B3-SpanId", "a2fb4a1d1a96d312");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.body(self.body.clone()).send().await
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.url)
    }
}

impl Incoming {
    async fn read(sent: &Outgoing, response: Response) -> Result<Self> {
        let status = response.status().as_u16();
        let location = response.headers().get(LOCATION);
        let location = location
            .map(|value| value.to_str().map(str::to_owned))
            .transpose()?;
        let warnings = response.headers().get_all("X-Cf-Warnings").iter();
        let warnings = warnings
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::to_owned)
            .collect();
        Ok(Self {
            status,
            location,
            warnings,
            body: response.bytes().await?.to_vec(),
            request: sent.name(),
        })
    }

    /// The body as the CLI decodes it; that of a 204 is an empty object.
    ///
    /// # Errors
    /// The CLI could not decode it.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        let body: &[u8] = if self.status == 204 {
            b"{}"
        } else {
            &self.body
        };
        serde_json::from_slice(body)
            .with_context(|| format!("{}: {}", self.request, String::from_utf8_lossy(body)))
    }
}

fn is_worth_another_try(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

async fn refusal(sent: &Outgoing, response: Response) -> anyhow::Error {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<ApiError>,
    }
    let status = response.status().as_u16();
    let body = match response.bytes().await {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    match serde_json::from_slice::<Errors>(&body) {
        Ok(Errors { errors }) if !errors.is_empty() => Refused {
            request: sent.name(),
            status,
            errors,
        }
        .into(),
        _ => anyhow!(
            "{}: {status}, and not in the form of an error: {}",
            sent.name(),
            String::from_utf8_lossy(&body)
        ),
    }
}

/// Encodes the pairs of a form or query.
pub(crate) fn encode<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        escape(name, &mut text);
        text.push('=');
        escape(value, &mut text);
    }
    text
}

fn escape(value: &str, into: &mut String) {
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                into.push(char::from(byte));
            }
            b' ' => into.push('+'),
            _ => into.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_encoded_as_a_form() {
        assert_eq!(
            encode([
                ("names", "a b,c"),
                ("fields[x]", ""),
                ("order_by", "-created_at")
            ]),
            "names=a+b%2Cc&fields%5Bx%5D=&order_by=-created_at"
        );
    }
}
