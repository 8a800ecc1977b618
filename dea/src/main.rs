//! The agent that stages and runs apps in containers.

fn main() {}
