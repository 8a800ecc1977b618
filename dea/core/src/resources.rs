//! What an instance is given when its order does not say, and what follows from what it says.

use protocol::bus::dea::Limits;

/// Open files where the order names none.
const OPEN_FILES: u64 = 16_384;
/// Memory in MiB where the order names none.
const MEMORY_MIB: u64 = 1_024;
/// Disk in MiB where the order names none.
const DISK_MIB: u64 = 1_024;

/// Returns `limits` with defaults in the place of what is 0.
#[must_use]
pub fn with_defaults(limits: Limits) -> Limits {
    let or = |value, default| if value == 0 { default } else { value };
    Limits {
        mem: or(limits.mem, MEMORY_MIB),
        disk: or(limits.disk, DISK_MIB),
        fds: or(limits.fds, OPEN_FILES),
    }
}

/// Returns the CPU shares that come with `memory_mib`. The kernel takes no less than 2.
#[must_use]
pub fn cpu_shares(memory_mib: u64) -> u64 {
    (memory_mib / 8).clamp(2, 256)
}

/// Returns `percent` of `amount`.
#[must_use]
pub fn share(amount: u64, percent: u64) -> u64 {
    let share = u128::from(amount) * u128::from(percent) / 100;
    u64::try_from(share).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_follows_memory_within_bounds() {
        for (memory, shares) in [
            (0, 2),
            (16, 2),
            (64, 8),
            (1_024, 128),
            (2_048, 256),
            (9_999, 256),
        ] {
            assert_eq!(cpu_shares(memory), shares, "{memory}");
        }
    }

    #[test]
    fn defaults_stand_in_for_what_is_not_said() {
        let said = Limits {
            mem: 64,
            disk: 0,
            fds: 100,
        };
        let all = with_defaults(said);
        assert_eq!((all.mem, all.disk, all.fds), (64, 1_024, 100));
        assert_eq!(with_defaults(Limits::default()).mem, 1_024);
    }

    #[test]
    fn a_share_may_be_more_than_all() {
        for (amount, percent, expected) in [
            (1_000, 80, 800),
            (10, 200, 20),
            (0, 80, 0),
            (u64::MAX, 1_000, u64::MAX),
        ] {
            assert_eq!(share(amount, percent), expected);
        }
    }
}
