//! The Cloud Foundry API, its token server, and the dispatch of apps to DEAs.

fn main() {}
