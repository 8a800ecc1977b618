//! The keys that access tokens are signed with: which one signs, when another is due, which ones go.
//!
//! Every controller of a cluster follows these rules with the same keys. One that is new is known to all
//! before it signs, and one that was replaced verifies until the last token that it signed has ended.

use std::time::Duration;

/// How old a key is when it begins to sign. Controllers read the keys several times in that time.
pub const INTRODUCTION: Duration = Duration::from_secs(300);

/// How long keys and tokens are good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTimes {
    /// How long a key signs.
    pub signing_key: Duration,
    /// How long a token is good for.
    pub access: Duration,
}

/// A key, by the little that matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownKey {
    /// Its id.
    pub id: String,
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
}

/// What there is to do about the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPlan {
    /// Another key is due.
    pub is_due: bool,
    /// Keys that nobody needs any more, by their ids.
    pub outlived: Vec<String>,
}

/// Returns what there is to do at `now`, in microseconds since 1970. `keys` are the newest first.
#[must_use]
pub fn plan(keys: &[KnownKey], times: KeyTimes, now: i64) -> KeyPlan {
    let age = |key: &KnownKey| age(key, now);
    let is_due = keys
        .first()
        .is_none_or(|newest| age(newest) >= times.signing_key);
    // From the moment on at which the key after it signs.
    let kept = INTRODUCTION + times.access + INTRODUCTION;
    let replaced = keys.windows(2).filter(|pair| age(&pair[0]) > kept);
    KeyPlan {
        is_due,
        outlived: replaced.map(|pair| pair[1].id.clone()).collect(),
    }
}

/// Returns the key that signs at `now`: the newest that was introduced, else the oldest of all. `keys` are
/// the newest first.
#[must_use]
pub fn signer(keys: &[KnownKey], now: i64) -> Option<&KnownKey> {
    let introduced = keys.iter().find(|key| age(key, now) >= INTRODUCTION);
    introduced.or(keys.last())
}

/// A key of the future, made by a clock that is ahead, has no age.
fn age(key: &KnownKey, now: i64) -> Duration {
    let micros = now.saturating_sub(key.created_at);
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;
    const NOW: i64 = 10_000 * MINUTE;
    const TIMES: KeyTimes = KeyTimes {
        signing_key: Duration::from_secs(3_600),
        access: Duration::from_secs(600),
    };

    /// Keys that are so many minutes old, each called by its age.
    fn keys(ages: &[i64]) -> Vec<KnownKey> {
        let key = |age: &i64| KnownKey {
            id: age.to_string(),
            created_at: NOW - age * MINUTE,
        };
        ages.iter().map(key).collect()
    }

    #[test]
    fn a_key_is_due_when_there_is_none_or_the_newest_has_signed_for_its_time() {
        for (ages, is_due) in [
            (&[][..], true),
            (&[0], false),
            (&[59, 200], false),
            (&[60], true),
            (&[-5], false),
        ] {
            assert_eq!(plan(&keys(ages), TIMES, NOW).is_due, is_due, "{ages:?}");
        }
    }

    #[test]
    fn a_key_goes_when_the_last_token_that_it_signed_has_ended() {
        for (ages, outlived) in [
            (&[30][..], &[][..]),
            (&[20, 80], &[]),
            (&[21, 81], &["81"]),
            (&[2, 21, 81, 200], &["81", "200"]),
            (&[2, 81], &[]),
        ] {
            assert_eq!(plan(&keys(ages), TIMES, NOW).outlived, outlived, "{ages:?}");
        }
    }

    #[test]
    fn a_key_signs_once_everybody_knows_it() {
        for (ages, signs) in [
            (&[][..], None),
            (&[0], Some("0")),
            (&[1, 2], Some("2")),
            (&[4, 64], Some("64")),
            (&[5, 65], Some("5")),
        ] {
            let keys = keys(ages);
            let signer = signer(&keys, NOW).map(|key| key.id.as_str());
            assert_eq!(signer, signs, "{ages:?}");
        }
    }
}
