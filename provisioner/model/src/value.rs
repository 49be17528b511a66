//! Values of the language, with marks that flow through every operation.
//!
//! Invariants: strings are NFC; sets are sorted, without duplicates, and their elements carry no marks (the
//! set has them); payloads are shared, so a clone is cheap and a value is small. A *mark* says something
//! about a value without being part of it (see [`Marks`]). An unknown value carries a *residual*: what must
//! be computed once earlier operations have run.

use crate::address::Address;
use crate::marks::{self, Marks};
use crate::number::Number;
use crate::set_order;
use crate::types::{Field, Type};
use crate::unknown::{Refinement, Residual, Unknown};
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use unicode_normalization::UnicodeNormalization as _;

pub use crate::entries::Entries;

/// A value and its marks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value {
    data: Data,
    /// `None` rather than marks that are empty, so that equal values compare equal.
    marks: Option<Arc<Marks>>,
}

/// The content of a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Data {
    /// No value, of a type.
    Null(Type),
    /// A value that will be known later.
    Unknown(Arc<Unknown>),
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text in NFC.
    String(Arc<str>),
    /// A list and its element type.
    List(Arc<Type>, Arc<Vec<Value>>),
    /// A set and its element type: sorted, without duplicates.
    Set(Arc<Type>, Arc<Vec<Value>>),
    /// A map and its element type.
    Map(Arc<Type>, Arc<Entries>),
    /// A tuple.
    Tuple(Arc<Vec<Value>>),
    /// An object.
    Object(Arc<Entries>),
}

/// The marks of most secrets, shared.
static SENSITIVE: LazyLock<Arc<Marks>> = LazyLock::new(|| Arc::new(Marks::sensitive()));

impl From<Data> for Value {
    fn from(data: Data) -> Self {
        Self { data, marks: None }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Data::Bool(value).into()
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Data::Number(value.into()).into()
    }
}

impl From<Number> for Value {
    fn from(value: Number) -> Self {
        Data::Number(value).into()
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::string(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::string(&text)
    }
}

/// Making values.
impl Value {
    /// Text, brought to NFC.
    pub fn string(text: &str) -> Self {
        let data = if text.is_ascii() {
            Data::String(text.into())
        } else {
            Data::String(text.nfc().collect::<String>().into())
        };
        data.into()
    }

    /// Null of a type.
    pub fn null(ty: Type) -> Self {
        Data::Null(ty).into()
    }

    /// An object.
    pub fn object<K: Into<Arc<str>>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        let entries = entries.into_iter().map(|(name, value)| (name.into(), value));
        Data::Object(Arc::new(entries.collect())).into()
    }

    /// A tuple.
    pub fn tuple(items: impl IntoIterator<Item = Self>) -> Self {
        Data::Tuple(Arc::new(items.into_iter().collect())).into()
    }

    /// A list; the caller vouches for the element type.
    pub fn list(element: impl Into<Arc<Type>>, items: impl IntoIterator<Item = Self>) -> Self {
        Data::List(element.into(), Arc::new(items.into_iter().collect())).into()
    }

    /// A set; sorted, duplicates dropped, with the marks of all its elements. The caller vouches for the
    /// element type. Elements that are not known may turn out to be equal, so they all stay.
    pub fn set(element: impl Into<Arc<Type>>, items: impl IntoIterator<Item = Self>) -> Self {
        let mut marks = Marks::default();
        let bare = |item: Self| {
            let own = item.deep_marks();
            marks.add(&own);
            if own.is_empty() { item } else { item.without_marks() }
        };
        let mut items: Vec<_> = items.into_iter().map(bare).collect();
        set_order::sort(&mut items);
        items.dedup_by(|left, right| left.same_content(right) && left.is_wholly_known());
        Self::from(Data::Set(element.into(), Arc::new(items))).with_marks(&marks)
    }

    /// A map; the caller vouches for the element type.
    pub fn map<K: Into<Arc<str>>>(
        element: impl Into<Arc<Type>>,
        entries: impl IntoIterator<Item = (K, Self)>,
    ) -> Self {
        let entries = entries.into_iter().map(|(name, value)| (name.into(), value));
        Data::Map(element.into(), Arc::new(entries.collect())).into()
    }

