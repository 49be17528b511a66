//! Tests of the planner as its callers use it, over a small simulated world.
//! (`cfg(test)` tells clippy that what is shared between tests is a test as well.)

#[cfg(test)]
mod bonds;
#[cfg(test)]
mod data;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod held;
#[cfg(test)]
mod large;
#[cfg(test)]
mod moves;
#[cfg(test)]
mod ordering;
#[cfg(test)]
mod random;
#[cfg(test)]
mod surge;
#[cfg(test)]
mod targets;
#[cfg(test)]
mod triggers;
#[cfg(test)]
mod unreachable;
#[cfg(test)]
mod world;
