//! The users of the system.

use std::io;
use std::path::Path;

/// Who runs a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's number.
    pub uid: u32,
    /// The number of the user's own group.
    pub gid: u32,
}

/// Why a user is not known.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The system's list cannot be read.
    #[error("the users cannot be read")]
    Unreadable(#[from] io::Error),
    /// It is not in the list.
    #[error("there is no user {0}")]
    Unknown(String),
}

/// Returns the user of this name, as `/etc/passwd` has it.
///
/// # Errors
/// There is none, or the file cannot be read.
pub fn look_up(name: &str) -> Result<User, UserError> {
    let text = std::fs::read_to_string(Path::new("/etc/passwd"))?;
    find(&text, name).ok_or_else(|| UserError::Unknown(name.to_owned()))
}

/// Finds a user in the text of passwd(5).
fn find(text: &str, name: &str) -> Option<User> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.next() == Some(name);
        let (uid, gid) = (fields.nth(1)?, fields.next()?);
        is_it.then_some(User {
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let text = "root:x:0:0:root:/root:/bin/bash\nshort:x\nbus:x:7:8::/:/bin/sh\n";
        let user = |uid, gid| Some(User { uid, gid });
        for (name, expected) in [
            ("root", user(0, 0)),
            ("bus", user(7, 8)),
            ("bu", None),
            ("short", None),
            ("", None),
        ] {
            assert_eq!(find(text, name), expected, "{name}");
        }
    }
}
