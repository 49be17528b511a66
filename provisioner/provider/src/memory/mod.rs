//! A cloud in memory for tests: with every weakness that real clouds have, and with a ledger of everything it was
//! asked.
//!
//! Its resource types differ in how an object is found again: by token ([`schema::DISK`] and others), by name
//! ([`schema::BUCKET`]), by tag and not at once ([`schema::ADDRESS`]); a [`schema::SERVICE`] is installed on a machine
//! step by step, several [`schema::WORKER`]s are made by one call, a [`schema::SNAPSHOT`] and a [`schema::IMAGE`] are what was on
//! others, and a [`schema::NOTE`] is kept in the state alone. [`Nature`] changes how a type behaves, [`Fault`] what happens to one call, [`Weather`] what happens by
//! chance. It survives any number of providers made over it, like a real cloud survives the program.
//!
//! Invariants: it keeps the Provider contract as it declares it, faults aside; the same calls at the same times meet
//! the same fate.

mod cloud;
mod effects;
mod faults;
mod provider;
pub mod schema;
#[cfg(test)]
mod tests;

pub use cloud::{Called, Cloud, Stored};
pub use faults::{Fault, Nature, Weather};
pub use provider::MemoryProvider;
pub use schema::schema;
