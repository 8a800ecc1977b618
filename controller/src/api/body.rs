//! The body of a request as a typed value.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use controller_core::fault::Fault;
use serde::de::DeserializeOwned;

use super::answer::Refusal;

/// A body in JSON, whatever its content type says. None at all counts as an empty object.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|error| Fault::BadRequest(error.body_text()))?;
        Ok(Self(read(&bytes)?))
    }
}

/// Reads JSON. What is no JSON is a parse error; a value that is not what it should be is named by its
/// field.
///
/// # Errors
/// [`Fault::MessageParse`], [`Fault::Unprocessable`].
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    let bytes = if bytes.trim_ascii().is_empty() {
        b"{}"
    } else {
        bytes
    };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_syntax() || inner.is_eof() {
            Fault::MessageParse(inner.to_string())
        } else if path == "." {
            Fault::unprocessable(inner.to_string())
        } else {
            Fault::unprocessable(format!("{path}: {inner}"))
        }
    })?;
    reader
        .end()
        .map_err(|error| Fault::MessageParse(error.to_string()))?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    struct Outer {
        #[serde(default)]
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        #[expect(dead_code, reason = "only whether it can be read matters")]
        size: u32,
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |text: &str, status: u16, words: &str| {
            let fault = read::<Outer>(text.as_bytes()).unwrap_err();
            assert_eq!(fault.status(), status, "{text}");
            assert!(fault.to_string().contains(words), "{text}: {fault}");
        };
        check("{", 400, "EOF");
        check("{}x", 400, "trailing");
        check(r#"{"inner":{"size":"a"}}"#, 422, "inner.size: invalid type");
        check(r#"{"inner":{}}"#, 422, "missing field `size`");
        check("[1]", 422, "");
        for good in ["", " \n", "{}", r#"{"inner":{"size":1}}"#] {
            assert!(read::<Outer>(good.as_bytes()).is_ok(), "{good}");
        }
        assert!(read::<Outer>(b"{}").unwrap().inner.is_none());
    }
}
