//! One module a command. Each reads as the story of that command; what they share is in the rooms above.

pub mod apply;
pub mod backup;
pub mod console;
pub mod destroy;
pub mod explain;
pub mod fmt;
pub mod graph;
pub mod output;
pub mod plan;
pub mod restore;
pub mod rollout;
pub mod show;
pub mod ssh;
pub mod state;
pub mod validate;
