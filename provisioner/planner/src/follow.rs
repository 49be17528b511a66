//! Values that came from what another object was given when it was made: once that object is made anew they are others.
//!
//! A record keeps values and not the expressions that they came from. What has the content of a computed attribute of
//! something that it depended on, came from it: the attribute as it will be takes its place. Short texts and numbers count
//! only where they have the attribute's name, since they may be the same by chance; longer ones also within a text, as
//! whole words. Refuses to know: why an object is made anew.

use crate::compare::without_origins;
use model::record::Record;
use model::schema::{Mode, ResourceSchema};
use model::value::{Data, Entries};
use model::{Address, Residual, Type, Value};
use std::sync::Arc;

/// A text of fewer characters may be the same by chance.
const TELLING: usize = 7;
/// How long the text of a template may be, in bytes: what is longer is data.
const LONGEST: usize = 1 << 20;

/// A value that an attribute had, and what it will be.
pub(crate) struct Followed {
    name: Arc<str>,
    was: Value,
    becomes: Value,
}

/// The parts of an object's computed attributes that will not be as they were.
pub(crate) fn followed(schema: &ResourceSchema, was: &Record, becomes: &Value) -> Vec<Followed> {
    let mut found = Vec::new();
    let computed = schema.attributes.iter().filter(|(_, it)| it.mode != Mode::Required);
    for (name, attribute) in computed {
        if attribute.mode == Mode::Optional {
            continue;
        }
        let (Some(old), Some(new)) = (was.attributes.get(name), becomes.get(name)) else {
            continue;
        };
        let name: Arc<str> = name.as_str().into();
        parts(&was.address, &[name], &old, &new, &mut found);
    }
    found
}

fn parts(at: &Address, path: &[Arc<str>], old: &Value, new: &Value, found: &mut Vec<Followed>) {
    let mut deeper = |step: Arc<str>, old: &Value, next: Option<Value>| {
        let path = [path, &[step]].concat();
        let output = || {
            let residual = Residual::Output { address: at.clone(), path: path.clone() };
            Value::unknown(old.ty(), residual)
        };
        let new = if new.is_unknown() { Some(output()) } else { next };
        if let Some(new) = new {
            parts(at, &path, old, &new, found);
        }
    };
    if let Some(entries) = old.as_entries() {
        entries.iter().for_each(|(name, entry)| deeper(name.clone(), entry, new.get(name)));
    } else if let Some(items) = old.as_items() {
        for (index, item) in items.iter().enumerate() {
            let next = new.as_items().and_then(|items| items.get(index).cloned());
            deeper(index.to_string().into(), item, next);
        }
    } else if !old.is_null() && !old.same_content(new) {
        let name = path.last().cloned().unwrap_or_else(|| "".into());
        let becomes = without_origins(new).with_origin(at);
        found.push(Followed { name, was: old.without_marks(), becomes });
    }
}

/// The value with what it came from as that will be.
pub(crate) fn follow(value: &Value, all: &[Followed]) -> Value {
    if all.is_empty() { value.clone() } else { within(value, None, all) }
}

fn within(value: &Value, name: Option<&str>, all: &[Followed]) -> Value {
    let items = |items: &[Value]| items.iter().map(|it| within(it, name, all)).collect::<Vec<_>>();
    let entries = |entries: &Entries| {
        let each =
            |(name, entry): (&Arc<str>, &Value)| (name.clone(), within(entry, Some(name), all));
        entries.iter().map(each).collect::<Vec<_>>()
    };
    let new: Value = match value.data() {
        Data::List(ty, of) => Value::list(ty.clone(), items(of)),
        Data::Set(ty, of) => Value::set(ty.clone(), items(of)),
        Data::Tuple(of) => Value::tuple(items(of)),
        Data::Map(ty, of) => Value::map(ty.clone(), entries(of)),
        Data::Object(of) => Value::object(entries(of)),
        _ => return leaf(value, name, all),
    };
    new.with_marks(value.marks())
}

