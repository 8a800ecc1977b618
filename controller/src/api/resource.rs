//! What all resources have in common.

use std::collections::BTreeMap;

use component::calendar::calendar;
use controller_core::fault::Fault;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::links::Links;

/// The beginning of every resource.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Head {
    guid: String,
    created_at: Stamp,
    updated_at: Option<Stamp>,
}

impl Head {
    pub(crate) fn new(guid: &str, created_at: i64, updated_at: Option<i64>) -> Self {
        Self {
            guid: guid.to_owned(),
            created_at: Stamp(created_at),
            updated_at: updated_at.map(Stamp),
        }
    }
}

/// A time, in microseconds since 1970; written to the second: `2026-11-02T08:15:30Z`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp(pub(crate) i64);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&calendar(self.0.div_euclid(1_000_000), 'T', "Z"))
    }
}

/// What users note on a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Metadata {
    labels: Map<String, Value>,
    annotations: Map<String, Value>,
}

impl Metadata {
    /// The changes of these labels and annotations.
    pub(crate) fn changes(
        labels: BTreeMap<String, Option<String>>,
        annotations: BTreeMap<String, Option<String>>,
    ) -> Self {
        let notes = |all: BTreeMap<String, Option<String>>| {
            let all = all.into_iter();
            all.map(|(name, value)| (name, value.into())).collect()
        };
        Self {
            labels: notes(labels),
            annotations: notes(annotations),
        }
    }

    /// What a column of the database has.
    pub(crate) fn stored(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// As it is stored.
    pub(crate) fn column(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Changes what `changes` names; null takes a note away.
    ///
    /// # Errors
    /// A value is no text.
    pub(crate) fn merge(&mut self, changes: Self) -> Result<(), Fault> {
        merge(&mut self.labels, changes.labels, "labels")?;
        merge(&mut self.annotations, changes.annotations, "annotations")
    }
}

fn merge(
    notes: &mut Map<String, Value>,
    changes: Map<String, Value>,
    kind: &str,
) -> Result<(), Fault> {
    for (name, value) in changes {
        match value {
            Value::Null => drop(notes.remove(&name)),
            Value::String(_) => drop(notes.insert(name, value)),
            _ => {
                let detail =
                    format!("Metadata {kind} error: the value of '{name}' must be a string");
                return Err(Fault::unprocessable(detail));
            }
        }
    }
    Ok(())
}

/// A link.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Link {
    href: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
}

/// The links of a resource.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct ResourceLinks(BTreeMap<&'static str, Link>);

impl ResourceLinks {
    /// Those of the resource at `path`.
    pub(crate) fn of(links: &Links, path: &str) -> Self {
        Self(BTreeMap::new()).with("self", links.to(path))
    }

    /// One more, to be fetched.
    pub(crate) fn with(mut self, name: &'static str, href: String) -> Self {
        self.0.insert(name, Link { href, method: None });
        self
    }

    /// One more, for another method.
    pub(crate) fn with_method(
        mut self,
        name: &'static str,
        method: &'static str,
        href: String,
    ) -> Self {
        let method = Some(method);
        self.0.insert(name, Link { href, method });
        self
    }
}

/// A relation to one resource, or to none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ToOne {
    pub(crate) data: Option<Guid>,
}

impl ToOne {
    pub(crate) fn new(guid: Option<&str>) -> Self {
        Self {
            data: guid.map(|guid| Guid {
                guid: guid.to_owned(),
            }),
        }
    }

    /// The guid, which a request must have.
    ///
    /// # Errors
    /// It has none.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Fault> {
        let data = self.data.as_ref();
        data.map(|data| data.guid.as_str())
            .ok_or_else(|| Fault::unprocessable(format!("Relationships {name} must be given")))
    }
}

/// Relations to any number of resources.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ToMany {
    pub(crate) data: Vec<Guid>,
}

/// A resource by its guid.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Guid {
    pub(crate) guid: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_no_fraction() {
        let check = |micros, text: &str| {
            assert_eq!(serde_json::to_value(Stamp(micros)).unwrap(), text);
        };
        check(0, "1970-01-01T00:00:00Z");
        check(1_793_607_330_999_999, "2026-11-02T08:15:30Z");
        check(-1, "1969-12-31T23:59:59Z");
    }

    #[test]
    fn notes_are_merged_and_taken_away() {
        let notes = |text: &str| serde_json::from_str::<Metadata>(text).unwrap();
        let mut ours = notes(r#"{"labels":{"a":"1","b":"2"}}"#);
        let changes = notes(r#"{"labels":{"a":null,"c":"3"},"annotations":{"d":"4"}}"#);
        ours.merge(changes).unwrap();
        assert_eq!(
            ours,
            notes(r#"{"labels":{"b":"2","c":"3"},"annotations":{"d":"4"}}"#)
        );
        assert_eq!(Metadata::stored(&ours.column()), ours);
        let fault = ours.merge(notes(r#"{"labels":{"a":1}}"#)).unwrap_err();
        assert_eq!(fault.status(), 422);
    }
}
