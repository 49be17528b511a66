//! Checks a plan, knowing nothing of how it was made: it shares no code with the planner.
//!
//! A fault found here is a defect of the planner or a plan that was tampered with; either way the plan
//! must not be applied. Refuses to know: schemas, state, the configuration.

use model::plan::{Action, Change, FORMAT_VERSION, Operation, OperationKind, Plan, Reason};
use model::value::Data;
use model::{Address, Diagnostic, Residual, Value};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What is wrong with a plan; nothing if it can be applied.
pub fn check(plan: &Plan) -> Vec<Diagnostic> {
    let mut checker = Checker { plan, by_address: BTreeMap::new(), faults: Vec::new() };
    checker.numbers();
    if !checker.faults.is_empty() {
        // Everything else follows the numbers.
        return checker.faults;
    }
    for operation in &plan.operations {
        checker.by_address.entry(&operation.address).or_default().push(operation);
    }
    checker.changes();
    checker.bookkeeping();
    checker.moves();
    checker.bonds();
    for operation in &plan.operations {
        checker.parts(operation);
        checker.order(operation);
        checker.unknowns(operation);
        checker.held(operation);
    }
    checker.values();
    checker.conditions();
    checker.faults
}

struct Checker<'a> {
    plan: &'a Plan,
    by_address: BTreeMap<&'a Address, Vec<&'a Operation>>,
    faults: Vec<Diagnostic>,
}

fn is_forward(kind: OperationKind) -> bool {
    use OperationKind::{Create, CreateReplacement, Read, Update};
    matches!(kind, Create | CreateReplacement | Update | Read)
}

fn is_removal(kind: OperationKind) -> bool {
    matches!(kind, OperationKind::Delete | OperationKind::DeleteDeposed)
}

/// The operations that a change stands for.
fn implied(change: &Change) -> Vec<OperationKind> {
    use OperationKind::{Create, CreateReplacement, Delete, DeleteDeposed, Forget, Update};
    match change.action {
        Action::NoOp => vec![],
        Action::Create => vec![Create],
        Action::Update => vec![Update],
        Action::ReplaceDeleteFirst => vec![Create, Delete],
        Action::ReplaceCreateFirst => vec![CreateReplacement, DeleteDeposed],
        Action::Delete if change.reasons.contains(&Reason::Deposed) => vec![DeleteDeposed],
        Action::Delete => vec![Delete],
        Action::Forget => vec![Forget],
        Action::Read => vec![OperationKind::Read],
    }
}

impl<'a> Checker<'a> {
    /// What is recorded of a held node stays as it is.
    fn held(&mut self, operation: &Operation) {
        let Some((set, node)) = operation.address.node() else { return };
        let is_held = self.plan.held.contains(&(set.to_owned(), node.to_owned()));
        if is_held && (operation.prior.is_some() || operation.kind != OperationKind::Create) {
            let what = format!("operation {} changes a node that is held", operation.id);
            self.fault(Some(&operation.address), what);
        }
    }

    fn fault(&mut self, address: Option<&Address>, message: impl Into<String>) {
        let summary = format!("the plan is faulty: {}", message.into());
        let mut fault = Diagnostic::error("faulty-plan", summary)
            .with_hint("make a new plan; if the fault comes back, this is a defect of the program");
        fault.address = address.cloned();
        self.faults.push(fault);
    }

    fn numbers(&mut self) {
        let plan = self.plan;
        if plan.format_version != FORMAT_VERSION {
            self.fault(None, format!("its format version is {}", plan.format_version));
        }
        for (place, operation) in plan.operations.iter().enumerate() {
            let (id, address) = (operation.id, Some(&operation.address));
            if usize::try_from(id) != Ok(place) {
                self.fault(address, format!("operation {id} stands at place {place}"));
            }
            if let Some(need) = operation.needs.iter().find(|need| **need >= id) {
                self.fault(address, format!("operation {id} needs {need}, which comes later"));
            }
        }
    }

