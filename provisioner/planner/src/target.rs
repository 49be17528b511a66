//! What a user limits a plan to: the text of `--target`, and which instances it means.
//!
//! A target is an address, an address without its key (all instances of the block), or a place that instances stand
//! below: a module, a node set, a node. Steps without a key mean every key, and `node_set.edge` means what belongs to
//! the set as well as what belongs to each of its nodes, so `node_set.edge.service.nebula` is that service on all of them.
//! Refuses to know: what exists, and what else a plan needs.

use crate::nearest::nearest;
use model::{Address, InstanceKey, PathStep};
use std::collections::BTreeSet;
use std::fmt;

/// Instances that a user named together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    text: String,
    path: Vec<PathStep>,
    resource: Option<Resource>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Resource {
    is_data: bool,
    kind: String,
    name: String,
    key: Option<InstanceKey>,
}

/// Why a text is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a target: {why} (a target looks like `local_volume.data`, `module.mesh`, `node_set.edge` or `node_set.edge.node[\"edge-a-001\"]`)"
)]
pub struct TargetError {
    /// The text that was given.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl Target {
    /// Reads the text of a `--target`.
    ///
    /// # Errors
    /// When it is neither an address nor a place in front of one.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let whole = Address::parse(text).map(|address| {
            let resource = Resource {
                is_data: address.is_data(),
                kind: address.kind().to_owned(),
                name: address.name().to_owned(),
                key: address.key().cloned(),
            };
            (address.path().to_vec(), Some(resource))
        });
        // A place becomes an address as soon as something stands below it.
        let place = || {
            Address::parse(&format!("{text}.x.x")).map(|address| (address.path().to_vec(), None))
        };
        let parsed = whole.or_else(|error| {
            let place = place().ok().filter(|(path, _)| !path.is_empty());
            place.ok_or_else(|| TargetError { text: text.to_owned(), why: error.why })
        });
        let (path, resource) = parsed?;
        Ok(Self { text: text.to_owned(), path, resource })
    }

    /// Whether an instance is meant.
    pub fn matches(&self, address: &Address) -> bool {
        let path = address.path();
        let below = path.len() >= self.path.len()
            && self.path.iter().zip(path).all(|(wanted, step)| is_at(wanted, step));
        below
            && self.resource.as_ref().is_none_or(|resource| {
                path.len() == self.path.len()
                    && resource.is_data == address.is_data()
                    && resource.kind == address.kind()
                    && resource.name == address.name()
                    && (resource.key.is_none() || resource.key.as_ref() == address.key())
            })
    }

    /// The nearest text that would mean one of these, if one is near.
    pub(crate) fn nearest<'a>(
        &self,
        addresses: impl Iterator<Item = &'a Address>,
    ) -> Option<String> {
        let mut texts = BTreeSet::new();
        for address in addresses {
            let mut place = String::new();
            for step in address.path() {
                if !place.is_empty() {
                    place.push('.');
                }
                place.push_str(&step.to_string());
                texts.insert(place.clone());
                if let PathStep::Node { set, .. } = step {
                    texts.insert(format!("node_set.{set}"));
                }
            }
            let bare = address.at(address.path().to_vec(), None);
            texts.insert(bare.to_string());
            texts.insert(address.to_string());
        }
        nearest(&self.text, texts.iter().map(String::as_str)).map(str::to_owned)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn is_at(wanted: &PathStep, step: &PathStep) -> bool {
    match (wanted, step) {
        (PathStep::Module { name, key: None }, PathStep::Module { name: other, .. })
        | (
            PathStep::NodeSet { set: name },
            PathStep::NodeSet { set: other } | PathStep::Node { set: other, .. },
        ) => name == other,
        _ => wanted == step,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(target: &str, address: &str) -> bool {
        Target::parse(target).unwrap().matches(&Address::parse(address).unwrap())
    }

    #[test]
    fn an_address_means_itself_and_a_block_all_its_instances() {
        assert!(matches("a.b", "a.b"));
        assert!(matches("a.b", "a.b[3]"));
        assert!(matches("a.b[3]", "a.b[3]"));
        assert!(!matches("a.b[3]", "a.b[4]"));
        assert!(!matches("a.b[3]", "a.b"));
        assert!(!matches("a.b", "a.bc"));
        assert!(!matches("a.b", "module.m.a.b"), "of the root module only");
        assert!(matches("module.m[\"k\"].a.b", "module.m[\"k\"].a.b[0]"));
    }

    #[test]
    fn a_place_means_everything_below_it() {
        assert!(matches("module.m", "module.m.a.b"));
        assert!(matches("module.m", "module.m[\"k\"].module.n.a.b[0]"));
        assert!(matches("module.m[\"k\"]", "module.m[\"k\"].a.b"));
        assert!(!matches("module.m[\"k\"]", "module.m[\"l\"].a.b"));
        assert!(!matches("module.m", "module.mm.a.b"));
        let node = "node_set.edge.node[\"edge-main-001\"]";
        let machine = "node_set.edge.node[\"edge-main-001\"].module.x.local_machine.this";
        assert!(matches("node_set.edge", machine));
        assert!(matches(node, machine));
        assert!(!matches("node_set.edge.node[\"edge-main-002\"]", machine));
        assert!(!matches("node_set.monitor", machine));
        assert!(matches("node_set.edge", "node_set.edge.reachability.nebula"));
    }

    #[test]
    fn what_every_node_of_a_set_has_is_one_target() {
        let group = "node_set.edge.service.nebula";
        assert!(matches(group, "node_set.edge.node[\"n\"].service.nebula"));
        assert!(!matches(group, "node_set.edge.node[\"n\"].service.prometheus"));
        assert!(!matches(group, "node_set.edge.node[\"n\"].facts.nebula"));
    }

    #[test]
    fn what_is_no_target_says_why() {
        for text in ["", "local_network", "module", "node_set", "a.b.c", "module.m.a", "a.b["] {
            let error = Target::parse(text).unwrap_err();
            assert!(error.to_string().contains("is not a target"), "{error}");
        }
        assert_eq!(Target::parse("module.m").unwrap().to_string(), "module.m");
    }

    #[test]
    fn a_wrong_text_has_a_near_right_one() {
        let addresses = ["module.mesh.a.b[0]", "node_set.edge.node[\"e-1\"].a.b"];
        let addresses = addresses.map(|text| Address::parse(text).unwrap());
        let nearest = |text: &str| Target::parse(text).unwrap().nearest(addresses.iter());
        assert_eq!(nearest("module.mash").as_deref(), Some("module.mesh"));
        assert_eq!(nearest("module.mesh.a.c").as_deref(), Some("module.mesh.a.b"));
        assert_eq!(nearest("node_set.egde").as_deref(), Some("node_set.edge"));
        assert_eq!(
            nearest("node_set.edge.node[\"e-2\"]").as_deref(),
            Some("node_set.edge.node[\"e-1\"]")
        );
        assert_eq!(nearest("local_volume.something"), None);
    }
}
