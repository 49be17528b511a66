//! The proxy itself: a server that a program talks to as if it were AWS, in front of one moto.
//!
//! Invariants: every call is in the log, whatever became of it; what is no request of AWS is told at the end, so that a test
//! cannot pass with it. A connection is answered in order; connections do not wait for each other but at the world.

use super::answer::Refusal;
use super::call::Call;
use super::conformance;
use super::faults::{Fault, Faults, Which};
use super::hidden::Hidden;
use super::http::{Request, Response};
use super::ledger::Ledger;
use super::metadata;
use super::model::{Models, models};
use super::moto::Moto;
use super::nodes::{Backing, Nodes};
use super::portal;
use super::states::States;
use super::stop::{Gate, StopPoint, is_there};
use super::throttle::{Rate, Throttle};
use super::world::{Outcome, World};
use super::xml::Element;
use std::collections::BTreeMap;
use std::io::{BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// How the proxy differs from an AWS without delays and limits.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 is any.
    pub listen: SocketAddr,
    /// For how many descriptions an object that is made or ended is shown on its way.
    pub slow_describes: u32,
    /// How many descriptions do not see a new object.
    pub hidden_describes: u32,
    /// How many other calls that name a new object do not know it.
    pub hidden_calls: u32,
    /// Whether the published limits hold.
    pub throttled: bool,
    /// Operations whose limit is another, where limits hold.
    pub rates: BTreeMap<String, Rate>,
    /// What instances are, where they are to be real.
    pub nodes: Option<Backing>,
    /// What sees each call when it has been answered.
    pub watch: Option<fn(&LoggedCall)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            slow_describes: 0,
            hidden_describes: 0,
            hidden_calls: 0,
            throttled: false,
            rates: BTreeMap::new(),
            nodes: None,
            watch: None,
        }
    }
}

/// A call that was made.
#[derive(Clone, Debug)]
pub struct LoggedCall {
    /// When it was answered.
    pub at: SystemTime,
    /// The call, without what may be secret.
    pub call: Call,
    /// The answer's status; of an answer that was lost, what it would have been. None if the call was lost.
    pub status: Option<u16>,
    /// The error's code.
    pub code: Option<String>,
    /// Whether it changed something.
    pub took_effect: bool,
    /// What AWS would not know of it.
    pub violations: Vec<String>,
    /// What a test had happen to it.
    pub fault: Option<Fault>,
}

#[derive(Debug)]
struct Shared {
    /// The port of moto.
    moto: u16,
    models: &'static Models,
    world: Mutex<World>,
    gate: Arc<Gate>,
    faults: Mutex<Faults>,
    throttle: Option<Mutex<Throttle>>,
    log: Mutex<Vec<LoggedCall>>,
    violations: Mutex<Vec<String>>,
    connections: Mutex<Vec<TcpStream>>,
    watch: Option<fn(&LoggedCall)>,
    ends: AtomicBool,
}

