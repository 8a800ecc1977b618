//! The API over a socket, asked as the cf CLI asks.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod controller;
mod example;
mod identity;
mod places;