    /// An unknown value.
    pub fn unknown(ty: Type, residual: Residual) -> Self {
        let (refinement, weight) = (Refinement::default(), residual.weight());
        let residual = Arc::new(residual);
        Data::Unknown(Arc::new(Unknown { ty, residual, refinement, weight })).into()
    }

    /// With what is known of it, if it is unknown. What is left with one possibility becomes known.
    #[must_use]
    pub fn refined(self, refinement: Refinement) -> Self {
        let Data::Unknown(unknown) = &self.data else { return self };
        if unknown.ty == Type::Any {
            return self;
        }
        let only: Option<Self> = match &unknown.ty {
            Type::Number => refinement.only_number().map(Self::from),
            ty if refinement.not_null && refinement.max_length == Some(0) => Self::empty(ty),
            _ => None,
        };
        let value = only.unwrap_or_else(|| {
            let unknown = Unknown { refinement, ..unknown.as_ref().clone() };
            Data::Unknown(Arc::new(unknown)).into()
        });
        Self { marks: self.marks, ..value }
    }

    fn empty(ty: &Type) -> Option<Self> {
        Some(match ty {
            Type::List(element) => Self::list(element.clone(), []),
            Type::Set(element) => Self::set(element.clone(), []),
            Type::Map(element) => Self::map::<&str>(element.clone(), []),
            _ => return None,
        })
    }

    /// The attribute `name` of an instance, known after its operation.
    pub fn output(address: &Address, name: &str, ty: Type) -> Self {
        let residual = Residual::Output { address: address.clone(), path: vec![name.into()] };
        Self::unknown(ty, residual).with_origin(address)
    }
}

/// Marks.
impl Value {
    /// The marks of this very value (parts may have more).
    pub fn marks(&self) -> &Marks {
        self.marks.as_deref().unwrap_or(&marks::NONE)
    }

    /// With further marks.
    #[must_use]
    pub fn with_marks(mut self, marks: &Marks) -> Self {
        if marks.is_empty() {
            return self;
        }
        let all = self.marks().union(marks);
        if all != *self.marks() {
            self.marks = Some(Arc::new(all));
        }
        self
    }

    /// The value without the marks of this very value, and those marks; parts keep theirs.
    #[must_use]
    pub fn unmarked(self) -> (Self, Marks) {
        let marks = self.marks().clone();
        (Self { marks: None, ..self }, marks)
    }

    /// Marked as a secret.
    #[must_use]
    pub fn into_sensitive(mut self) -> Self {
        match &self.marks {
            None => self.marks = Some(SENSITIVE.clone()),
            Some(marks) if marks.sensitive => {}
            Some(marks) => {
                self.marks = Some(Arc::new(Marks { sensitive: true, ..marks.as_ref().clone() }));
            }
        }
        self
    }

    /// Without the sensitive mark on this very value.
    #[must_use]
    pub fn into_nonsensitive(self) -> Self {
        let marks = Marks { sensitive: false, ..self.marks().clone() };
        Self { data: self.data, marks: None }.with_marks(&marks)
    }

    /// Marked as a value of this run alone.
    #[must_use]
    pub fn into_ephemeral(self) -> Self {
        self.with_marks(&Marks::ephemeral())
    }

    /// The value with null in place of every part that is ephemeral.
    #[must_use]
    pub fn ephemeral_as_null(&self) -> Self {
        if self.marks().ephemeral {
            let rest = Marks { ephemeral: false, ..self.marks().clone() };
            return Self::null(self.ty()).with_marks(&rest);
        }
        let each = |items: &[Self]| items.iter().map(Self::ephemeral_as_null).collect::<Vec<_>>();
        let entries = |entries: &Entries| {
            let entry = |(name, part): (&Arc<str>, &Self)| (name.clone(), part.ephemeral_as_null());
            Arc::new(entries.iter().map(entry).collect::<Entries>())
        };
        let value: Self = match &self.data {
            Data::List(ty, items) => Data::List(ty.clone(), Arc::new(each(items))).into(),
            Data::Tuple(items) => Data::Tuple(Arc::new(each(items))).into(),
            Data::Map(ty, parts) => Data::Map(ty.clone(), entries(parts)).into(),
            Data::Object(parts) => Data::Object(entries(parts)).into(),
            data => data.clone().into(),
        };
        value.with_marks(self.marks())
    }

