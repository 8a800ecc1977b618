//! Builds the programs of the cloud for its tests, which are in `tests/`.
#![forbid(unsafe_code)]
