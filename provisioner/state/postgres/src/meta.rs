//! The row of table `environment`.
//!
//! Refuses to know: connections.

use state::rows::row_hash;
use state::{Identity, StateError};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

type Result<T, E = StateError> = std::result::Result<T, E>;

/// What an environment is and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    pub identity: Identity,
    pub serial: u64,
    pub epoch: u64,
    /// Hash of the journal's last entry; empty when there is none.
    pub head: Vec<u8>,
}

impl Meta {
    pub fn hash(&self) -> [u8; 32] {
        let Identity { environment, lineage, key_check, keyring } = &self.identity;
        let columns = [
            environment.as_bytes(),
            lineage.as_bytes(),
            key_check.as_bytes(),
            &[u8::from(keyring.is_some())],
            keyring.as_deref().unwrap_or_default().as_bytes(),
            &self.serial.to_le_bytes(),
            &self.epoch.to_le_bytes(),
            &self.head,
        ];
        row_hash("environment", &columns)
    }

    /// Reads `name, lineage, key_check, keyring, serial, epoch, head, hash`, after a look at the hash.
    pub fn read(row: &Row, place: &str) -> Result<Self> {
        let meta = Self {
            identity: Identity {
                environment: column(row, 0, place)?,
                lineage: column(row, 1, place)?,
                key_check: column(row, 2, place)?,
                keyring: column(row, 3, place)?,
            },
            serial: number(row, 4, place)?,
            epoch: number(row, 5, place)?,
            head: column(row, 6, place)?,
        };
        if column::<Vec<u8>>(row, 7, place)? == meta.hash() {
            return Ok(meta);
        }
        Err(corrupt(place, "the row of table environment does not match its hash"))
    }
}

/// A column; one of another type than ours is damage.
pub fn column<'a, T: FromSql<'a>>(row: &'a Row, at: usize, place: &str) -> Result<T> {
    row.try_get(at).map_err(|error| corrupt(place, error.to_string()))
}

/// A column that counts.
pub fn number(row: &Row, at: usize, place: &str) -> Result<u64> {
    u64::try_from(column::<i64>(row, at, place)?)
        .map_err(|_| corrupt(place, "a number is less than nothing"))
}

/// A count as SQL knows numbers; what does not fit was never stored.
pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What is read at `place` is damaged.
pub fn corrupt(place: &str, what: impl Into<String>) -> StateError {
    StateError::Corrupt { path: place.to_owned(), what: what.into() }
}
