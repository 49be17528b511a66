//! A program of nothing but the local cloud's inner parts: what the tests give the cloud to start again.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    provider_local::internal_main(&arguments).unwrap_or(ExitCode::from(2))
}