    /// Without any marks, here and in all parts.
    #[must_use]
    pub fn without_marks(&self) -> Self {
        let strip_all = |items: &[Self]| items.iter().map(Self::without_marks).collect::<Vec<_>>();
        let strip_each = |entries: &Entries| {
            let strip = |(name, value): (&Arc<str>, &Self)| (name.clone(), value.without_marks());
            Arc::new(entries.iter().map(strip).collect::<Entries>())
        };
        match &self.data {
            Data::List(ty, items) => Data::List(ty.clone(), Arc::new(strip_all(items))).into(),
            Data::Set(ty, items) => Self::set(ty.clone(), strip_all(items)),
            Data::Tuple(items) => Data::Tuple(Arc::new(strip_all(items))).into(),
            Data::Map(ty, entries) => Data::Map(ty.clone(), strip_each(entries)).into(),
            Data::Object(entries) => Data::Object(strip_each(entries)).into(),
            data => data.clone().into(),
        }
    }

    /// Marked as coming from an instance.
    #[must_use]
    pub fn with_origin(self, address: &Address) -> Self {
        self.with_marks(&Marks::origin(address))
    }

    /// All marks here and in all parts.
    pub fn deep_marks(&self) -> Marks {
        let mut marks = self.marks().clone();
        self.add_part_marks(&mut marks);
        marks
    }

    fn add_part_marks(&self, marks: &mut Marks) {
        let mut add = |part: &Self| {
            marks.add(part.marks());
            part.add_part_marks(marks);
        };
        match &self.data {
            Data::List(_, items) | Data::Tuple(items) => items.iter().for_each(add),
            Data::Map(_, entries) | Data::Object(entries) => {
                entries.values().for_each(&mut add);
            }
            _ => {}
        }
    }

    /// The instances that this value or any part of it came from.
    pub fn deep_origins(&self) -> BTreeSet<Address> {
        self.deep_marks().origins.map_or_else(BTreeSet::new, |origins| (*origins).clone())
    }

    /// The same value with `change` applied to everything that has no parts; collections keep their marks.
    #[must_use]
    pub fn map_leaves(&self, change: &mut dyn FnMut(&Self) -> Self) -> Self {
        let value: Self = match &self.data {
            Data::List(ty, items) => {
                Data::List(ty.clone(), Arc::new(map_items(items, change))).into()
            }
            Data::Set(ty, items) => Self::set(ty.clone(), map_items(items, change)),
            Data::Tuple(items) => Data::Tuple(Arc::new(map_items(items, change))).into(),
            Data::Map(ty, entries) => Data::Map(ty.clone(), map_entries(entries, change)).into(),
            Data::Object(entries) => Data::Object(map_entries(entries, change)).into(),
            _ => return change(self),
        };
        value.with_marks(self.marks())
    }
}

fn map_items(items: &[Value], change: &mut dyn FnMut(&Value) -> Value) -> Vec<Value> {
    items.iter().map(|item| item.map_leaves(change)).collect()
}

fn map_entries(entries: &Entries, change: &mut dyn FnMut(&Value) -> Value) -> Arc<Entries> {
    let map = |(name, value): (&Arc<str>, &Value)| (name.clone(), value.map_leaves(change));
    Arc::new(entries.iter().map(map).collect())
}

/// Reading values.
impl Value {
    /// The content.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The type of the value.
    pub fn ty(&self) -> Type {
        let types = |items: &Arc<Vec<Self>>| items.iter().map(Self::ty).collect();
        match &self.data {
            Data::Null(ty) => ty.clone(),
            Data::Unknown(unknown) => unknown.ty.clone(),
            Data::Bool(_) => Type::Bool,
            Data::Number(_) => Type::Number,
            Data::String(_) => Type::String,
            Data::List(element, _) => Type::list(element.clone()),
            Data::Set(element, _) => Type::set(element.clone()),
            Data::Map(element, _) => Type::map(element.clone()),
            Data::Tuple(items) => Type::Tuple(Arc::new(types(items))),
            Data::Object(entries) => {
                let field = |(name, value): (&Arc<str>, &Self)| {
                    (name.clone(), Field { ty: value.ty(), optional: false, default: None })
                };
                Type::Object(Arc::new(entries.iter().map(field).collect()))
            }
        }
    }

