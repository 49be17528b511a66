//! Types of the language, with the names Terraform users write: `string`, `list(number)`,
//! `object({name=string})`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A type constraint or the type of a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// `any`: no constraint; also the type of a bare `null`.
    Any,
    /// `bool`.
    Bool,
    /// `number`.
    Number,
    /// `string`.
    String,
    /// `list(T)`.
    List(Arc<Type>),
    /// `set(T)`.
    Set(Arc<Type>),
    /// `map(T)`.
    Map(Arc<Type>),
    /// `tuple([A, B])`.
    Tuple(Arc<Vec<Type>>),
    /// `object({a = A})`.
    Object(Arc<BTreeMap<Arc<str>, Field>>),
}

/// One attribute of an object type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Field {
    /// The attribute's type.
    pub ty: Type,
    /// Whether it may be left out (`optional(type)`); a missing one becomes its default or null.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// The value of a missing attribute, from `optional(type, default)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<crate::Value>,
}

impl Type {
    /// `list(element)`.
    pub fn list(element: impl Into<Arc<Self>>) -> Self {
        Self::List(element.into())
    }

    /// `set(element)`.
    pub fn set(element: impl Into<Arc<Self>>) -> Self {
        Self::Set(element.into())
    }

    /// `map(element)`.
    pub fn map(element: impl Into<Arc<Self>>) -> Self {
        Self::Map(element.into())
    }

    /// An object type with required attributes only.
    pub fn object<K: Into<Arc<str>>>(fields: impl IntoIterator<Item = (K, Self)>) -> Self {
        let required = |(name, ty): (K, Self)| {
            let field = Field { ty, optional: false, default: None };
            (name.into(), field)
        };
        Self::Object(Arc::new(fields.into_iter().map(required).collect()))
    }

    /// An object type whose attributes may all be left out (null then).
    pub fn optional_object<K: Into<Arc<str>>>(fields: impl IntoIterator<Item = (K, Self)>) -> Self {
        let optional = |(name, ty): (K, Self)| {
            let field = Field { ty, optional: true, default: None };
            (name.into(), field)
        };
        Self::Object(Arc::new(fields.into_iter().map(optional).collect()))
    }
}

/// What kind of type it is.
impl Type {
    /// `bool`, `number` or `string`.
    pub fn is_primitive(&self) -> bool {
        matches!(self, Self::Bool | Self::Number | Self::String)
    }

    /// A list, set or map.
    pub fn is_collection(&self) -> bool {
        matches!(self, Self::List(_) | Self::Set(_) | Self::Map(_))
    }

    /// Whether it is `any`, or holds `any` somewhere.
    pub fn has_any(&self) -> bool {
        match self {
            Self::Any => true,
            Self::Bool | Self::Number | Self::String => false,
            Self::List(element) | Self::Set(element) | Self::Map(element) => element.has_any(),
            Self::Tuple(types) => types.iter().any(Self::has_any),
            Self::Object(fields) => fields.values().any(|field| field.ty.has_any()),
        }
    }

    /// The type of the values that fit the constraint: `optional(...)` says what may be left out, not what is
    /// there.
    #[must_use]
    pub fn without_optional(&self) -> Self {
        match self {
            Self::List(element) => Self::list(element.without_optional()),
            Self::Set(element) => Self::set(element.without_optional()),
            Self::Map(element) => Self::map(element.without_optional()),
            Self::Tuple(types) => {
                Self::Tuple(Arc::new(types.iter().map(Self::without_optional).collect()))
            }
            Self::Object(fields) => Self::object(
                fields.iter().map(|(name, field)| (name.clone(), field.ty.without_optional())),
            ),
            primitive => primitive.clone(),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => formatter.write_str("any"),
            Self::Bool => formatter.write_str("bool"),
            Self::Number => formatter.write_str("number"),
            Self::String => formatter.write_str("string"),
            Self::List(element) => write!(formatter, "list({element})"),
            Self::Set(element) => write!(formatter, "set({element})"),
            Self::Map(element) => write!(formatter, "map({element})"),
            Self::Tuple(elements) => {
                formatter.write_str("tuple([")?;
                for (index, element) in elements.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(formatter, "{comma}{element}")?;
                }
                formatter.write_str("])")
            }
            Self::Object(fields) => {
                formatter.write_str("object({")?;
                for (index, (name, field)) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(formatter, "{comma}{name}=")?;
                    if field.optional {
                        write!(formatter, "optional({})", field.ty)?;
                    } else {
                        write!(formatter, "{}", field.ty)?;
                    }
                }
                formatter.write_str("})")
            }
        }
    }
}
