//! A world in which rollouts are driven without waiting: simulated time, nodes, traffic and mishaps; and what must hold of
//! every command, checked by code that did not decide it.
//!
//! Everything hangs on a seed. Refuses to know: how the decision is made; it sees commands and entries only.

pub mod chance;
pub mod check;
pub mod polling;
pub mod rules;
pub mod simulation;

use chance::Random;
use model::rollout::entry::{Entry, NodeChange, Outcome, Reading, Start, Verb, What};
use model::rollout::{Queries, Source};
use rollout::{Command, Groups, Observation, State, resume, step};
use std::collections::{BTreeMap, BTreeSet};

/// What is true of the candidate, the stable revision and the load.
#[derive(Clone, Debug)]
pub struct Truth {
    /// Share of bad events on the candidate and on stable, by gate.
    pub rates: BTreeMap<String, (f64, f64)>,
    /// Values of a node on the candidate and on stable, by gate.
    pub values: BTreeMap<String, (f64, f64)>,
    /// Events a second and node.
    pub load: f64,
}

/// What goes wrong, in parts of a thousand a time unless said otherwise.
#[derive(Clone, Debug, Default)]
pub struct Mishaps {
    /// Times without metrics: nothing can be measured.
    pub outages: Vec<(i64, i64)>,
    /// A measurement is missing.
    pub missing: u64,
    /// A source cannot be asked.
    pub errors: u64,
    /// The controller is killed, at an observation.
    pub crashes: u64,
    /// Milliseconds until another one takes over, at most.
    pub absent_ms: u64,
    /// A node refuses its change.
    pub refusals: u64,
    /// A node dies, at a look.
    pub deaths: u64,
    /// A dead node comes back, at a look.
    pub returns: u64,
    /// A node cannot be brought back, at an attempt.
    pub stuck: u64,
    /// A person says something, at an observation.
    pub verbs: u64,
    /// The rest fails.
    pub rest: u64,
    /// A person approves, at an observation.
    pub approvals: u64,
}

/// A rollout that is driven.
pub struct World {
    /// Where it is.
    pub state: State,
    /// What is durable.
    pub entries: Vec<Entry>,
    /// Unix milliseconds.
    pub now_ms: i64,
    /// What is true.
    pub truth: Truth,
    /// What goes wrong.
    pub mishaps: Mishaps,
    /// Nodes that are dead in truth.
    pub dead: BTreeSet<String>,
    /// How it ended.
    pub finished: Option<Outcome>,
    /// Decisions that were made.
    pub steps: u64,
    /// Node-milliseconds on the candidate.
    pub exposed_ms: f64,
    random: Random,
    pending: Vec<(i64, Command)>,
    wake_ms: i64,
    data: check::Data,
}

impl World {
    /// A rollout that begins now.
    pub fn new(start: Start, seed: u64, truth: Truth, mishaps: Mishaps) -> Self {
        let now_ms = 1_767_225_600_000;
        let (state, entry) = State::start(start, &format!("rollout-{seed}"), now_ms);
        let mut data = check::Data::default();
        data.take(&entry);
        Self {
            state,
            entries: vec![entry],
            now_ms,
            truth,
            mishaps,
            dead: BTreeSet::new(),
            finished: None,
            steps: 0,
            exposed_ms: 0.0,
            random: Random::new(seed),
            pending: Vec::new(),
            wake_ms: now_ms,
            data,
        }
    }

    /// Goes on until it ends, or for so many decisions.
    pub fn run(&mut self, most: u64) -> Option<Outcome> {
        while self.finished.is_none() && self.steps < most {
            self.turn();
        }
        self.finished
    }

    /// The next thing that happens.
    pub fn turn(&mut self) {
        self.pending.sort_by_key(|(at_ms, _)| *at_ms);
        let answered = self.pending.first().map(|(at_ms, _)| *at_ms);
        let due = answered.filter(|at_ms| *at_ms <= self.wake_ms);
        let observation = if let Some(at_ms) = due {
            self.pass_to(at_ms);
            let (_, command) = self.pending.remove(0);
            self.answer(&command)
        } else {
            self.pass_to(self.wake_ms);
            Observation::Tick
        };
        self.observe(&observation);
        if self.finished.is_none() {
            self.meddle();
        }
    }