/// A running proxy, with its moto.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    server: Option<JoinHandle<()>>,
    moto: Moto,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// Starts one in front of a moto.
    pub fn start(moto: Moto, options: Options) -> Self {
        let listener = TcpListener::bind(options.listen).expect("the proxy can listen");
        let address = listener.local_addr().expect("a listener has an address");
        let models = models().expect("botocore is installed beside moto");
        let states = States::new(options.slow_describes);
        let hidden = Hidden::new(options.hidden_describes, options.hidden_calls);
        let nodes =
            options.nodes.map(|backing| Nodes::new(backing).expect("a local cloud can be made"));
        let shared = Arc::new(Shared {
            models,
            moto: moto.port(),
            world: Mutex::new(World::new(&moto, models, states, hidden).with_nodes(nodes)),
            gate: Arc::default(),
            faults: Mutex::default(),
            throttle: options.throttled.then(|| Mutex::new(Throttle::new(options.rates))),
            log: Mutex::default(),
            violations: Mutex::default(),
            connections: Mutex::default(),
            watch: options.watch,
            ends: AtomicBool::new(false),
        });
        let serving = shared.clone();
        let server = std::thread::spawn(move || serve(&listener, &serving));
        Self { shared, address, server: Some(server), moto }
    }

    /// A moto and a proxy with the default options; none, having said why, where moto cannot be had.
    pub fn start_default() -> Option<Self> {
        Moto::start().map(|moto| Self::start(moto, Options::default()))
    }

    /// Its URL, which is the endpoint of all services.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The environment in which a program talks to it, and to nothing else.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let fixed = [
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "of-no-use-anywhere-else"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_DEFAULT_REGION", "eu-central-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ];
        let fixed = fixed.into_iter().map(|(name, value)| (name, value.to_owned()));
        fixed.chain([("AWS_ENDPOINT_URL", self.url())]).collect()
    }

    /// The same for a program that has no keys of its own.
    pub fn environment_without_keys(&self) -> Vec<(&'static str, String)> {
        let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        self.environment().into_iter().filter(|(name, _)| !keys.contains(name)).collect()
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<LoggedCall> {
        locked(&self.shared.log).clone()
    }

    /// How many calls of an operation there were.
    pub fn count(&self, operation: &str) -> usize {
        self.counts().get(operation).copied().unwrap_or_default()
    }

    /// How many calls there were, by operation.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for logged in locked(&self.shared.log).iter() {
            *counts.entry(logged.call.operation.clone()).or_default() += 1;
        }
        counts
    }

    /// Empties the log, so that what comes next can be counted.
    pub fn forget_calls(&self) {
        locked(&self.shared.log).clear();
    }

    /// What a script leaves in `answer` that runs in moto itself, of which the ledger hears nothing.
    pub fn inside(&self, script: &str) -> serde_json::Value {
        self.moto.inside(script)
    }

    /// What was made and deleted so far.
    pub fn ledger(&self) -> Ledger {
        locked(&self.shared.world).ledger.clone()
    }

    /// Has something happen to the `nth` call from now that fits, from 1.
    pub fn fail(&self, which: impl Into<Which>, nth: u32, fault: Fault) {
        self.fail_times(which, nth, 1, fault);
    }

    /// The same, to `times` calls from the `nth` on.
    pub fn fail_times(&self, which: impl Into<Which>, nth: u32, times: u32, fault: Fault) {
        locked(&self.shared.faults).plan(which.into(), nth, times, fault);
    }

    /// Refuses the next so many calls of an operation as too many.
    pub fn throttle_next(&self, operation: &str, times: u32) {
        self.fail_times(operation, 1, times, Fault::Throttle);
    }

    /// Stops everything when the `nth` change from now has taken effect, from 1.
    pub fn stop_at_change(&self, nth: u64) -> StopPoint {
        StopPoint::new(&self.shared.gate, nth)
    }

    /// Requests so far that AWS does not know, each with what is wrong.
    pub fn violations(&self) -> Vec<String> {
        locked(&self.shared.violations).clone()
    }

    /// The same, which then do not fail the test any more.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut locked(&self.shared.violations))
    }

    /// Ends it; panics if there were requests that AWS does not know.
    pub fn finish(self) {
        drop(self);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        // Wakes the server up, which then sees that it is to end.
        drop(TcpStream::connect(self.address));
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
        for connection in locked(&self.shared.connections).drain(..) {
            // It may be closed already.
            let _ = connection.shutdown(Shutdown::Both);
        }
        drop(locked(&self.shared.world).take_nodes());
        let violations = self.take_violations();
        if !std::thread::panicking() {
            assert!(violations.is_empty(), "requests that AWS does not know: {violations:#?}");
        }
    }
}

fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        if shared.ends.load(Ordering::SeqCst) {
            return;
        }
        let Ok(connection) = connection else { continue };
        // Small answers go out at once.
        let _ = connection.set_nodelay(true);
        if let Ok(other) = connection.try_clone() {
            locked(&shared.connections).push(other);
        }
        let shared = shared.clone();
        std::thread::spawn(move || {
            // A connection that breaks is the client's matter.
            let _ = converse(&connection, &shared);
            let _ = connection.shutdown(Shutdown::Both);
        });
    }
}

/// Answers the requests of one connection.
fn converse(connection: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut writer = connection;
    while let Some(request) = Request::read(&mut reader)? {
        let to_head = request.method == "HEAD";
        match shared.answer(&request, connection) {
            Answer::Whole(response) => writer.write_all(&response.bytes(to_head))?,
            Answer::Cut(response) => {
                let bytes = response.bytes(to_head);
                let kept = bytes.len() - response.body.len().div_ceil(2);
                return writer.write_all(&bytes[..kept]);
            }
            Answer::None => return Ok(()),
        }
    }
    Ok(())
}

