//! Failures on nodes as provider errors: the class says whether a retry can help, the message names node, step and
//! probe.

use nodes::probe::PairReport;
use nodes::service::{Aftermath, InstallCause, InstallError};
use nodes::{HostError, Retry};
use provider::{ErrorClass, ProviderError};

/// How many failed pairs a message lists.
const PAIRS_SHOWN: usize = 10;

/// A call to a node that did not complete.
pub(super) fn host(error: &HostError) -> ProviderError {
    with_hint(ProviderError::new(class(error), error.to_string()), error.hint.clone())
}

fn class(error: &HostError) -> ErrorClass {
    match error.retry {
        Retry::Transient | Retry::TimedOut => ErrorClass::Transient,
        Retry::Denied => ErrorClass::Denied,
        Retry::Invalid => ErrorClass::Invalid,
    }
}

/// Whether the node cannot be reached just now.
pub(super) fn is_unreachable(error: &HostError) -> bool {
    matches!(error.retry, Retry::Transient | Retry::TimedOut)
}

/// A failed install, removal or gathering of facts.
pub(super) fn install(error: &InstallError) -> ProviderError {
    let class = match error.cause.as_ref() {
        InstallCause::Host(cause) => class(cause),
        InstallCause::NoSupervisor => ErrorClass::Denied,
        _ if error.is_transient() => ErrorClass::Transient,
        _ => ErrorClass::Invalid,
    };
    let failed = with_hint(ProviderError::new(class, error.to_string()), error.hint());
    match error.aftermath {
        // The node may have confirmed the release and only the answer got lost.
        Aftermath::LeftToTimer { .. } => failed.maybe_done(),
        _ => failed,
    }
}

/// Nodes that do not reach each other.
pub(super) fn pairs(service: &str, report: &PairReport) -> ProviderError {
    let message = format!(
        "service {service}: only {} of {} pairs of nodes reached each other",
        report.reached, report.pairs
    );
    let shown = report.failed.iter().take(PAIRS_SHOWN);
    let mut lines: Vec<String> =
        shown.map(|pair| format!("{} -> {}: {}", pair.from, pair.to, pair.why)).collect();
    let more = report.failed.len().saturating_sub(PAIRS_SHOWN);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    ProviderError::new(ErrorClass::Invalid, message).with_detail(lines.join("\n")).with_hint(
        format!(
            "look at the log of {service} on a node that is named most often, then apply again"
        ),
    )
}

fn with_hint(error: ProviderError, hint: Option<String>) -> ProviderError {
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}
