//! The AWS provider against an emulator that others wrote, type by type: what the port promises, and what people see.

mod compute;
mod network;
mod support;
