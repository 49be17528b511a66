//! A point at which everything stands still: the n-th change has taken effect, its answer is held back, and nothing else
//! is let through until the test goes on.
//!
//! Invariant: between the change and [`StopPoint::resume`] moto changes nothing. A call whose client is gone by then is
//! dropped, as if it had never been sent.

use super::call::Call;
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Debug, Default)]
struct Stop {
    /// Changes that are still to come before this stops; none where nothing is to stop.
    left: Option<u64>,
    held: Option<Call>,
    answer: Decision,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Decision {
    #[default]
    Open,
    Send,
    Lose,
}

/// What all calls go through.
#[derive(Debug, Default)]
pub(super) struct Gate {
    stop: Mutex<Stop>,
    changed: Condvar,
}

impl Gate {
    fn stop(&self) -> MutexGuard<'_, Stop> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while everything stands still.
    pub(super) fn pass(&self) {
        let stop = self.stop();
        drop(self.changed.wait_while(stop, |stop| stop.held.is_some()));
    }

    /// Whether everything stands still.
    pub(super) fn is_closed(&self) -> bool {
        self.stop().held.is_some()
    }

    /// Counts a change that took effect; true if it is the one whose answer is held back.
    pub(super) fn count(&self, call: &Call) -> bool {
        let mut stop = self.stop();
        let Some(left) = &mut stop.left else { return false };
        *left -= 1;
        if *left > 0 {
            return false;
        }
        stop.left = None;
        stop.held = Some(call.for_the_log());
        self.changed.notify_all();
        true
    }

    /// Waits for what becomes of the answer that is held back: whether it is sent.
    pub(super) fn decided(&self) -> bool {
        let open = |stop: &mut Stop| stop.held.is_some() && stop.answer == Decision::Open;
        let stop =
            self.changed.wait_while(self.stop(), open).unwrap_or_else(PoisonError::into_inner);
        stop.answer == Decision::Send
    }
}

/// Whether a client still has its end of a connection open.
pub(super) fn is_there(client: &TcpStream) -> bool {
    if client.set_nonblocking(true).is_err() {
        return false;
    }
    let peeked = client.peek(&mut [0]);
    let is_blocking = client.set_nonblocking(false).is_ok();
    let is_open = match peeked {
        Ok(count) => count > 0,
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    };
    is_open && is_blocking
}

/// A test's handle on a stop. When it goes, what is held back is lost and everything goes on.
#[derive(Debug)]
pub struct StopPoint {
    gate: Arc<Gate>,
}

impl StopPoint {
    /// Stops at the `nth` change from now, from 1.
    pub(super) fn new(gate: &Arc<Gate>, nth: u64) -> Self {
        let mut stop = gate.stop();
        assert!(stop.left.is_none() && stop.held.is_none(), "one stop at a time");
        *stop = Stop { left: Some(nth.max(1)), ..Stop::default() };
        drop(stop);
        Self { gate: gate.clone() }
    }

    /// The change that is held back, once it is.
    pub fn held(&self) -> Option<Call> {
        self.gate.stop().held.clone()
    }

    /// Waits until it is; false if there were too few changes in that time.
    pub fn wait(&self, limit: Duration) -> bool {
        let stop = self.gate.stop();
        let waited = self.gate.changed.wait_timeout_while(stop, limit, |stop| stop.held.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.held.is_some()
    }

    /// Sends the answer; everything else still stands still.
    pub fn send_answer(&self) {
        self.decide(Decision::Send);
    }

    /// Closes the connection without a byte; everything else still stands still.
    pub fn lose_answer(&self) {
        self.decide(Decision::Lose);
    }

    fn decide(&self, decision: Decision) {
        let mut stop = self.gate.stop();
        if stop.answer == Decision::Open {
            stop.answer = decision;
        }
        drop(stop);
        self.gate.changed.notify_all();
    }

    /// Lets everything go on. An answer that is still held back is lost.
    pub fn resume(self) {
        drop(self);
    }
}

impl Drop for StopPoint {
    fn drop(&mut self) {
        let mut stop = self.gate.stop();
        let answer = if stop.answer == Decision::Open { Decision::Lose } else { stop.answer };
        *stop = Stop { answer, ..Stop::default() };
        drop(stop);
        self.gate.changed.notify_all();
    }
}
