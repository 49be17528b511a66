//! What happens in one simulated run, decided from its seed alone: what is configured, who applies it and when, where
//! each program dies, how well the cloud and the store work.

use crate::chance::Chance;
use crate::configuration::{Block, block};
use std::collections::BTreeSet;
use std::fmt;

/// The shapes of plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    Create,
    Update,
    ReplaceDeleteFirst,
    ReplaceCreateFirst,
    Delete,
    Installs,
    Mixed,
    Targeted,
    Overlapping,
    Moved,
    Destroy,
}

pub const SHAPES: [Shape; 11] = [
    Shape::Create,
    Shape::Update,
    Shape::ReplaceDeleteFirst,
    Shape::ReplaceCreateFirst,
    Shape::Delete,
    Shape::Installs,
    Shape::Mixed,
    Shape::Targeted,
    Shape::Overlapping,
    Shape::Moved,
    Shape::Destroy,
];

/// How a program is seen by others once it is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the same machine: it is known to be gone.
    Here,
    /// Elsewhere: its leases have to end by themselves.
    Elsewhere,
}

/// One program that applies.
#[derive(Clone, Debug)]
pub struct Life {
    pub blocks: Vec<Block>,
    pub targets: Vec<&'static str>,
    pub place: Place,
    /// It waits so long before it begins.
    pub delay_ms: u64,
    /// The moment, before or after an effect, at which it dies.
    pub dies_at: Option<u64>,
    /// The moment at which it stands still, and for how long.
    pub freezes: Option<(u64, u64)>,
    /// When the user interrupts, once or twice.
    pub interrupted_ms: Option<(u64, bool)>,
}

/// How well things work, in calls of a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    pub refused: u64,
    pub denied: u64,
    /// Refused or denied right after an answer about the same instance was lost.
    pub denied_next: u64,
    pub throttled: u64,
    pub lost_requests: u64,
    pub lost_answers: u64,
    pub late: u64,
    pub hangs: u64,
    pub half_made: u64,
    pub twice: u64,
    pub unread: u64,
    pub store: u64,
    /// Whether the cloud enforces its published limits.
    pub limits: bool,
}

/// One simulated run.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub shape: Shape,
    /// What is there at the start.
    pub start: Vec<Block>,
    /// Programs; those of one group run at the same time.
    pub groups: Vec<Vec<Life>>,
    /// What is wanted in the end.
    pub end: Vec<Block>,
    pub weather: Weather,
    /// When somebody takes the oldest lease away, whoever holds it.
    pub unlocks_ms: Option<u64>,
}

impl fmt::Display for Scenario {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |blocks: &[Block]| {
            let each = |b: &Block| {
                let first = if b.create_first { " create-first" } else { "" };
                format!("{}({}, {}{first})", b.address, b.name, b.setting)
            };
            blocks.iter().map(each).collect::<Vec<_>>().join(", ")
        };
        writeln!(formatter, "seed {}: {:?}", self.seed, self.shape)?;
        writeln!(formatter, "  at the start: {}", names(&self.start))?;
        writeln!(formatter, "  in the end: {}", names(&self.end))?;
        writeln!(formatter, "  {:?}, unlocked at {:?}", self.weather, self.unlocks_ms)?;
        for (number, group) in self.groups.iter().enumerate() {
            for life in group {
                let Life { targets, place, delay_ms, dies_at, freezes, interrupted_ms, .. } = life;
                let wanted = names(&life.blocks);
                writeln!(
                    formatter,
                    "  group {number}: after {delay_ms} ms, {place:?}, dies at {dies_at:?}, freezes {freezes:?}, interrupted {interrupted_ms:?}, targets {targets:?}: {wanted}"
                )?;
            }
        }
        Ok(())
    }
}

/// Everything that can be configured, in the order of what refers to what.
fn universe() -> Vec<Block> {
    vec![
        block("memory_disk.a", &[]),
        block("memory_disk.b", &[]),
        block("memory_bucket.logs", &[]),
        block("memory_address.ip", &[]),
        block("memory_note.plain", &[]),
        block("memory_note.about", &["memory_note.plain", "memory_disk.b"]),
        block("memory_machine.one", &["memory_disk.a"]),
        block("memory_machine.two", &["memory_disk.a", "memory_disk.b"]),
        block("memory_worker.a", &[]),
        block("memory_worker.b", &[]),
        block("memory_worker.c", &[]),
        block("memory_service.web", &["memory_machine.one"]),
        block("memory_service.db", &["memory_machine.two"]),
        block("memory_check.all", &["memory_machine.one", "memory_note.about"]),
    ]
}

