//! Whole-system tests: the message corpus, the rules of the house.

pub mod corpus;
