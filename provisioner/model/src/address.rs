//! Addresses: the name of one instance in the graph, for example
//! `module.network.local_network.this` or `node_set.edge.node["edge-a-001"].service.nebula`.
//!
//! Invariant: `Address::parse(address.to_string())` gives the same address back. Cloning is cheap.
//! Refuses to know: what a resource type means.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// The key of one instance of a `count` or `for_each` block.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InstanceKey {
    /// From `count`: `[0]`.
    Index(u64),
    /// From `for_each`: `["name"]`.
    Name(Arc<str>),
}

/// One step from the root module towards an instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathStep {
    /// `module.NAME` or `module.NAME[KEY]`.
    Module {
        /// The module call's name.
        name: Arc<str>,
        /// The key, when the call has `count` or `for_each`.
        key: Option<InstanceKey>,
    },
    /// `node_set.SET`: things that belong to the whole set.
    NodeSet {
        /// The node set's name.
        set: Arc<str>,
    },
    /// `node_set.SET.node["NODE"]`: things that belong to one node.
    Node {
        /// The node set's name.
        set: Arc<str>,
        /// The node's name, unique in the environment.
        node: Arc<str>,
    },
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Inner {
    path: Vec<PathStep>,
    is_data: bool,
    kind: Arc<str>,
    name: Arc<str>,
    key: Option<InstanceKey>,
}

/// The address of one instance: where it is, its resource type, its name and its key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Arc<Inner>);

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an address: {why} (an address looks like `local_network.main`, `module.mesh.nebula_ca.this` or `node_set.edge.node[\"edge-a-001\"].service.nebula`)"
)]
pub struct AddressError {
    /// The text that was given.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl Address {
    /// An address from its parts.
    pub fn new(
        path: Vec<PathStep>,
        kind: impl Into<Arc<str>>,
        name: impl Into<Arc<str>>,
        key: Option<InstanceKey>,
    ) -> Self {
        Self(Arc::new(Inner { path, is_data: false, kind: kind.into(), name: name.into(), key }))
    }

    /// The address of a data source's instance.
    pub fn data(
        path: Vec<PathStep>,
        kind: impl Into<Arc<str>>,
        name: impl Into<Arc<str>>,
        key: Option<InstanceKey>,
    ) -> Self {
        Self(Arc::new(Inner { path, is_data: true, kind: kind.into(), name: name.into(), key }))
    }

    /// The same block elsewhere, or another instance of it.
    #[must_use]
    pub fn at(&self, path: Vec<PathStep>, key: Option<InstanceKey>) -> Self {
        let Inner { is_data, kind, name, .. } = self.0.as_ref();
        let (is_data, kind, name) = (*is_data, kind.clone(), name.clone());
        Self(Arc::new(Inner { path, is_data, kind, name, key }))
    }

    /// Whether it is of a data source: something that is looked up, and never made or recorded.
    pub fn is_data(&self) -> bool {
        self.0.is_data
    }

    /// The steps from the root module.
    pub fn path(&self) -> &[PathStep] {
        &self.0.path
    }

    /// The resource type, for example `local_machine` or `service`.
    pub fn kind(&self) -> &str {
        &self.0.kind
    }

    /// The block's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The instance key, if the block has `count` or `for_each`.
    pub fn key(&self) -> Option<&InstanceKey> {
        self.0.key.as_ref()
    }

    /// The node this instance belongs to, if it is part of one: `(node set, node)`.
    pub fn node(&self) -> Option<(&str, &str)> {
        self.0.path.iter().rev().find_map(|step| match step {
            PathStep::Node { set, node } => Some((set.as_ref(), node.as_ref())),
            _ => None,
        })
    }

    /// The node set this instance belongs to, if any.
    pub fn node_set(&self) -> Option<&str> {
        self.0.path.iter().rev().find_map(|step| match step {
            PathStep::Node { set, .. } | PathStep::NodeSet { set } => Some(set.as_ref()),
            PathStep::Module { .. } => None,
        })
    }

    /// Reads the text form back.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        parse::address(text).map_err(|why| AddressError { text: text.to_owned(), why })
    }
}

impl fmt::Display for InstanceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(formatter, "[{index}]"),
            Self::Name(name) => {
                formatter.write_str("[\"")?;
                for character in name.chars() {
                    if matches!(character, '"' | '\\') {
                        formatter.write_str("\\")?;
                    }
                    write!(formatter, "{character}")?;
                }
                formatter.write_str("\"]")
            }
        }
    }
}

fn write_key(formatter: &mut fmt::Formatter<'_>, key: Option<&InstanceKey>) -> fmt::Result {
    key.map_or(Ok(()), |key| write!(formatter, "{key}"))
}

