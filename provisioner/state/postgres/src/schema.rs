//! The tables, and how they came to be: numbered migrations, each made once.
//!
//! Refuses to know: what is in the tables.

/// Every migration in order. What was released is never changed: a change is one more.
///
/// `@` stands for the schema. Addresses are compared byte by byte.
const MIGRATIONS: [&str; 2] = [
    "
CREATE TABLE @.environment(
  name text PRIMARY KEY, lineage text NOT NULL, key_check text NOT NULL, keyring text,
  serial bigint NOT NULL, epoch bigint NOT NULL, head bytea NOT NULL, hash bytea NOT NULL
);
CREATE TABLE @.lease(
  environment text NOT NULL, epoch bigint NOT NULL, body bytea NOT NULL, hash bytea NOT NULL,
  PRIMARY KEY (environment, epoch)
);
CREATE TABLE @.resource(
  environment text NOT NULL, address text COLLATE \"C\" NOT NULL, provider text NOT NULL,
  revision bigint NOT NULL, body bytea NOT NULL, hash bytea NOT NULL,
  PRIMARY KEY (environment, address)
);
CREATE TABLE @.removed(
  environment text NOT NULL, address text COLLATE \"C\" NOT NULL, revision bigint NOT NULL, hash bytea NOT NULL,
  PRIMARY KEY (environment, address)
);
CREATE TABLE @.deposed(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  environment text NOT NULL, address text COLLATE \"C\" NOT NULL, object text NOT NULL, provider text NOT NULL,
  revision bigint NOT NULL, body bytea NOT NULL, hash bytea NOT NULL
);
CREATE INDEX deposed_address ON @.deposed(environment, address);
CREATE TABLE @.results(
  environment text NOT NULL, kind text NOT NULL, name text NOT NULL, body bytea NOT NULL, hash bytea NOT NULL,
  PRIMARY KEY (environment, kind, name)
);
CREATE TABLE @.journal(
  environment text NOT NULL, seq bigint NOT NULL, run text NOT NULL, at text NOT NULL, kind text NOT NULL,
  address text, body bytea NOT NULL, prev_hash bytea NOT NULL, hash bytea NOT NULL,
  PRIMARY KEY (environment, seq)
);
CREATE TABLE @.unfinished(
  environment text NOT NULL, seq bigint NOT NULL, address text COLLATE \"C\" NOT NULL,
  PRIMARY KEY (environment, seq)
);
CREATE INDEX unfinished_address ON @.unfinished(environment, address);
CREATE TABLE @.base(
  environment text PRIMARY KEY, serial bigint NOT NULL, head bytea NOT NULL, body bytea NOT NULL,
  hash bytea NOT NULL
);
CREATE TABLE @.format(version integer NOT NULL);
INSERT INTO @.format VALUES (0);
",
    // Rollouts: entries in `journal` and rows in `results` that older programs do not know. The tables stay as they are.
    "",
];

/// The version that this program writes.
pub const VERSION: u32 = 2;
const _: () = assert!(MIGRATIONS.len() == VERSION as usize);

/// A schema's name as it stands in SQL.
#[derive(Clone, Debug)]
pub struct Schema {
    pub name: String,
    quoted: String,
}

impl Schema {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), quoted: format!("\"{}\"", name.replace('"', "\"\"")) }
    }

    /// A statement with the schema where `@` stands.
    pub fn sql(&self, statement: &str) -> String {
        statement.replace("@.", &format!("{}.", self.quoted))
    }

    /// Makes the schema, if it is missing. Only then: who may use a schema may not be allowed to make one.
    pub fn creation(&self) -> String {
        format!("CREATE SCHEMA {}", self.quoted)
    }

    /// What leads from version `found` to the present one.
    pub fn migrations(&self, found: u32) -> String {
        let steps = MIGRATIONS.iter().skip(found as usize).map(|step| self.sql(step));
        let noted = self.sql(&format!("UPDATE @.format SET version = {VERSION};"));
        steps.chain([noted]).collect()
    }
}
