//! What apps are staged with, and on.

use crate::fault::Fault;

/// How the names of buildpacks end. Developers may leave it out.
const ENDING: &str = "_buildpack";

/// Returns the full names of the buildpacks that are meant, `available` being all that there are.
///
/// # Errors
/// [`Fault::BuildpackUnknown`].
pub fn known(names: &[String], available: &[String]) -> Result<Vec<String>, Fault> {
    let full = |name: &String| {
        let is_meant = |known: &&String| *known == name || known.strip_suffix(ENDING) == Some(name);
        let found = available.iter().find(is_meant);
        found.cloned().ok_or(Fault::BuildpackUnknown)
    };
    names.iter().map(full).collect()
}

/// Checks that `name` is the stack that there is.
///
/// # Errors
/// Says so in the words that clients know.
pub fn known_stack(name: &str, available: &str) -> Result<(), Fault> {
    if name == available {
        Ok(())
    } else {
        Err(Fault::unprocessable("Stack must be an existing stack"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buildpacks_are_named() {
        let owned = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        let available = owned(&["python_buildpack", "binary_buildpack"]);
        let check = |names: &[&str], expected: Result<&[&str], Fault>| {
            assert_eq!(known(&owned(names), &available), expected.map(owned));
        };
        check(&[], Ok(&[]));
        check(&["python"], Ok(&["python_buildpack"]));
        check(
            &["binary_buildpack", "python"],
            Ok(&["binary_buildpack", "python_buildpack"]),
        );
        check(&["python", "ruby"], Err(Fault::BuildpackUnknown));
        assert!(known_stack("bookworm", "bookworm").is_ok());
        assert!(known_stack("cflinuxfs4", "bookworm").is_err());
    }
}
