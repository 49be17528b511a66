//! Checkpoints: what spares readers the segments before them, and removes what nobody needs any more.
//!
//! Order: the journal's entries into parts, a new base, then the checkpoint; a crash before the last leaves objects that
//! the next checkpoint makes use of or nobody reads. Removed is only what a checkpoint replaced that is itself
//! older than the grace period, by the store's own clock, so no clock of a client matters.
//! Refuses to know: rules, who writes.

use crate::format::{self, Checkpoint, Part};
use crate::remote::Listed;
use crate::replica::{Live, Reading, Replica, Since};
use state::StateError;
use state::rows::RawEntry;

type Result<T, E = StateError> = std::result::Result<T, E>;

/// A part is at most about this large.
const PART_BYTES: usize = 4 << 20;
/// Segments after which one is due, however large it is.
const MOST_SEGMENTS: u64 = 1024;
/// Bytes of segments after which one is due, if it is not larger.
const MOST_BYTES: u64 = 4 << 20;

impl Since {
    /// Whether a checkpoint is due. One costs as much as the whole environment, so a larger one comes less often.
    pub fn is_due(&self, segments: u64) -> bool {
        let many = self.segments >= segments && self.bytes * 8 >= self.size;
        let large = self.bytes >= MOST_BYTES.max(self.size);
        self.rekeyed || self.pruned || many || large || self.segments >= MOST_SEGMENTS.max(segments)
    }
}

/// Writes a checkpoint of what is in memory, unless someone wrote one since, and removes what is not needed any more.
pub async fn write(replica: &mut Replica, reading: &Reading) -> Result<()> {
    let Some(live) = &mut replica.live else { return Ok(()) };
    let last_known = replica.number - replica.since.segments;
    let newest = reading.newest_checkpoint().await?;
    if newest.is_some_and(|(number, _)| number > last_known) && !replica.since.rekeyed {
        let size = replica.since.size;
        replica.since = Since { size, ..Since::default() };
        return Ok(());
    }
    write_parts(live, reading).await?;
    if let Some(base) = &live.new_base {
        let name = format!("{}/{}", format::BASES, format::number(base.serial));
        reading.remote.create(&name, &format::encode("base", base)?.0).await?;
    }
    let place = reading.remote.shown();
    let state = match live.image.version.serial {
        0 => None,
        _ => Some(live.codec(&place).encode_base(&live.image.version, live.image.head())?),
    };
    let checkpoint = Checkpoint {
        number: replica.number,
        segment: replica.head.clone(),
        identity: live.image.identity.clone(),
        epoch: live.image.epoch,
        leases: live.image.leases.values().cloned().collect(),
        base_serial: live.base_serial,
        state,
    };
    let name = format::numbers(replica.number, live.base_serial);
    let (body, _) = format::encode("checkpoint", &checkpoint)?;
    reading.remote.create(&format!("{}/{name}", format::CHECKPOINTS), &body).await?;
    if let Some(state) = checkpoint.state {
        live.parted = state.serial;
        live.image.base = Some(state);
        live.image.journal = Vec::new();
    }
    live.new_base = None;
    replica.since = Since { size: body.len() as u64, ..Since::default() };
    clean(reading).await
}

async fn write_parts(live: &Live, reading: &Reading) -> Result<()> {
    let entries = live.image.journal.iter().filter(|raw| raw.sequence > live.parted);
    let (mut part, mut bytes) = (Vec::new(), 0);
    for raw in entries {
        part.push(raw.clone());
        bytes += raw.body.len();
        if bytes >= PART_BYTES {
            write_part(std::mem::take(&mut part), reading).await?;
            bytes = 0;
        }
    }
    write_part(part, reading).await
}

async fn write_part(entries: Vec<RawEntry>, reading: &Reading) -> Result<()> {
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
    let name = format::numbers(first.sequence, last.sequence);
    let (body, _) = format::encode("part", &Part { entries })?;
    // One that is there already holds the same: entries of the same numbers in one chain.
    reading.remote.create(&format!("{}/{name}", format::PARTS), &body).await.map(drop)
}

/// Removes what nobody who reads now can need: see `replica`.
async fn clean(reading: &Reading) -> Result<()> {
    let remote = &reading.remote;
    let listed = remote.list(format::CHECKPOINTS, None).await?;
    let Some(Floor { number, base_serial }) = floor(&listed, reading) else { return Ok(()) };
    let checkpoints = old(&listed, format::CHECKPOINTS, |name| {
        format::parse_numbers(name).is_some_and(|(of, _)| of < number)
    });
    let segments = remote.list(format::SEGMENTS, None).await?;
    // Its own segment stays: so a checkpoint is newer than any segment that may be missing, and who stands on a segment that
    // was made where one was removed sees that.
    let segments =
        old(&segments, format::SEGMENTS, |name| name.parse().is_ok_and(|of: u64| of < number));
    remote.delete(checkpoints).await?;
    remote.delete(segments).await?;
    if base_serial == 0 {
        return Ok(());
    }
    let parts = remote.list(format::PARTS, None).await?;
    let parts = old(&parts, format::PARTS, |name| {
        format::parse_numbers(name).is_some_and(|(_, last)| last <= base_serial)
    });
    let bases = remote.list(format::BASES, None).await?;
    let bases =
        old(&bases, format::BASES, |name| name.parse().is_ok_and(|of: u64| of < base_serial));
    remote.delete([parts, bases].concat()).await
}

fn old(listed: &[Listed], directory: &str, is_old: impl Fn(&str) -> bool) -> Vec<String> {
    let old = listed.iter().filter(|listed| is_old(&listed.name));
    old.map(|listed| format!("{directory}/{}", listed.name)).collect()
}

/// The newest checkpoint that is older than the grace period. Now is when the youngest was made.
struct Floor {
    number: u64,
    base_serial: u64,
}

fn floor(listed: &[Listed], reading: &Reading) -> Option<Floor> {
    let now_ms = listed.iter().map(|listed| listed.made_ms).max()?;
    let grace_ms = i64::try_from(reading.tuning.grace.as_millis()).unwrap_or(i64::MAX);
    let (number, base_serial) = listed
        .iter()
        .filter(|listed| now_ms.saturating_sub(listed.made_ms) >= grace_ms)
        .filter_map(|listed| format::parse_numbers(&listed.name))
        .max()?;
    Some(Floor { number, base_serial })
}