    fn changes(&mut self) {
        let plan = self.plan;
        let mut wanted: BTreeMap<&Address, Vec<OperationKind>> = BTreeMap::new();
        for change in &plan.changes {
            wanted.entry(&change.address).or_default().extend(implied(change));
        }
        let addresses: BTreeSet<_> = wanted.keys().chain(self.by_address.keys()).copied().collect();
        for address in addresses {
            let mut wanted = wanted.remove(address).unwrap_or_default();
            let found = self.by_address.get(address).into_iter().flatten();
            let mut found: Vec<_> = found.map(|operation| operation.kind).collect();
            wanted.sort_by_key(|kind| *kind as u8);
            found.sort_by_key(|kind| *kind as u8);
            if wanted != found {
                let message =
                    format!("{address} needs {wanted:?} and the operations are {found:?}");
                self.fault(Some(address), message);
            }
        }
        if !plan.changes.is_sorted_by(|one, other| one.address <= other.address) {
            self.fault(None, "its changes are not in address order");
        }
        for change in &plan.changes {
            self.change(change);
        }
    }

    fn change(&mut self, change: &Change) {
        use Action::{Create, Delete, Forget, NoOp};
        let address = Some(&change.address);
        if change.action != NoOp && change.reasons.is_empty() {
            self.fault(address, format!("{} changes for no reason", change.address));
        }
        if change.after.is_none() != matches!(change.action, Delete | Forget) {
            self.fault(address, format!("the change of {} has a wrong end", change.address));
        }
        if change.before.is_none() != matches!(change.action, Create | Action::Read) {
            self.fault(address, format!("the change of {} has a wrong start", change.address));
        }
        let unknown = change.after.as_ref().is_some_and(|after| !after.is_wholly_known());
        if change.action == NoOp && unknown {
            self.fault(address, format!("{} stays, but is not known", change.address));
        }
    }

    /// Refreshed and forgotten records.
    fn bookkeeping(&mut self) {
        let plan = self.plan;
        let refreshed = plan.refreshed.iter().map(|record| &record.address);
        let beside: Vec<_> = refreshed.chain(&plan.vanished).collect();
        let adopted = plan.adopted.iter().map(|adopted| &adopted.record.address);
        for address in beside.iter().copied().chain(adopted) {
            let node = address.node().map(|(set, node)| (set.to_owned(), node.to_owned()));
            if node.is_some_and(|node| plan.held.contains(&node)) {
                self.fault(Some(address), format!("{address} is of a node that is held"));
            }
        }
        for address in &beside {
            let operations = self.by_address.get(address).into_iter().flatten();
            if operations.clone().any(|operation| operation.kind != OperationKind::DeleteDeposed) {
                self.fault(Some(address), format!("{address} is written beside its operations"));
            }
        }
    }

    /// One record a place, and the changes say the same.
    fn moves(&mut self) {
        let plan = self.plan;
        let (mut from, mut to) = (BTreeSet::new(), BTreeMap::new());
        for moved in &plan.moved {
            let twice = !from.insert(&moved.from) | to.insert(&moved.to, &moved.from).is_some();
            if twice || moved.from == moved.to || moved.from.kind() != moved.to.kind() {
                let message = format!("{} cannot become {}", moved.from, moved.to);
                self.fault(Some(&moved.to), message);
            }
        }
        for change in &plan.changes {
            if let Some(previous) = &change.previous
                && to.get(&change.address) != Some(&previous)
            {
                let message = format!("{} was not {previous} before", change.address);
                self.fault(Some(&change.address), message);
            }
        }
    }

