//! A copy of an environment in memory that follows its segments, from the newest checkpoint on.
//!
//! Nothing that came after a position that was the end (or a checkpoint that was the newest) at some moment is removed
//! from the store before [`Tuning::grace`] after that moment; so "there is no next segment" means "this is the
//! end" only within [`Tuning::window`], a sixth of it, and otherwise the checkpoints are listed to make sure.
//! Refuses to know: rules, who writes.

use crate::format::{self, Checkpoint, Segment};
use crate::remote::Remote;
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use state::clock::Clock;
use state::image::Image;
use state::keyring::{NewWrap, Unlock};
use state::rows::{Codec, RawEntry};
use state::vault::{Secrets, Vault};
use state::version::Base;
use state::{Identity, StateError};
use std::sync::Arc;
use std::time::{Duration, Instant};

type Result<T, E = StateError> = std::result::Result<T, E>;

/// Objects that are read at one time.
const AT_ONCE: usize = 16;
/// How often a position is looked for before giving up: each time, others wrote two checkpoints meanwhile.
const LOOKS: u32 = 16;

/// When checkpoints are written, and for how long what they replace is kept.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Segments after which a checkpoint is due, if they are an eighth of its size.
    pub segments: u64,
    /// How long what a newer checkpoint replaces is kept, by the store's clock.
    pub grace: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { segments: 64, grace: Duration::from_hours(1) }
    }
}

impl Tuning {
    /// For how long a position that was the end is trusted to have nothing removed after it.
    pub fn window(&self) -> Duration {
        self.grace / 6
    }
}

/// A moment by two clocks: one stops while the machine sleeps, the other can be set.
#[derive(Clone, Copy)]
pub struct Moment {
    steady: Instant,
    wall: Timestamp,
}

/// What an environment is read with.
pub struct Reading {
    /// Where it is.
    pub remote: Remote,
    /// Its name.
    pub environment: String,
    /// What opens its keys.
    pub unlock: Unlock,
    /// How secrets are written.
    pub secrets: Secrets,
    /// Ways into the keyring of a new environment; a key file and no keyring if there are none.
    pub ways: Vec<NewWrap>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// See there.
    pub tuning: Tuning,
}

impl Reading {
    /// Now.
    pub fn moment(&self) -> Moment {
        Moment { steady: Instant::now(), wall: self.clock.now() }
    }

    /// Whether a moment is not long ago, by both clocks.
    pub fn is_recent(&self, moment: Option<Moment>) -> bool {
        let Some(moment) = moment else { return false };
        let wall = self.clock.now().duration_since(moment.wall).unsigned_abs();
        moment.steady.elapsed().max(wall) < self.tuning.window()
    }

    /// The newest checkpoint.
    pub async fn newest_checkpoint(&self) -> Result<Option<(u64, String)>> {
        let listed = self.remote.list(format::CHECKPOINTS, None).await?;
        let named = |listed: &crate::remote::Listed| {
            let (number, _) = format::parse_numbers(&listed.name)?;
            Some((number, format!("{}/{}", format::CHECKPOINTS, listed.name)))
        };
        Ok(listed.iter().filter_map(named).next_back())
    }

    /// A segment and its hash and size; none if there is none of this number.
    pub async fn segment(&self, number: u64) -> Result<Option<(Segment, String, u64)>> {
        let name = format!("{}/{}", format::SEGMENTS, format::number(number));
        let Some(body) = self.remote.get(&name).await? else { return Ok(None) };
        let shown = self.remote.name(&name);
        let (segment, hash) = format::decode::<Segment>("segment", &shown, &body)?;
        if segment.number != number {
            let what = format!("it is segment {}", segment.number);
            return Err(StateError::Corrupt { path: shown, what });
        }
        Ok(Some((segment, hash, body.len() as u64)))
    }

    fn outrun(&self) -> StateError {
        let why = "other programs write faster than this one can read".to_owned();
        StateError::Unreachable { place: self.remote.shown(), why }
    }

    fn vault(&self, identity: &Identity) -> Vault {
        Vault::unlocked_by(
            self.unlock.clone(),
            identity.keyring.clone(),
            self.secrets,
            identity.lineage.clone(),
            identity.key_check.clone(),
        )
    }

