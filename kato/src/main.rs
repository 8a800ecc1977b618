//! Starts and supervises what one node runs.

fn main() {}