    /// The plan is bound to what it reads and writes, and to nothing else: whatever it is not bound to may change
    /// before it is applied.
    fn bonds(&mut self) {
        let plan = self.plan;
        let mut touched: BTreeSet<&Address> = BTreeSet::new();
        for operation in &plan.operations {
            // What is only read has no revision.
            touched.extend(Some(&operation.address).filter(|address| !address.is_data()));
            if is_forward(operation.kind) {
                touched.extend(&operation.dependencies);
                let other = |origin: &&Address| **origin != operation.address && !origin.is_data();
                touched.extend(origins(operation.arguments.iter()).filter(other));
            }
        }
        touched.extend(plan.refreshed.iter().map(|record| &record.address));
        touched.extend(&plan.vanished);
        touched.extend(plan.conditions.iter().flat_map(|condition| &condition.reads));
        touched.extend(plan.adopted.iter().map(|adopted| &adopted.record.address));
        for moved in &plan.moved {
            touched.extend([&moved.from, &moved.to]);
            touched.extend(&moved.dependents);
        }
        let bound: BTreeSet<&Address> = plan.base_revisions.keys().collect();
        for address in touched.difference(&bound) {
            let message = format!("the plan is not bound to a revision of {address}");
            self.fault(Some(address), message);
        }
        for address in bound.difference(&touched) {
            let message = format!("the plan is bound to {address}, which it does not touch");
            self.fault(Some(address), message);
        }
        self.revisions();
    }

    /// One record has one revision, wherever the plan tells it.
    fn revisions(&mut self) {
        let plan = self.plan;
        // These are not recorded yet where the plan says.
        let adopted = plan.adopted.iter().map(|adopted| &adopted.record.address);
        let adopted: BTreeSet<_> =
            adopted.chain(plan.moved.iter().map(|moved| &moved.to)).collect();
        let prior = plan.operations.iter().filter(|o| o.kind != OperationKind::DeleteDeposed);
        let prior = prior.filter_map(|operation| operation.prior.as_ref());
        let told = prior.chain(&plan.refreshed).map(|record| (&record.address, record.revision));
        let told = told.filter(|(address, _)| !adopted.contains(address));
        let shown = plan.output_revisions.iter().map(|(address, revision)| (address, *revision));
        let shown = shown.filter(|(address, _)| !adopted.contains(address));
        for (address, revision) in told.chain(shown) {
            if plan.base_revisions.get(address).is_some_and(|bound| *bound != revision) {
                let message = format!("the plan tells two revisions of {address}");
                self.fault(Some(address), message);
            }
        }
        let outputs = plan.changed_outputs.iter().filter_map(|name| plan.outputs.get(name));
        let machines = plan.node_sets.values().flat_map(|set| &set.nodes).map(|node| &node.machine);
        let values: Vec<&Value> = outputs.map(|output| &output.value).chain(machines).collect();
        let mut awaited = Awaited::default();
        for value in &values {
            awaited.collect(value);
        }
        let sources: BTreeSet<_> = awaited.outputs.into_iter().chain(origins(values)).collect();
        let is_bound = |at: &&Address| at.is_data() || plan.output_revisions.contains_key(*at);
        for address in sources.into_iter().filter(|at| !is_bound(at)) {
            let message = format!("what it shows of {address} is not bound to a revision");
            self.fault(Some(address), message);
        }
    }

    /// Whether an operation has what its call needs, and nothing else.
    fn parts(&mut self, operation: &Operation) {
        let (kind, address) = (operation.kind, &operation.address);
        let names = |what: &str| format!("{kind:?} of {address} {what}");
        if operation.arguments.is_some() != is_forward(kind) {
            self.fault(Some(address), names("has arguments where it should not, or none"));
        }
        let has_none = matches!(kind, OperationKind::Create | OperationKind::Read);
        if operation.prior.is_some() == has_none {
            self.fault(Some(address), names("has a record where it should not, or none"));
        }
        if operation.prior.as_ref().is_some_and(|prior| prior.address != *address) {
            self.fault(Some(address), names("has the record of another instance"));
        }
        let known = |name: &String| {
            operation.arguments.as_ref().is_some_and(|arguments| arguments.get(name).is_some())
        };
        let held = &operation.must_not_differ;
        if !held.is_empty() && kind != OperationKind::Update || !held.iter().all(known) {
            self.fault(Some(address), names("must keep arguments that it does not have"));
        }
        let is_read = kind == OperationKind::Read;
        if is_read != address.is_data() || operation.dependencies.iter().any(Address::is_data) {
            self.fault(Some(address), names("takes a data source for an object, or the other way"));
        }
        if operation.provider.is_empty() {
            self.fault(Some(address), names("has no provider"));
        }
        if self.plan.destroy && is_forward(kind) {
            self.fault(Some(address), names("is part of a destruction"));
        }
    }

