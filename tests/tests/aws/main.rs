//! The AWS provider against an emulator that others wrote, type by type: what the port promises, and what people see.

#![expect(clippy::unwrap_used, reason = "the functions around the tests may panic like the tests")]

mod buckets;
mod compute;
mod ipv6;
mod many;
mod network;
mod storage;
mod support;
