//! One connection: how it is made, what is agreed at its beginning, how long an answer may take.
//!
//! Refuses to know: environments, transactions.

use crate::errors::{Trouble, trouble};
use crate::place::Place;
use crate::schema::VERSION;
use futures::future::{BoxFuture, join_all};
use state::StateError;
use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Statement};

type Result<T, E = Trouble> = std::result::Result<T, E>;

/// How long an answer may take, before the connection is held to be dead. Longer than the server waits for a lock.
const ANSWER: Duration = Duration::from_secs(30);
/// How long the answer to what concerns everything may take.
const LONG_ANSWER: Duration = Duration::from_mins(10);
/// What is answered sooner: connecting, and preparing.
const GREETING: Duration = Duration::from_secs(15);

/// What every connection begins with: the server does not wait forever, neither for a lock that another connection has nor for a
/// program that vanished in the middle of a transaction; and what is acknowledged is on its disk. What a write
/// looks at is found by index, even while the server believes that the tables are still small.
const AGREED: &str = "SET lock_timeout = '10s'; SET statement_timeout = '25s';
    SET idle_in_transaction_session_timeout = '15s'; SET client_min_messages = 'error';
    SET enable_seqscan = off; SET jit = off;
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// What a transaction that concerns everything begins with: it may take its time.
pub const LONG: &str =
    "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = '10min'";

/// What a migration begins with.
const MIGRATION: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = 0;";

/// Parameters with their types: such a question needs no preparation.
pub type Typed<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

/// An open connection.
pub struct Session {
    pub client: Client,
    prepared: BTreeMap<&'static str, Statement>,
    driver: AbortHandle,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// An answer, if it comes in time.
pub fn within<'a, T>(
    limit: Duration,
    answer: impl Future<Output = Result<T>> + Send + 'a,
) -> BoxFuture<'a, Result<T>> {
    let late = move |_| Trouble::Passing(format!("no answer for {} seconds", limit.as_secs()));
    let answer = tokio::time::timeout(limit, answer);
    // Questions that are asked at once make a large future.
    Box::pin(async move { answer.await.map_err(late)? })
}

/// The same with the usual limit.
pub fn answered<'a, T>(
    answer: impl Future<Output = Result<T>> + Send + 'a,
) -> BoxFuture<'a, Result<T>> {
    within(ANSWER, answer)
}

/// The same with the limit of what concerns everything.
pub fn answered_in_the_end<'a, T>(
    answer: impl Future<Output = Result<T>> + Send + 'a,
) -> BoxFuture<'a, Result<T>> {
    within(LONG_ANSWER, answer)
}

impl Session {
    /// Connects. None if the tables are not there yet; with `make`, they are made then.
    pub async fn open(place: &Place, make: bool) -> Result<Option<Self>> {
        let config = &place.config;
        let connecting = async {
            let connected = config.connect(place.connector.clone()).await;
            connected.map_err(|error| trouble(&place.shown, &error))
        };
        let (client, connection) = within(GREETING, connecting).await?;
        // Its end is seen by whoever asks next.
        let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        let session = Self { client, prepared: BTreeMap::new(), driver };
        within(GREETING, session.command(place, AGREED)).await?;
        let found = within(GREETING, session.version(place)).await?;
        let known = VERSION;
        match found {
            None if !make => return Ok(None),
            Some(found) if found == known => {}
            Some(found) if found > known => return Err(newer(place, found)),
            // The tables of version 1 are read as they are.
            Some(1..) if !make => {}
            None | Some(_) => session.migrate(place).await?,
        }
        Ok(Some(session))
    }

    /// Whether the connection is known to be gone.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Prepares statements, all at once.
    pub async fn prepare(&mut self, place: &Place, statements: &[&'static str]) -> Result<()> {
        let texts: Vec<_> = statements.iter().map(|sql| place.schema.sql(sql)).collect();
        let prepared = within(GREETING, async {
            Ok(join_all(texts.iter().map(|sql| self.client.prepare(sql))).await)
        });
        for (sql, prepared) in statements.iter().zip(prepared.await?) {
            let prepared = prepared.map_err(|error| trouble(&place.shown, &error))?;
            self.prepared.insert(sql, prepared);
        }
        Ok(())
    }

    /// A statement that was prepared.
    pub fn statement(&self, sql: &'static str) -> Result<&Statement> {
        let missing = || StateError::Illegal("a statement was not prepared".to_owned());
        Ok(self.prepared.get(sql).ok_or_else(missing)?)
    }

    /// Runs statements that answer nothing.
    pub async fn command(&self, place: &Place, sql: &str) -> Result<()> {
        answered_in_the_end(async {
            self.client.batch_execute(sql).await.map_err(|error| trouble(&place.shown, &error))
        })
        .await
    }

    async fn version(&self, place: &Place) -> Result<Option<u32>> {
        let failed = |error| trouble(&place.shown, &error);
        // The table alone tells: a schema may have been made by hand, for a user who may not make one.
        let there =
            "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = 'format'";
        let named: Typed = &[(&place.schema.name, Type::TEXT)];
        let rows = self.client.query_typed(there, named).await.map_err(failed)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let sql = place.schema.sql("SELECT version FROM @.format");
        let rows = self.client.query_typed(&sql, &[]).await.map_err(failed)?;
        let version = rows.first().map(|row| row.try_get::<_, i32>(0)).transpose();
        Ok(Some(version.map_err(failed)?.and_then(|version| version.try_into().ok()).unwrap_or(0)))
    }

    /// Makes the tables, or brings them up to date: one transaction, one program at a time.
    async fn migrate(&self, place: &Place) -> Result<()> {
        self.command(place, MIGRATION).await?;
        let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        let key = format!("provisioner state {}", place.schema.name);
        let locked = self.client.query(lock, &[&key]).await;
        locked.map_err(|error| trouble(&place.shown, &error))?;
        // Another program may have been first.
        let found = self.version(place).await?;
        match found {
            Some(found) if found > VERSION => return Err(newer(place, found)),
            Some(found) if found == VERSION => {}
            _ => {
                self.make_schema(place).await?;
                self.command(place, &place.schema.migrations(found.unwrap_or(0))).await?;
            }
        }
        self.command(place, "COMMIT").await
    }

    async fn make_schema(&self, place: &Place) -> Result<()> {
        let there = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1";
        let rows = self.client.query(there, &[&place.schema.name]).await;
        if rows.map_err(|error| trouble(&place.shown, &error))?.is_empty() {
            self.command(place, &place.schema.creation()).await?;
        }
        Ok(())
    }
}

fn newer(place: &Place, found: u32) -> Trouble {
    StateError::Newer { path: place.shown.clone(), found, known: VERSION }.into()
}
