//! Apps over a real bus, with a DEA that only says that it runs them.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod cloud;
mod crashes;
mod fake_dea;
mod permission;
mod places;
mod pushes;
mod python_client;
mod tenants;
mod uploads;
