//! AWS for tests: moto, an emulator from PyPI, behind a proxy of our own that does what moto does not.
//!
//! moto keeps the objects: it makes, describes and deletes them, and its error codes are good. **Emulated by us**, after the
//! texts that Amazon publishes:
//!
//! - client tokens: one answer to one token, mismatches, terminated launches (`tokens`), and the filter `client-token` of
//!   DescribeInstances, the one description that has it;
//! - states that take their time, of attachments too, filters that look at them, and calls that come too early (`states`);
//! - new objects that are not seen yet (`hidden`);
//! - what is in use is not deleted, and an instance is stopped before its type is changed (`in_use`);
//! - limits by operation and region (`throttle`); placement groups (`placement`);
//! - credits, monitoring, placement and processor options of instances, ends of what has ended, descriptions of what is not
//!   there (`gaps`);
//! - IPv6 ranges that take their time, and the IPv6 addresses of machines (`ranges`); the signed request of a copy of a snapshot
//!   from another region (`copies`);
//! - DetachVolume without the instance; a launch of as many instances as it may be, with any instance profile; tags for the
//!   snapshots of an image and for a new bucket; the answer of GetBucketVersioning has S3's name (`world`).
//!
//! **For tests**: a log and counts of calls, faults (`faults`), a point at which everything stands still (`stop`), a ledger
//! of all that was made (`ledger`), and a check of every request against botocore's model (`conformance`, `rest`): a request
//! that AWS does not know fails the test that sent it.
//!
//! **Real nodes**, where [`Options::nodes`] asks for them: each instance is a machine of the local cloud (`nodes`).
//!
//! Not checked by anything here: signatures, permissions, quotas, prices, and whether values fit each other.

mod answer;
mod call;
mod conformance;
#[cfg(test)]
mod conformance_cases;
mod copies;
mod doors;
mod faults;
mod gaps;
mod hidden;
mod http;
mod in_use;
mod kinds;
mod ledger;
mod metadata;
mod model;
mod moto;
mod nodes;
mod origin;
mod placement;
mod portal;
mod proxy;
mod ranges;
mod rest;
mod servers;
mod states;
mod stop;
mod tags;
mod throttle;
mod tokens;
mod world;
mod xml;

pub use answer::Refusal;
pub use call::Call;
pub use faults::{Fault, Which};
pub use ledger::{Ledger, Object};
pub use moto::{ACCOUNT, IMAGE, Moto, python};
pub use nodes::{Backing, SSH_PORT};
pub use portal::PORTAL_TOKEN;
pub use proxy::{LoggedCall, Options, Proxy};
pub use stop::StopPoint;
pub use throttle::{Rate, rate};
