//! Every type that crosses a process border: messages on the bus with their subjects, and the
//! documents that the admin listeners of programs answer with.
//!
//! Knows no I/O and no policy. Strict in what it sends, liberal in what it takes: unknown fields
//! are ignored, `null` is the same as absence, and a field of the wrong type rejects its message
//! with a reason.

pub mod bus;
pub mod router;