    /// Refuses another environment.
    pub fn expect_environment(&self, identity: &Identity) -> Result<()> {
        if identity.environment == self.environment {
            return Ok(());
        }
        Err(StateError::Foreign {
            path: self.remote.shown(),
            found: identity.environment.clone(),
            wanted: self.environment.clone(),
        })
    }
}

/// An environment that was written at least once, and its keys.
pub struct Live {
    /// The version, and the journal as far as it is in memory: after `image.base`.
    pub image: Image,
    /// Seals and opens.
    pub vault: Vault,
    /// The serial that the journal begins after.
    pub base_serial: u64,
    /// The base itself, if no checkpoint has seen it yet.
    pub new_base: Option<Base>,
    /// Up to here the journal is in parts.
    pub parted: u64,
}

impl Live {
    /// A new environment.
    pub fn new(identity: Identity, reading: &Reading) -> Self {
        let vault = reading.vault(&identity);
        let image = Image::new(identity);
        Self { image, vault, base_serial: 0, new_base: None, parted: 0 }
    }

    fn from_checkpoint(checkpoint: Checkpoint, reading: &Reading) -> Result<Self> {
        reading.expect_environment(&checkpoint.identity)?;
        let mut live = Self::new(checkpoint.identity, reading);
        if let Some(base) = checkpoint.state {
            live.image.version = live.codec(&reading.remote.shown()).decode_base(&base)?;
            live.parted = base.serial;
            live.image.base = Some(base);
        }
        let leases = checkpoint.leases.into_iter();
        live.image.leases = leases.map(|row| (row.info.epoch, row)).collect();
        live.image.epoch = checkpoint.epoch;
        live.base_serial = checkpoint.base_serial;
        Ok(live)
    }

    /// Reads and writes rows.
    pub fn codec<'a>(&'a self, place: &'a str) -> Codec<'a> {
        Codec { place, vault: &self.vault }
    }

    /// The serial that the part of the journal in memory begins after.
    pub fn in_memory_after(&self) -> u64 {
        self.image.base.as_ref().map_or(0, |base| base.serial)
    }

    /// What a segment did.
    fn apply(&mut self, segment: Segment, reading: &Reading) -> Result<()> {
        let place = reading.remote.shown();
        if let Some(base) = segment.base {
            if segment.number == 1 {
                self.image.version = self.codec(&place).decode_base(&base)?;
                self.image.base = Some(base.clone());
            }
            self.base_serial = base.serial;
            self.new_base = Some(base);
        }
        let codec = Codec { place: &place, vault: &self.vault };
        for raw in segment.entries {
            self.image.follow(raw, codec)?;
        }
        for row in segment.leases {
            self.image.leases.insert(row.info.epoch, row);
        }
        for epoch in segment.released {
            self.image.leases.remove(&epoch);
        }
        self.image.epoch = segment.epoch;
        if let Some(rekeyed) = segment.rekeyed {
            self.image.identity.keyring = rekeyed.keyring;
            self.rekeyed(reading);
        }
        Ok(())
    }

    /// Takes the keyring that is in place now.
    pub fn rekeyed(&mut self, reading: &Reading) {
        self.vault = reading.vault(&self.image.identity);
    }

    /// The environment with its whole journal.
    pub async fn whole(&self, reading: &Reading) -> Result<Image> {
        let from = self.base_serial;
        let mut image = self.image.clone();
        image.journal.retain(|raw| raw.sequence > from);
        image.base = match &self.new_base {
            Some(base) => Some(base.clone()),
            None if from > 0 => Some(read_base(&reading.remote, from).await?),
            None => None,
        };
        if self.in_memory_after() > from {
            let mut journal = read_parts(reading, from, self.in_memory_after()).await?;
            journal.append(&mut image.journal);
            image.journal = journal;
        }
        Ok(image)
    }
}

async fn read_base(remote: &Remote, serial: u64) -> Result<Base> {
    let name = format!("{}/{}", format::BASES, format::number(serial));
    let shown = remote.name(&name);
    let missing = || StateError::Corrupt { path: shown.clone(), what: "it is missing".to_owned() };
    let body = remote.get(&name).await?.ok_or_else(missing)?;
    Ok(format::decode::<Base>("base", &shown, &body)?.0)
}

