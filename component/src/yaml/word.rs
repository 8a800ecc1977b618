//! Values that are one of a few words.

use super::{Laxity, Node, Output, Report};

/// What the word stands for, or a fault that lists the words.
pub(super) fn read_word<T: Copy>(
    node: &Node,
    report: &mut Report,
    words: &[(&'static str, T)],
) -> Option<T> {
    let found = node.text().and_then(|text| find_word(text, words));
    if found.is_none() {
        report.fault(node.place, format!("must be one of {}", listed(words)));
    }
    found
}

/// What the word stands for. Another word is lax, and what is no word is a fault.
pub(super) fn known_word<T: Copy>(
    node: &Node,
    report: &mut Report,
    words: &[(&'static str, T)],
) -> Option<T> {
    let Some(text) = node.text() else {
        return read_word(node, report, words);
    };
    let found = find_word(text, words);
    if found.is_none() {
        let reason = format!("{text:?} is none of {}", listed(words));
        report.lax(node.place, Laxity::Word, reason);
    }
    found
}

fn find_word<T: Copy>(text: &str, words: &[(&'static str, T)]) -> Option<T> {
    let found = words
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(text));
    found.map(|(_, value)| *value)
}

/// The words; the empty one, which some keys allow, is not worth telling.
fn listed<T>(words: &[(&'static str, T)]) -> String {
    let words = words.iter().map(|(word, _)| *word);
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join(", ")
}

/// The first word that stands for `value`.
pub(super) fn word_of<T: Copy + PartialEq>(value: T, words: &[(&'static str, T)]) -> Output {
    let word = words
        .iter()
        .find(|(_, v)| *v == value)
        .map_or("", |(word, _)| word);
    Output::Scalar(word.to_owned())
}
