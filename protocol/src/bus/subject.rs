//! A subject that knows what is said on it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::liberal;

/// The name of a bus subject, bound to the one type of message published there.
pub struct Subject<M> {
    name: Cow<'static, str>,
    message: PhantomData<fn() -> M>,
}

impl<M> Subject<M> {
    /// A subject called `name`. Meant for statics.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            message: PhantomData,
        }
    }

    /// The name as it goes on the wire.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl<M> Clone for Subject<M> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            message: PhantomData,
        }
    }
}

impl<M> fmt::Debug for Subject<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({:?})", self.name)
    }
}

/// Subjects that differ in one word alone, such as `dea.<id>.start`, bound to the one type of message
/// published there.
pub struct SubjectFamily<M> {
    before: &'static str,
    after: &'static str,
    message: PhantomData<fn() -> M>,
}

impl<M> SubjectFamily<M> {
    /// The subjects of one word between `before` and `after`, which hold the dots next to it. Meant
    /// for statics.
    pub const fn new(before: &'static str, after: &'static str) -> Self {
        Self {
            before,
            after,
            message: PhantomData,
        }
    }

    /// The subject of `word`; none when that is no [single word](is_word).
    pub fn subject(&self, word: &str) -> Option<Subject<M>> {
        is_word(word).then(|| Subject {
            name: Cow::Owned(format!("{}{word}{}", self.before, self.after)),
            message: PhantomData,
        })
    }

    /// The pattern that selects all of them.
    pub fn pattern(&self) -> String {
        format!("{}*{}", self.before, self.after)
    }

    /// The word of `subject`, if it is one of them.
    pub fn word<'a>(&self, subject: &'a str) -> Option<&'a str> {
        let word = subject
            .strip_prefix(self.before)?
            .strip_suffix(self.after)?;
        (!word.is_empty() && !word.contains('.')).then_some(word)
    }
}

/// Whether `text` is a single word of a subject, as the name of a queue group is: not empty, and without
/// a dot, a wildcard, a blank or a control character.
pub fn is_word(text: &str) -> bool {
    let foreign = |c: char| c.is_whitespace() || c.is_control() || ".*>".contains(c);
    !text.is_empty() && !text.contains(foreign)
}

impl<M> fmt::Debug for SubjectFamily<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubjectFamily({:?})", self.pattern())
    }
}

/// A payload with its form on the wire.
pub trait Message: Sized {
    /// Reads a payload.
    ///
    /// # Errors
    /// When the payload is not what this message must be; the reason is fit for a log.
    fn decode(payload: &[u8]) -> Result<Self, DecodeError>;

    /// The payload as published.
    fn encode(&self) -> Vec<u8>;
}

/// Why a payload was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    reason: String,
}

impl DecodeError {
    /// The reason in words, with the position in the payload where one is known.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl From<serde_json::Error> for DecodeError {
    fn from(error: serde_json::Error) -> Self {
        Self {
            reason: error.to_string(),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message not understood: {}", self.reason)
    }
}

impl std::error::Error for DecodeError {}

/// Reads a JSON object; a list of its values in order is not one, whatever serde makes of it.
pub(super) fn from_object<M: DeserializeOwned>(payload: &[u8]) -> Result<M, DecodeError> {
    match payload.trim_ascii_start().first() {
        Some(b'{') => match serde_json::from_slice(payload) {
            Ok(message) => Ok(message),
            // Rare enough to be read twice.
            Err(error) => match liberal::mended(payload) {
                Some(mended) => Ok(serde_json::from_slice(&mended)?),
                None => Err(error.into()),
            },
        },
        _ => Err(DecodeError {
            reason: "a JSON object was expected".to_owned(),
        }),
    }
}

/// As [`from_object`], for a type whose reading is derived: a field that is `null` is as good as absent.
pub(super) fn from_object_with_nulls<M: DeserializeOwned>(
    payload: &[u8],
) -> Result<M, DecodeError> {
    let error = match from_object(payload) {
        Ok(message) => return Ok(message),
        Err(error) => error,
    };
    // Rare enough to be read again.
    let Ok(mut fields) = from_object::<Map<String, Value>>(payload) else {
        return Err(error);
    };
    fields.retain(|_, value| !value.is_null());
    Ok(serde_json::from_value(Value::Object(fields))?)
}

/// The JSON form shared by all messages on the bus. `derived` says that serde's derive reads the type.
macro_rules! json_message {
    ($message:ty) => {
        $crate::bus::subject::json_message!($message, from_object);
    };
    (derived $message:ty) => {
        $crate::bus::subject::json_message!($message, from_object_with_nulls);
    };
    ($message:ty, $read:ident) => {
        impl $crate::bus::Message for $message {
            fn decode(payload: &[u8]) -> Result<Self, $crate::bus::DecodeError> {
                $crate::bus::subject::$read(payload)
            }

            fn encode(&self) -> Vec<u8> {
                // Strings, numbers and lists alone: nothing here can fail to serialise.
                serde_json::to_vec(self).unwrap_or_default()
            }
        }
    };
}

pub(super) use json_message;

#[cfg(test)]
mod tests {
    use super::*;

    static START: SubjectFamily<()> = SubjectFamily::new("dea.", ".start");

    #[test]
    fn a_family_has_a_subject_for_each_word() {
        for (word, subject) in [
            ("0-a1b2", Some("dea.0-a1b2.start")),
            ("app", Some("dea.app.start")),
            ("", None),
            ("a.b", None),
            ("*", None),
            (">", None),
            ("a b", None),
            ("a\r\nPUB b 1", None),
        ] {
            assert_eq!(is_word(word), subject.is_some(), "{word:?}");
            let made = START.subject(word);
            assert_eq!(made.as_ref().map(Subject::name), subject, "{word:?}");
        }
        assert_eq!(START.pattern(), "dea.*.start");
    }

    #[test]
    fn the_word_of_a_subject_is_found_again() {
        for (subject, word) in [
            ("dea.0-a1b2.start", Some("0-a1b2")),
            ("dea..start", None),
            ("dea.a.b.start", None),
            ("dea.a.stop", None),
            ("dea.start", None),
        ] {
            assert_eq!(START.word(subject), word, "{subject}");
        }
    }
}