    fn of(&self, address: &Address, kind: fn(OperationKind) -> bool) -> Vec<&'a Operation> {
        let operations = self.by_address.get(address).into_iter().flatten().copied();
        operations.filter(|operation| kind(operation.kind)).collect()
    }

    fn order(&mut self, operation: &Operation) {
        match operation.kind {
            kind if is_forward(kind) => self.forward_order(operation),
            OperationKind::Delete | OperationKind::DeleteDeposed => self.removal_order(operation),
            _ => {}
        }
    }

    fn forward_order(&mut self, operation: &Operation) {
        for dependency in &operation.dependencies {
            for needed in self.of(dependency, is_forward) {
                if !self.waits(operation, needed) {
                    let message = format!("{} does not wait for {dependency}", operation.address);
                    self.fault(Some(&operation.address), message);
                }
            }
        }
        if operation.kind == OperationKind::Create {
            for old in self.of(&operation.address, |kind| kind == OperationKind::Delete) {
                if !self.waits(operation, old) {
                    let message = format!("{} is made before it is deleted", operation.address);
                    self.fault(Some(&operation.address), message);
                }
            }
        }
    }

    fn removal_order(&mut self, operation: &Operation) {
        let Some(prior) = &operation.prior else { return };
        for dependency in prior.dependencies.iter().filter(|other| **other != operation.address) {
            for later in self.of(dependency, is_removal) {
                if !self.waits(later, operation) && !self.in_circle(later, &operation.address) {
                    let message = format!("{dependency} is deleted before {}", operation.address);
                    self.fault(Some(dependency), message);
                }
            }
        }
        if operation.kind == OperationKind::DeleteDeposed {
            for new in self.of(&operation.address, |kind| kind == OperationKind::CreateReplacement)
            {
                let same = new.prior.as_ref().map(|record| (&record.id, record.generation));
                let replaces = same == Some((&prior.id, prior.generation));
                if replaces && !self.waits(operation, new) {
                    let message =
                        format!("the old {} goes before the new one is made", operation.address);
                    self.fault(Some(&operation.address), message);
                }
            }
        }
    }

    /// Whether an operation comes after another because of what it needs, at once or in steps.
    fn waits(&self, operation: &Operation, needed: &Operation) -> bool {
        if operation.needs.contains(&needed.id) {
            return true;
        }
        let mut seen = HashSet::new();
        let mut stack = vec![operation];
        while let Some(operation) = stack.pop() {
            // Numbers only fall along needs, so what is below the goal leads nowhere.
            for need in operation.needs.range(needed.id..) {
                if *need == needed.id {
                    return true;
                }
                let next = usize::try_from(*need).ok().and_then(|at| self.plan.operations.get(at));
                stack.extend(next.filter(|next| seen.insert(next.id)));
            }
        }
        false
    }

    /// Whether recorded dependencies lead from an operation's record to an address: records that make a
    /// circle can be deleted in any order.
    fn in_circle(&self, operation: &Operation, goal: &Address) -> bool {
        let mut seen = BTreeSet::new();
        let mut stack = vec![operation];
        while let Some(operation) = stack.pop() {
            let dependencies = operation.prior.iter().flat_map(|prior| &prior.dependencies);
            for dependency in dependencies {
                if dependency == goal {
                    return true;
                }
                if seen.insert(dependency) {
                    stack.extend(self.of(dependency, |_| true));
                }
            }
        }
        false
    }

    /// Every unknown part of the arguments is the output of an operation that comes before.
    fn unknowns(&mut self, operation: &Operation) {
        let Some(arguments) = &operation.arguments else { return };
        let mut awaited = Awaited::default();
        awaited.collect(arguments);
        let address = &operation.address;
        if awaited.opaque {
            self.fault(Some(address), format!("{address} waits for a value that nothing gives"));
        }
        for source in awaited.outputs {
            let operations = self.of(source, is_forward);
            let comes = operations.iter().any(|needed| self.waits(operation, needed));
            if !comes {
                let message =
                    format!("{address} uses an output of {source} and does not wait for it");
                self.fault(Some(address), message);
            }
        }
    }

    /// A condition is known after what it needs, and told before what it stops.
    fn conditions(&mut self) {
        let plan = self.plan;
        let operation = |id: &u32| usize::try_from(*id).ok().and_then(|at| plan.operations.get(at));
        for planned in &plan.conditions {
            let what = &planned.condition.stated_by;
            let mut awaited = Awaited::default();
            awaited.collect(&planned.condition.condition);
            if awaited.opaque {
                self.fault(None, format!("{what} waits for a value that nothing gives"));
            }
            let needs: Option<Vec<_>> = planned.needs.iter().map(operation).collect();
            let stops: Option<Vec<_>> = planned.stops.iter().map(operation).collect();
            let (Some(needs), Some(stops)) = (needs, stops) else {
                self.fault(None, format!("{what} names an operation that there is not"));
                continue;
            };
            for source in awaited.outputs {
                if !needs.iter().any(|it| it.address == *source && is_forward(it.kind)) {
                    self.fault(None, format!("{what} does not wait for {source}"));
                }
            }
            for stopped in stops {
                if !needs.iter().all(|needed| self.waits(stopped, needed)) {
                    let message = format!("{} may run before {what} is known", stopped.address);
                    self.fault(Some(&stopped.address), message);
                }
            }
        }
    }

    /// Unknown parts of what people read and of root outputs come from operations of this plan.
    fn values(&mut self) {
        let plan = self.plan;
        let after = plan.changes.iter().filter_map(|change| change.after.as_ref());
        let outputs = plan.outputs.values().map(|output| &output.value);
        let machines = plan.node_sets.values().flat_map(|set| &set.nodes).map(|node| &node.machine);
        let mut awaited = Awaited::default();
        after.chain(outputs).chain(machines).for_each(|value| awaited.collect(value));
        if awaited.opaque {
            self.fault(None, "it has a value that nothing gives");
        }
        for source in awaited.outputs {
            if self.of(source, is_forward).is_empty() {
                let message = format!("a value waits for {source}, and nothing happens to that");
                self.fault(Some(source), message);
            }
        }
        let before = plan.changes.iter().filter_map(|change| change.before.as_ref());
        let prior = plan.operations.iter().filter_map(|operation| operation.prior.as_ref());
        let mut recorded = before.chain(prior.map(|record| &record.attributes));
        if !recorded.all(Value::is_wholly_known) {
            self.fault(None, "something recorded is not known");
        }
    }
}

