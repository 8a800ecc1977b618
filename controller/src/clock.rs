//! What time it is.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the time in microseconds since 1970, as rows have it.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}
