//! The rules of the agent that runs apps. Pure: time, bytes and chance are arguments.
#![forbid(unsafe_code)]
