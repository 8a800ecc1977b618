//! The variables that users set for their apps.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::fault::Fault;

/// Bytes that all names and values of an app may have together. They travel in messages that may have
/// 1 MiB.
const LARGEST: usize = 128 << 10;

/// New values of variables; None takes a variable away.
pub type VariableChanges = BTreeMap<String, Option<String>>;

/// Returns what is wrong with `name` as the name of a variable.
#[must_use]
pub fn name_problem(name: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    if name.is_empty() || name.contains(['=', '\0']) {
        return Some("Environment variable names can't be blank, or contain '='".to_owned());
    }
    if upper == "PORT" {
        return Some("Environment variable names cannot be PORT".to_owned());
    }
    let mut prefixes = ["VCAP_", "VMC_"].into_iter();
    let prefix = prefixes.find(|prefix| upper.starts_with(prefix))?;
    Some(format!(
        "Environment variable names cannot start with {prefix}"
    ))
}

/// Reads the changes that a client asks for: a map of names to texts or null.
///
/// # Errors
/// One problem for each bad name and for each value that is no text.
pub fn changes(given: &Map<String, Value>) -> Result<VariableChanges, Fault> {
    let mut problems = Vec::new();
    let mut changes = VariableChanges::new();
    for (name, value) in given {
        problems.extend(name_problem(name));
        let value = match value {
            Value::Null => None,
            Value::String(text) if !text.contains('\0') => Some(text.clone()),
            _ => {
                problems.push(format!("Environment variable '{name}' must be a string"));
                continue;
            }
        };
        changes.insert(name.clone(), value);
    }
    if problems.is_empty() {
        Ok(changes)
    } else {
        Err(Fault::Unprocessable(problems))
    }
}

/// Returns the variables after the changes.
///
/// # Errors
/// They would be longer than messages can carry.
pub fn changed(
    mut variables: BTreeMap<String, String>,
    changes: VariableChanges,
) -> Result<BTreeMap<String, String>, Fault> {
    for (name, value) in changes {
        match value {
            Some(value) => variables.insert(name, value),
            None => variables.remove(&name),
        };
    }
    let total: usize = variables
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if total > LARGEST {
        return Err(Fault::unprocessable(format!(
            "Environment variables can have {LARGEST} bytes together at most"
        )));
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(given: &Value) -> Result<VariableChanges, Fault> {
        changes(given.as_object().unwrap())
    }

    #[test]
    fn some_names_are_the_platforms() {
        let check =
            |name: &str, good: bool| assert_eq!(name_problem(name).is_none(), good, "{name}");
        check("RACK_ENV", true);
        check("VCAP", true);
        check("PORTX", true);
        check("PORT", false);
        check("VCAP_SERVICES", false);
        check("vcap_x", false);
        check("VMC_X", false);
        check("", false);
        check("A=B", false);
    }

    #[test]
    fn changes_are_merged_and_null_takes_away() {
        let before = BTreeMap::from([
            ("A".to_owned(), "1".to_owned()),
            ("B".to_owned(), "2".to_owned()),
        ]);
        let change = read(&json!({"A": null, "B": "3", "C": "", "D": null})).unwrap();
        let after = changed(before, change).unwrap();
        assert_eq!(
            serde_json::to_value(after).unwrap(),
            json!({"B": "3", "C": ""})
        );
    }

    #[test]
    fn each_problem_is_told() {
        let Err(Fault::Unprocessable(problems)) = read(&json!({"PORT": "1", "A": 1, "B": "x"}))
        else {
            panic!("two are wrong");
        };
        assert_eq!(
            problems,
            [
                "Environment variable 'A' must be a string",
                "Environment variable names cannot be PORT",
            ]
        );
        let long = read(&json!({"A": "x".repeat(LARGEST)})).unwrap();
        assert!(changed(BTreeMap::new(), long).is_err());
        let fits = read(&json!({"A": "x".repeat(LARGEST - 1)})).unwrap();
        assert!(changed(BTreeMap::new(), fits).is_ok());
    }
}
