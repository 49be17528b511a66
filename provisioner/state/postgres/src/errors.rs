//! What the server or the connection to it says, in the words of [`StateError`].
//!
//! Refuses to know: what was being asked.

use state::StateError;
use std::error::Error as _;
use tokio_postgres::error::SqlState;

/// Why something was not done.
#[derive(Debug)]
pub enum Trouble {
    /// The connection broke, or the server is not ready: it may go well later. Says why.
    Passing(String),
    /// It will not go well by itself.
    Final(StateError),
}

impl From<StateError> for Trouble {
    fn from(error: StateError) -> Self {
        Self::Final(error)
    }
}

/// What a `place` says.
pub fn trouble(place: &str, error: &tokio_postgres::Error) -> Trouble {
    let why = told(error);
    let Some(code) = error.code() else {
        return without_code(place, error, why);
    };
    let failed = |hint: &str| {
        let (path, why, hint) = (place.to_owned(), why.clone(), hint.to_owned());
        Trouble::Final(StateError::Storage { path, why, hint })
    };
    let passing = [
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::IN_FAILED_SQL_TRANSACTION,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        // The server that was the first may have become a standby.
        SqlState::READ_ONLY_SQL_TRANSACTION,
    ];
    // Connection exception, transaction rollback, operator intervention.
    if passing.contains(code)
        || ["08", "40", "57"].iter().any(|class| code.code().starts_with(class))
    {
        return Trouble::Passing(why);
    }
    let shut = |hint: &str| {
        let (path, why, hint) = (place.to_owned(), why.clone(), hint.to_owned());
        Trouble::Final(StateError::Unreadable { path, why, hint })
    };
    match code.code() {
        "28P01" | "28000" => {
            shut("check the user and the password in the URL, and the server's pg_hba.conf")
        }
        "3D000" => shut("make the database (`createdb`), or name another one in the URL"),
        "42501" => failed(
            "the user needs CREATE on the database for the first use of a schema, and USAGE on the schema and \
             SELECT, INSERT, UPDATE, DELETE on its tables from then on",
        ),
        "42P01" | "42703" => {
            let what = format!("its tables are not those of this program: {why}");
            Trouble::Final(StateError::Corrupt { path: place.to_owned(), what })
        }
        "53100" => failed("make room on the server's disk, and run the command again"),
        _ => failed("look into the server's log; nothing was written"),
    }
}

fn without_code(place: &str, error: &tokio_postgres::Error, why: String) -> Trouble {
    let (path, text) = (place.to_owned(), error.to_string());
    if text.starts_with("error performing TLS handshake") && !is_cut_off(error) {
        let hint = "name the certificates to trust with `sslrootcert=FILE`; `sslmode=require` encrypts without \
                    a look at who answers, `sslmode=disable` does not encrypt"
            .to_owned();
        return Trouble::Final(StateError::Unreadable { path, why, hint });
    }
    if text.starts_with("error deserializing column") || text.starts_with("invalid column") {
        return Trouble::Final(StateError::Corrupt { path, what: why });
    }
    if text.starts_with("invalid configuration") || text.starts_with("authentication error") {
        let hint = "check the URL, its user and its password".to_owned();
        return Trouble::Final(StateError::Unreadable { path, why, hint });
    }
    Trouble::Passing(why)
}

/// Whether a handshake ended because the connection did.
fn is_cut_off(error: &tokio_postgres::Error) -> bool {
    let mut cause = error.source();
    while let Some(found) = cause {
        if let Some(io) = found.downcast_ref::<std::io::Error>() {
            return io.kind() != std::io::ErrorKind::InvalidData;
        }
        cause = found.source();
    }
    false
}

/// The error and what it came from, in one line.
fn told(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        let detail = said.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
        return format!("{}{detail}", said.message());
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(found) = cause {
        let more = found.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = found.source();
    }
    text
}