    /// Whether [`Self::ty`] is this type; makes none to tell.
    pub fn is_of(&self, ty: &Type) -> bool {
        let all_of = |items: &[Self], types: &[Type]| {
            items.len() == types.len() && items.iter().zip(types).all(|(item, ty)| item.is_of(ty))
        };
        match (&self.data, ty) {
            (Data::Null(own), _) => own == ty,
            (Data::Unknown(unknown), _) => unknown.ty == *ty,
            (Data::Bool(_), Type::Bool)
            | (Data::Number(_), Type::Number)
            | (Data::String(_), Type::String) => true,
            (Data::List(own, _), Type::List(element))
            | (Data::Set(own, _), Type::Set(element))
            | (Data::Map(own, _), Type::Map(element)) => own == element,
            (Data::Tuple(items), Type::Tuple(types)) => all_of(items, types),
            (Data::Object(entries), Type::Object(fields)) => {
                let mut pairs = entries.iter().zip(fields.iter());
                entries.len() == fields.len()
                    && pairs.all(|((name, value), (field_name, field))| {
                        name == field_name
                            && !field.optional
                            && field.default.is_none()
                            && value.is_of(&field.ty)
                    })
            }
            _ => false,
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self.data, Data::Null(_))
    }

    /// Whether this very value is unknown.
    pub fn is_unknown(&self) -> bool {
        matches!(self.data, Data::Unknown(_))
    }

