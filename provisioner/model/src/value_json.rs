//! Values as JSON, for plans and records.
//!
//! JSON's own kinds stand for themselves (an array is a tuple, an object an object; schemas give the
//! rest back through `convert`). What JSON has no word for is an object with one key that starts with
//! `$`: `{"$sensitive": v}`, `{"$unknown": {...}}`, `{"$set": [...]}`,
//! `{"$number": "DIGITS"}` for a number that readers of JSON would round. An object whose own keys start
//! with `$` is wrapped as `{"$object": {...}}`. Origins are not written: they belong to one run.

use crate::address::Address;
use crate::marks::Marks;
use crate::number::Number;
use crate::types::Type;
use crate::unknown::{Residual, Unknown};
use crate::value::{Data, Entries, Value};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

#[derive(Serialize, Deserialize)]
struct UnknownForm {
    #[serde(rename = "type")]
    ty: Type,
    #[serde(flatten)]
    residual: ResidualForm,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ResidualForm {
    Output {
        address: Address,
        path: Vec<Arc<str>>,
    },
    Expression {
        source: Arc<str>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        template: bool,
        scope: Value,
        place: Arc<str>,
    },
    Opaque,
}

impl Value {
    /// The value as tagged JSON (see the module's documentation). Secrets are tagged, in clear.
    pub fn to_json(&self) -> Result<Json, serde_json::Error> {
        if self.marks().ephemeral {
            return Err(ser::Error::custom("an ephemeral value is never stored"));
        }
        let json = self.data_to_json()?;
        Ok(if self.marks().sensitive { json!({ "$sensitive": json }) } else { json })
    }

    fn data_to_json(&self) -> Result<Json, serde_json::Error> {
        Ok(match self.data() {
            Data::Null(_) => Json::Null,
            Data::Bool(value) => Json::Bool(*value),
            Data::Number(number) => number
                .exact_json()
                .map_or_else(|| json!({ "$number": number.to_string() }), Json::Number),
            Data::String(text) => Json::String(text.as_ref().to_owned()),
            Data::List(_, items) | Data::Tuple(items) => Json::Array(array(items)?),
            Data::Set(_, items) => json!({ "$set": array(items)? }),
            Data::Map(_, entries) | Data::Object(entries) => object(entries)?,
            Data::Unknown(unknown) => json!({ "$unknown": unknown_to_json(unknown)? }),
        })
    }

    /// Plain JSON as other programs want it: no tags, sets as arrays, secrets in clear, numbers within what a
    /// float can hold, unknown as an error.
    pub fn to_plain_json(&self) -> Result<Json, serde_json::Error> {
        let list =
            |items: &[Self]| items.iter().map(Self::to_plain_json).collect::<Result<Vec<_>, _>>();
        Ok(match self.data() {
            Data::List(_, items) | Data::Tuple(items) | Data::Set(_, items) => {
                Json::Array(list(items)?)
            }
            Data::Map(_, entries) | Data::Object(entries) => {
                let mut map = Map::new();
                for (name, value) in entries.iter() {
                    map.insert(name.as_ref().to_owned(), value.to_plain_json()?);
                }
                Json::Object(map)
            }
            Data::Unknown(_) => return Err(ser::Error::custom("the value is not known yet")),
            Data::Number(number) => number.to_json().map(Json::Number).ok_or_else(|| {
                ser::Error::custom("an infinite number cannot be written as JSON")
            })?,
            _ => self.data_to_json()?,
        })
    }

    /// A value from plain JSON, without looking at tags.
    pub fn from_plain_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::null(Type::Any),
            Json::Bool(value) => Self::from(*value),
            Json::Number(number) => {
                Number::from_json(number).map_or_else(|| Self::null(Type::Number), Self::from)
            }
            Json::String(text) => Self::string(text),
            Json::Array(items) => Self::tuple(items.iter().map(Self::from_plain_json)),
            Json::Object(map) => {
                Self::object(map.iter().map(|(k, v)| (k.as_str(), Self::from_plain_json(v))))
            }
        }
    }

    /// A value from tagged JSON.
    pub fn from_json(json: &Json) -> Result<Self, serde_json::Error> {
        let Json::Object(map) = json else {
            return match json {
                Json::Array(items) => Ok(Self::tuple(
                    items.iter().map(Self::from_json).collect::<Result<Vec<_>, _>>()?,
                )),
                other => Ok(Self::from_plain_json(other)),
            };
        };
        match map.iter().next() {
            Some((tag, inner)) if map.len() == 1 && tag.starts_with('$') => tagged(tag, inner),
            _ => entries(map),
        }
    }
}

