//! The object store against what object stores do: races, lost answers, throttling, programs that die between any two
//! requests. (`cfg(test)` tells clippy that what is shared between tests is a test as well.)

#[cfg(test)]
mod azurite;
#[cfg(test)]
mod conforms;
#[cfg(test)]
mod crash;
#[cfg(test)]
#[path = "../../../../../tests/src/azurite.rs"]
mod emulator;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod races;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod upkeep;
#[cfg(test)]
mod world;
