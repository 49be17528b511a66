//! Schemas: what a provider declares about its resource types, as data. The planner decides from
//! these alone; the language checks arguments against them.

use crate::types::Type;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything a provider declares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderSchema {
    /// The provider's name, the first word of its resource types: `local`.
    pub name: String,
    /// Arguments of the `provider` block.
    pub configuration: BTreeMap<String, Attribute>,
    /// Resource types by name.
    pub resources: BTreeMap<String, ResourceSchema>,
}

/// One resource type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceSchema {
    /// One line for people.
    pub description: String,
    /// Arguments and attributes by name.
    pub attributes: BTreeMap<String, Attribute>,
    /// The object is a statement about its dependencies (for example "they all reach each other"): it is
    /// made anew whenever one of them changes in the same plan.
    pub follows_dependencies: bool,
    /// How an object is found again after a crash between the call and its answer.
    pub found_by: FoundBy,
}

/// How an object whose creation was not acknowledged is found again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoundBy {
    /// Sending the identical request again with the same token gives the same object.
    #[default]
    Token,
    /// A unique name; the marker on the object says whether it is ours.
    Name,
    /// An ownership tag, looked up.
    Tag,
}

/// One argument or attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Its type.
    pub ty: Type,
    /// Who gives the value.
    pub mode: Mode,
    /// Whether the value is a secret.
    pub sensitive: bool,
    /// What a change of the value means.
    pub change: ChangePolicy,
    /// The value of an argument that is left out.
    pub default: Option<Value>,
    /// For a computed attribute: the value it has while the object is well. Another value is drift,
    /// mended by an update.
    pub expected: Option<Value>,
    /// For a computed attribute: whether an update in place leaves it as it is (an id, a host key).
    pub stable: bool,
    /// One line for people.
    pub description: String,
}

/// Who gives an attribute its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The configuration must.
    Required,
    /// The configuration may; null or the default otherwise.
    Optional,
    /// The configuration may; the provider chooses otherwise.
    OptionalComputed,
    /// Only the provider.
    Computed,
}

/// What a change of an argument means for the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangePolicy {
    /// The provider updates the object.
    InPlace,
    /// The object is deleted and made anew.
    Replace,
    /// The change is an error at plan time; the text says what to do instead.
    Refuse(String),
}

impl Attribute {
    fn with_mode(ty: Type, mode: Mode, description: &str) -> Self {
        Self {
            ty,
            mode,
            sensitive: false,
            change: ChangePolicy::InPlace,
            default: None,
            expected: None,
            stable: mode == Mode::Computed,
            description: description.to_owned(),
        }
    }

    /// An argument that must be given.
    pub fn required(ty: Type, description: &str) -> Self {
        Self::with_mode(ty, Mode::Required, description)
    }

    /// An argument that may be given.
    pub fn optional(ty: Type, description: &str) -> Self {
        Self::with_mode(ty, Mode::Optional, description)
    }

    /// An argument that the provider chooses when it is left out.
    pub fn optional_computed(ty: Type, description: &str) -> Self {
        let mut attribute = Self::with_mode(ty, Mode::OptionalComputed, description);
        attribute.stable = true;
        attribute
    }

    /// An attribute that only the provider sets, and that updates leave alone.
    pub fn computed(ty: Type, description: &str) -> Self {
        Self::with_mode(ty, Mode::Computed, description)
    }

    /// A change of it replaces the object.
    #[must_use]
    pub fn forces_replacement(mut self) -> Self {
        self.change = ChangePolicy::Replace;
        self
    }

    /// A change of it is refused at plan time, with this advice.
    #[must_use]
    pub fn refuses_change(mut self, advice: &str) -> Self {
        self.change = ChangePolicy::Refuse(advice.to_owned());
        self
    }

    /// It holds a secret.
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// The value when it is left out.
    #[must_use]
    pub fn with_default(mut self, default: Value) -> Self {
        self.default = Some(default);
        self
    }

    /// The value of a computed attribute while the object is well.
    #[must_use]
    pub fn expects(mut self, expected: Value) -> Self {
        self.expected = Some(expected);
        self
    }

    /// A computed attribute that any update may change.
    #[must_use]
    pub fn volatile(mut self) -> Self {
        self.stable = false;
        self
    }
}
