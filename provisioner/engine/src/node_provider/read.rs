//! Refresh of what is on nodes: one look a node for all its services, many nodes at once.
//!
//! Invariants: a node that does not answer makes its objects unreachable, not absent; a service that is not as it
//! was installed says so in `status` and `digest`. Fact commands are idempotent by contract and are asked again.

use super::arguments::{self, FactsArguments};
use super::{Kind, NodeProvider, failure, with};
use futures::StreamExt as _;
use model::Value;
use model::plan::Observation;
use nodes::service::{InstallCause, InstallError, RunState};
use nodes::{Connection, Host, HostError, Observed};
use provider::{ErrorClass, ProviderError, ReadRequest};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Nodes looked at at once.
const AT_ONCE: usize = 32;
/// How long a node may take to answer before it counts as out of reach.
const LIMIT: Duration = Duration::from_secs(10);
/// The same where fact commands run.
const FACTS_LIMIT: Duration = Duration::from_mins(1);

type Read = Result<Observation, ProviderError>;

/// The part of the attributes that says where an object is.
#[derive(Deserialize)]
struct Place {
    connection: Connection,
}

/// The objects on one node: their numbers among the requests.
struct OnNode {
    connection: Connection,
    services: Vec<usize>,
    facts: Vec<usize>,
}

pub(super) async fn read_many(provider: &NodeProvider, requests: &[ReadRequest]) -> Vec<Read> {
    let mut reads: Vec<Option<Read>> = requests.iter().map(|_| None).collect();
    let mut nodes: BTreeMap<String, OnNode> = BTreeMap::new();
    for (number, request) in requests.iter().enumerate() {
        let placed = Kind::of(&request.address).and_then(|kind| {
            // What a reachability stated was true when it was made; looking anew is an apply's work.
            let is_stated = kind == Kind::Reachability;
            let place = (!is_stated).then(|| {
                arguments::read::<Place>(&request.attributes, &request.address.to_string())
            });
            Ok((kind, place.transpose()?))
        });
        match placed {
            Ok((kind, Some(Place { connection }))) => {
                let key =
                    format!("{}\n{}\n{}", connection.name, connection.place(), connection.host_key);
                let node = nodes.entry(key).or_insert_with(|| OnNode {
                    connection,
                    services: Vec::new(),
                    facts: Vec::new(),
                });
                let list = if kind == Kind::Facts { &mut node.facts } else { &mut node.services };
                list.push(number);
            }
            Ok((_, None)) => {
                reads[number] = Some(Ok(Observation::Present(request.attributes.clone())));
            }
            Err(error) => reads[number] = Some(Err(error)),
        }
    }
    let looks = nodes.into_values().map(|node| look(provider, node, requests));
    let mut looks = futures::stream::iter(looks).buffer_unordered(AT_ONCE);
    while let Some(seen) = looks.next().await {
        for (number, read) in seen {
            reads[number] = Some(read);
        }
    }
    let unread =
        || Err(ProviderError::new(ErrorClass::Invalid, "the object was not read: a defect"));
    reads.into_iter().map(|read| read.unwrap_or_else(unread)).collect()
}

/// Looks at everything on one node.
async fn look(
    provider: &NodeProvider,
    node: OnNode,
    requests: &[ReadRequest],
) -> Vec<(usize, Read)> {
    let host = provider.hosts.host(&node.connection);
    let names: Vec<&str> =
        node.services.iter().map(|number| requests[*number].address.name()).collect();
    let everything = node.services.iter().chain(&node.facts).copied();
    let observed =
        match tokio::time::timeout(LIMIT, provider.installer.observe(&host, &names)).await {
            Ok(Ok(observed)) => observed,
            Ok(Err(error)) => return everything.map(|number| (number, not_seen(&error))).collect(),
            Err(_) => {
                let silent = format!(
                    "node {} does not answer within {} s",
                    node.connection.name,
                    LIMIT.as_secs()
                );
                return everything
                    .map(|number| (number, Ok(Observation::Unreachable(silent.clone()))))
                    .collect();
            }
        };
    let mut reads = Vec::new();
    for number in node.services {
        let request = &requests[number];
        let found = observed.iter().find(|found| found.name == request.address.name());
        reads.push((number, Ok(service(request, found))));
    }
    for number in node.facts {
        reads.push((number, facts(provider, &host, &requests[number]).await));
    }
    reads
}

fn not_seen(error: &HostError) -> Read {
    if failure::is_unreachable(error) {
        Ok(Observation::Unreachable(error.to_string()))
    } else {
        Err(failure::host(error))
    }
}

/// A service as it is, against what is recorded of it.
fn service(request: &ReadRequest, found: Option<&Observed>) -> Observation {
    let Some((found, current)) = found.and_then(|found| Some((found, found.current.as_deref()?)))
    else {
        return Observation::Absent(format!("{} is not installed", request.address.name()));
    };
    let recorded = request.attributes.get("digest");
    let is_recorded = recorded.as_ref().and_then(Value::as_str) == Some(current);
    let digest =
        if found.damaged.is_empty() { current.to_owned() } else { format!("modified:{current}") };
    let status = match found.state {
        _ if !found.damaged.is_empty() => format!("modified ({})", found.damaged.join(", ")),
        _ if !is_recorded => "another release is installed".to_owned(),
        _ if found.pending.is_some() || found.confirmed.as_deref() != Some(current) => {
            "not confirmed".to_owned()
        }
        RunState::Running => super::RUNNING.to_owned(),
        RunState::Stopped => "stopped".to_owned(),
        RunState::Failed => "failed".to_owned(),
        RunState::Unknown => "not supervised".to_owned(),
    };
    let seen = [("digest", digest.into()), ("status", status.into())];
    Observation::Present(with(&request.attributes, seen))
}

/// Facts asked anew. Where the program that tells them is damaged, which its service shows as drift, they are taken
/// to be as they were: looking brings nothing onto a node.
async fn facts(provider: &NodeProvider, host: &Arc<dyn Host>, request: &ReadRequest) -> Read {
    let wanted: FactsArguments =
        arguments::read(&request.attributes, &request.address.to_string())?;
    let artifact = wanted.artifact()?;
    let commands = wanted.commands();
    let name = request.address.name();
    let asked = provider.installer.ask(host, name, artifact.as_ref(), &commands);
    match tokio::time::timeout(FACTS_LIMIT, asked).await {
        Ok(Ok(None)) => Ok(Observation::Present(request.attributes.clone())),
        Ok(Ok(Some(values))) => {
            let values = arguments::fact_values(&request.attributes, &values);
            let seen = [("values", values)];
            Ok(Observation::Present(with(&request.attributes, seen)))
        }
        Ok(Err(error)) => Ok(no_facts(&error)),
        Err(_) => Ok(Observation::Unreachable(format!(
            "{} does not answer within {} s",
            host.name(),
            FACTS_LIMIT.as_secs()
        ))),
    }
}

fn no_facts(error: &InstallError) -> Observation {
    match error.cause.as_ref() {
        InstallCause::Host(host) if failure::is_unreachable(host) => {
            Observation::Unreachable(error.to_string())
        }
        _ => Observation::Absent(error.to_string()),
    }
}
