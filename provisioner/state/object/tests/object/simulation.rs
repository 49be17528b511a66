//! Several programs, faults of every kind, deaths at random requests: thousands of seeds, each of which repeats.
//! `PROVISIONER_SEED=7` runs one alone, `PROVISIONER_SEED=1000..9000` others.

use crate::faults::{Faulty, Odds};
use crate::world::{World, assert_sound, elsewhere, part};
use model::record::{IntentAction, Outcome};
use state::conformance::{gone, intent, record, recorded, request};
use state::{LeaseRequest, StateError, StateStore};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

const SEEDS: u64 = 1_000;

/// What a simulation knows was acknowledged.
#[derive(Default)]
struct Ledger {
    finished: BTreeSet<String>,
    begun: BTreeSet<(u64, String)>,
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// One program's life; ends at the first error.
async fn live(
    store: Arc<dyn StateStore>,
    request: LeaseRequest,
    addresses: Vec<String>,
    ledger: Arc<Mutex<Ledger>>,
) -> Result<(), StateError> {
    let lease = store.acquire(request).await?;
    for open in store.load().await?.unfinished {
        if addresses.contains(&open.address.to_string()) {
            let outcome = Outcome::Failed { message: "unknown".to_owned() };
            store.finish(&lease, open.sequence, outcome).await?;
        }
    }
    for address in &addresses {
        let sequence = store.begin(&lease, intent(address, IntentAction::Create, None)).await?;
        ledger.lock().unwrap().begun.insert((sequence, address.clone()));
        store.finish(&lease, sequence, recorded(record(address, address), None)).await?;
        ledger.lock().unwrap().finished.insert(address.clone());
        store.renew(&lease).await?;
    }
    store.release(lease).await
}

async fn simulate(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let world = if dice.below(2) == 0 { World::new() } else { World::hasty(1 + dice.below(6)) };
    let world = if dice.below(10) == 0 { world } else { world.with_ready_key() };
    let ledger: Arc<Mutex<Ledger>> = Arc::default();
    let programs = 1 + dice.below(4);
    let mut lives = Vec::new();
    for number in 0..programs {
        let odds = Odds {
            fails: dice.below(100),
            loses_answer: dice.below(150),
            delays: 300 + dice.below(400),
            late: dice.below(100),
            hangs: dice.below(20),
        };
        let mut objects = Faulty::sound(&world.bucket).with_odds(odds, dice.below(u64::MAX >> 33));
        if dice.below(2) == 0 {
            objects = objects.dying(1 + dice.below(25), dice.below(2) == 0);
        }
        let holder = if dice.below(2) == 0 { gone() } else { elsewhere() };
        let store = world.through(objects, seed * 16 + number).with_holder(holder);
        // Some programs want what others want too.
        let name = dice.below(programs);
        let addresses: Vec<_> = (0..=dice.below(3)).map(|o| format!("a.p{name}_{o}")).collect();
        let texts: Vec<_> = addresses.iter().map(String::as_str).collect();
        let request = part(&format!("r{number}"), &texts);
        lives.push(tokio::spawn(live(Arc::new(store), request, addresses, ledger.clone())));
    }
    for life in lives {
        // What a program is refused is up to it; that it panics is not.
        let _ended = life.await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    let ledger = std::mem::take(&mut *ledger.lock().unwrap());
    verify(seed, &world, &ledger).await;
}

async fn verify(seed: u64, world: &World, ledger: &Ledger) {
    let store = world.program(seed * 16 + 15);
    let loaded = store.load().await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let report = store.check().await.unwrap();
    assert_eq!(report.findings, Vec::<String>::new(), "seed {seed}");
    for address in &ledger.finished {
        let kept = loaded.records.keys().any(|key| key.to_string() == *address);
        assert!(kept, "seed {seed}: {address} was acknowledged");
    }
    let journal = store.journal(0).await.unwrap();
    for (sequence, address) in &ledger.begun {
        let entry = &journal[usize::try_from(*sequence).unwrap() - 1];
        let found = (entry.kind.as_str(), entry.address.as_ref().map(ToString::to_string));
        assert_eq!(found, ("intent", Some(address.clone())), "seed {seed}: intent {sequence}");
    }
    // Nobody is left who could not be succeeded, and the next run settles what is open.
    world.clock.advance(3600);
    let lease = store.acquire(request("last")).await.unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    for open in loaded.unfinished {
        let outcome = recorded(record(&open.address.to_string(), "x"), None);
        store.finish(&lease, open.sequence, outcome).await.unwrap();
    }
    store.release(lease).await.unwrap();
    assert_sound(&store).await;
}

#[test]
fn whatever_happens_nothing_acknowledged_is_lost() {
    let seeds = match std::env::var("PROVISIONER_SEED") {
        Err(_) => 0..SEEDS,
        Ok(chosen) => match chosen.split_once("..") {
            Some((from, to)) => from.parse().unwrap()..to.parse().unwrap(),
            None => chosen.parse().map(|seed: u64| seed..seed + 1).unwrap(),
        },
    };
    let threads = 2;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let seeds = seeds.clone().skip(thread).step_by(threads);
            scope.spawn(move || {
                for seed in seeds {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_time()
                        .start_paused(true)
                        .build()
                        .unwrap();
                    runtime.block_on(simulate(seed));
                }
            });
        }
    });
}
