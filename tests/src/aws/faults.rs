//! Faults that a test asks for: which call, and what happens to it.

use super::answer::Refusal;
use super::call::Call;
use std::time::Duration;

/// Calls that a fault may hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those of an operation.
    Operation(String),
    /// Those that may change something.
    Changing,
    /// All.
    Any,
}

impl Which {
    fn fits(&self, call: &Call) -> bool {
        match self {
            Self::Operation(name) => *name == call.operation,
            Self::Changing => call.changes(),
            Self::Any => true,
        }
    }
}

impl From<&str> for Which {
    fn from(operation: &str) -> Self {
        Self::Operation(operation.to_owned())
    }
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is refused, and changes nothing.
    Refuse(Refusal),
    /// It is refused as one too many, in the words of its service.
    Throttle,
    /// It takes effect, and the connection is closed without a byte of an answer.
    LoseAnswer,
    /// The connection is closed before it takes effect.
    LoseRequest,
    /// It takes effect, and the connection is closed halfway through the answer's body.
    CutAnswer,
    /// It takes effect, and is answered this much later.
    Delay(Duration),
}

/// A fault, the calls that it hits, and how many of those there are before and while it does.
#[derive(Clone, Debug)]
struct Planned {
    which: Which,
    before: u32,
    times: u32,
    fault: Fault,
}

/// The faults that are still to come.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Planned>);

impl Faults {
    /// From the `nth` call that fits (from 1, counted from now), `times` of them.
    pub(super) fn plan(&mut self, which: Which, nth: u32, times: u32, fault: Fault) {
        self.0.push(Planned { which, before: nth.saturating_sub(1), times, fault });
    }

    /// What happens to a call.
    pub(super) fn take(&mut self, call: &Call) -> Option<Fault> {
        let mut hit = None;
        for planned in self.0.iter_mut().filter(|planned| planned.which.fits(call)) {
            if planned.before > 0 {
                planned.before -= 1;
            } else if hit.is_none() && planned.times > 0 {
                planned.times -= 1;
                hit = Some(planned.fault.clone());
            }
        }
        self.0.retain(|planned| planned.times > 0);
        hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_is_hit_that_was_named() {
        let call = |operation: &str| Call {
            service: "ec2".to_owned(),
            region: String::new(),
            operation: operation.to_owned(),
            parameters: [].into(),
        };
        let mut faults = Faults::default();
        faults.plan("RunInstances".into(), 2, 1, Fault::LoseAnswer);
        faults.plan(Which::Changing, 1, 2, Fault::Throttle);
        assert_eq!(faults.take(&call("DescribeVpcs")), None);
        assert_eq!(faults.take(&call("RunInstances")), Some(Fault::Throttle));
        assert_eq!(faults.take(&call("RunInstances")), Some(Fault::LoseAnswer));
        assert_eq!(faults.take(&call("CreateVpc")), Some(Fault::Throttle));
        assert_eq!(faults.take(&call("RunInstances")), None);
    }
}
