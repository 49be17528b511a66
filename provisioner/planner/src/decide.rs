//! One instance: what happens to it and why, and what its attributes will be.
//!
//! A function of the instance, its schema, its record, what refresh saw, and what happens to the
//! instances its unknown arguments wait for. Whether a replacement deletes or creates first, and whether
//! an unreachable object went with its machine, are decided later, over the whole graph; neither changes
//! the planned attributes.

use crate::blocks;
use crate::compare::{
    Comparison, awaited, compare, same, shown, typed, with_part, without_origins,
};
use crate::standing::{difference, is_unwell, marked, recorded, standing};
use model::graph::{Instance, Trigger};
use model::plan::{Action, Observation, Reason};
use model::record::Record;
use model::schema::{Attribute, ChangePolicy, Mode, ResourceSchema};
use model::value::Entries;
use model::{Address, Data, Diagnostic, Residual, Value};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

/// What a decision is made from.
pub(crate) struct Subject<'a> {
    /// What the configuration wants.
    pub instance: &'a Instance,
    /// What the provider declares.
    pub schema: &'a ResourceSchema,
    /// What the state knows.
    pub record: Option<&'a Record>,
    /// What refresh saw.
    pub observation: Option<&'a Observation>,
    /// Whether the user asked for a replacement.
    pub requested: bool,
    /// An argument that is given whatever the configuration says, with its value.
    pub begins_with: Option<&'a (String, Value)>,
    /// What happens to other instances, as far as decided.
    pub fate: &'a dyn Fn(&Address) -> Option<Action>,
    /// What was decided about other instances.
    pub decision: &'a dyn Fn(&Address) -> Option<Rc<Decision>>,
}

impl Subject<'_> {
    /// Whether that argument is given whatever the configuration says.
    fn begins_with(&self, argument: &str) -> bool {
        self.begins_with.is_some_and(|(name, _)| name == argument)
    }

    fn given(&self, argument: &str) -> Option<Value> {
        match self.begins_with {
            Some((name, value)) if name == argument => Some(value.clone()),
            _ => self.instance.arguments.get(argument),
        }
    }
}

/// What happens to one instance.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    /// What happens.
    pub action: Action,
    /// Why, most important first.
    pub reasons: Vec<Reason>,
    /// Arguments that differ from what stands.
    pub differing: Vec<String>,
    /// Attributes before, if there is an object.
    pub before: Option<Value>,
    /// Planned attributes, without origins.
    pub after: Value,
    /// Arguments for the operation.
    pub arguments: Value,
    /// Arguments that must turn out to be as recorded.
    pub must_not_differ: BTreeSet<String>,
    /// Why it cannot be done; other instances are decided all the same, to tell everything at once.
    pub errors: Vec<Diagnostic>,
}

/// Whether an action makes a new object.
pub(crate) fn makes(action: Action) -> bool {
    matches!(action, Action::Create) || replaces(action)
}

/// Whether an action replaces the object.
pub(crate) fn replaces(action: Action) -> bool {
    matches!(action, Action::ReplaceDeleteFirst | Action::ReplaceCreateFirst)
}

/// Decides about one instance.
pub(crate) fn decide(subject: &Subject<'_>) -> Decision {
    let configured = configured(subject);
    match (subject.record, subject.observation) {
        (None, _) => created(subject, &configured, Reason::New),
        (Some(_), Some(Observation::Absent(detail))) => {
            created(subject, &configured, Reason::Vanished { detail: detail.clone() })
        }
        (Some(record), _) => existing(subject, record, &configured),
    }
}

fn is_argument(attribute: &Attribute) -> bool {
    attribute.mode != Mode::Computed
}

/// The arguments as configured, defaults filled in, in the schema's types.
fn configured(subject: &Subject<'_>) -> Entries {
    let value = |(name, attribute): (&String, &Attribute)| {
        let given = subject.given(name).filter(|given| !given.is_null());
        let value = given.or_else(|| attribute.default.clone());
        let value = value.map_or_else(
            || Value::null(attribute.ty.clone()),
            |value| typed(&value, &attribute.ty),
        );
        (name.as_str().into(), marked(attribute, value))
    };
    arguments_of(subject.schema).map(value).collect()
}

