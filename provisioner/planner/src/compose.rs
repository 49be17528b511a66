//! Puts the decisions together into a plan.

use crate::bonds;
use crate::compare::same;
use crate::decide::{Decision, replaces};
use crate::fates::{Fate, Fates};
use crate::removals::Removals;
use crate::results::{Results, changed_outputs};
use crate::scope::Scope;
use crate::standing::{drift, standing};
use crate::surge::surge;
use crate::{Planner, conditions, held, order, topology};
use model::graph::{Desired, Instance, ProviderConfig};
use model::plan::{
    Action, Change, Drift, FORMAT_VERSION, Observation, OperationKind, Plan, Reason,
};
use model::record::Record;
use model::{Address, Diagnostic, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// See [`Planner::plan`].
pub(crate) fn plan(planner: &Planner<'_>, desired: &Desired) -> Result<Plan, Vec<Diagnostic>> {
    let instances = by_address(planner, desired)?;
    let sequence = topology::sequence(&instances)?;
    let Decided { mut all, mut errors } = decide_all(planner, &instances, &sequence);
    let foundations = held::foundations(planner);
    let mut vanished = Vec::new();
    let removals = Removals::new(&desired.removals);
    for record in planner.recorded.records.values() {
        if instances.contains_key(&record.address) {
            continue;
        }
        if held::is_held(planner, &record.address) || foundations.contains(&record.address) {
            all.push(held::stays(planner, record));
        } else {
            match abandoned(planner, record, Reason::NotConfigured) {
                Some(fate) if removals.keep(&record.address) => all.push(forgotten(fate)),
                Some(fate) => all.push(fate),
                None => vanished.push(record.address.clone()),
            }
        }
    }
    held::leave_out(planner, &instances, &sequence, &mut all);
    let mut fates = Fates::new(all, &sequence);
    errors.extend(surge(planner, desired, &mut fates));
    errors.extend(held::undermined(&fates, &foundations));
    fates.spread_create_first();
    let deposed = planner.recorded.deposed.iter().map(|record| &record.address);
    let others = vanished.iter().chain(deposed).chain(errors.iter().map(|(address, _)| address));
    let scope = Scope::of(planner, &fates, &others.collect::<Vec<_>>())?;
    let held = &planner.options.held;
    let results = Results::new(planner.recorded, &scope, held, &fates);
    let errors = errors.into_iter().filter(|(address, _)| scope.holds(address));
    let errors = errors.map(|(_, error)| error).collect();
    let mut plan = Frame { planner, scope: &scope, vanished }.plan(fates, &sequence, errors)?;
    plan.configuration_digest.clone_from(&desired.configuration_digest);
    plan.outputs = results.outputs(desired);
    plan.changed_outputs = changed_outputs(planner.recorded, &plan.outputs);
    plan.providers = providers_in_use(planner, desired);
    plan.node_sets = results.node_sets(desired);
    let dependencies = instances.into_iter().map(|(address, (_, on))| (address, on)).collect();
    for operation in plan.operations.iter_mut().filter(|it| it.kind == OperationKind::Read) {
        operation.only_checked = desired.checked.contains(&operation.address);
    }
    plan.conditions = conditions::planned(desired, &plan.operations, &dependencies);
    bonds::bind(&mut plan, planner.recorded);
    Ok(plan)
}

/// The provider configurations that instances or recorded objects have. One that is only declared is nobody's: to search its
/// cloud for this environment's objects would ask for credentials that nothing needs.
fn providers_in_use(planner: &Planner<'_>, desired: &Desired) -> BTreeMap<String, ProviderConfig> {
    let recorded = planner.recorded;
    let configured = desired.instances.iter().map(|instance| &instance.provider);
    let objects = recorded.records.values().chain(&recorded.deposed).map(|it| &it.provider);
    let imports = desired.imports.iter().map(|import| &import.provider);
    let used: BTreeSet<&String> = configured.chain(objects).chain(imports).collect();
    let mut providers = recorded.providers.clone();
    providers.extend(desired.providers.clone());
    providers.retain(|key, _| used.contains(key));
    providers
}

/// See [`Planner::plan_destroy`].
pub(crate) fn plan_destroy(planner: &Planner<'_>) -> Result<Plan, Vec<Diagnostic>> {
    let mut all = Vec::new();
    let mut vanished = Vec::new();
    for record in planner.recorded.records.values() {
        match abandoned(planner, record, Reason::Destroying) {
            Some(fate) => all.push(fate),
            None => vanished.push(record.address.clone()),
        }
    }
    let fates = Fates::new(all, &[]);
    let deposed = planner.recorded.deposed.iter().map(|record| &record.address);
    let scope = Scope::of(planner, &fates, &vanished.iter().chain(deposed).collect::<Vec<_>>())?;
    let mut plan = Frame { planner, scope: &scope, vanished }.plan(fates, &[], Vec::new())?;
    plan.destroy = true;
    if let Scope::Targets { .. } = scope {
        // What they came from is not known here; the next plan tells which are not true any more.
        plan.outputs.clone_from(&planner.recorded.outputs);
    }
    plan.changed_outputs = changed_outputs(planner.recorded, &plan.outputs);
    bonds::bind(&mut plan, planner.recorded);
    Ok(plan)
}

/// What was decided about configured instances.
struct Decided<'a> {
    all: Vec<Fate<'a>>,
    errors: Vec<(Address, Diagnostic)>,
}

