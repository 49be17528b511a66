//! Rollouts: a change reaches the nodes of a node set stage by stage; each stage is watched and judged by gates, and what
//! does harm is rolled back.
//!
//! Two halves that meet in data. The decision is pure: `step(state, observation, now) -> (state, commands)`, where the
//! state is the fold of the journal's entries ([`model::rollout::entry`]). The driver asks metric sources and the
//! engine, gives what it saw to `step`, makes the entries durable, and only then does what the commands say. Whoever
//! kills it finds it going on at the same stage.
//!
//! Invariants: missing data never promotes; never more than `max_unavailable` nodes of a domain are down by our doing;
//! the nodes of a stage are among those of the next; every wait has a bound; the stable revision stays the recorded truth of a
//! node until its wave, and what it was can be had from the state's history until the rollout is over.
//! Refuses to know: the language's syntax, concrete stores and providers, how anything is drawn.

mod advance;
mod batch;
pub mod changes;
mod command;
pub mod driver;
mod due;
pub mod evidence;
mod fold;
mod foresee;
pub mod notify;
mod selection;
mod sequential;
pub mod source;
mod state;
mod step;
mod validate;
mod verdict;
mod window;
mod words;

pub use advance::PATIENCE_MS;
pub use command::{Command, Groups, Observation};
pub use due::needs_approval;
pub use foresee::foresee;
pub use selection::select;
pub use sequential::{Against, log_above};
pub use state::{
    Agreement, Down, Held, Illegal, Lists, Node, Phase, Rest, Revision, Rollback, State, Wave,
};
pub use step::{admissible, approvable, resume, step};
pub use validate::validate;
pub use verdict::{Evidence, Failure, compares};
pub use window::{Closed, closed};
