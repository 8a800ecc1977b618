//! What is passed on of the output of apps.

use component::size::ByteSize;
use component::yaml::Keys;

/// What is passed on of the output of apps.
#[derive(Clone, Copy, Debug)]
pub struct OutputConfig {
    /// The longest line in bytes.
    pub longest: ByteSize,
    /// Lines a second of one app in the long run.
    pub per_second: u32,
    /// Lines of one app at once.
    pub burst: u32,
    /// The latest lines of an app that are kept.
    pub recent: usize,
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self {
            longest: ByteSize::kib(16),
            per_second: 1_000,
            burst: 10_000,
            recent: 1_000,
        }
    }
}

impl OutputConfig {
    pub(super) fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.title("Output of apps");
        keys.section("output", "What is passed on of it.", |keys| {
            keys.key(
                "longest",
                "The longest line; a longer one becomes several.",
                &mut self.longest,
            );
            keys.key(
                "per_second",
                "Lines a second of one app in the long run; more are dropped, and the app is told. \
                 0: no limit.",
                &mut self.per_second,
            );
            keys.key(
                "burst",
                "Lines of one app at once after a silence.",
                &mut self.burst,
            );
            keys.key(
                "recent",
                "The latest lines of an app that are kept.",
                &mut self.recent,
            );
        });
    }
}
