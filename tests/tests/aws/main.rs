//! The AWS provider against an emulator that others wrote, type by type: what the port promises, and what people see.

mod bed;
mod buckets;
mod compute;
mod network;
mod storage;
mod support;