/// Those whose references are all there.
fn sound(mut blocks: Vec<Block>) -> Vec<Block> {
    let mut there = BTreeSet::new();
    blocks.retain(|block| {
        let is_sound = block.refers.iter().all(|name| there.contains(name));
        if is_sound {
            there.insert(block.address);
        }
        is_sound
    });
    blocks
}

/// Some of everything, at least one.
fn some(chance: &mut Chance, per_mille: u64) -> Vec<Block> {
    let mut blocks = universe();
    blocks.retain(|_| chance.hits(per_mille));
    let blocks = sound(blocks);
    if blocks.is_empty() { universe()[..4].to_vec() } else { blocks }
}

fn is(block: &Block, kind: &str) -> bool {
    block.address.starts_with(kind)
}

fn rename(block: &mut Block, chance: &mut Chance) {
    if ["memory_disk", "memory_machine", "memory_bucket", "memory_note"]
        .iter()
        .any(|kind| is(block, kind))
    {
        block.name = format!("{}-{}", block.name, chance.below(1_000));
    }
}

/// Another address for what can have one; a service is known to its machine by its own.
fn elsewhere(address: &str) -> Option<&'static str> {
    Some(match address {
        "memory_disk.a" => "memory_disk.of_machines",
        "memory_disk.b" => "memory_disk.of_two",
        "memory_bucket.logs" => "memory_bucket.archive",
        "memory_address.ip" => "memory_address.public",
        "memory_machine.one" => "memory_machine.first",
        "memory_machine.two" => "memory_machine.second",
        "memory_check.all" => "memory_check.every",
        _ => return None,
    })
}

/// Some blocks get other addresses, and what refers to them follows.
fn moved(blocks: &mut [Block], chance: &mut Chance) {
    for at in 0..blocks.len() {
        let old = blocks[at].address;
        let Some(new) = elsewhere(old).filter(|_| chance.hits(600)) else { continue };
        blocks[at].address = new;
        blocks[at].was = Some(old);
        for block in blocks.iter_mut() {
            for name in block.refers.iter_mut().filter(|name| **name == old) {
                *name = new;
            }
        }
    }
}

/// The configuration after a change of that shape.
fn changed(shape: Shape, start: &[Block], chance: &mut Chance) -> Vec<Block> {
    let mut blocks = start.to_vec();
    match shape {
        Shape::Create => return some(chance, 800),
        Shape::Destroy => return Vec::new(),
        Shape::Update | Shape::Targeted | Shape::Overlapping => {
            blocks.iter_mut().filter(|_| chance.hits(800)).for_each(|b| b.setting += 1);
        }
        Shape::Moved => {
            moved(&mut blocks, chance);
            blocks.retain(|_| chance.hits(900));
            blocks = sound(blocks);
            for block in &mut blocks {
                match chance.below(6) {
                    0 => block.setting += 1,
                    1 => rename(block, chance),
                    _ => {}
                }
            }
        }
        Shape::ReplaceDeleteFirst => {
            for block in &mut blocks {
                if chance.hits(600) {
                    rename(block, chance);
                }
            }
        }
        Shape::ReplaceCreateFirst => {
            for block in &mut blocks {
                block.create_first = !is(block, "memory_service") && chance.hits(700);
                if block.create_first {
                    rename(block, chance);
                }
            }
        }
        Shape::Delete => {
            blocks.retain(|_| chance.hits(600));
            blocks = sound(blocks);
        }
        Shape::Installs => {
            blocks.retain(|block| !is(block, "memory_service"));
            let services = universe().into_iter().filter(|block| is(block, "memory_service"));
            blocks.extend(services.map(|mut service| {
                service.setting = 7;
                service
            }));
            blocks = sound(blocks);
        }
        Shape::Mixed => {
            let more = some(chance, 700);
            blocks.retain(|_| chance.hits(800));
            let known: BTreeSet<_> = blocks.iter().map(|block| block.address).collect();
            blocks.extend(more.into_iter().filter(|block| !known.contains(block.address)));
            let order = universe();
            let place = |b: &Block| order.iter().position(|known| known.address == b.address);
            blocks.sort_by_key(place);
            blocks = sound(blocks);
            for block in &mut blocks {
                match chance.below(4) {
                    0 => block.setting += 1,
                    1 => rename(block, chance),
                    2 => {
                        block.create_first = !is(block, "memory_service");
                        rename(block, chance);
                    }
                    _ => {}
                }
            }
        }
    }
    // No blocks at all would mean to destroy.
    if blocks.is_empty() { start.to_vec() } else { blocks }
}