fn decide_all<'a>(
    planner: &Planner<'a>,
    instances: &Instances<'a>,
    sequence: &[Address],
) -> Decided<'a> {
    let mut decided = Decided { all: Vec::new(), errors: Vec::new() };
    for address in sequence {
        let Some((instance, dependencies)) = instances.get(address) else { continue };
        let errors = match planner.decision(instance) {
            Ok(decision) => {
                let fate = configured(planner, instance, dependencies.clone(), &decision);
                decided.all.push(fate);
                decision.errors.clone()
            }
            Err(errors) => errors,
        };
        decided.errors.extend(errors.into_iter().map(|error| (address.clone(), error)));
    }
    decided
}

/// Configured instances with what each depends on.
pub(crate) type Instances<'a> = HashMap<Address, (&'a Instance, BTreeSet<Address>)>;

fn by_address<'a>(
    planner: &Planner<'_>,
    desired: &'a Desired,
) -> Result<Instances<'a>, Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut instances = Instances::with_capacity(desired.instances.len());
    for instance in &desired.instances {
        let mut dependencies = instance.dependencies();
        dependencies.extend(crate::compare::awaited(&instance.arguments));
        dependencies.remove(&instance.address);
        if held::is_held(planner, &instance.address) && planner.record(&instance.address).is_some()
        {
            dependencies.clear();
        }
        let entry = (instance, dependencies);
        if let Some((first, _)) = instances.insert(instance.address.clone(), entry) {
            errors.push(
                Diagnostic::error(
                    "duplicate-instance",
                    format!("{} is configured twice", instance.address),
                )
                .with_label(instance.span.clone(), "again here")
                .with_label(first.span.clone(), "first here")
                .about(&instance.address),
            );
        }
    }
    through_data(&mut instances);
    for address in &planner.options.replace {
        if !instances.contains_key(address) {
            errors.push(
                Diagnostic::error(
                    "unknown-instance",
                    format!("{address} cannot be replaced: the configuration has no such instance"),
                )
                .with_hint("`state list` shows the addresses of all recorded instances")
                .about(address),
            );
        }
    }
    if errors.is_empty() { Ok(instances) } else { Err(errors) }
}

/// Whoever depends on a data source depends on what that depends on: it leaves no record to tell that later.
fn through_data(instances: &mut Instances<'_>) {
    let sources: HashMap<Address, BTreeSet<Address>> = instances
        .iter()
        .filter(|(address, _)| address.is_data())
        .map(|(address, (_, dependencies))| (address.clone(), dependencies.clone()))
        .collect();
    if sources.is_empty() {
        return;
    }
    for (address, (_, dependencies)) in instances.iter_mut() {
        let mut stack: Vec<Address> =
            dependencies.iter().filter(|it| it.is_data()).cloned().collect();
        let mut seen: BTreeSet<Address> = stack.iter().cloned().collect();
        while let Some(source) = stack.pop() {
            for dependency in sources.get(&source).into_iter().flatten() {
                if dependency == address {
                    continue;
                }
                if dependency.is_data() && seen.insert(dependency.clone()) {
                    stack.push(dependency.clone());
                }
                dependencies.insert(dependency.clone());
            }
        }
    }
}

