//! The rules of the controller. Pure: time, bytes and chance are arguments.
#![forbid(unsafe_code)]
