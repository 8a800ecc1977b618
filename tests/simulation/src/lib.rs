//! Tests of rules that span machines, on a clock and a network that a seed decides.
#![forbid(unsafe_code)]
