//! The language: HCL text in, the desired graph out.
//!
//! [`load`] reads and checks a directory and the modules it calls; [`evaluate`] expands it into instances,
//! on demand and each once; a [`Session`] evaluates single expressions in its root module; [`resolve`] computes, at apply
//! time, what was unknown when the plan was made. [`format()`] brings a file into its canonical form.
//! Invariants: all mistakes of a run are reported at once; nothing here touches a file except through the
//! [`SourceLoader`]; evaluation is a function of its inputs.
//! Refuses to know: what a resource type means (schemas are given), what is recorded (a
//! [`model::graph::Projection`] is given), how anything is drawn.

pub mod functions;

mod around;
mod eval;
mod evaluate;
mod format;
mod input;
mod kept;
mod module;
mod projection;
mod resolve;
mod source;
mod syntax;

pub use evaluate::{
    EXPRESSION, Evaluated, EvaluatedSettings, Session, Settings, evaluate, goes_on, settings,
    with_unknowns,
};
pub use format::format;
pub use input::{InputValue, Inputs, Moment, VariableFile, VariableInput, parse_variable_file};
pub use kept::{Kept, Recording, Replayed};
pub use module::{Configuration, Loaded, load};
pub use projection::{recorded_projection, validation_projection};
pub use resolve::resolve;
pub use source::{FileSystem, SourceLoader};
pub use syntax::syntax_mistakes;