fn configured<'a>(
    planner: &Planner<'a>,
    instance: &'a Instance,
    dependencies: BTreeSet<Address>,
    decision: &Rc<Decision>,
) -> Fate<'a> {
    Fate {
        address: instance.address.clone(),
        instance: Some(instance),
        record: planner.record(&instance.address),
        observation: planner.observation(&instance.address),
        action: decision.action,
        reasons: decision.reasons.clone(),
        differing: decision.differing.clone(),
        before: decision.before.clone(),
        after: Some(decision.after.clone()),
        arguments: Some(decision.arguments.clone()),
        must_not_differ: decision.must_not_differ.clone(),
        dependencies,
    }
}

/// A record without a place in the configuration; none if its object is gone already.
fn abandoned<'a>(planner: &Planner<'a>, record: &'a Record, reason: Reason) -> Option<Fate<'a>> {
    let observation = planner.observation(&record.address);
    if matches!(observation, Some(Observation::Absent(_))) {
        return None;
    }
    Some(Fate {
        address: record.address.clone(),
        instance: None,
        record: Some(record),
        observation,
        action: Action::Delete,
        reasons: vec![reason],
        differing: Vec::new(),
        before: Some(current(planner, record).attributes),
        after: None,
        arguments: None,
        must_not_differ: BTreeSet::new(),
        dependencies: BTreeSet::new(),
    })
}

/// The object stays, and nothing manages it any more.
fn forgotten(fate: Fate<'_>) -> Fate<'_> {
    Fate { action: Action::Forget, reasons: vec![Reason::Removed], ..fate }
}

/// The record with the attributes that refresh saw.
fn current(planner: &Planner<'_>, record: &Record) -> Record {
    let mut record = record.clone();
    let observation = planner.observation(&record.address);
    let schema = planner.schema(&record.provider, record.address.kind());
    if let (Some(schema), Some(Observation::Present(_))) = (schema, observation) {
        record.attributes = Value::object(standing(schema, &record, observation));
    }
    record
}

fn prevented(fates: &Fates<'_>) -> Vec<Diagnostic> {
    fates.all.iter().filter(|fate| fate.deletes()).filter_map(prevents).collect()
}

fn prevents(fate: &Fate<'_>) -> Option<Diagnostic> {
    let lifecycle = fate.instance.map(|instance| &instance.lifecycle);
    let lifecycle = lifecycle.or(fate.record.map(|record| &record.lifecycle))?;
    if !lifecycle.prevent_destroy {
        return None;
    }
    let verb = if replaces(fate.action) { "replaced" } else { "deleted" };
    let forcing = fate.reasons.iter().find_map(|reason| match reason {
        Reason::ForcesReplacement { arguments } => Some(arguments.join("`, `")),
        _ => None,
    });
    let why = forcing.map_or_else(String::new, |names| format!(" because of `{names}`"));
    let summary =
        format!("{} would be {verb}{why}, and its lifecycle has prevent_destroy", fate.address);
    let mut diagnostic = Diagnostic::error("destroy-prevented", summary)
        .with_hint("set `prevent_destroy = false` in its lifecycle and apply that first, or leave it as it is")
        .about(&fate.address);
    if let Some(instance) = fate.instance {
        diagnostic = diagnostic.with_label(instance.span.clone(), "");
    }
    Some(diagnostic)
}

/// Everything of a plan that is the same for an apply and a destruction.
struct Frame<'p, 'a> {
    planner: &'p Planner<'a>,
    scope: &'p Scope,
    /// Records of objects that are gone and not made again.
    vanished: Vec<Address>,
}

impl<'a> Frame<'_, 'a> {
    /// A plan without results and revisions; all that stands in its way is an error.
    fn plan(
        self,
        fates: Fates<'a>,
        sequence: &[Address],
        mut errors: Vec<Diagnostic>,
    ) -> Result<Plan, Vec<Diagnostic>> {
        let Self { planner, scope, mut vanished } = self;
        let recorded = planner.recorded;
        vanished.retain(|address| scope.holds(address));
        let mut fates = fates.within(scope, sequence);
        fates.settle_unreachable();
        errors.extend(prevented(&fates));
        if !errors.is_empty() {
            return Err(errors);
        }
        let deposed = recorded.deposed.iter().filter(|record| {
            scope.holds_deposed(record) && !held::is_held(planner, &record.address)
        });
        let deposed: Vec<&Record> = deposed.collect();
        Ok(Plan {
            format_version: FORMAT_VERSION,
            environment: planner.options.environment.clone(),
            lineage: recorded.lineage.clone(),
            serial: recorded.serial,
            base_revisions: BTreeMap::new(),
            output_revisions: BTreeMap::new(),
            targets: planner.options.targets.iter().map(ToString::to_string).collect(),
            held: planner.options.held.clone(),
            configuration_digest: String::new(),
            created_at: planner.options.created_at.clone(),
            destroy: false,
            operations: order::operations(&fates, &deposed)?,
            changes: changes(planner, &fates, &deposed, scope),
            drift: all_drift(planner, scope),
            outputs: BTreeMap::new(),
            changed_outputs: BTreeSet::new(),
            providers: recorded.providers.clone(),
            identities: BTreeMap::new(),
            node_sets: BTreeMap::new(),
            refreshed: refreshed(planner, &fates, scope),
            vanished,
            adopted: Vec::new(),
            strays: Vec::new(),
            conditions: Vec::new(),
            moved: planner.options.moved.clone(),
        })
    }
}

