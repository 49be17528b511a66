//! Recovery: restore points of an environment, the catalogue that has them, and what may be deleted.
//!
//! - [`capture`] says what of an environment is captured: whatever its provider's schema says how to.
//! - [`catalogue`] is what is recorded of restore points, in an environment of its own beside the one that they are of.
//! - [`retention`] decides which may go.
//! - [`restore`] says what of a restore point is restored, and what its plan is held to.
//! - [`estimate`] says how long a plan takes, from how long such calls took before.
//! - [`driver`] makes them, looks at them and deletes them, each by an ordinary plan and the ordinary engine.
//!
//! Invariants: killed at any instant, no snapshot is orphaned or made twice, and what is not whole is never taken for a restore
//! point; what an environment loses, its catalogue keeps. Refuses to know: concrete providers and stores, the terminal, rollouts
//! (they ask for a restore point by name).

pub mod capture;
pub mod catalogue;
pub mod driver;
pub mod estimate;
pub mod restore;
pub mod retention;

pub use catalogue::{Catalogue, CatalogueError, Kept, KeptState};
pub use driver::{Asked, Changed, Environment, Finding, Recovery, RecoveryError};
pub use estimate::{Estimate, Experience};
pub use restore::Restore;
pub use retention::{Fate, Retention};
