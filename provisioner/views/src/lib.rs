//! Renders plans, events, state and diagnostics, for people and as JSON.
//!
//! Invariants: [`console::Console`] is the only owner of the standard streams in the program: data goes to stdout, all
//! else to stderr. Every other function here is pure: it takes model data and gives text or JSON back. Nothing marked
//! sensitive is ever rendered unless the caller asks for one value by name.
//! Refuses to know: how any of it came about, and what to do about it.

/// Formats to the end of a text.
macro_rules! push {
    ($text:expr, $($arguments:tt)*) => {{
        use std::fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!($text, $($arguments)*);
    }};
}

pub mod console;
pub mod diagnostics;
pub mod differences;
mod fold;
mod grouping;
pub mod history;
pub mod literal;
pub mod outputs;
pub mod plan;
mod plan_json;
pub mod progress;
pub mod restore_points;
pub mod rollout;
pub mod state;
pub mod summary;
pub mod table;
pub mod value;

pub use console::{ColorChoice, Console, Palette};
pub use plan::Detail;