/// The journal's entries after `from`, up to and with `to`, from its parts. Parts may overlap: whoever wrote a checkpoint
/// at the same time as another wrote its own.
async fn read_parts(reading: &Reading, from: u64, to: u64) -> Result<Vec<RawEntry>> {
    let remote = &reading.remote;
    let listed = remote.list(format::PARTS, None).await?;
    let parts: Vec<_> =
        listed.iter().filter_map(|listed| format::parse_numbers(&listed.name)).collect();
    let (mut chosen, mut have) = (Vec::new(), from);
    while have < to {
        let next = parts.iter().filter(|(first, last)| *first <= have + 1 && *last > have);
        let Some((first, last)) = next.max_by_key(|(_, last)| *last) else {
            let what = format!("the journal's entries from {} are missing", have + 1);
            return Err(StateError::Corrupt { path: remote.name(format::PARTS), what });
        };
        chosen.push((*first, *last));
        have = *last;
    }
    let read = |(first, last): (u64, u64)| async move {
        let name = format!("{}/{}", format::PARTS, format::numbers(first, last));
        let shown = remote.name(&name);
        let gone = || StateError::Corrupt { path: shown.clone(), what: "it is missing".to_owned() };
        let body = remote.get(&name).await?.ok_or_else(gone)?;
        Ok::<_, StateError>(format::decode::<format::Part>("part", &shown, &body)?.0.entries)
    };
    let read: Vec<_> =
        futures::stream::iter(chosen).map(read).buffered(AT_ONCE).try_collect().await?;
    let mut entries: Vec<RawEntry> = Vec::new();
    for raw in read.into_iter().flatten() {
        let have = entries.last().map_or(from, |last| last.sequence);
        if raw.sequence > have && raw.sequence <= to {
            entries.push(raw);
        }
    }
    Ok(entries)
}

/// What an environment is; none if it was never written. Needs no key.
pub async fn identity(reading: &Reading) -> Result<Option<Identity>> {
    for _ in 0..LOOKS {
        let (mut number, mut identity) = (0, None);
        if let Some((newest, name)) = reading.newest_checkpoint().await? {
            let Some(body) = reading.remote.get(&name).await? else { continue };
            let shown = reading.remote.name(&name);
            let (checkpoint, _) = format::decode::<Checkpoint>("checkpoint", &shown, &body)?;
            (number, identity) = (newest, Some(checkpoint.identity));
        }
        while let Some((segment, _, _)) = reading.segment(number + 1).await? {
            number += 1;
            identity = segment.identity.or(identity);
            if let (Some(identity), Some(rekeyed)) = (&mut identity, segment.rekeyed) {
                identity.keyring = rekeyed.keyring;
            }
        }
        identity.iter().try_for_each(|identity| reading.expect_environment(identity))?;
        return Ok(identity);
    }
    Err(reading.outrun())
}

/// The copy.
#[derive(Default)]
pub struct Replica {
    /// The environment; none before its first segment.
    pub live: Option<Live>,
    /// The last segment that it has.
    pub number: u64,
    /// Hash of that segment.
    pub head: String,
    /// When nothing after that segment was removed for sure.
    pub confirmed: Option<Moment>,
    /// What came since the last checkpoint.
    pub since: Since,
}

/// What came since the last checkpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct Since {
    /// Segments.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of that checkpoint.
    pub size: u64,
    /// Whether another keyring was put in place.
    pub rekeyed: bool,
    /// Whether the journal was pruned.
    pub pruned: bool,
}

impl Replica {
    /// Follows to the end.
    pub async fn follow(&mut self, reading: &Reading) -> Result<()> {
        let followed = self.try_follow(reading).await;
        if matches!(followed, Err(StateError::Corrupt { .. } | StateError::Key(_))) {
            // A segment may be half applied.
            *self = Self::default();
        }
        followed
    }

    async fn try_follow(&mut self, reading: &Reading) -> Result<()> {
        let mut seen = 0;
        for _ in 0..LOOKS {
            let end = match self.follow_once(reading).await {
                Ok(Some(end)) => end,
                Ok(None) => continue,
                Err(error @ StateError::Corrupt { .. }) if !reading.is_recent(self.confirmed) => {
                    // What was removed meanwhile, and what was made in its place, is no damage: then there is a newer
                    // checkpoint.
                    match reading.newest_checkpoint().await? {
                        Some((newest, _)) if newest > seen => seen = newest,
                        _ => return Err(error),
                    }
                    *self = Self::default();
                    continue;
                }
                Err(error) => return Err(error),
            };
            if reading.is_recent(self.confirmed) || !self.is_behind(reading).await? {
                self.confirmed = Some(end);
                return Ok(());
            }
        }
        Err(reading.outrun())
    }

