//! Functions that give another value at every run: what the time is, and what is random.
//!
//! Invariants: everything follows from the [`Run`] that is given; a run gives each call an identity of its own, from which
//! all that is random in the call is derived, so that a call made again for the same use gives the same.
//! Refuses to know: clocks, and where chance comes from.

use super::arguments::{number, text};
use super::{FunctionContext, FunctionError};
use model::Value;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

type Answer = Result<Value, FunctionError>;

/// What one call has of the run in which it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// When the plan was made, as RFC 3339 writes it.
    pub planned_at: Arc<str>,
    /// When what is planned runs; not known while planning.
    pub time: Option<Arc<str>>,
    /// What tells the call from all others.
    pub identity: Arc<str>,
}

/// What a run is in the scope of a residual.
const IDENTITY: &str = "identity";
const PLANNED_AT: &str = "planned_at";

impl Run {
    /// The run as a plan keeps it.
    pub(crate) fn to_value(&self) -> Value {
        Value::object([
            (IDENTITY, Value::string(&self.identity)),
            (PLANNED_AT, Value::string(&self.planned_at)),
        ])
    }

    /// The run of what a plan kept, at its time.
    pub(crate) fn from_value(value: &Value, time: &Arc<str>) -> Option<Self> {
        let part = |name: &str| value.get(name)?.as_str().map(Arc::from);
        Some(Self {
            planned_at: part(PLANNED_AT)?,
            time: Some(time.clone()),
            identity: part(IDENTITY)?,
        })
    }

    /// Sixteen bytes of chance for one purpose.
    fn random(&self, purpose: &str) -> [u8; 16] {
        let digest = Sha256::digest(format!("{purpose} {}", self.identity));
        let mut random = [0; 16];
        random.copy_from_slice(&digest[..16]);
        random
    }
}

/// The functions whose value is known only when what is planned runs.
const LATER: [&str; 3] = ["bcrypt", "timestamp", "uuid"];

/// Whether the value of a call is known only when what is planned runs.
pub(crate) fn is_later(name: &str) -> bool {
    LATER.contains(&name)
}

/// Whether a call depends on the run in which it is made.
pub(crate) fn needs_run(name: &str) -> bool {
    name == "plantimestamp" || is_later(name)
}

/// The evaluator asks for a run before it calls one of these.
fn run<'a>(context: &FunctionContext<'a>) -> Result<&'a Run, FunctionError> {
    context.run.ok_or_else(|| FunctionError::call("it cannot be used here"))
}

fn time(context: &FunctionContext<'_>) -> Answer {
    let time = run(context)?.time.as_deref();
    time.map(Value::string).ok_or_else(|| FunctionError::call("the time is not known yet"))
}

pub(super) fn timestamp(_: &[Value], context: &FunctionContext<'_>) -> Answer {
    time(context)
}

pub(super) fn plantimestamp(_: &[Value], context: &FunctionContext<'_>) -> Answer {
    Ok(Value::string(&run(context)?.planned_at))
}

/// A UUID of version 4.
pub(super) fn uuid(_: &[Value], context: &FunctionContext<'_>) -> Answer {
    let mut bytes = run(context)?.random("uuid");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(super::hashes::uuid_text(&bytes).into())
}

/// Bytes of a password that count.
const LONGEST_PASSWORD: usize = 72;
/// The cost when none is given, or one that is too low.
const USUAL_COST: u32 = 10;
const LEAST_COST: i64 = 4;
const HIGHEST_COST: u32 = 31;

pub(super) fn bcrypt(args: &[Value], context: &FunctionContext<'_>) -> Answer {
    let (password, cost) = password(args)?;
    let salt = run(context)?.random("bcrypt");
    let hash = bcrypt::hash_with_salt(password, cost, salt)
        .map_err(|_| FunctionError::call("the password cannot be hashed"))?;
    Ok(hash.format_for_version(bcrypt::Version::TwoA).into())
}

fn password(args: &[Value]) -> Result<(&str, u32), FunctionError> {
    let password = text(args, 0)?;
    if password.len() > LONGEST_PASSWORD {
        let problem = format!("a password of more than {LONGEST_PASSWORD} bytes cannot be hashed");
        return Err(FunctionError::argument(0, problem));
    }
    let cost = match args.len() {
        0 | 1 => return Ok((password, USUAL_COST)),
        2 => number(args, 1)?.as_i64(),
        _ => return Err(FunctionError::argument(2, "it takes a password and a cost, no more")),
    };
    let cost = cost.ok_or_else(|| FunctionError::argument(1, "the cost must be a whole number"))?;
    if cost < LEAST_COST {
        return Ok((password, USUAL_COST));
    }
    match u32::try_from(cost) {
        Ok(cost) if cost <= HIGHEST_COST => Ok((password, cost)),
        _ => {
            let problem = format!("the cost must be between {LEAST_COST} and {HIGHEST_COST}");
            Err(FunctionError::argument(1, problem))
        }
    }
}

/// What can be told of a call's arguments before it is made.
pub(super) fn check(name: &str, arguments: &[Value]) -> Result<(), FunctionError> {
    if name == "bcrypt" { password(arguments).map(|_| ()) } else { Ok(()) }
}
