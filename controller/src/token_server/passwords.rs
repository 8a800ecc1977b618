//! Passwords, as they are kept: by argon2id with its recommended costs.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

/// Returns what is kept of a password; None when the system has no randomness.
pub(crate) fn hash(password: &str) -> Option<String> {
    let hashed = Argon2::default().hash_password(password.as_bytes());
    hashed.ok().map(|hash| hash.to_string())
}

/// Returns whether `password` is the one that `kept` is of. What is kept for a user who has none is empty,
/// and takes as long to be refused.
pub(super) fn matches(password: &str, kept: &str) -> bool {
    /// A hash of a password that nobody has.
    const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
        3VjZ2mNq0CgYvXkQy8J7xq0m8Jm3C7kO9H0v8d1m2Yk";
    let is_kept = !kept.is_empty();
    let kept = if is_kept { kept } else { NOBODYS };
    let Ok(hash) = argon2::PasswordHash::new(kept) else {
        return false;
    };
    let is_it = Argon2::default().verify_password(password.as_bytes(), &hash);
    is_it.is_ok() && is_kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_another_is_not() {
        let kept = hash("secret").unwrap();
        assert!(kept.starts_with("$argon2id$"), "{kept}");
        assert_ne!(hash("secret").unwrap(), kept, "each has its own salt");
        assert!(matches("secret", &kept));
        for wrong in ["", "Secret", "secret "] {
            assert!(!matches(wrong, &kept), "{wrong}");
        }
        assert!(!matches("", ""));
        assert!(!matches("x", "not a hash"));
    }
}
