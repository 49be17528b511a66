//! Load: so many requests a second to targets in turn, and what came of them.
//!
//! Invariants: a target that does not answer gets no more requests at a time than one that does; every request has a
//! time limit.

use crate::Load;
use crate::http::Connection;
use serde_json::json;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior};

/// A request that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(5);
/// Requests a second over one connection: a request may take a quarter of a second before the rate suffers.
const PER_CONNECTION: u32 = 4;

/// What came of requests.
#[derive(Clone, Debug, Default)]
struct Tally {
    good: u64,
    /// Answered with 500 or above.
    bad: u64,
    /// Not answered.
    lost: u64,
    slowest_ms: u64,
}

type Tallies = BTreeMap<String, Tally>;

/// A running load. It goes on until the program ends.
#[derive(Debug)]
pub struct Running {
    tallies: Arc<Mutex<Tallies>>,
}

fn lock(tallies: &Mutex<Tallies>) -> MutexGuard<'_, Tallies> {
    tallies.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running {
    /// What came of the requests since this was last asked.
    fn take(&self) -> Tallies {
        let mut tallies = lock(&self.tallies);
        let taken = tallies.clone();
        tallies.values_mut().for_each(|tally| *tally = Tally::default());
        taken
    }
}

/// Starts to send `rate` requests a second, spread over the targets.
pub fn start(targets: &[String], rate: u32) -> Running {
    let tallies = targets.iter().map(|target| (target.clone(), Tally::default())).collect();
    let running = Running { tallies: Arc::new(Mutex::new(tallies)) };
    let count = u32::try_from(targets.len()).unwrap_or(u32::MAX);
    let connections = rate.div_ceil(PER_CONNECTION).max(count).max(1);
    let interval = Duration::from_secs(1) * connections / rate.max(1);
    let first = Instant::now();
    for (number, target) in (0..connections).zip(targets.iter().cycle()) {
        // They take turns, so that requests are spread over the second.
        let begins = first + interval * number / connections;
        tokio::spawn(send(target.clone(), begins, interval, Arc::clone(&running.tallies)));
    }
    running
}

async fn send(target: String, begins: Instant, interval: Duration, tallies: Arc<Mutex<Tallies>>) {
    let mut ticks = tokio::time::interval_at(begins, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut kept = None;
    loop {
        ticks.tick().await;
        let sent = Instant::now();
        let answered = tokio::time::timeout(LIMIT, ask(&target, &mut kept)).await;
        let took_ms = u64::try_from(sent.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut tallies = lock(&tallies);
        let tally = tallies.entry(target.clone()).or_default();
        match answered {
            Ok(Ok(status)) if status < 500 => tally.good += 1,
            Ok(Ok(_)) => tally.bad += 1,
            Ok(Err(_)) | Err(_) => {
                tally.lost += 1;
                kept = None;
            }
        }
        tally.slowest_ms = tally.slowest_ms.max(took_ms);
    }
}

async fn ask(target: &str, kept: &mut Option<Connection>) -> io::Result<u16> {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => Connection::new(TcpStream::connect(target).await?)?,
    };
    let status = connection.get("/").await?;
    // Only one that is whole is used again.
    *kept = Some(connection);
    Ok(status)
}

/// Sends load and tells of it.
pub async fn run(load: &Load) -> io::Result<()> {
    let running = start(&load.targets, load.rate);
    let mut total = Tallies::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.tick().await;
    let mut second = 0;
    while load.seconds == 0 || second < load.seconds {
        ticks.tick().await;
        second += 1;
        let taken = running.take();
        for (target, tally) in &taken {
            let sum = total.entry(target.clone()).or_default();
            sum.add(tally);
        }
        let mut all = Tally::default();
        for tally in taken.values() {
            all.add(tally);
        }
        println!("{}", json!({ "second": second, "all": all.json() }));
    }
    let targets: serde_json::Map<_, _> =
        total.into_iter().map(|(target, tally)| (target, tally.json())).collect();
    println!("{}", json!({ "targets": targets }));
    Ok(())
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.good += other.good;
        self.bad += other.bad;
        self.lost += other.lost;
        self.slowest_ms = self.slowest_ms.max(other.slowest_ms);
    }

    fn json(&self) -> serde_json::Value {
        let Self { good, bad, lost, slowest_ms } = self;
        json!({ "good": good, "bad": bad, "lost": lost, "slowest_ms": slowest_ms })
    }
}
