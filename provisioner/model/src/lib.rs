//! Pure data that every room of the house shares: addresses, values, schemas, the desired graph,
//! recorded objects, plans, events and diagnostics.
//!
//! Invariants: nothing here does input or output, reads a clock, or knows an async runtime; every type
//! that reaches a disk serialises deterministically (maps are sorted) and carries a format version.
//! Refuses to know: syntax (that is `lang`), decisions (`planner`), how anything is drawn (`views`).

pub mod address;
mod argument_path;
pub mod convert;
pub mod diagnostic;
pub mod digest;
mod entries;
pub mod event;
pub mod graph;
mod marks;
pub mod members;
pub mod moves;
pub mod number;
pub mod plan;
pub mod record;
pub mod restore_point;
pub mod rollout;
pub mod schema;
pub mod sensitive;
mod set_order;
pub mod suggest;
pub mod types;
pub mod unify;
mod unknown;
pub mod value;
mod value_json;

pub use address::{Address, InstanceKey, PathStep};
pub use argument_path::ArgumentPath;
pub use diagnostic::{Diagnostic, Severity, SourceMap, Span};
pub use marks::Marks;
pub use number::Number;
pub use sensitive::Sensitive;
pub use types::Type;
pub use unknown::{Bound, RUN, Refinement, Residual, Unknown};
pub use value::{Data, Value};