fn arguments_of(schema: &ResourceSchema) -> impl Iterator<Item = (&String, &Attribute)> {
    schema.attributes.iter().filter(|(_, attribute)| is_argument(attribute))
}

fn created(subject: &Subject<'_>, configured: &Entries, reason: Reason) -> Decision {
    Decision {
        action: Action::Create,
        reasons: vec![reason],
        differing: Vec::new(),
        before: None,
        after: planned_new(subject, configured),
        arguments: object(configured),
        must_not_differ: BTreeSet::new(),
        errors: Vec::new(),
    }
}

fn existing(subject: &Subject<'_>, record: &Record, configured: &Entries) -> Decision {
    let stands = standing(subject.schema, record, subject.observation);
    let wanted = wanted(subject, configured, &stands);
    let findings = findings(subject, record, &stands, &wanted);
    let (action, reasons) = verdict(subject, record, &findings);
    let replaced = replaces(action);
    let (after, arguments) = match action {
        Action::NoOp => (planned_as_is(subject, &wanted, &stands), &wanted),
        Action::Update => (planned_update(subject, configured, &wanted, &stands), &wanted),
        _ => (planned_new(subject, configured), configured),
    };
    Decision {
        action,
        reasons,
        before: Some(object(&stands)),
        after,
        arguments: object(arguments),
        differing: findings.differing,
        must_not_differ: if replaced { BTreeSet::new() } else { findings.held },
        errors: if replaced { Vec::new() } else { findings.refused },
    }
}

/// The configured arguments, with what stands where the configuration does not insist: ignored changes,
/// and values that were left for the provider to choose.
fn wanted(subject: &Subject<'_>, configured: &Entries, stands: &Entries) -> Entries {
    let mut wanted = configured.clone();
    for (name, attribute) in arguments_of(subject.schema) {
        let Some(value) = wanted.get_mut(name.as_str()) else { continue };
        let chosen = attribute.mode == Mode::OptionalComputed && value.is_null();
        let Some(stands) = stands.get(name.as_str()) else { continue };
        if chosen {
            *value = stands.clone();
        }
        for path in &subject.instance.lifecycle.ignore_changes {
            if path.name.as_ref() == name && !subject.begins_with(name) {
                *value = with_part(value, stands, &path.steps);
            }
        }
    }
    wanted
}

/// What a comparison of an instance with its object found.
#[derive(Default)]
struct Findings {
    differing: Vec<String>,
    /// Configured otherwise than recorded; can be changed in place, or is not known yet.
    changed: Vec<String>,
    /// Cannot be changed in place.
    forcing: Vec<String>,
    /// Not known yet, and must turn out not to differ.
    held: BTreeSet<String>,
    /// Differences that refresh found and an operation must mend.
    drifted: Vec<String>,
    refused: Vec<Diagnostic>,
}

fn findings(
    subject: &Subject<'_>,
    record: &Record,
    stands: &Entries,
    wanted: &Entries,
) -> Findings {
    let mut findings = Findings::default();
    let recorded = recorded(subject.schema, record);
    let unreachable = matches!(subject.observation, Some(Observation::Unreachable(_)));
    for (name, attribute) in &subject.schema.attributes {
        let (Some(stands), Some(recorded)) =
            (stands.get(name.as_str()), recorded.get(name.as_str()))
        else {
            continue;
        };
        if let Some(wanted) = wanted.get(name.as_str()) {
            let values = Values { name, attribute, wanted, stands, recorded };
            argument(subject, &values, &mut findings);
        } else if !unreachable && is_unwell(attribute, stands) {
            findings.drifted.push(difference(name, attribute, stands, recorded));
        }
    }
    findings
}

struct Values<'a> {
    name: &'a str,
    attribute: &'a Attribute,
    wanted: &'a Value,
    stands: &'a Value,
    recorded: &'a Value,
}

