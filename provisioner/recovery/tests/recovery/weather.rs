//! Months of a catalogue by chance: clouds in bad weather, programs that die, environments that change. After each month one look at
//! everything, and asking once more brings it right.

use crate::bed::{Bed, FIRST, Program, SECOND, WEST, block, diamond, done, point};
use crate::chance::Chance;
use provider::memory::Weather;
use provider::memory::schema::{IMAGE, SNAPSHOT};
use recovery::{Changed, RecoveryError};
use state::fault::{FAULTS, FaultyStore};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const MONTHS: u64 = 80;
const DAYS: u64 = 12;
const NAMES: [&str; 3] = ["p", "q", "r"];

fn weather(seed: u64) -> Weather {
    Weather {
        seed,
        refused: 60,
        lost_requests: 60,
        lost_answers: 60,
        late: 60,
        late_ms: 20_000,
        halfway: 60,
        unread: 60,
    }
}

/// In every other month snapshots show late and linger when they are deleted.
fn slow_to_show(bed: &Bed) {
    for kind in [SNAPSHOT, IMAGE] {
        let mut nature = bed.cloud.nature(kind);
        nature.adoption.settle_ms = 8_000;
        (nature.hidden_ms, nature.lingers_ms) = (8_000, 20_000);
        bed.cloud.set_nature(kind, nature);
    }
}

/// A program that dies at some call of the store, or does not.
fn program<'a>(bed: &'a Bed, chance: &mut Chance) -> Program<'a> {
    if chance.hits(500) {
        return bed.sound(FIRST);
    }
    let (fault, at) = (chance.pick(&FAULTS), 1 + chance.below(30));
    let store = FaultyStore::new(bed.mortal(), fault, at);
    bed.program(Arc::new(store), FIRST, Duration::ZERO)
}

/// What people know for certain: what was made, and what is locked.
#[derive(Default)]
struct Known {
    whole: BTreeSet<&'static str>,
    locked: BTreeSet<&'static str>,
    /// How many changes came to an end, and how many did not.
    ended: u64,
    cut_off: u64,
}

impl Known {
    fn has_ended<T>(&mut self, changed: &Result<Changed<T>, RecoveryError>) -> bool {
        let is_done = matches!(changed, Ok(Changed::Done(_)));
        *(if is_done { &mut self.ended } else { &mut self.cut_off }) += 1;
        is_done
    }
}

/// Someone does something, and it may end in any way.
async fn day(bed: &Bed, chance: &mut Chance, known: &mut Known) {
    let name = chance.pick(&NAMES);
    match chance.below(8) {
        0..=3 => {
            if known.has_ended(&program(bed, chance).create(name).await) {
                known.whole.insert(name);
            }
        }
        4 => {
            if !known.locked.contains(name) {
                known.whole.remove(name);
            }
            known.has_ended(&program(bed, chance).delete(&[name]).await);
        }
        5 => {
            if known.has_ended(&program(bed, chance).lock(name, true).await) {
                known.locked.insert(name);
            }
        }
        6 => {
            known.locked.remove(name);
            known.has_ended(&program(bed, chance).lock(name, false).await);
        }
        _ => {
            bed.cloud.heal();
            let mut blocks = diamond();
            if chance.hits(500) {
                blocks.push(block("memory_disk.c", &[]));
            }
            blocks[0].name = format!("disk-{}", chance.below(2));
            bed.apply(&blocks).await;
            bed.cloud.weather(weather(chance.next()));
        }
    }
}

/// What is taken for a restore point has all that it names, and nobody lost what they count on.
async fn look(bed: &Bed, known: &Known, context: &str) {
    let points = bed.points().await;
    for (name, kept) in &points.points {
        for (captured, record) in kept.snapshots() {
            let record = record.unwrap_or_else(|| panic!("{context}: {name} has no {captured:?}"));
            let mut there = bed.snapshots(WEST).into_iter();
            let there = there.find(|it| it.id == record.id && it.complete);
            let source = there.unwrap().attributes.get("source").unwrap();
            assert_eq!(source.as_str(), Some(captured.object.as_str()), "{context}: {name}");
        }
    }
    for name in known.whole.union(&known.locked) {
        assert!(points.points.contains_key(&point(name)), "{context}: {name} is gone");
    }
    for name in &known.locked {
        assert!(
            points.points[&point(name)].point.locked,
            "{context}: {name} is not locked any more"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_or_orphaned_by_chance() {
    let (mut ended, mut cut_off) = (0, 0);
    for seed in 0..MONTHS {
        let (bed, mut chance) = (Bed::new().await, Chance::new(seed));
        let mut known = Known::default();
        if seed % 2 == 1 {
            slow_to_show(&bed);
        }
        bed.cloud.weather(weather(chance.next()));
        for number in 0..DAYS {
            day(&bed, &mut chance, &mut known).await;
            look(&bed, &known, &format!("seed {seed}, day {number}")).await;
        }
        bed.cloud.heal();
        let context = format!("seed {seed}");
        // What was still to come of lost calls has come by then.
        tokio::time::sleep(Duration::from_hours(1)).await;
        done(bed.sound(SECOND).create("last").await, &context);
        for name in NAMES {
            done(bed.sound(SECOND).lock(name, false).await, &context);
        }
        done(bed.sound(SECOND).delete(&NAMES).await, &context);
        bed.assert_whole("last", WEST, &context).await;
        done(bed.sound(SECOND).delete(&["last"]).await, &context);
        bed.assert_nothing(&context).await;
        (ended, cut_off) = (ended + known.ended, cut_off + known.cut_off);
    }
    assert!(ended > 3 * MONTHS && cut_off > 2 * MONTHS, "{ended} ended, {cut_off} did not");
}