    /// Follows to where there is no next segment, and when that was asked; none if it must start again.
    async fn follow_once(&mut self, reading: &Reading) -> Result<Option<Moment>> {
        if !reading.is_recent(self.confirmed) && !self.anchor(reading).await? {
            return Ok(None);
        }
        self.walk(reading).await.map(Some)
    }

    async fn is_behind(&self, reading: &Reading) -> Result<bool> {
        let newest = reading.newest_checkpoint().await?;
        Ok(newest.is_some_and(|(number, _)| number > self.number))
    }

    /// Starts again from the newest checkpoint if that is further on; false if it went meanwhile.
    async fn anchor(&mut self, reading: &Reading) -> Result<bool> {
        let moment = reading.moment();
        if let Some((number, name)) = reading.newest_checkpoint().await?
            && number > self.number
        {
            let Some(body) = reading.remote.get(&name).await? else { return Ok(false) };
            let shown = reading.remote.name(&name);
            let (checkpoint, _) = format::decode::<Checkpoint>("checkpoint", &shown, &body)?;
            let since = Since { size: body.len() as u64, ..Since::default() };
            let head = checkpoint.segment.clone();
            let live = Some(Live::from_checkpoint(checkpoint, reading)?);
            *self = Self { live, number, head, confirmed: Some(moment), since };
        }
        self.confirmed = Some(moment);
        self.catch_up(reading).await?;
        Ok(true)
    }

    /// Reads many segments at one time. None may be missing among those that are there.
    async fn catch_up(&mut self, reading: &Reading) -> Result<()> {
        let last = format::number(self.number);
        let listed = reading.remote.list(format::SEGMENTS, Some(&last)).await?;
        let numbers: Vec<u64> =
            listed.iter().filter_map(|listed| listed.name.parse().ok()).collect();
        if let Some((missing, _)) =
            (self.number + 1..).zip(&numbers).find(|(next, found)| next != *found)
        {
            let name = format!("{}/{}", format::SEGMENTS, format::number(missing));
            let what = "it is missing, though later ones are there".to_owned();
            return Err(StateError::Corrupt { path: reading.remote.name(&name), what });
        }
        let mut segments =
            futures::stream::iter(numbers).map(|number| reading.segment(number)).buffered(AT_ONCE);
        while let Some(Some(found)) = segments.try_next().await? {
            self.take(found, reading)?;
        }
        Ok(())
    }

    /// Reads one segment after the other until there is none; when that was asked.
    async fn walk(&mut self, reading: &Reading) -> Result<Moment> {
        loop {
            let moment = reading.moment();
            match reading.segment(self.number + 1).await? {
                Some(found) => self.take(found, reading)?,
                None => return Ok(moment),
            }
        }
    }

    fn take(&mut self, found: (Segment, String, u64), reading: &Reading) -> Result<()> {
        let (mut segment, hash, bytes) = found;
        if segment.previous != self.head {
            let name = format!("{}/{}", format::SEGMENTS, format::number(segment.number));
            let what = "it does not follow the segment before it".to_owned();
            return Err(StateError::Corrupt { path: reading.remote.name(&name), what });
        }
        if let Some(identity) = segment.identity.take() {
            reading.expect_environment(&identity)?;
            self.live = Some(Live::new(identity, reading));
        }
        let (rekeyed, pruned) = (segment.rekeyed.is_some(), segment.base.is_some());
        let live = self.live.as_mut().ok_or_else(|| StateError::Corrupt {
            path: reading.remote.shown(),
            what: "its first segment does not say what it is".to_owned(),
        })?;
        live.apply(segment, reading)?;
        self.passed(hash, bytes, rekeyed, pruned);
        Ok(())
    }

    /// One segment further.
    pub fn passed(&mut self, hash: String, bytes: u64, rekeyed: bool, pruned: bool) {
        self.number += 1;
        self.head = hash;
        self.since.segments += 1;
        self.since.bytes += bytes;
        self.since.rekeyed |= rekeyed;
        self.since.pruned |= pruned;
    }
}