    /// Gives an observation, makes the entries durable, and notes what is to be done.
    pub fn observe(&mut self, observation: &Observation) {
        self.steps += 1;
        let before = self.state.clone();
        let (state, commands) = step(&before, observation, self.now_ms);
        self.obey(&before, &state, commands);
    }

    fn obey(&mut self, before: &State, state: &State, commands: Vec<Command>) {
        let mut recording = true;
        let mut folded = before.clone();
        for command in commands {
            match command {
                Command::Record(entry) => {
                    assert!(recording, "entries come first");
                    check::entry(before, &entry, &self.data, self.now_ms);
                    self.data.take(&entry);
                    folded.apply(&entry).expect("legal");
                    self.entries.push(entry);
                }
                other => {
                    recording = false;
                    self.note(state, other);
                }
            }
        }
        assert_eq!(&folded, state, "the entries tell the state");
        self.state = state.clone();
    }

    fn note(&mut self, state: &State, command: Command) {
        check::command(state, &command);
        let after = match &command {
            Command::WakeAt { at_ms } => {
                assert!(*at_ms > self.now_ms, "it wakes later");
                self.wake_ms = *at_ms;
                return;
            }
            Command::Finish { outcome } => {
                self.finished = Some(*outcome);
                return;
            }
            Command::Measure { .. } | Command::LookAtNodes { .. } | Command::Notify { .. } => 200,
            _ => 20_000 + i64::try_from(self.random.below(40_000)).unwrap(),
        };
        self.pending.push((self.now_ms + after, command));
    }

    fn pass_to(&mut self, at_ms: i64) {
        let at_ms = at_ms.max(self.now_ms);
        let there = self.state.to_restore().len();
        self.exposed_ms += check::float(there) * check::time(at_ms - self.now_ms);
        self.now_ms = at_ms;
    }

    /// What comes of a command, in truth.
    fn answer(&mut self, command: &Command) -> Observation {
        match command {
            Command::TakeSnapshot => Observation::SnapshotTaken { error: None, point: None },
            Command::ChangeNodes { nodes, .. } => self.change(nodes),
            Command::RollBack { nodes, .. } => self.bring_back(nodes),
            Command::Measure { gate, from_ms, to_ms, groups, .. } => Observation::Measured {
                gate: gate.clone(),
                queries: vec![gate.clone()],
                from_ms: *from_ms,
                to_ms: *to_ms,
                reading: self.measure(gate, *from_ms, *to_ms, groups),
            },
            Command::LookAtNodes { nodes } => self.look(nodes),
            Command::BringLists { .. } => {
                let fails = self.random.happens(self.mishaps.rest);
                Observation::ListsEnded { error: fails.then(|| "no".to_owned()) }
            }
            Command::ApplyRest => {
                let fails = self.random.happens(self.mishaps.rest);
                Observation::RestEnded { error: fails.then(|| "no".to_owned()) }
            }
            Command::Notify { of, .. } => Observation::Notified { of: of.clone(), error: None },
            Command::Record(_) | Command::WakeAt { .. } | Command::Finish { .. } => {
                unreachable!("not asked for an answer")
            }
        }
    }

    fn change(&mut self, nodes: &[String]) -> Observation {
        let (mut changed, mut failed) = (Vec::new(), BTreeMap::new());
        let mut unreachable = BTreeSet::new();
        for node in nodes {
            if self.dead.contains(node) {
                failed.insert(node.clone(), "it does not answer".to_owned());
                unreachable.insert(node.clone());
            } else if self.random.happens(self.mishaps.refusals) {
                failed.insert(node.clone(), "its configuration is refused".to_owned());
            } else {
                changed.push(node.clone());
            }
        }
        Observation::WaveEnded { changed, failed, unreachable }
    }

    fn bring_back(&mut self, nodes: &[String]) -> Observation {
        let (mut restored, mut failed) = (Vec::new(), BTreeMap::new());
        for node in nodes {
            if self.dead.contains(node) || self.random.happens(self.mishaps.stuck) {
                failed.insert(node.clone(), "it does not answer".to_owned());
            } else {
                restored.push(node.clone());
            }
        }
        Observation::RollbackWaveEnded { restored, failed }
    }