fn leaf(value: &Value, name: Option<&str>, all: &[Followed]) -> Value {
    let bare = value.without_marks();
    let is_telling = |it: &Followed| it.was.as_str().is_some_and(|text| text.len() >= TELLING);
    let whole = all.iter().find(|it| {
        it.was.same_content(&bare) && (Some(it.name.as_ref()) == name || is_telling(it))
    });
    if let Some(whole) = whole {
        return whole.becomes.clone().with_marks(value.marks());
    }
    let Some(text) = value.as_str().filter(|text| text.len() <= LONGEST) else {
        return value.clone();
    };
    let telling: Vec<&Followed> = all.iter().filter(|it| is_telling(it)).collect();
    match template(text, &telling) {
        Some(new) => new.with_marks(value.marks()),
        None => value.clone(),
    }
}

/// The text with whole words replaced; none if there are none.
fn template(text: &str, telling: &[&Followed]) -> Option<Value> {
    let (mut source, mut rest, mut before) = (String::new(), text, None);
    let mut scope: Vec<(String, Value)> = Vec::new();
    while let Some(next) = rest.chars().next() {
        let word = |it: &&Followed| is_word(it.was.as_str()?, rest, before);
        if let Some((index, length)) =
            telling.iter().enumerate().find_map(|(index, it)| Some((index, word(it)?)))
        {
            let name = format!("followed_{index}");
            source.push_str("${");
            source.push_str(&name);
            source.push('}');
            if !scope.iter().any(|(known, _)| *known == name) {
                scope.push((name, telling[index].becomes.clone()));
            }
            before = rest[..length].chars().next_back();
            rest = &rest[length..];
            continue;
        }
        if matches!(next, '$' | '%') && rest[1..].starts_with('{') {
            source.push(next);
        }
        source.push(next);
        before = Some(next);
        rest = &rest[next.len_utf8()..];
    }
    if scope.is_empty() {
        return None;
    }
    let marks =
        scope.iter().fold(Value::string(""), |all, (_, value)| all.with_marks(&value.deep_marks()));
    let residual = Residual::Expression {
        source: source.into(),
        template: true,
        scope: Value::object(scope),
        place: "what was recorded".into(),
    };
    Some(Value::unknown(Type::String, residual).with_marks(marks.marks()))
}

/// The length of a word if the text begins with it, and neither goes on after it nor began before.
fn is_word(word: &str, text: &str, before: Option<char>) -> Option<usize> {
    let after = text.strip_prefix(word)?.chars().next();
    let inside = |neighbour: Option<char>| neighbour.is_some_and(char::is_alphanumeric);
    (!inside(before) && !inside(after)).then_some(word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(name: &str, was: &str) -> Followed {
        let at = Address::parse("sim_host.x").unwrap();
        let becomes = Value::output(&at, name, Type::String).with_origin(&at);
        Followed { name: name.into(), was: was.into(), becomes }
    }

    #[test]
    fn short_values_count_only_by_their_name() {
        let all = [moved("user", "root"), moved("address", "10.0.0.5")];
        let texts = [("user", "root"), ("other", "root"), ("host", "10.0.0.5")];
        let value = Value::object(texts.map(|(name, text)| (name, Value::from(text))));
        let new = follow(&value, &all);
        let unknown = |name: &str| new.get(name).unwrap().is_unknown();
        assert_eq!((unknown("user"), unknown("other"), unknown("host")), (true, false, true));
        assert_eq!(new.deep_origins().len(), 1);
    }

    #[test]
    fn whole_words_of_a_text_are_followed_and_what_looks_like_a_template_stays() {
        let all = [moved("address", "10.0.0.5")];
        assert_eq!(
            follow(&"to 10.0.0.50 and 110.0.0.5".into(), &all).as_str(),
            Some("to 10.0.0.50 and 110.0.0.5")
        );
        let new = follow(&Value::from("at 10.0.0.5: ${x} 5%").into_sensitive(), &all);
        assert!(new.marks().sensitive);
        let Data::Unknown(unknown) = new.data() else { panic!("{new:?}") };
        let Residual::Expression { source, template: true, .. } = unknown.residual.as_ref() else {
            panic!("{unknown:?}")
        };
        assert_eq!(source.as_ref(), "at ${followed_0}: $${x} 5%");
    }
}