fn argument(subject: &Subject<'_>, values: &Values<'_>, findings: &mut Findings) {
    let comparison = compare(values.wanted, values.stands);
    if comparison == Comparison::Same {
        return;
    }
    let name = values.name.to_owned();
    let drifted = !same(values.stands, values.recorded) && same(values.wanted, values.recorded);
    if drifted {
        let line = difference(&name, values.attribute, values.stands, values.recorded);
        findings.drifted.push(line);
    }
    findings.differing.push(name.clone());
    let uncertain = comparison == Comparison::Uncertain;
    let policy = match &values.attribute.change {
        ChangePolicy::ReplaceIf(other) if is_set(subject, other) => &ChangePolicy::Replace,
        ChangePolicy::ReplaceFields(fields)
            if blocks::force_replacement(fields, values.wanted, values.stands) =>
        {
            &ChangePolicy::Replace
        }
        ChangePolicy::ReplaceIf(_) | ChangePolicy::ReplaceFields(_) => &ChangePolicy::InPlace,
        policy => policy,
    };
    match policy {
        ChangePolicy::InPlace if drifted => {}
        ChangePolicy::InPlace => findings.changed.push(name),
        ChangePolicy::Replace if !uncertain || comes_anew(subject, values.wanted) => {
            findings.forcing.push(name);
        }
        ChangePolicy::Refuse(advice) if !uncertain || values.wanted.changes_every_run() => {
            findings.refused.push(refusal(subject, values, advice));
        }
        ChangePolicy::ReplaceIf(_) | ChangePolicy::ReplaceFields(_) => {}
        ChangePolicy::Replace | ChangePolicy::Refuse(_) => {
            findings.held.insert(name.clone());
            findings.changed.push(name);
        }
    }
}

fn is_set(subject: &Subject<'_>, argument: &str) -> bool {
    subject.instance.arguments.get(argument).is_some_and(|value| value.as_bool() == Some(true))
}

/// Whether everything that the unknown parts wait for is made anew, or a part is another at every run: the value will
/// then be another. An object that is only updated most likely keeps what others refer to.
fn comes_anew(subject: &Subject<'_>, wanted: &Value) -> bool {
    if wanted.changes_every_run() {
        return true;
    }
    let mut fates = awaited(wanted)
        .into_iter()
        .filter_map(|address| (subject.fate)(&address))
        .filter(|action| *action != Action::NoOp)
        .peekable();
    fates.peek().is_some() && fates.all(makes)
}

fn refusal(subject: &Subject<'_>, values: &Values<'_>, advice: &str) -> Diagnostic {
    let instance = subject.instance;
    let secret = values.attribute.sensitive;
    let (name, is, becomes) =
        (values.name, shown(values.stands, secret), shown(values.wanted, secret));
    Diagnostic::error(
        "change-refused",
        format!("`{name}` of {} is {is} and cannot become {becomes}", instance.address),
    )
    .with_label(instance.span.clone(), format!("`{name}` is {becomes} here, {is} in the object"))
    .with_hint(advice)
    .about(&instance.address)
}

/// The action and its reasons.
fn verdict(subject: &Subject<'_>, record: &Record, findings: &Findings) -> (Action, Vec<Reason>) {
    let mut forcing = findings.forcing.clone();
    if record.provider != subject.instance.provider {
        // An object cannot move from one provider configuration (an account, a region) to another.
        forcing.push("provider".to_owned());
    }
    let mut reasons = Vec::new();
    if subject.requested {
        reasons.push(Reason::Requested);
    }
    if record.tainted {
        reasons.push(Reason::Tainted);
    }
    if !forcing.is_empty() {
        reasons.push(Reason::ForcesReplacement { arguments: forcing });
    }
    let triggered = triggered(subject);
    if !triggered.is_empty() {
        reasons.push(Reason::Triggered { by: triggered });
    }
    let replace = !reasons.is_empty();
    if !findings.changed.is_empty() {
        reasons.push(Reason::ArgumentsDiffer { arguments: findings.changed.clone() });
    }
    if !findings.drifted.is_empty() {
        reasons.push(Reason::Drifted { differences: findings.drifted.clone() });
    }
    let changing = changing_dependencies(subject);
    if !changing.is_empty() {
        reasons.push(Reason::DependencyChanges { addresses: changing });
    }
    let action = match (replace, reasons.is_empty()) {
        (true, _) if subject.instance.lifecycle.create_before_destroy => Action::ReplaceCreateFirst,
        (true, _) => Action::ReplaceDeleteFirst,
        (false, false) => Action::Update,
        (false, true) => Action::NoOp,
    };
    (action, reasons)
}

