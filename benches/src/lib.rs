//! One criterion bench per hot function.
