//! The one row that says what the file as a whole holds: which environment, how far its journal goes, and how many
//! rows each table has with the sum of their hashes, so that loading notices a row that went without a walk over the
//! journal.

use super::errors::{Doing, corrupt};
use super::format::FORMAT;
use crate::error::StateError;
use crate::port::Identity;
use crate::rows::row_hash;
use rusqlite::{Connection, Row, params};
use std::path::Path;

/// How many rows, and the sum of their hashes, whatever their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub rows: u64,
    sum: [u64; 4],
}

impl Tally {
    const BYTES: usize = 40;

    /// One row more.
    pub fn add(&mut self, hash: &[u8]) {
        self.rows = self.rows.wrapping_add(1);
        for (sum, word) in self.sum.iter_mut().zip(words(hash)) {
            *sum = sum.wrapping_add(word);
        }
    }

    /// One row less.
    pub fn remove(&mut self, hash: &[u8]) {
        self.rows = self.rows.wrapping_sub(1);
        for (sum, word) in self.sum.iter_mut().zip(words(hash)) {
            *sum = sum.wrapping_sub(word);
        }
    }

    fn bytes(&self) -> impl Iterator<Item = u8> {
        std::iter::once(self.rows).chain(self.sum).flat_map(u64::to_le_bytes)
    }

    fn parse(bytes: &[u8]) -> Self {
        let mut words = words(bytes);
        let rows = words.next().unwrap_or_default();
        let mut sum = [0; 4];
        sum.iter_mut().zip(words).for_each(|(sum, word)| *sum = word);
        Self { rows, sum }
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks_exact(8).map(|chunk| {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        u64::from_le_bytes(word)
    })
}

/// Tables whose rows are tallied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Resource,
    Removed,
    Deposed,
    Unfinished,
    Results,
    Lease,
}

impl Table {
    pub const ALL: [Self; 6] = [
        Self::Resource,
        Self::Removed,
        Self::Deposed,
        Self::Unfinished,
        Self::Results,
        Self::Lease,
    ];

    /// Its name on disk.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Removed => "removed",
            Self::Deposed => "deposed",
            Self::Unfinished => "unfinished",
            Self::Results => "results",
            Self::Lease => "lease",
        }
    }
}

/// A tally for each table, in the order of [`Table::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tallies([Tally; 6]);

impl Tallies {
    pub fn of(&self, table: Table) -> &Tally {
        &self.0[table as usize]
    }

    pub fn of_mut(&mut self, table: Table) -> &mut Tally {
        &mut self.0[table as usize]
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(Tally::bytes).collect()
    }

    fn parse(bytes: &[u8]) -> Self {
        let mut tallies = Self::default();
        for (tally, chunk) in tallies.0.iter_mut().zip(bytes.chunks_exact(Tally::BYTES)) {
            *tally = Tally::parse(chunk);
        }
        tallies
    }
}

/// What `meta` says about the file as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    pub environment: String,
    pub lineage: String,
    pub key_check: String,
    pub keyring: Option<String>,
    pub serial: u64,
    pub epoch: u64,
    /// How many transactions there were.
    pub commits: u64,
    /// Hash of the journal's last entry; empty when there is none.
    pub head: Vec<u8>,
    /// Empty in a file of format 1, which had none.
    pub tallies: Tallies,
}

impl Meta {
    /// A new environment.
    pub fn new(identity: Identity) -> Self {
        let Identity { environment, lineage, key_check, keyring } = identity;
        Self {
            environment,
            lineage,
            key_check,
            keyring,
            serial: 0,
            epoch: 0,
            commits: 0,
            head: Vec::new(),
            tallies: Tallies::default(),
        }
    }

