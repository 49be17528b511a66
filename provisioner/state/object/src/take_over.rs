//! An environment that comes from another store: its first segment holds the whole history, so it is there wholly or not
//! at all.
//!
//! Invariant: the journal is walked before anything is made, so that what is damaged is not copied.

use crate::checkpoint;
use crate::commit::{Proposal, Shared};
use crate::format::Segment;
use crate::replica::{Live, Replica};
use state::image::Image;
use state::{Dump, StateError};

impl Shared {
    /// Makes the environment from a dump.
    pub async fn take_over(&self, dump: Dump) -> Result<(), StateError> {
        let reading = &self.reading;
        let place = reading.remote.shown();
        reading.expect_environment(&dump.identity)?;
        let environment = dump.identity.environment.clone();
        let exists = StateError::Exists { environment, place: place.clone() };
        let mut replica = self.replica.lock().await;
        replica.follow(reading).await?;
        if replica.live.is_some() {
            return Err(exists);
        }
        let mut live = Live::new(dump.identity.clone(), reading);
        live.image = Image::from_dump(dump, live.codec(&place))?;
        let segment = Segment {
            number: replica.number + 1,
            previous: replica.head.clone(),
            identity: Some(live.image.identity.clone()),
            entries: live.image.journal.clone(),
            epoch: live.image.epoch,
            base: live.image.base.clone(),
            ..self.empty_segment(reading.clock.now())
        };
        replica.live = Some(live);
        let written = self.put(&mut replica, Proposal::of(segment), reading.moment()).await;
        if !matches!(written, Ok(true)) {
            *replica = Replica::default();
        }
        if !written? {
            return Err(exists);
        }
        if replica.since.is_due(reading.tuning.segments) {
            // The history is safe in the segment; the next commit tries again.
            let _ = checkpoint::write(&mut replica, reading).await;
        }
        Ok(())
    }
}
