//! Schemas: what a provider declares about its resource types, as data. The planner decides from
//! these alone; the language checks arguments against them.

use crate::types::Type;
use crate::unknown::{Refinement, Residual};
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
    /// Data sources by name: what is looked up and never made.
    #[serde(default)]
    pub data: BTreeMap<String, DataSchema>,
    /// How many objects it reads at once, whatever their types; none for as many as suit a provider that reads them one
    /// by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_together: Option<u32>,
    /// Limits of its interfaces as the cloud publishes them, by the name of the interface.
    #[serde(default)]
    pub limits: BTreeMap<String, RateLimit>,
}

/// A limit on calls: a bucket of `burst` calls that fills with `per_second` calls a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Calls that may be made at once.
    pub burst: u32,
    /// Calls a second in the long run.
    pub per_second: u32,
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
    /// Its objects are nowhere but in the state: a call changes nothing outside and ends at once, so that one which was
    /// not recorded never happened.
    #[serde(default)]
    pub recorded_only: bool,
    /// How many creations with the same arguments one call makes at most; none if one each. Such a call takes a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_together: Option<u32>,
    /// How many objects one call deletes at most; none if one each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_together: Option<u32>,
    /// How what is on its objects is captured; none where nothing of them is lost with them, or nothing can be captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured_by: Option<Capture>,
    /// How an object is found again after a crash between the call and its answer.
    pub adoption: Adoption,
}

/// A snapshot of what is on an object is an object of another type of the same provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// The type of the snapshot: `aws_ebs_snapshot`.
    pub resource_type: String,
    /// Its argument that says what is captured: `volume_id`. It is given the captured object's `id`.
    pub source: String,
    /// Its argument that takes a name of 1 to 63 letters, digits and `-`, unique in the cloud; none where it has none.
    pub name: Option<String>,
    /// What its other arguments are given.
    pub arguments: BTreeMap<String, Value>,
    /// The argument of the captured type that takes a snapshot's `id`, for a new object to begin with what was captured; none where
    /// what it begins with is for the configuration alone to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_by: Option<String>,
}

impl Capture {
    /// A snapshot that is told what it is of by that argument.
    pub fn by(resource_type: &str, source: &str) -> Self {
        let (resource_type, source) = (resource_type.to_owned(), source.to_owned());
        Self { resource_type, source, name: None, arguments: BTreeMap::new(), restored_by: None }
    }

    /// With the argument of the captured type by which a new object begins with a snapshot.
    #[must_use]
    pub fn restored_by(mut self, argument: &str) -> Self {
        self.restored_by = Some(argument.to_owned());
        self
    }

    /// With the argument that takes a unique name.
    #[must_use]
    pub fn named(mut self, argument: &str) -> Self {
        self.name = Some(argument.to_owned());
        self
    }

    /// With another argument.
    #[must_use]
    pub fn with(mut self, argument: &str, value: Value) -> Self {
        self.arguments.insert(argument.to_owned(), value);
        self
    }
}

/// One data source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSchema {
    /// One line for people.
    pub description: String,
    /// Arguments, which say what is looked up, and attributes, which are what is found, by name.
    pub attributes: BTreeMap<String, Attribute>,
}

impl DataSchema {
    /// A data source that finds an object of a resource type by these arguments.
    pub fn of(resource: &ResourceSchema, arguments: &[&str]) -> Self {
        let attribute = |(name, attribute): (&String, &Attribute)| {
            let mode =
                if arguments.contains(&name.as_str()) { Mode::Required } else { Mode::Computed };
            let found = Attribute::with_mode(attribute.ty.clone(), mode, &attribute.description);
            let stable = attribute.stable || attribute.mode != Mode::Computed;
            (name.clone(), Attribute { sensitive: attribute.sensitive, stable, ..found })
        };
        Self {
            description: resource.description.clone(),
            attributes: resource.attributes.iter().map(attribute).collect(),
        }
    }
}

/// What a cloud offers to find an object whose creation was not acknowledged. Recovery uses the first that holds: the
/// token, then the name, then the tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Adoption {
    /// For how many seconds after a creation the identical request with the same token gives the same object;
    /// none if the interface takes no token. [`Adoption::FOR_EVER`] where the token is kept with the object.
    pub token_retention_s: Option<u64>,
    /// Names are unique: a second creation is refused, and the marker on the object says whether it is ours.
    pub unique_name: bool,
    /// Objects carry our marker from their creation on and can be looked up by it.
    pub tagged: bool,
    /// Milliseconds after the end of a call during which its object may not be visible yet.
    pub settle_ms: u64,
    /// Milliseconds after which a call without an answer is given up; it may still take effect up to then.
    pub deadline_ms: u64,
    /// Milliseconds after which nothing comes any more of a request whose sender is gone or has stopped waiting, where a call
    /// takes longer because it waits for what it made; none if that may be up to the deadline.
    pub effect_ms: Option<u64>,
}