    fn hash(&self, format: u32) -> [u8; 32] {
        let columns = [
            &format.to_le_bytes()[..],
            self.environment.as_bytes(),
            self.lineage.as_bytes(),
            self.key_check.as_bytes(),
            &[u8::from(self.keyring.is_some())],
            self.keyring.as_deref().unwrap_or_default().as_bytes(),
            &self.serial.to_le_bytes(),
            &self.epoch.to_le_bytes(),
            &self.commits.to_le_bytes(),
            &self.head,
            &self.tallies.bytes(),
        ];
        row_hash("meta", &columns)
    }

    /// The hash of the row as format 1 had it.
    fn hash_1(&self) -> [u8; 32] {
        let columns = [
            &1_u32.to_le_bytes()[..],
            self.environment.as_bytes(),
            self.lineage.as_bytes(),
            self.key_check.as_bytes(),
            &self.serial.to_le_bytes(),
            &self.epoch.to_le_bytes(),
            &self.head,
        ];
        row_hash("meta", &columns)
    }

    /// Reads it from a file of a known format.
    pub fn read(
        connection: &Connection,
        path: &Path,
        doing: Doing,
        format: u32,
    ) -> Result<Self, StateError> {
        let (sql, read): (_, fn(&Row) -> _) = match format {
            1 => (
                "SELECT environment, lineage, key_check, serial, epoch, head, hash FROM meta",
                row_1,
            ),
            _ => (
                "SELECT environment, lineage, key_check, keyring, serial, epoch, commits, head, tallies, hash FROM meta",
                row_2,
            ),
        };
        let (meta, hash) = connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row([], read))
            .map_err(|error| doing.sqlite(path, &error))?;
        let expected = if format == 1 { meta.hash_1() } else { meta.hash(format) };
        if hash != expected {
            return Err(corrupt(path, "the row of table meta does not match its hash"));
        }
        Ok(meta)
    }

    pub fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO meta(id, format, environment, lineage, key_check, keyring, serial, epoch, commits, head, tallies, hash)
            VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let Self { environment, lineage, key_check, keyring, serial, epoch, commits, head, .. } =
            self;
        let (tallies, hash) = (self.tallies.bytes(), self.hash(FORMAT));
        let row = params![
            FORMAT,
            environment,
            lineage,
            key_check,
            keyring,
            serial,
            epoch,
            commits,
            head,
            tallies,
            hash
        ];
        connection.prepare_cached(sql)?.execute(row).map(drop)
    }

    /// What the environment is.
    pub fn identity(&self) -> Identity {
        Identity {
            environment: self.environment.clone(),
            lineage: self.lineage.clone(),
            key_check: self.key_check.clone(),
            keyring: self.keyring.clone(),
        }
    }

    /// Refuses the state of another environment.
    pub fn expect_environment(&self, path: &Path, wanted: &str) -> Result<(), StateError> {
        if self.environment == wanted {
            return Ok(());
        }
        Err(StateError::Foreign {
            path: path.display().to_string(),
            found: self.environment.clone(),
            wanted: wanted.to_owned(),
        })
    }
}

fn row_2(row: &Row) -> rusqlite::Result<(Meta, Vec<u8>)> {
    let meta = Meta {
        environment: row.get(0)?,
        lineage: row.get(1)?,
        key_check: row.get(2)?,
        keyring: row.get(3)?,
        serial: row.get(4)?,
        epoch: row.get(5)?,
        commits: row.get(6)?,
        head: row.get(7)?,
        tallies: Tallies::parse(&row.get::<_, Vec<u8>>(8)?),
    };
    Ok((meta, row.get(9)?))
}

fn row_1(row: &Row) -> rusqlite::Result<(Meta, Vec<u8>)> {
    let meta = Meta {
        environment: row.get(0)?,
        lineage: row.get(1)?,
        key_check: row.get(2)?,
        keyring: None,
        serial: row.get(3)?,
        epoch: row.get(4)?,
        commits: 0,
        head: row.get(5)?,
        tallies: Tallies::default(),
    };
    Ok((meta, row.get(6)?))
}
