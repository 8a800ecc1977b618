//! What may be promised.

use component::size::ByteSize;
use component::yaml::Keys;

/// What may be promised to instances and to staging.
#[derive(Clone, Debug)]
pub struct CapacityConfig {
    /// Memory; None: that of the machine.
    pub memory: Option<ByteSize>,
    /// How much of it may be promised, in percent.
    pub memory_percent: u64,
    /// Disk; None: that of the file system of `base_dir`.
    pub disk: Option<ByteSize>,
    /// How much of it may be promised, in percent.
    pub disk_percent: u64,
}

impl Default for CapacityConfig {
    fn default() -> Self {
        Self {
            memory: None,
            memory_percent: 80,
            disk: None,
            disk_percent: 80,
        }
    }
}

impl CapacityConfig {
    pub(super) fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.title("What may be promised");
        keys.section("capacity", "To instances and to staging.", |keys| {
            keys.key("memory", "Empty: that of the machine.", &mut self.memory);
            keys.key(
                "memory_percent",
                "How much of it may be promised; above 100 is an overcommitment.",
                &mut self.memory_percent,
            );
            keys.key(
                "disk",
                "Empty: that of the file system of base_dir.",
                &mut self.disk,
            );
            keys.key(
                "disk_percent",
                "How much of it may be promised.",
                &mut self.disk_percent,
            );
        });
    }
}
