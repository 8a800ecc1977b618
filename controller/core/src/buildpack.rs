//! What apps are staged with, and on.

use crate::fault::Fault;

/// The stack that apps are staged and run on.
pub const STACK: &str = "bookworm";
/// The buildpacks that there are, in the order in which they are asked whether they know an app.
pub const BUILDPACKS: [&str; 4] = [
    "staticfile_buildpack",
    "nodejs_buildpack",
    "python_buildpack",
    "binary_buildpack",
];

/// Checks that there are buildpacks of these names. Their common ending may be missing.
///
/// # Errors
/// [`Fault::BuildpackUnknown`].
pub fn known(names: &[String]) -> Result<Vec<String>, Fault> {
    let full = |name: &String| {
        let is_meant =
            |known: &&str| *known == name || known.strip_suffix("_buildpack") == Some(name);
        let found = BUILDPACKS.into_iter().find(|known| is_meant(known));
        found.map(str::to_owned).ok_or(Fault::BuildpackUnknown)
    };
    names.iter().map(full).collect()
}

/// Checks that there is a stack of that name.
///
/// # Errors
/// Says so in the words that clients know.
pub fn known_stack(name: &str) -> Result<(), Fault> {
    if name == STACK {
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
        let check = |names: &[&str], expected: Result<&[&str], Fault>| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let expected = expected.map(|names| names.iter().map(|n| (*n).to_owned()).collect());
            assert_eq!(known(&names), expected);
        };
        check(&[], Ok(&[]));
        check(&["python"], Ok(&["python_buildpack"]));
        check(&["binary_buildpack"], Ok(&["binary_buildpack"]));
        check(&["python", "ruby"], Err(Fault::BuildpackUnknown));
        assert!(known_stack("bookworm").is_ok());
        assert!(known_stack("cflinuxfs4").is_err());
    }
}
