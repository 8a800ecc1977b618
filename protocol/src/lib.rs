//! Every type that crosses a process border.