impl fmt::Display for PathStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module { name, key } => {
                write!(formatter, "module.{name}")?;
                write_key(formatter, key.as_ref())
            }
            Self::NodeSet { set } => write!(formatter, "node_set.{set}"),
            Self::Node { set, node } => {
                write!(formatter, "node_set.{set}.node")?;
                write_key(formatter, Some(&InstanceKey::Name(node.clone())))
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.0.path {
            write!(formatter, "{step}.")?;
        }
        if self.0.is_data {
            formatter.write_str("data.")?;
        }
        write!(formatter, "{}.{}", self.0.kind, self.0.name)?;
        write_key(formatter, self.0.key.as_ref())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

mod parse {
    //! A small hand-written reader: `name(.name | [key])*`.

    use super::{Address, InstanceKey, PathStep};
    use std::sync::Arc;

    /// One `name` with the key that may follow it.
    struct Part {
        name: Arc<str>,
        key: Option<InstanceKey>,
    }

    pub fn address(text: &str) -> Result<Address, String> {
        let mut parts = parts(text)?.into_iter();
        let mut path = Vec::new();
        loop {
            let kind = plain(parts.next().ok_or("it ends before a resource type")?)?;
            let name = parts.next().ok_or("a name must follow the type")?;
            match kind.as_ref() {
                "module" => path.push(PathStep::Module { name: name.name, key: name.key }),
                "node_set" => {
                    let set = plain(name)?;
                    path.push(node_step(set, &mut parts)?);
                }
                "data" => {
                    let kind = plain(name)?;
                    let name = parts.next().ok_or("a name must follow the type")?;
                    if parts.next().is_some() {
                        return Err("something follows the data source's name".to_owned());
                    }
                    return Ok(Address::data(path, kind, name.name, name.key));
                }
                _ => {
                    if parts.next().is_some() {
                        return Err("something follows the resource's name".to_owned());
                    }
                    return Ok(Address::new(path, kind, name.name, name.key));
                }
            }
        }
    }

    fn node_step(set: Arc<str>, parts: &mut std::vec::IntoIter<Part>) -> Result<PathStep, String> {
        let is_node = parts
            .as_slice()
            .first()
            .is_some_and(|part| part.name.as_ref() == "node" && part.key.is_some());
        if !is_node {
            return Ok(PathStep::NodeSet { set });
        }
        match parts.next().and_then(|part| part.key) {
            Some(InstanceKey::Name(node)) => Ok(PathStep::Node { set, node }),
            _ => Err("a node is named by a string, as in node[\"edge-a-001\"]".to_owned()),
        }
    }

    fn plain(part: Part) -> Result<Arc<str>, String> {
        match part.key {
            None => Ok(part.name),
            Some(_) => Err(format!("`{}` takes no key", part.name)),
        }
    }

    fn parts(text: &str) -> Result<Vec<Part>, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let end = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
                .unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            if name.is_empty() {
                return Err("a name is missing".to_owned());
            }
            let (key, after) = if let Some(inner) = after.strip_prefix('[') {
                let (key, after) = key(inner)?;
                (Some(key), after)
            } else {
                (None, after)
            };
            parts.push(Part { name: name.into(), key });
            if after.is_empty() {
                return Ok(parts);
            }
            rest = after.strip_prefix('.').ok_or_else(|| format!("unexpected `{after}`"))?;
        }
    }

    /// Reads a key and its closing bracket; `text` starts behind the opening one.
    fn key(text: &str) -> Result<(InstanceKey, &str), String> {
        if let Some(quoted) = text.strip_prefix('"') {
            let mut name = String::new();
            let mut characters = quoted.char_indices();
            while let Some((at, character)) = characters.next() {
                match character {
                    '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
                    '"' => {
                        let rest = quoted[at + 1..].strip_prefix(']').ok_or("a `]` is missing")?;
                        return Ok((InstanceKey::Name(name.into()), rest));
                    }
                    other => name.push(other),
                }
            }
            return Err("a closing quote is missing".to_owned());
        }
        let (index, rest) = text.split_once(']').ok_or("a `]` is missing")?;
        let index = index
            .parse()
            .map_err(|_| format!("`{index}` is neither a number nor a quoted string"))?;
        Ok((InstanceKey::Index(index), rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_reads_back() {
        for text in [
            "local_network.main",
            "local_network.main[2]",
            "module.a.module.b[\"x.y\"].nebula_ca.this",
            "node_set.edge.node[\"edge-a-001\"].service.nebula",
            "node_set.edge.node[\"q\\\"uote\"].module.x.local_volume.data[\"a]b\"]",
            "node_set.edge.reachability.nebula",
            "module.a[0].data.local_network.main[\"k\"]",
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn errors_say_what_is_missing() {
        for text in
            ["", "local_network", "data.a", "a.b.c", "a..b", "node_set.edge.node[3].a.b", "a.b["]
        {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn knows_its_node() {
        let address = Address::parse("node_set.edge.node[\"n1\"].service.nebula").unwrap();
        assert_eq!(address.node(), Some(("edge", "n1")));
        assert_eq!(address.node_set(), Some("edge"));
    }
}