/// A call as it came in.
struct Seen<'c> {
    call: &'c Call,
    violations: Vec<String>,
}

/// What a client gets.
enum Answer {
    Whole(Response),
    Cut(Response),
    None,
}

impl Shared {
    fn answer(&self, request: &Request, client: &TcpStream) -> Answer {
        if metadata::is_asked(request) {
            return Answer::Whole(metadata::answer(request, self.moto));
        }
        if portal::is_asked(request) {
            return Answer::Whole(self.sign_in(request));
        }
        let call = Call::of(request, self.models);
        let wrong = conformance::violations(request, &call, self.models);
        locked(&self.violations).extend(wrong.clone());
        let seen = Seen { call: &call, violations: wrong };
        let fault = locked(&self.faults).take(&call);
        let refusal = match &fault {
            Some(Fault::LoseRequest) => {
                self.note(seen, None, fault);
                return Answer::None;
            }
            Some(Fault::Refuse(refusal)) => Some(refusal.clone()),
            Some(Fault::Throttle) => Some(Refusal::throttled(&call.service)),
            _ if self.is_too_much(&call) => Some(Refusal::throttled(&call.service)),
            _ => None,
        };
        if let Some(refusal) = refusal {
            let outcome = Outcome { response: refusal.response(&call), took_effect: false };
            self.note(seen, Some(&outcome), fault);
            return Answer::Whole(outcome.response);
        }
        let Some((outcome, is_held)) = self.act(request, &call, client) else {
            return Answer::None;
        };
        self.note(seen, Some(&outcome), fault.clone());
        if is_held && !self.gate.decided() {
            return Answer::None;
        }
        match fault {
            Some(Fault::LoseAnswer) => Answer::None,
            Some(Fault::CutAnswer) => Answer::Cut(outcome.response),
            Some(Fault::Delay(time)) => {
                wait(time);
                Answer::Whole(outcome.response)
            }
            _ => Answer::Whole(outcome.response),
        }
    }

    /// The answer of the portal where people sign in.
    fn sign_in(&self, request: &Request) -> Response {
        let (call, wrong) = portal::call(request, self.models);
        locked(&self.violations).extend(wrong.clone());
        let response = portal::answer(request, &call, self.models, self.moto);
        let outcome = Outcome { response, took_effect: false };
        self.note(Seen { call: &call, violations: wrong }, Some(&outcome), None);
        outcome.response
    }

    fn is_too_much(&self, call: &Call) -> bool {
        self.throttle.as_ref().is_some_and(|throttle| !locked(throttle).take(call, Instant::now()))
    }

    /// Does what is asked for, unless the client is gone by then; with whether the answer is held back.
    fn act(&self, request: &Request, call: &Call, client: &TcpStream) -> Option<(Outcome, bool)> {
        loop {
            self.gate.pass();
            let mut world = locked(&self.world);
            // It may have closed while this waited for the world.
            if self.gate.is_closed() {
                continue;
            }
            // What a client sent before it was killed must not take effect after its end was seen.
            if !is_there(client) {
                return None;
            }
            let outcome = world.act(request, call);
            let is_held = outcome.took_effect && self.gate.count(call);
            return Some((outcome, is_held));
        }
    }

    fn note(&self, seen: Seen<'_>, outcome: Option<&Outcome>, fault: Option<Fault>) {
        let failed = outcome.map(|outcome| &outcome.response).filter(|answer| answer.status >= 400);
        let logged = LoggedCall {
            at: SystemTime::now(),
            call: seen.call.for_the_log(),
            violations: seen.violations,
            status: outcome.map(|outcome| outcome.response.status),
            code: failed.map(code),
            took_effect: outcome.is_some_and(|outcome| outcome.took_effect),
            fault,
        };
        if let Some(watch) = self.watch {
            watch(&logged);
        }
        locked(&self.log).push(logged);
    }
}

/// The code in an error's body.
fn code(response: &Response) -> String {
    let root = Element::parse(&String::from_utf8_lossy(&response.body)).unwrap_or_default();
    root.all("Code").first().map(|code| code.text.clone()).unwrap_or_default()
}

/// A delay that was asked for.
fn wait(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) =
        until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    {
        std::thread::park_timeout(left);
    }
}