/// The triggers that something happens to, as they are written.
fn triggered(subject: &Subject<'_>) -> Vec<String> {
    let fires = |trigger: &&Trigger| {
        let mut decisions = trigger.addresses.iter().filter_map(|at| (subject.decision)(at));
        decisions.any(|decision| fires(&decision, &trigger.path))
    };
    subject.instance.triggers.iter().filter(fires).map(|trigger| trigger.text.clone()).collect()
}

/// Whether an object changes, or the part of its attributes that a path leads to. A new object is no change: what it
/// triggers is made with it.
fn fires(decision: &Decision, path: &[Arc<str>]) -> bool {
    if decision.action != Action::Update && !replaces(decision.action) {
        return false;
    }
    let before = decision.before.as_ref().and_then(|before| part(before, path));
    match (before, part(&decision.after, path)) {
        _ if path.is_empty() => true,
        (Some(before), Some(after)) => compare(&after, &before) != Comparison::Same,
        (before, after) => before.is_some() != after.is_some(),
    }
}

/// The part that a path leads to; as far as that is known.
fn part(value: &Value, path: &[Arc<str>]) -> Option<Value> {
    let mut value = value.clone();
    for step in path {
        if value.is_unknown() {
            return Some(value);
        }
        let item = || step.parse::<usize>().ok().and_then(|at| value.as_items()?.get(at).cloned());
        value = value.get(step).or_else(item)?;
    }
    Some(value)
}

fn changing_dependencies(subject: &Subject<'_>) -> Vec<Address> {
    if !subject.schema.follows_dependencies {
        return Vec::new();
    }
    let changes = |address: &Address| {
        (subject.fate)(address).is_some_and(|action| makes(action) || action == Action::Update)
    };
    subject.instance.dependencies().into_iter().filter(changes).collect()
}

fn object(entries: &Entries) -> Value {
    Data::Object(Arc::new(entries.clone())).into()
}

fn output(subject: &Subject<'_>, name: &str, attribute: &Attribute) -> Value {
    let Instance { address, arguments, .. } = subject.instance;
    let residual = Residual::Output { address: address.clone(), path: vec![name.into()] };
    let value = attribute.later(name, residual, |argument| arguments.get(argument));
    value.with_origin(address)
}

/// Attributes by name, marked, and without origins.
fn planned(
    subject: &Subject<'_>,
    mut value: impl FnMut(&str, &Attribute) -> Option<Value>,
) -> Value {
    let attribute = |(name, attribute): (&String, &Attribute)| {
        let value = value(name, attribute).unwrap_or_else(|| output(subject, name, attribute));
        let name: Arc<str> = name.as_str().into();
        (name, marked(attribute, without_origins(&value)))
    };
    Value::object(subject.schema.attributes.iter().map(attribute).collect::<Vec<_>>())
}

/// After a creation: what is configured; the provider decides the rest.
fn planned_new(subject: &Subject<'_>, configured: &Entries) -> Value {
    planned(subject, |name, attribute| {
        let given = configured.get(name)?;
        let chosen_later = attribute.mode == Mode::OptionalComputed && given.is_null();
        (!chosen_later).then(|| given.clone())
    })
}

/// After an update: the object is well, what is stable stays, the provider decides the rest.
fn planned_update(
    subject: &Subject<'_>,
    configured: &Entries,
    wanted: &Entries,
    stands: &Entries,
) -> Value {
    let changes = |argument: &str| match (wanted.get(argument), stands.get(argument)) {
        (Some(wanted), Some(stands)) => compare(wanted, stands) != Comparison::Same,
        (wanted, stands) => wanted.is_some() != stands.is_some(),
    };
    planned(subject, |name, attribute| {
        let is_another = attribute.changes_with.as_deref().is_some_and(changes);
        let is_given = configured.get(name).is_some_and(|given| !given.is_null());
        if is_another && !is_given {
            return None;
        }
        let well = || attribute.expected.as_ref().map(|expected| typed(expected, &attribute.ty));
        let stable = || stands.get(name).filter(|_| attribute.stable).cloned();
        wanted.get(name).cloned().or_else(well).or_else(stable)
    })
}

fn planned_as_is(subject: &Subject<'_>, wanted: &Entries, stands: &Entries) -> Value {
    planned(subject, |name, _| wanted.get(name).or_else(|| stands.get(name)).cloned())
}
