//! `ctl` on a node: hands its words to the init and does as the answer says.

use crate::control::{Question, ask};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

/// The socket's name, beside `ctl` itself.
pub const SOCKET: &str = "init.sock";

/// `__node-ctl DIRECTORY WORD...`.
pub fn ctl_main(arguments: &[OsString]) -> ExitCode {
    let [directory, words @ ..] = arguments else {
        return ExitCode::from(2);
    };
    let words = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    match ask(Path::new(directory), SOCKET, &Question::Words(words)) {
        Ok(answer) => {
            let _ = io::stdout().write_all(answer.output.as_bytes());
            if !answer.error.is_empty() {
                let _ = writeln!(io::stderr(), "{}", answer.error);
            }
            ExitCode::from(answer.code)
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "the init does not answer: {error}");
            ExitCode::from(4)
        }
    }
}
