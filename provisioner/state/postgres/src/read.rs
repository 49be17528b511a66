//! Reading an environment: without a lease, without making anything, every answer of one instant.
//!
//! Refuses to know: writing.

use crate::errors::Trouble;
use crate::fetch::{self, Leases, all, decoded_leases, open_intent, record, result};
use crate::meta::Meta;
use crate::place::{Place, aside};
use crate::session::{Session, answered};
use crate::walk;
use futures::future::BoxFuture;
use jiff::Timestamp;
use model::record::{Intent, Record, Recorded};
use state::rows::{Codec, RecordRow};
use state::rules::LeaseRow;
use state::vault::Vault;
use state::version::Version;
use state::{CheckReport, Dump, JournalEntry, StateError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

type Result<T, E = Trouble> = std::result::Result<T, E>;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const META: &str = "SELECT name, lineage, key_check, keyring, serial, epoch, head, hash
    FROM @.environment WHERE name = $1";
const CLOCK: &str =
    "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint WHERE $1::text IS NOT NULL";
const LEASES: &str = "SELECT epoch, body, hash FROM @.lease WHERE environment = $1";
const RESOURCE: &str =
    "SELECT address, provider, revision, body, hash FROM @.resource WHERE environment = $1";
const DEPOSED: &str = "SELECT address, provider, revision, body, hash FROM @.deposed WHERE environment = $1 ORDER BY id";
const RESULTS: &str = "SELECT kind, name, body, hash FROM @.results WHERE environment = $1";
const OPEN: &str =
    "SELECT u.seq, u.address, j.run, j.at, j.kind, j.address, j.body, j.prev_hash, j.hash
    FROM @.unfinished u LEFT JOIN @.journal j ON j.environment = u.environment AND j.seq = u.seq
    WHERE u.environment = $1 ORDER BY u.seq";

/// How often a question is asked before the server is held to be out of reach, and the first wait in between.
const TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_millis(100);

/// Asks questions over a connection of its own, which is kept.
pub struct Reader {
    place: Arc<Place>,
    session: Mutex<Option<Session>>,
}

/// An environment at one instant.
pub struct View<'a> {
    session: &'a Session,
    place: &'a Arc<Place>,
    pub meta: Meta,
    pub vault: Arc<Vault>,
    /// The server's time.
    pub now: Timestamp,
}

impl Reader {
    pub fn new(place: Arc<Place>) -> Self {
        Self { place, session: Mutex::new(None) }
    }

    /// Asks; none if there is no such environment. A question that the connection did not survive is asked again.
    pub async fn ask<T: Send>(
        &self,
        question: impl for<'a> Fn(&'a View<'a>) -> BoxFuture<'a, Result<T>> + Send + Sync,
    ) -> Result<Option<T>, StateError> {
        let mut session = self.session.lock().await;
        let mut pause = PAUSE;
        for attempt in 1.. {
            match self.try_once(&mut session, &question).await {
                Ok(answer) => return Ok(answer),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::Passing(why)) if attempt == TRIES => {
                    return Err(StateError::Unreachable { place: self.place.shown.clone(), why });
                }
                Err(Trouble::Passing(_)) => tokio::time::sleep(pause).await,
            }
            pause *= 2;
        }
        Ok(None)
    }

    async fn try_once<T: Send>(
        &self,
        kept: &mut Option<Session>,
        question: &(impl for<'a> Fn(&'a View<'a>) -> BoxFuture<'a, Result<T>> + Send + Sync),
    ) -> Result<Option<T>> {
        let session = match kept.take() {
            Some(session) if !session.is_closed() => session,
            _ => match Session::open(&self.place, false).await? {
                Some(session) => session,
                None => return Ok(None),
            },
        };
        let answer = match View::open(&session, &self.place).await? {
            Some(view) => Some(question(&view).await?),
            None => None,
        };
        session.command(&self.place, "COMMIT").await?;
        *kept = Some(session);
        Ok(answer)
    }
}

impl<'a> View<'a> {
    async fn open(session: &'a Session, place: &'a Arc<Place>) -> Result<Option<Self>> {
        let begun = async {
            Ok(futures::join!(
                session.command(place, BEGIN),
                all(session, place, META),
                all(session, place, CLOCK),
            ))
        };
        let (begun, meta, clock) = answered(begun).await?;
        begun?;
        let meta = meta?.first().map(|row| Meta::read(row, &place.shown)).transpose()?;
        let Some(meta) = meta else { return Ok(None) };
        let vault = place.vault(&meta.identity);
        Ok(Some(Self { session, place, meta, vault, now: fetch::now(&clock?, place)? }))
    }

