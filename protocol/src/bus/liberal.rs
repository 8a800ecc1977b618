//! How a message from a stranger is read: leniently where nothing can be misunderstood.

use serde::de::{Deserialize, Deserializer, Error};

/// `null` means the same as an absent field, as for every predecessor of ours.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A number, or a number in quotes: some registrars send every option as a string.
pub(super) fn number<'de, D>(deserializer: D) -> Result<f64, D::Error>
where
    D: Deserializer<'de>,
{
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Given {
        Number(f64),
        Text(String),
    }

    match Option::deserialize(deserializer)? {
        None => Ok(0.0),
        Some(Given::Number(number)) => Ok(number),
        Some(Given::Text(text)) if text.is_empty() => Ok(0.0),
        Some(Given::Text(text)) => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(D::Error::custom(format_args!("{text:?} is not a number"))),
        },
    }
}

/// Text, or a number that is taken as text.
pub(super) fn text<'de, D>(deserializer: D) -> Result<String, D::Error>
where
    D: Deserializer<'de>,
{
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Given {
        Text(String),
        Number(serde_json::Number),
    }

    Ok(match Option::deserialize(deserializer)? {
        None => String::new(),
        Some(Given::Text(text)) => text,
        Some(Given::Number(number)) => number.to_string(),
    })
}
