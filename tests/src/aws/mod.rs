//! AWS for tests: moto, an emulator from PyPI, behind a proxy of our own that does what moto does not.
//!
//! moto keeps the objects: it makes, describes and deletes them, and its error codes are good. **Emulated by us**, after the
//! texts that Amazon publishes:
//!
//! - client tokens: one answer to one token, mismatches, terminated launches (`tokens`), and the filter `client-token` of
//!   DescribeInstances, the one description that has it;
//! - states that take their time, filters that look at them, and calls that come too early (`states`);
//! - new objects that are not seen yet (`hidden`);
//! - what is in use is not deleted, and an instance is stopped before its type is changed (`in_use`);
//! - limits by operation and region (`throttle`); placement groups (`placement`); DetachVolume without the instance; a NAT
//!   gateway of an unknown id is an error; RunInstances launches as many as it may; tags for the snapshots of CreateImage are taken, and lost;
//!   the answer of GetBucketVersioning has S3's name.
//!
//! **For tests**: a log and counts of calls, faults (`faults`), a point at which everything stands still (`stop`), a ledger
//! of all that was made (`ledger`), and a check of every request against botocore's model (`conformance`, `rest`): a request
//! that AWS does not know fails the test that sent it.
//!
//! Not checked by anything here: signatures, permissions, quotas, prices, and whether values fit each other.

mod answer;
mod call;
mod conformance;
#[cfg(test)]
mod conformance_cases;
mod faults;
mod hidden;
mod http;
mod in_use;
mod kinds;
mod ledger;
mod model;
mod moto;
mod placement;
mod proxy;
mod rest;
mod states;
mod stop;
mod throttle;
mod tokens;
mod world;
mod xml;

pub use answer::Refusal;
pub use call::Call;
pub use faults::{Fault, Which};
pub use ledger::{Ledger, Object};
pub use moto::{ACCOUNT, IMAGE, Moto, python};
pub use proxy::{LoggedCall, Options, Proxy};
pub use stop::StopPoint;
pub use throttle::{Rate, rate};