/// In address order; a deposed object has a change of its own, behind that of its instance.
fn changes(
    planner: &Planner<'_>,
    fates: &Fates<'_>,
    deposed: &[&Record],
    scope: &Scope,
) -> Vec<Change> {
    let moved = planner.options.moved.iter().map(|moved| (&moved.to, &moved.from));
    let moved: BTreeMap<&Address, &Address> = moved.collect();
    let previous = |address: &Address| moved.get(address).map(|from| (*from).clone());
    let change = |fate: &Fate<'_>| Change {
        address: fate.address.clone(),
        previous: fate.record.and_then(|_| previous(&fate.address)),
        importing: None,
        action: fate.action,
        reasons: fate.reasons.clone(),
        before: fate.before.clone(),
        after: fate.after.clone(),
        differing: fate.differing.clone(),
    };
    let left = |record: &&Record| Change {
        address: record.address.clone(),
        previous: previous(&record.address),
        importing: None,
        action: Action::Delete,
        reasons: vec![Reason::Deposed],
        before: Some(record.attributes.clone()),
        after: None,
        differing: Vec::new(),
    };
    // What was read already is in the plan as values.
    let is_told = |fate: &&Fate<'_>| {
        let was_read = fate.address.is_data() && fate.action == Action::NoOp;
        scope.holds(&fate.address) && !was_read
    };
    let inside = fates.all.iter().filter(is_told);
    let mut changes: Vec<_> = inside.map(change).chain(deposed.iter().map(left)).collect();
    changes.sort_by(|one, other| one.address.cmp(&other.address));
    changes
}

fn all_drift(planner: &Planner<'_>, scope: &Scope) -> Vec<Drift> {
    let of = |record: &Record| {
        let schema = planner.schema(&record.provider, record.address.kind());
        drift(schema, record, planner.observation(&record.address))
    };
    let is_told = |at: &Address| scope.holds(at) || held::is_held(planner, at);
    let inside = planner.recorded.records.values().filter(|record| is_told(&record.address));
    inside.filter_map(of).collect()
}

/// Records of objects that stay as they are, where refresh or the configuration knows more than the
/// record does. Those with an operation are written by it.
fn refreshed(planner: &Planner<'_>, fates: &Fates<'_>, scope: &Scope) -> Vec<Record> {
    let inside = fates.all.iter().filter(|fate| scope.holds(&fate.address));
    let inside = inside.filter(|fate| !held::is_held(planner, &fate.address));
    let unchanged = inside.filter(|fate| fate.action == Action::NoOp);
    let newer = |fate: &Fate<'_>| {
        let (record, instance) = (fate.record?, fate.instance?);
        let mut newer = record.clone();
        let current = current(planner, record);
        if !same(&current.attributes, &as_typed(planner, record)) {
            newer.attributes = current.attributes;
        }
        newer.dependencies = fate.recorded_with();
        newer.lifecycle.clone_from(&instance.lifecycle);
        (newer != *record).then_some(newer)
    };
    unchanged.filter_map(newer).collect()
}

fn as_typed(planner: &Planner<'_>, record: &Record) -> Value {
    match planner.schema(&record.provider, record.address.kind()) {
        Some(schema) => Value::object(crate::standing::recorded(schema, record)),
        None => record.attributes.clone(),
    }
}
