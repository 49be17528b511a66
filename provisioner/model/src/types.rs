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
    pub fn list(element: Self) -> Self {
        Self::List(Arc::new(element))
    }

    /// `set(element)`.
    pub fn set(element: Self) -> Self {
        Self::Set(Arc::new(element))
    }

    /// `map(element)`.
    pub fn map(element: Self) -> Self {
        Self::Map(Arc::new(element))
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
