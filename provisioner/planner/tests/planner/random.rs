//! Random graphs, random edits, random mishaps: every plan passes the checker, can be run to the letter
//! from any point where an earlier run stopped, and leaves nothing to do.

use crate::world::{Block, Config, World, address, steps};
use model::plan::Action;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// One block, by number; references are numbers too, taken among the blocks before it.
#[derive(Clone, Debug)]
struct Sketch {
    present: bool,
    name: u8,
    size: u8,
    parent: Option<u8>,
    peer: Option<(u8, bool)>,
    after: Option<u8>,
    create_first: bool,
    sequence: Option<bool>,
    statement: bool,
}

fn sketch() -> impl Strategy<Value = Sketch> {
    (
        prop::bool::weighted(0.8),
        0..2_u8,
        0..3_u8,
        prop::option::weighted(0.4, any::<u8>()),
        prop::option::weighted(0.5, any::<(u8, bool)>()),
        prop::option::weighted(0.3, any::<u8>()),
        prop::bool::weighted(0.2),
        prop::option::weighted(0.4, any::<bool>()),
        prop::bool::weighted(0.1),
    )
        .prop_map(
            |(present, name, size, parent, peer, after, create_first, sequence, statement)| {
                Sketch {
                    present,
                    name,
                    size,
                    parent,
                    peer,
                    after,
                    create_first,
                    sequence,
                    statement,
                }
            },
        )
}

/// Names in an order that has nothing to do with the dependencies.
fn name(number: usize) -> String {
    format!("n{}", number * 7 % 16)
}

fn config(sketches: &[Sketch]) -> Config {
    let mut config = Config::default();
    let mut hosts: Vec<String> = Vec::new();
    for (number, sketch) in sketches.iter().enumerate().filter(|(_, sketch)| sketch.present) {
        let pick = |index: u8| hosts.get(usize::from(index) % hosts.len().max(1));
        if sketch.statement {
            let members: Vec<_> = hosts.iter().rev().take(3).map(|host| address(host)).collect();
            let statement = Block::statement(&name(number), &members.iter().collect::<Vec<_>>());
            config.blocks.push(statement);
            continue;
        }
        let mut block = Block::host(&name(number))
            .with("name", format!("name {}", sketch.name))
            .with("size", i64::from(sketch.size));
        if let Some(parent) = sketch.parent.and_then(pick) {
            block = block.from("parent", parent, "id");
        }
        if let Some((peer, digest)) = sketch.peer
            && let Some(peer) = pick(peer)
        {
            block = block.on("peer", peer, if digest { "digest" } else { "id" });
        }
        if let Some(after) = sketch.after.and_then(pick) {
            block = block.after(after);
        }
        if sketch.create_first {
            block = block.create_first();
        }
        if let Some(wide) = sketch.sequence {
            block = block.in_sequence("group", if wide { 2 } else { 1 });
        }
        hosts.push(block.address.to_string());
        config.blocks.push(block);
    }
    if let Some(host) = hosts.first() {
        config = config.output("first", host, "digest");
    }
    config
}

/// What befalls the world between two runs.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    Lost,
    Stopped,
    Resized,
    Tainted,
    Unreachable,
    Requested,
}

fn mishap() -> impl Strategy<Value = (usize, Mishap)> {
    use Mishap::{Lost, Requested, Resized, Stopped, Tainted, Unreachable};
    let kinds = [Lost, Stopped, Resized, Tainted, Unreachable, Requested];
    (0..16_usize, prop::sample::select(kinds.to_vec()))
}

fn befall(world: &mut World, wanted: &Config, mishaps: &[(usize, Mishap)]) {
    let mut hit = BTreeSet::new();
    for (number, mishap) in mishaps {
        let name = format!("sim_host.{}", name(*number));
        let configured = wanted.blocks.iter().any(|block| block.address == address(&name));
        let Some(record) = world.recorded.records.get(&address(&name)) else { continue };
        if !world.objects.contains_key(&record.id) || !hit.insert(name.clone()) {
            continue;
        }
        match mishap {
            Mishap::Lost => world.lose(&name),
            Mishap::Stopped => world.drift(&name, "status", "stopped"),
            Mishap::Resized => world.drift(&name, "size", 77),
            Mishap::Tainted => world.record(&name).tainted = true,
            Mishap::Unreachable => world.unreachable(&name),
            Mishap::Requested if configured => {
                world.replace.insert(address(&name));
            }
            Mishap::Requested => {}
        }
    }
}