fn array(items: &[Value]) -> Result<Vec<Json>, serde_json::Error> {
    items.iter().map(Value::to_json).collect()
}

fn object(entries: &Entries) -> Result<Json, serde_json::Error> {
    let mut map = Map::new();
    for (name, value) in entries {
        map.insert(name.as_ref().to_owned(), value.to_json()?);
    }
    let wrap = map.len() == 1 && map.keys().any(|name| name.starts_with('$'));
    Ok(if wrap { json!({ "$object": map }) } else { Json::Object(map) })
}

fn entries(map: &Map<String, Json>) -> Result<Value, serde_json::Error> {
    let entry =
        |(name, json): (&String, &Json)| Ok((name.as_str().into(), Value::from_json(json)?));
    let entries = map.iter().map(entry).collect::<Result<Entries, serde_json::Error>>()?;
    Ok(Data::Object(Arc::new(entries)).into())
}

fn tagged(tag: &str, inner: &Json) -> Result<Value, serde_json::Error> {
    match (tag, inner) {
        ("$sensitive", _) => Ok(Value::from_json(inner)?.into_sensitive()),
        ("$set", Json::Array(items)) => {
            let items = items.iter().map(Value::from_json).collect::<Result<Vec<_>, _>>()?;
            Ok(Value::set(Type::Any, items))
        }
        ("$object", Json::Object(map)) => entries(map),
        ("$number", Json::String(digits)) => Number::parse(digits)
            .map(Value::from)
            .ok_or_else(|| de::Error::custom("`$number` holds no number")),
        ("$unknown", _) => unknown_from_json(inner),
        _ => Err(de::Error::custom(format!("unknown tag `{tag}`"))),
    }
}

fn unknown_to_json(unknown: &Unknown) -> Result<Json, serde_json::Error> {
    let residual = match unknown.residual.as_ref() {
        Residual::Output { address, path } => {
            ResidualForm::Output { address: address.clone(), path: path.clone() }
        }
        Residual::Expression { source, template, scope, place } => ResidualForm::Expression {
            source: source.clone(),
            template: *template,
            scope: scope.clone(),
            place: place.clone(),
        },
        Residual::Opaque => ResidualForm::Opaque,
    };
    serde_json::to_value(UnknownForm { ty: unknown.ty.clone(), residual })
}

fn unknown_from_json(json: &Json) -> Result<Value, serde_json::Error> {
    let form: UnknownForm = serde_json::from_value(json.clone())?;
    Ok(match form.residual {
        ResidualForm::Output { address, path } => {
            let residual = Residual::Output { address: address.clone(), path };
            Value::unknown(form.ty, residual).with_origin(&address)
        }
        ResidualForm::Expression { source, template, scope, place } => {
            // Whether the result is a secret is tagged around it; the scope may hold secrets it does not use.
            let marks = Marks { sensitive: false, ..scope.deep_marks() };
            let residual = Residual::Expression { source, template, scope, place };
            Value::unknown(form.ty, residual).with_marks(&marks)
        }
        ResidualForm::Opaque => Value::unknown(form.ty, Residual::Opaque),
    })
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().map_err(ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        Self::from_json(&json).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ephemeral_is_not_written() {
        let inner = Value::object([("token", Value::from("t").into_ephemeral())]);
        assert!(inner.to_json().is_err());
        let written = inner.ephemeral_as_null();
        assert_eq!(written.to_json().unwrap(), json!({ "token": null }));
    }

    #[test]
    fn tagged_json_reads_back() {
        let address = Address::parse("local_machine.x").unwrap();
        let scope = Value::object([("node", Value::output(&address, "id", Type::String))]);
        let residual = Residual::Expression {
            source: "\"${node}!\"".into(),
            template: false,
            scope,
            place: "main.hcl:3:5".into(),
        };
        let numbers = ["0.1", "18446744073709551615", "0.12345678901234567890123", "-Inf"]
            .map(|digits| Number::parse(digits).unwrap().into());
        let value = Value::object([
            ("plain", Value::tuple([1.into(), true.into(), "x".into(), Value::null(Type::Any)])),
            ("secret", Value::from("k").into_sensitive()),
            ("numbers", Value::tuple(numbers)),
            ("later", Value::unknown(Type::String, residual).with_origin(&address)),
            ("dollar", Value::object([("$set", Value::from("not a tag"))])),
        ]);
        let json = value.to_json().unwrap();
        assert_eq!(Value::from_json(&json).unwrap(), value);
        assert_eq!(json["secret"]["$sensitive"], "k");
        let numbers = r#"[0.1,18446744073709551615,{"$number":"0.12345678901234567890123"},{"$number":"-Inf"}]"#;
        assert_eq!(json["numbers"].to_string(), numbers);
    }
}