impl Adoption {
    /// A token that lives as long as the object.
    pub const FOR_EVER: u64 = u64::MAX;
}

impl Default for Adoption {
    fn default() -> Self {
        Self {
            token_retention_s: Some(Self::FOR_EVER),
            unique_name: false,
            tagged: false,
            settle_ms: 0,
            deadline_ms: 30 * 60 * 1000,
            effect_ms: None,
        }
    }
}

/// The attribute that an object goes by, where it has one.
const IDENTITY: &str = "id";

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
    /// For a stable attribute: the argument whose change brings another value all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes_with: Option<String>,
    /// For a computed attribute: the argument that it has the type of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typed_as: Option<String>,
    /// For an argument that is given as nested blocks: how many there may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<BlockCount>,
    /// Whether only one object has a value at a time: an address, a port, a disk. Where it is a collection, each of its
    /// values is one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exclusive: bool,
    /// Where it is exclusive: the resource type whose objects may be had by several all the same, by their `id`, and the attribute
    /// that says of one of them that it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_by: Option<(String, String)>,
    /// One line for people.
    pub description: String,
}

/// How many nested blocks of one kind there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockCount {
    /// At least.
    pub min: u32,
    /// At most; none for any number.
    pub max: Option<u32>,
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
    /// The object is deleted and made anew if that other argument is true, and updated otherwise.
    ReplaceIf(String),
    /// Of nested blocks: the object is deleted and made anew if one of these fields becomes another, and updated otherwise.
    /// A field that is left out is no other. Blocks of a set are told apart by the first of these fields; one more or
    /// one less of them makes the object anew, too.
    ReplaceFields(Vec<String>),
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
            changes_with: None,
            typed_as: None,
            blocks: None,
            exclusive: false,
            shared_by: None,
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

    /// An argument of a list or set of objects that is given as nested blocks, so many of them.
    #[must_use]
    pub fn as_blocks(mut self, min: u32, max: Option<u32>) -> Self {
        self.blocks = Some(BlockCount { min, max });
        self
    }

    /// A change of it replaces the object.
    #[must_use]
    pub fn forces_replacement(mut self) -> Self {
        self.change = ChangePolicy::Replace;
        self
    }

    /// A change of it replaces the object if that other argument is true.
    #[must_use]
    pub fn forces_replacement_if(mut self, argument: &str) -> Self {
        self.change = ChangePolicy::ReplaceIf(argument.to_owned());
        self
    }

    /// A change of these fields of its blocks replaces the object.
    #[must_use]
    pub fn fields_force_replacement(mut self, fields: &[&str]) -> Self {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        self.change = ChangePolicy::ReplaceFields(fields);
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

    /// No two objects have the same value at the same time.
    #[must_use]
    pub fn exclusive(mut self) -> Self {
        self.exclusive = true;
        self
    }

    /// No two objects have the same value at the same time, unless it is the id of an object of that type of which that
    /// attribute is true.
    #[must_use]
    pub fn exclusive_unless(mut self, kind: &str, attribute: &str) -> Self {
        self.shared_by = Some((kind.to_owned(), attribute.to_owned()));
        self.exclusive()
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

    /// A computed attribute that has the type of an argument.
    #[must_use]
    pub fn typed_as(mut self, argument: &str) -> Self {
        self.typed_as = Some(argument.to_owned());
        self
    }

    /// The value while only the provider will tell it. What an object goes by is never null.
    pub fn later(
        &self,
        name: &str,
        residual: Residual,
        argument: impl FnOnce(&str) -> Option<Value>,
    ) -> Value {
        let ty = self.typed_as.as_deref().and_then(argument).map(|given| given.ty());
        let value = Value::unknown(ty.unwrap_or_else(|| self.ty.without_optional()), residual);
        if name == IDENTITY { value.refined(Refinement::not_null()) } else { value }
    }

    /// An attribute that an update leaves as it is, unless that argument changes.
    #[must_use]
    pub fn changes_with(mut self, argument: &str) -> Self {
        self.changes_with = Some(argument.to_owned());
        self
    }

    /// A computed attribute that any update may change.
    #[must_use]
    pub fn volatile(mut self) -> Self {
        self.stable = false;
        self
    }
}
