//! Nodes that are there anew before the old ones go, because the rollout of their set has room for more nodes than it has.
//!
//! Invariants: a node surges wholly or not at all; what is half made, and what an earlier replacement left behind, goes first as ever; a
//! service is made anew beside the old one only on another machine. What could only fail, since two objects cannot have one name, one address
//! or one disk at the same time, is refused.
//! Refuses to know: how many nodes surge at a time.

use crate::Planner;
use crate::compare::{same, shown};
use crate::decide::replaces;
use crate::fates::{Fate, Fates};
use model::graph::Desired;
use model::plan::{Action, Reason};
use model::rollout::Amount;
use model::schema::Attribute;
use model::{Address, Data, Diagnostic, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The argument that names are in.
const NAME: &str = "name";
/// The attribute that objects go by.
const ID: &str = "id";
/// The argument of a service that says which machine it is on.
const MACHINE: &str = "machine";

/// Why there are two at a time.
const WHY: &str = "`max_surge` of the rollout asks for the replacement before the node goes";

/// Makes replacements of surging nodes create-first; gives back why some cannot be.
pub(crate) fn surge(
    planner: &Planner<'_>,
    desired: &Desired,
    fates: &mut Fates<'_>,
) -> Vec<(Address, Diagnostic)> {
    let has_room = |set: &str| {
        let most = desired.rollouts.get(set).map(|rollout| rollout.max_surge);
        most.is_some_and(|most| match most {
            Amount::Count(count) => count > 0,
            Amount::Percent(percent) => percent > 0.0,
        })
    };
    let tainted =
        |fate: &&Fate<'_>| replaces(fate.action) && fate.reasons.contains(&Reason::Tainted);
    let half_made = fates.all.iter().filter(tainted).map(|fate| &fate.address);
    let left = planner.recorded.deposed.iter().map(|record| &record.address);
    let unfit: BTreeSet<_> = half_made.chain(left).filter_map(owned).collect();
    let shareable = shareable(planner, desired, fates);
    let mut errors = Vec::new();
    for fate in &mut fates.all {
        let Some(node) = owned(&fate.address).filter(|(set, _)| has_room(set)) else { continue };
        let turns = fate.action == Action::ReplaceDeleteFirst && has_another_place(fate);
        if !turns || unfit.contains(&node) {
            continue;
        }
        fate.action = Action::ReplaceCreateFirst;
        let obstacle = same_name(planner, fate).or_else(|| only_one(planner, fate, &shareable));
        errors.extend(obstacle.map(|error| (fate.address.clone(), error)));
    }
    errors
}

fn owned(address: &Address) -> Option<(String, String)> {
    address.node().map(|(set, node)| (set.to_owned(), node.to_owned()))
}

/// Whether the new object is not where the old one is: on one machine a service is there once.
fn has_another_place(fate: &Fate<'_>) -> bool {
    let hangs_on_machine = matches!(fate.address.kind(), "service" | "facts");
    let moves = |reason: &Reason| {
        let Reason::ForcesReplacement { arguments } = reason else { return false };
        arguments.iter().any(|argument| argument == MACHINE)
    };
    !hangs_on_machine || fate.reasons.iter().any(moves)
}

/// Two objects cannot have one name where names are unique.
fn same_name(planner: &Planner<'_>, fate: &Fate<'_>) -> Option<Diagnostic> {
    let instance = fate.instance?;
    let schema = planner.schema(&instance.provider, fate.address.kind())?;
    let before = fate.before.as_ref()?.get(NAME)?;
    let after = fate.after.as_ref()?.get(NAME)?;
    if !schema.adoption.unique_name || !same(&before, &after) {
        return None;
    }
    let name = before.as_str().unwrap_or_default().to_owned();
    let summary = format!(
        "{} cannot be there anew before the old one goes: both are called `{name}`",
        fate.address
    );
    let error = Diagnostic::error("surge-same-name", summary)
        .with_label(instance.span.clone(), "its name is unique, and stays the same")
        .with_detail(WHY)
        .with_hint(
            "let the name hang on what the object is made from; or leave `max_surge` out, and a node goes before its replacement comes",
        );
    Some(error.about(&fate.address))
}

/// Ids of objects that several others may have at a time, by what says so.
type Shareable = BTreeMap<(String, String), BTreeSet<String>>;

/// The objects whose own attribute says that several may have them, and goes on to say so.
fn shareable(planner: &Planner<'_>, desired: &Desired, fates: &Fates<'_>) -> Shareable {
    let schemas =
        desired.instances.iter().filter_map(|it| planner.schema(&it.provider, it.address.kind()));
    let attributes = schemas.flat_map(|schema| schema.attributes.values());
    let rules: BTreeSet<_> = attributes.filter_map(|it| it.shared_by.clone()).collect();
    let of = |(kind, attribute): &(String, String)| {
        let says = |attributes: &Value| {
            attributes.get(attribute).and_then(|it| it.as_bool()) == Some(true)
        };
        let id = |fate: &Fate<'_>| {
            let (before, after) = (fate.before.as_ref()?, fate.after.as_ref());
            let is_shared = says(before) && after.is_none_or(says);
            let id = before.get(ID).filter(|_| is_shared && fate.address.kind() == kind)?;
            single(&id).pop_first()
        };
        fates.all.iter().filter_map(id).collect()
    };
    rules.into_iter().map(|rule| (rule.clone(), of(&rule))).collect()
}

/// Two objects cannot have what only one can have at a time.
fn only_one(planner: &Planner<'_>, fate: &Fate<'_>, shareable: &Shareable) -> Option<Diagnostic> {
    let instance = fate.instance?;
    let schema = planner.schema(&instance.provider, fate.address.kind())?;
    let (before, after) = (fate.before.as_ref()?, fate.after.as_ref()?);
    let shared = |argument: &str, attribute: &Attribute| {
        let (had, wanted) = (before.get(argument)?, after.get(argument)?);
        let secret = attribute.sensitive || wanted.deep_marks().sensitive;
        let may_be = attribute.shared_by.as_ref().and_then(|rule| shareable.get(rule));
        let (had, wanted) = (single(&had), single(&wanted));
        let mut common = had.intersection(&wanted);
        let common = common.find(|id| !may_be.is_some_and(|ids| ids.contains(*id))).cloned()?;
        Some(if secret { "the same".to_owned() } else { common })
    };
    let mut exclusive = schema.attributes.iter().filter(|(_, attribute)| attribute.exclusive);
    let (argument, value) = exclusive.find_map(|(name, it)| Some((name, shared(name, it)?)))?;
    let summary = format!(
        "{} cannot be there anew before the old one goes: both have {value} as `{argument}`",
        fate.address
    );
    let error = Diagnostic::error("surge-only-one", summary)
        .with_label(instance.span.clone(), format!("`{argument}` stays the same, and only one object can have it at a time"))
        .with_detail(WHY)
        .with_hint(
            "leave `max_surge` out, and a node goes before its replacement comes; or give each node's replacement one of its own",
        );
    Some(error.about(&fate.address))
}

/// The texts and numbers in a value that are known, as they are shown.
fn single(value: &Value) -> BTreeSet<String> {
    let all = |items: &mut dyn Iterator<Item = &Value>| items.flat_map(single).collect();
    match value.data() {
        Data::String(_) | Data::Number(_) => BTreeSet::from([shown(value, false)]),
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => all(&mut items.iter()),
        Data::Map(_, entries) | Data::Object(entries) => {
            all(&mut entries.iter().map(|(_, item)| item))
        }
        Data::Null(_) | Data::Unknown(_) | Data::Bool(_) => BTreeSet::new(),
    }
}
