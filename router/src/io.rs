//! What moves bytes and keeps time: sockets, buffers, bodies on their way, deadlines, the clock.

pub(crate) mod buffers;
pub mod clock;
pub(crate) mod deadlines;
pub(crate) mod free_list;
pub(crate) mod relay;
pub(crate) mod socket;
