//! Which depths occur, so that a lookup asks for no others.

/// Counts things by depth. Depths of 63 and more are counted as one.
#[derive(Clone, Debug, Default)]
pub(super) struct Depths {
    /// Bit `d` is set when `counts[d]` is not 0.
    present: u64,
    counts: Vec<u32>,
}

const DEEPEST: usize = 63;

impl Depths {
    /// Whether anything is at `depth`.
    pub(super) fn has(&self, depth: usize) -> bool {
        self.present >> depth.min(DEEPEST) & 1 != 0
    }

    /// Whether anything is at `depth` or deeper.
    pub(super) fn reaches(&self, depth: usize) -> bool {
        self.present >> depth.min(DEEPEST) != 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.present == 0
    }

    pub(super) fn add(&mut self, depth: usize) {
        let depth = depth.min(DEEPEST);
        if self.counts.len() <= depth {
            self.counts.resize(depth + 1, 0);
        }
        self.counts[depth] += 1;
        self.present |= 1 << depth;
    }

    /// Takes back one [`Self::add`].
    pub(super) fn remove(&mut self, depth: usize) {
        let depth = depth.min(DEEPEST);
        if let Some(count) = self.counts.get_mut(depth) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.present &= !(1 << depth);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_depth_is_present_while_it_is_counted() {
        let mut depths = Depths::default();
        depths.add(1);
        depths.add(3);
        depths.add(3);
        assert!(depths.has(1) && !depths.has(2) && depths.has(3));
        assert!(depths.reaches(2) && !depths.reaches(4));
        depths.remove(3);
        assert!(depths.has(3));
        depths.remove(3);
        assert!(!depths.has(3) && !depths.reaches(2));
        depths.add(500);
        assert!(depths.has(63) && depths.has(70) && depths.reaches(10));
        depths.remove(500);
        depths.remove(1);
        assert!(depths.is_empty());
    }
}
