//! Which word was meant.

/// The candidate that is most like `word`, if one is like it: at most a third of its letters are
/// missing, too many, wrong, or have changed places with their neighbours.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed: Vec<char> = word.chars().take(MOST).collect();
    let close = |candidate: &'a str| {
        let meant: Vec<char> = candidate.chars().take(MOST).collect();
        let slips = distance(&typed, &meant);
        (slips <= (meant.len() / 3).clamp(1, 3)).then_some((slips, candidate))
    };
    let near = candidates.into_iter().filter_map(close);
    near.min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// Letters that are compared; names of keys are shorter.
const MOST: usize = 64;

/// How many slips lead from one word to the other (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_seen_through() {
        let keys = ["listeners", "services", "services_file", "uris", "workers"];
        for (typed, meant) in [
            ("lisetners", Some("listeners")),
            ("listener", Some("listeners")),
            ("service", Some("services")),
            ("service_file", Some("services_file")),
            ("uri", Some("uris")),
            ("wrokers", Some("workers")),
            ("worker_threads", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, keys), meant, "{typed}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), keys), None);
    }
}
