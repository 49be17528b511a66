//! Root outputs: all of them, or one.
//!
//! Invariant: a sensitive output shows its value only when it is asked for by name.

use crate::value::{SENSITIVE, block, redacted_json};
use model::Value;
use model::graph::Output;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// All outputs, one `name = value` each.
pub fn human(outputs: &BTreeMap<String, Output>, width: usize) -> String {
    let widest = outputs.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let line = |(name, output): (&String, &Output)| {
        let value =
            if output.sensitive { SENSITIVE.to_owned() } else { block(&output.value, 0, width) };
        format!("{name:widest$} = {value}\n")
    };
    outputs.iter().map(line).collect()
}

/// All outputs as JSON, secrets left out.
pub fn json(outputs: &BTreeMap<String, Output>) -> Json {
    let entry = |(name, output): (&String, &Output)| {
        let value = if output.sensitive {
            json!({ "$sensitive": true })
        } else {
            redacted_json(&output.value)
        };
        let entry = json!({
            "value": value,
            "type": output.value.ty().to_string(),
            "sensitive": output.sensitive,
            "description": output.description,
        });
        (name.clone(), entry)
    };
    Json::Object(outputs.iter().map(entry).collect::<Map<_, _>>())
}

/// One output's value as it is, secret or not: a text without quotes, anything else as JSON. `None` when a part of
/// it is not known.
pub fn raw(value: &Value) -> Option<String> {
    match value.as_str() {
        Some(text) => Some(text.to_owned()),
        None => value.to_plain_json().ok().map(|json| json.to_string()),
    }
}

/// One output's value, asked for by name, in the language's notation.
pub fn one(value: &Value, width: usize) -> String {
    let clear = value.without_marks();
    block(&clear, 0, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_only_by_name() {
        let secret = Output { value: "key".into(), sensitive: true, description: String::new() };
        let outputs = BTreeMap::from([("token".to_owned(), secret.clone())]);
        assert_eq!(human(&outputs, 80), "token = (sensitive value)\n");
        assert!(!json(&outputs).to_string().contains("key"));
        assert_eq!(raw(&secret.value).unwrap(), "key");
        assert_eq!(one(&Value::from("key").into_sensitive(), 80), "\"key\"");
    }
}