fn settled(world: &World, config: &Config) {
    let plan = world.plan(config);
    assert!(!plan.has_changes(), "{:?} {:?}", steps(&plan), plan.changed_outputs);
    let recorded: Vec<_> = world.recorded.records.keys().cloned().collect();
    let mut wanted: Vec<_> = config.blocks.iter().map(|block| block.address.clone()).collect();
    wanted.sort_unstable();
    assert_eq!(recorded, wanted);
    assert!(world.recorded.deposed.is_empty());
}

/// Another run of the same world: what could not be reached can be now, and nothing is asked for.
fn recover(world: &mut World) {
    world.unreachable.clear();
    world.replace.clear();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn plans_lead_to_what_is_wanted(
        before in prop::collection::vec(sketch(), 1..14),
        edits in prop::collection::vec((any::<prop::sample::Index>(), sketch()), 0..6),
        mishaps in prop::collection::vec(mishap(), 0..5),
        stop in any::<prop::sample::Index>(),
    ) {
        let first = config(&before);
        let mut world = World::with(&first);
        settled(&world, &first);

        let mut after = before.clone();
        for (at, sketch) in edits {
            let at = at.index(after.len());
            after[at] = sketch;
        }
        let second = config(&after);
        befall(&mut world, &second, &mishaps);
        let plan = world.plan(&second);

        let mut whole = world.clone();
        whole.run(&plan, plan.operations.len());
        recover(&mut whole);
        settled(&whole, &second);

        // The run stops somewhere; the next one finishes.
        world.run(&plan, stop.index(plan.operations.len() + 1));
        recover(&mut world);
        let rest = world.plan(&second);
        world.run(&rest, rest.operations.len());
        settled(&world, &second);

        let destroy = world.plan_destroy();
        world.run(&destroy, destroy.operations.len());
        prop_assert!(world.objects.is_empty(), "{:?}", world.objects.keys());
        prop_assert!(world.recorded.records.is_empty());
    }

    #[test]
    fn targets_leave_the_rest_alone_and_the_rest_follows(
        before in prop::collection::vec(sketch(), 1..14),
        edits in prop::collection::vec((any::<prop::sample::Index>(), sketch()), 0..8),
        mishaps in prop::collection::vec(mishap(), 0..5),
        meant in prop::collection::vec(any::<prop::sample::Index>(), 1..3),
        destroy in prop::bool::weighted(0.2),
    ) {
        let mut world = World::with(&config(&before));
        let mut after = before.clone();
        for (at, sketch) in edits {
            let at = at.index(after.len());
            after[at] = sketch;
        }
        let wanted = config(&after);
        befall(&mut world, &wanted, &mishaps);
        world.replace.clear();
        let mut names: Vec<_> = world.recorded.records.keys().map(ToString::to_string).collect();
        if !destroy {
            names.extend(wanted.blocks.iter().map(|block| block.address.to_string()));
        }
        prop_assume!(!names.is_empty());
        let meant: BTreeSet<_> = meant.iter().map(|index| names[index.index(names.len())].as_str()).collect();
        world.target(&meant.iter().copied().collect::<Vec<_>>());

        let plan = if destroy { world.plan_destroy() } else { world.plan(&wanted) };
        let inside: BTreeSet<_> = plan.changes.iter().map(|change| &change.address).collect();
        prop_assert!(plan.operations.iter().all(|operation| inside.contains(&operation.address)));
        let untouched = world.recorded.records.clone();
        world.run(&plan, plan.operations.len());
        for (at, record) in &untouched {
            let touched = inside.contains(at) || plan.vanished.contains(at);
            prop_assert!(touched || world.recorded.records.get(at) == Some(record), "{at}");
        }

        // The same targets again have nothing more to do, and a plan without them does the rest.
        if !destroy {
            match world.try_plan(&wanted) {
                Ok(again) => prop_assert!(!again.has_changes(), "{:?}", steps(&again)),
                Err(gone) => prop_assert_eq!(&gone[0].code, "unknown-target"),
            }
        }
        world.targets.clear();
        recover(&mut world);
        world.apply(&wanted);
        settled(&world, &wanted);
    }

    #[test]
    fn an_instance_more_or_less_touches_no_other(
        sketches in prop::collection::vec(sketch(), 1..14),
    ) {
        let mut small = config(&sketches);
        small.blocks.retain(|block| block.address.kind() == "sim_host");
        let mut large = small.clone();
        large.blocks.push(Block::host("one_more"));
        let mut world = World::with(&small);
        let plan = world.apply(&large);
        prop_assert_eq!(steps(&plan), ["Create sim_host.one_more"]);
        prop_assert_eq!(plan.count(Action::NoOp), small.blocks.len());
        let plan = world.apply(&small);
        prop_assert_eq!(steps(&plan), ["Delete sim_host.one_more"]);
        settled(&world, &small);
    }
}
