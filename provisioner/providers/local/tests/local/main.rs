//! The local cloud for real, in one program: machines, services, snapshots, the fallback, the Provider
//! port, and what happens when things are killed.

mod fallback;
mod machines;
mod port;
mod services;
mod snapshots;
mod support;
