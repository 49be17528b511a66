//! The Fleet port: which other nodes run a service at this moment. Peers are no arguments of a service, so that
//! adding a node changes nothing on the others.

use super::schema::RUNNING;
use crate::LiveRecords;
use model::record::Record;
use nodes::Connection;

/// What is recorded of the nodes while a run goes on.
pub trait Fleet: Send + Sync {
    /// Nodes other than `node` on which `service` was installed and ran when last seen, and is not being changed
    /// right now (two nodes that try the same mistake would agree with each other); those that follow `node` in
    /// the order of names come first, so that the load spreads.
    fn peers(&self, service: &str, node: &str) -> Vec<Connection>;

    /// Whether facts of `service` on `node` are recorded: its lasting state belongs to them then.
    fn has_facts(&self, service: &str, node: &str) -> bool;
}

impl Fleet for LiveRecords {
    fn peers(&self, service: &str, node: &str) -> Vec<Connection> {
        let runs = |record: &Record| {
            let status = record.attributes.get("status");
            is_of(record, "service", service)
                && !record.tainted
                && status.as_ref().and_then(model::Value::as_str) == Some(RUNNING)
        };
        let mut running = self.select(runs);
        running.retain(|record| self.is_settled(&record.address));
        let mut peers: Vec<Connection> = running.iter().filter_map(connection).collect();
        peers.retain(|peer| peer.name != node);
        peers.sort_by(|left, right| {
            (left.name.as_str() < node, &left.name).cmp(&(right.name.as_str() < node, &right.name))
        });
        peers
    }

    fn has_facts(&self, service: &str, node: &str) -> bool {
        let is_it = |record: &Record| {
            is_of(record, "facts", service)
                && record.address.node().is_some_and(|(_, name)| name == node)
        };
        !self.select(is_it).is_empty()
    }
}

fn is_of(record: &Record, kind: &str, service: &str) -> bool {
    record.address.kind() == kind
        && record.address.name() == service
        && record.address.node().is_some()
}

fn connection(record: &Record) -> Option<Connection> {
    let json = record.attributes.get("connection")?.to_plain_json().ok()?;
    serde_json::from_value(json).ok()
}
