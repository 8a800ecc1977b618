//! How much a sender has to send.

/// What the last read said of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Supply {
    /// It had less than was asked for: it is waited for.
    Scarce,
    /// It filled what there was room for: more is waiting.
    Ample,
}

impl Supply {
    pub(super) const fn of(is_ample: bool) -> Self {
        if is_ample { Self::Ample } else { Self::Scarce }
    }
}