/// The instances that values came from; a plan that was saved has lost them.
fn origins<'a>(values: impl IntoIterator<Item = &'a Value>) -> impl Iterator<Item = &'a Address> {
    let mut origins = BTreeSet::new();
    let mut stack: Vec<&Value> = values.into_iter().collect();
    while let Some(value) = stack.pop() {
        origins.extend(value.marks().origins.iter().flat_map(|origins| origins.iter()));
        stack.extend(parts(value));
    }
    origins.into_iter()
}

/// What a collection holds.
fn parts(value: &Value) -> Vec<&Value> {
    match value.data() {
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => items.iter().collect(),
        Data::Map(_, entries) | Data::Object(entries) => entries.values().collect(),
        _ => Vec::new(),
    }
}

/// What the unknown parts of values wait for.
#[derive(Default)]
struct Awaited<'a> {
    outputs: BTreeSet<&'a Address>,
    opaque: bool,
}

impl<'a> Awaited<'a> {
    fn collect(&mut self, value: &'a Value) {
        let mut stack = vec![value];
        while let Some(value) = stack.pop() {
            match value.data() {
                Data::Unknown(unknown) => match unknown.residual.as_ref() {
                    Residual::Output { address, .. } => {
                        self.outputs.insert(address);
                    }
                    Residual::Expression { scope, .. } => stack.push(scope),
                    Residual::Opaque => self.opaque = true,
                },
                _ => stack.extend(parts(value)),
            }
        }
    }
}