fn weather(chance: &mut Chance) -> Weather {
    let scale = chance.pick(&[0, 0, 1, 1, 3]);
    Weather {
        refused: 20 * scale,
        denied: 4 * scale,
        denied_next: 120 * scale,
        throttled: 20 * scale,
        lost_requests: 20 * scale,
        lost_answers: 30 * scale,
        late: 20 * scale,
        hangs: 10 * scale,
        half_made: 10 * scale,
        twice: 20 * scale,
        unread: 10 * scale,
        store: 3 * scale,
        limits: chance.hits(150),
    }
}

fn life(blocks: &[Block], chance: &mut Chance) -> Life {
    // About as many moments as such a life has.
    let moments = 30 + 7 * blocks.len() as u64;
    let freezes = chance.hits(120);
    Life {
        blocks: blocks.to_vec(),
        targets: Vec::new(),
        place: chance.pick(&[Place::Here, Place::Elsewhere]),
        delay_ms: chance.pick(&[0, 0, 0, 3_000, 40_000]),
        dies_at: chance.hits(750).then(|| 1 + chance.below(moments)),
        freezes: freezes.then(|| (1 + chance.below(moments), 1_000 + chance.below(120_000))),
        interrupted_ms: chance.hits(60).then(|| (chance.below(10_000), chance.hits(500))),
    }
}

impl Scenario {
    /// The run of that seed.
    pub fn of(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        chance.next();
        let shape = chance.pick(&SHAPES);
        let start = match shape {
            Shape::Create => Vec::new(),
            Shape::Destroy if chance.hits(300) => Vec::new(),
            Shape::Installs => some(&mut chance, 900),
            _ => some(&mut chance, 750),
        };
        let end = changed(shape, &start, &mut chance);
        let mut groups = Vec::new();
        if shape == Shape::Destroy {
            // What is destroyed was perhaps still being made or changed.
            let before = if start.is_empty() { some(&mut chance, 750) } else { start.clone() };
            let before = changed(Shape::Mixed, &before, &mut chance);
            groups.push(vec![life(&before, &mut chance)]);
        }
        if matches!(shape, Shape::Targeted | Shape::Overlapping) {
            groups.push(together(shape, &end, &mut chance));
        } else {
            groups.push(vec![life(&end, &mut chance)]);
        }
        // A second crash may strike what recovers from the first, with the configuration as it is or changed again.
        for _ in 0..chance.below(3) {
            let may_change = !matches!(shape, Shape::Destroy | Shape::Moved);
            let is_changed = may_change && chance.hits(250);
            let wanted =
                if is_changed { changed(Shape::Mixed, &end, &mut chance) } else { end.clone() };
            groups.push(vec![life(&wanted, &mut chance)]);
        }
        let weather = weather(&mut chance);
        let unlocks_ms = chance.hits(50).then(|| chance.below(20_000));
        Self { seed, shape, start, groups, end, weather, unlocks_ms }
    }
}

/// Two programs at the same time, limited to different parts or not at all.
fn together(shape: Shape, end: &[Block], chance: &mut Chance) -> Vec<Life> {
    let mut lives = vec![life(end, chance), life(end, chance)];
    for (number, life) in lives.iter_mut().enumerate() {
        life.place = Place::Elsewhere;
        life.delay_ms = chance.below(3) * chance.below(2_000);
        if shape == Shape::Targeted {
            let half = end.iter().skip(number).step_by(2).map(|block| block.address);
            life.targets = half.collect();
        }
    }
    lives.retain(|life| shape != Shape::Targeted || !life.targets.is_empty());
    lives
}