    /// Everything. Every row's hash is checked; the journal's chain only where [`View::check`] walks it.
    pub async fn recorded(&self) -> Result<Recorded> {
        let (session, place) = (self.session, self.place);
        let (resource, deposed, results, open) = futures::join!(
            all(session, place, RESOURCE),
            all(session, place, DEPOSED),
            all(session, place, RESULTS),
            all(session, place, OPEN),
        );
        let (resource, deposed, results, open) = (resource?, deposed?, results?, open?);
        let (place, vault, meta) = (place.clone(), self.vault.clone(), self.meta.clone());
        let decoded = aside(move || {
            let codec = place.codec(&vault);
            let mut recorded = Recorded {
                lineage: meta.identity.lineage,
                serial: meta.serial,
                deposed: decoded(codec, "deposed", deposed.iter().map(|row| record(row, &place)))?,
                ..Recorded::default()
            };
            for record in
                decoded(codec, "resource", resource.iter().map(|row| record(row, &place)))?
            {
                recorded.records.insert(record.address.clone(), record);
            }
            for row in &results {
                let (kind, name, body, hash) = result(row, &place)?;
                codec.decode_result(&kind, &name, &body, &hash)?.add_to(&mut recorded, name);
            }
            let open = open.iter().map(|row| codec.decode_intent(&open_intent(row, &place)?.1.raw));
            recorded.unfinished = open.collect::<Result<Vec<Intent>, _>>()?;
            Ok(recorded)
        });
        Ok(decoded.await?)
    }

    /// All leases.
    pub async fn leases(&self) -> Result<Vec<LeaseRow>> {
        let rows = all(self.session, self.place, LEASES).await?;
        let leases = decoded_leases(&rows, self.place, &self.vault, &Leases::new())?;
        Ok(leases.into_values().map(|(_, lease)| LeaseRow::clone(&lease)).collect())
    }

    /// The version after a journal entry.
    pub async fn version(&self, serial: u64) -> Result<Version> {
        let base = walk::base(self.session, self.place).await?;
        let first = base.as_ref().map_or(0, |base| base.serial);
        let last = self.meta.serial;
        if serial < first || serial > last {
            return Err(StateError::NoVersion { serial, first, last }.into());
        }
        let walked = walk::walk(self.session, self.place, &self.vault, base, serial, drop).await?;
        if walked.version.serial == serial {
            return Ok(walked.version);
        }
        Err(self.ends_early(walked.version.serial).into())
    }

    fn ends_early(&self, last: u64) -> StateError {
        self.place
            .codec(&self.vault)
            .corrupt(format!("the journal ends too early, after entry {last}"))
    }

    /// Looks at everything.
    pub async fn check(&self) -> Result<CheckReport> {
        let mut report = CheckReport::default();
        let base = match walk::base(self.session, self.place).await {
            Err(Trouble::Final(error)) => {
                report.findings.push(error.to_string());
                return Ok(report);
            }
            base => base?,
        };
        let (session, place, vault) = (self.session, self.place, &self.vault);
        let count = |_| report.entries += 1;
        let walked =
            walk::walk_as_far_as_sound(session, place, vault, base, u64::MAX, count).await?;
        let recorded = match self.recorded().await {
            Err(Trouble::Final(error)) => Err(error),
            recorded => Ok(recorded?),
        };
        report.records = recorded.as_ref().map_or(0, |recorded| recorded.records.len() as u64);
        let last = walked.version.serial;
        match (walked.broken, recorded) {
            (None, Ok(_)) if last != self.meta.serial || walked.head != self.meta.head => {
                report.findings.push(self.ends_early(last).to_string());
            }
            (None, Ok(recorded)) => {
                if walked.version.into_recorded(recorded.lineage.clone()) != recorded {
                    let what = "the journal tells another state than the tables";
                    report.findings.push(what.to_owned());
                }
            }
            (broken, recorded) => {
                report.findings.extend(broken.map(|error| error.to_string()));
                report.findings.extend(recorded.err().map(|error| error.to_string()));
            }
        }
        Ok(report)
    }

    /// Everything, for another store.
    pub async fn dump(&self) -> Result<Dump> {
        let base = walk::base(self.session, self.place).await?;
        let mut journal = Vec::new();
        let (from, until) = (base.clone(), self.meta.serial);
        let take = |raw| journal.push(raw);
        let walked = walk::walk(self.session, self.place, &self.vault, from, until, take).await?;
        if walked.version.serial != until || walked.head != self.meta.head {
            return Err(self.ends_early(walked.version.serial).into());
        }
        Ok(Dump { identity: self.meta.identity.clone(), epoch: self.meta.epoch, base, journal })
    }

    /// Journal entries after one.
    pub async fn journal(&self, mut after: u64) -> Result<Vec<JournalEntry>> {
        let mut entries = Vec::new();
        loop {
            let page = walk::page(self.session, self.place, after, self.meta.serial).await?;
            let Some(last) = page.last() else { return Ok(entries) };
            after = last.sequence;
            let codec = self.place.codec(&self.vault);
            for raw in &page {
                entries.push(codec.sealed_entry(raw)?);
            }
        }
    }
}

fn decoded(
    codec: Codec<'_>,
    table: &str,
    rows: impl Iterator<Item = Result<RecordRow, StateError>>,
) -> Result<Vec<Record>, StateError> {
    rows.map(|row| codec.decode_record(table, &row?)).collect()
}