    fn look(&mut self, nodes: &[String]) -> Observation {
        for node in nodes {
            if self.dead.contains(node) {
                if self.random.happens(self.mishaps.returns) {
                    self.dead.remove(node);
                }
            } else if self.random.happens(self.mishaps.deaths) {
                self.dead.insert(node.clone());
            }
        }
        let down = nodes.iter().filter(|node| self.dead.contains(*node));
        Observation::NodesSeen { down: down.map(|it| (it.clone(), "silent".to_owned())).collect() }
    }

    fn measure(&mut self, name: &str, from_ms: i64, to_ms: i64, groups: &Groups) -> Reading {
        if self.mishaps.outages.iter().any(|(from, until)| (*from..*until).contains(&to_ms))
            || self.random.happens(self.mishaps.errors)
        {
            return Reading::Error { why: "connection refused".to_owned() };
        }
        if groups.candidate.is_empty() || self.random.happens(self.mishaps.missing) {
            return Reading::Missing { why: "empty result".to_owned() };
        }
        let gate = self.state.rollout().and_then(|rules| rules.gates.get(name)).cloned();
        let Some(Source::Prometheus { queries, .. }) = gate.map(|gate| gate.source) else {
            return Reading::Yes;
        };
        match queries {
            Queries::Counts { control, .. } => {
                let (candidate, stable) = self.truth.rates.get(name).copied().unwrap_or_default();
                let (bad, total) = self.events(groups.candidate.len(), to_ms - from_ms, candidate);
                let control = control
                    .filter(|_| !groups.control.is_empty())
                    .map(|_| self.events(groups.control.len(), to_ms - from_ms, stable));
                Reading::Counts { bad, total, control }
            }
            Queries::Value { control, .. } => {
                let (value, stable) = self.truth.values.get(name).copied().unwrap_or((1.0, 1.0));
                let noise = 0.95 + 0.1 * self.random.share();
                let control = control.filter(|_| !groups.control.is_empty()).map(|_| stable);
                Reading::Value { value: value * noise, control, load: Some(self.truth.load) }
            }
        }
    }

    fn events(&mut self, nodes: usize, ms: i64, rate: f64) -> (f64, f64) {
        let mean = self.truth.load * check::float(nodes) * check::time(ms.max(0)) / 1_000.0;
        let total = self.random.poisson(mean);
        (self.random.poisson(total * rate).min(total), total)
    }

    /// Crashes and people.
    fn meddle(&mut self) {
        if self.random.happens(self.mishaps.crashes) {
            self.crash();
        }
        if self.random.happens(self.mishaps.verbs) {
            let verbs = [Verb::Pause, Verb::Resume, Verb::Promote, Verb::Abort, Verb::Retry];
            let verb = verbs[usize::try_from(self.random.below(5)).unwrap()];
            self.observe(&Observation::Asked { verb, by: "ada".to_owned(), why: None });
        }
        if self.finished.is_none() && self.random.happens(self.mishaps.approvals) {
            let by = format!("person {}", self.random.below(3));
            let plan_hash = self.state.started().plan_hash.clone();
            self.observe(&Observation::Approved { stage: None, by, plan_hash });
        }
    }

    /// The controller is killed; another one folds the entries and goes on some time later.
    pub fn crash(&mut self) {
        let absent = i64::try_from(self.random.below(self.mishaps.absent_ms.max(1))).unwrap();
        self.pending.clear();
        self.pass_to(self.now_ms + absent);
        let folded = State::fold(&self.entries).expect("legal");
        assert_eq!(folded, self.state, "the entries tell the state");
        self.data = check::Data::default();
        self.entries.iter().for_each(|entry| self.data.take(entry));
        self.state = folded;
        for command in resume(&self.state, self.now_ms) {
            let state = self.state.clone();
            self.note(&state, command);
        }
        self.observe(&Observation::TakenOver { by: "another".to_owned() });
    }

    /// When the first entry of a kind was made.
    pub fn first(&self, is: impl Fn(&What) -> bool) -> Option<i64> {
        self.entries.iter().find(|entry| is(&entry.what)).map(|entry| entry.at_ms)
    }

    /// Nodes that are on the candidate when it is over.
    pub fn changed(&self) -> usize {
        self.state.to_restore().len()
    }
}

/// Whether a node is taken from its users while it is changed.
pub fn goes_down(change: NodeChange, surge: bool) -> bool {
    match change {
        NodeChange::Update => true,
        NodeChange::Replace => !surge,
        _ => false,
    }
}
