//! What outlives machines: snapshots, images, buckets.

use crate::data::Source;
use crate::kind::Kind;
use crate::limits::Apis;

/// The resource types.
pub(crate) const KINDS: &[&dyn Kind] = &[];

/// The data sources.
pub(crate) const SOURCES: &[&dyn Source] = &[];

/// What is called.
pub(crate) const APIS: Apis = Apis { reading: &[], changing: &[], unlimited: &[] };
