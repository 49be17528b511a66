//! Rollouts for people and programs: what a plan foresees of one, how one stands, the live view, the history, a report.
//!
//! Everything is drawn from the entries of the journal ([`model::rollout::entry::Entry`]) through one fold, so a live
//! view, a status and a report of the same entries tell the same.
//!
//! Invariants: pure but for [`live::Live`], which draws on the [`crate::Console`]; whatever time it is comes as an argument.
//! Refuses to know: how a rollout is decided and driven, where entries are kept.

pub mod figures;
pub mod fold;
pub mod foresight;
pub mod history;
pub mod html;
pub mod live;
mod sections;
pub mod status;
pub mod telling;

pub use fold::Model;

#[cfg(test)]
#[path = "../../tests/rollouts/mod.rs"]
mod sample;