    /// Whether it and all its parts are known.
    pub fn is_wholly_known(&self) -> bool {
        match &self.data {
            Data::Unknown(_) => false,
            Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
                items.iter().all(Self::is_wholly_known)
            }
            Data::Map(_, entries) | Data::Object(entries) => {
                entries.values().all(Self::is_wholly_known)
            }
            _ => true,
        }
    }

    /// How many unknown values it rests on, each counted as often as it is written out in a plan.
    pub fn weight(&self) -> u32 {
        let sum = |total: u32, part: &Self| total.saturating_add(part.weight());
        match &self.data {
            Data::Unknown(unknown) => unknown.weight,
            Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
                items.iter().fold(0, sum)
            }
            Data::Map(_, entries) | Data::Object(entries) => entries.values().fold(0, sum),
            _ => 0,
        }
    }

    /// Whether it is nested deeper than `most` levels. A collection is a level, and so is what a plan or a state
    /// writes around it, and each expression that an unknown value waits for.
    pub fn is_deeper_than(&self, most: u32) -> bool {
        let own = match &self.data {
            Data::List(..) | Data::Tuple(_) | Data::Map(..) | Data::Object(_) => 1,
            Data::Set(..) => 2,
            Data::Unknown(unknown) => return unknown.residual.is_deeper_than(most),
            _ => return false,
        };
        let Some(rest) = most.checked_sub(own + u32::from(self.marks().sensitive)) else {
            return true;
        };
        match &self.data {
            Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
                items.iter().any(|item| item.is_deeper_than(rest))
            }
            Data::Map(_, entries) | Data::Object(entries) => {
                entries.values().any(|entry| entry.is_deeper_than(rest))
            }
            _ => false,
        }
    }

    /// The residual of the first unknown part.
    pub(crate) fn open_part(&self) -> Option<&Residual> {
        match &self.data {
            Data::Unknown(unknown) => Some(&unknown.residual),
            Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
                items.iter().find_map(Self::open_part)
            }
            Data::Map(_, entries) | Data::Object(entries) => {
                entries.values().find_map(Self::open_part)
            }
            _ => None,
        }
    }

    /// Whether a part of it is another at every run.
    pub fn changes_every_run(&self) -> bool {
        match &self.data {
            Data::Unknown(unknown) => unknown.residual.changes_every_run(),
            Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
                items.iter().any(Self::changes_every_run)
            }
            Data::Map(_, entries) | Data::Object(entries) => {
                entries.values().any(Self::changes_every_run)
            }
            _ => false,
        }
    }

    /// The text, if it is known text.
    pub fn as_str(&self) -> Option<&str> {
        match &self.data {
            Data::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is a known one.
    pub fn as_number(&self) -> Option<&Number> {
        match &self.data {
            Data::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The truth value, if it is a known one.
    pub fn as_bool(&self) -> Option<bool> {
        match self.data {
            Data::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The items of a known list, set or tuple.
    pub fn as_items(&self) -> Option<&[Self]> {
        match &self.data {
            Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a known map or object.
    pub fn as_entries(&self) -> Option<&Entries> {
        match &self.data {
            Data::Map(_, entries) | Data::Object(entries) => Some(entries),
            _ => None,
        }
    }

    /// The attribute or entry `name`, with the marks of the whole added.
    pub fn get(&self, name: &str) -> Option<Self> {
        let value = self.as_entries()?.get(name)?.clone();
        Some(value.with_marks(self.marks()))
    }

    /// Whether the content is the same, marks aside, here and in all parts.
    pub fn same_content(&self, other: &Self) -> bool {
        let items = |left: &[Self], right: &[Self]| {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| l.same_content(r))
        };
        let entries = |left: &Entries, right: &Entries| {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|((ln, lv), (rn, rv))| ln == rn && lv.same_content(rv))
        };
        match (&self.data, &other.data) {
            (Data::Null(_), Data::Null(_)) => true,
            (Data::List(_, l), Data::List(_, r))
            | (Data::Set(_, l), Data::Set(_, r))
            | (Data::Tuple(l), Data::Tuple(r)) => items(l, r),
            (Data::Map(_, l), Data::Map(_, r)) | (Data::Object(l), Data::Object(r)) => {
                entries(l, r)
            }
            (left, right) => left == right,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_sorted_and_without_duplicates() {
        let set = Value::set(Type::String, ["b".into(), "a".into(), "b".into()]);
        assert_eq!(set.as_items().unwrap(), ["a".into(), "b".into()]);
    }

    #[test]
    fn values_are_small() {
        assert_eq!(size_of::<Value>(), 32);
        assert_eq!(size_of::<Type>(), 16);
    }

    #[test]
    fn a_value_is_of_its_type_and_of_no_other() {
        let address = Address::parse("local_machine.x").unwrap();
        let parts = |text: &str| [("a", Value::from(text)), ("b", Value::null(Type::Any))];
        let values = [
            Value::from(true),
            Value::from(1),
            Value::from("x"),
            Value::null(Type::Any),
            Value::null(Type::String),
            Value::output(&address, "size", Type::Number),
            Value::list(Type::String, ["a".into()]),
            Value::list(Type::Number, []),
            Value::set(Type::String, ["a".into()]),
            Value::tuple([Value::from("x"), Value::from(1)]),
            Value::tuple([Value::from("x")]),
            Value::object(parts("x")),
            Value::object(parts("x").into_iter().chain([("c", Value::from(1))])),
            Value::object([("a", Value::from(1)), ("b", Value::null(Type::Any))]),
        ];
        for value in &values {
            for other in &values {
                assert_eq!(
                    value.is_of(&other.ty()),
                    value.ty() == other.ty(),
                    "{value:?} {other:?}"
                );
            }
        }
    }

    #[test]
    fn the_marks_of_elements_are_the_sets() {
        let set = Value::set(Type::String, ["a".into(), Value::from("b").into_sensitive()]);
        assert!(set.marks().sensitive);
        assert!(set.as_items().unwrap().iter().all(|item| item.marks().is_empty()));
    }

    #[test]
    fn origins_are_found_in_every_part() {
        let address = Address::parse("local_machine.x").unwrap();
        let value =
            Value::object([("a", Value::tuple([Value::output(&address, "id", Type::String)]))]);
        assert_eq!(value.deep_origins(), BTreeSet::from([address]));
        assert!(!value.is_wholly_known());
    }

    #[test]
    fn content_is_compared_without_marks() {
        let left = Value::object([("a", Value::from("x").into_sensitive())]);
        let right = Value::object([("a", Value::from("x"))]);
        assert!(left.same_content(&right));
        assert_eq!(left.without_marks(), right);
    }
}
