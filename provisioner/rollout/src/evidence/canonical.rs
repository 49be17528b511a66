//! JSON with one spelling: members in the order of their names, no white space.
//!
//! Numbers are spelled as `serde_json` spells them, which for integers and everyday decimals is what RFC 8785 asks for; hashes
//! are over the text as it was written, so nobody who verifies has to spell a number again.
//! Refuses to know: what is written.

use serde_json::Value;

/// The text of a value.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            text.push('{');
            for (index, (name, member)) in members.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write(member, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_order_of_members_does_not_matter() {
        let value = |text: &str| serde_json::from_str(text).unwrap();
        let one = super::canonical(&value(r#"{"b": [1, {"z": null, "y": "\n"}], "a": 0.5}"#));
        assert_eq!(one, r#"{"a":0.5,"b":[1,{"y":"\n","z":null}]}"#);
    }
}
