//! What happens to header fields on their way through (design D10).
//!
//! A rule sees a head as [`Fields`](crate::field::Fields) and answers with [`Edits`](crate::edits::Edits): which fields
//! are dropped and which are added. The codecs apply them, so that every rule is written once for
//! every version of HTTP.

pub mod request;
pub mod response;
pub mod rules;
pub mod sender;
pub mod via;
