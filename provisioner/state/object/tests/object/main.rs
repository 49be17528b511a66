//! The object store against what object stores do: races, lost answers, throttling, programs that die between any two
//! requests.

mod azurite;
mod conforms;
mod crash;
mod faults;
mod races;
mod simulation;
mod upkeep;
mod world;
