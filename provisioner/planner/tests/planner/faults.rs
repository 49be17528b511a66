//! The checker finds what is wrong: one fault is put into a good plan at a time.

use crate::world::{Block, Config, World, address};
use model::plan::{Action, OperationKind, Plan};
use model::{Residual, Type, Value};
use planner::check::check;

/// A plan with a creation that uses an output, an update, and two replacements.
fn good() -> Plan {
    let config = |name: &str, size: i64| {
        Config::of([
            Block::host("base").with("name", name),
            Block::host("child").from("parent", "sim_host.base", "id"),
            Block::host("first").with("name", name).create_first(),
            Block::host("user").with("size", size).from("peer", "sim_host.base", "id"),
            Block::host("stays"),
        ])
        .output("id", "sim_host.base", "id")
    };
    World::with(&config("a", 1)).plan(&config("b", 2))
}

fn fault(spoil: impl Fn(&mut Plan)) -> Vec<String> {
    let mut plan = good();
    spoil(&mut plan);
    let faults = check(&plan);
    assert!(faults.iter().all(|fault| fault.code == "faulty-plan" && fault.is_error()));
    faults.into_iter().map(|fault| fault.summary).collect()
}

fn at(plan: &Plan, kind: OperationKind, name: &str) -> usize {
    let wanted = address(&format!("sim_host.{name}"));
    plan.operations.iter().position(|o| o.kind == kind && o.address == wanted).unwrap()
}

#[track_caller]
fn finds(words: &str, spoil: impl Fn(&mut Plan)) {
    let faults = fault(spoil);
    assert!(faults.iter().any(|fault| fault.contains(words)), "{faults:?}");
}

#[test]
fn a_good_plan_has_none() {
    assert!(fault(|_| {}).is_empty());
}

#[test]
fn numbers() {
    finds("format version", |plan| plan.format_version += 1);
    finds("stands at place", |plan| plan.operations.swap(0, 1));
    finds("comes later", |plan| {
        plan.operations[0].needs.insert(3);
    });
}

#[test]
fn changes_and_operations_belong_together() {
    finds("needs []", |plan| {
        plan.changes.retain(|change| change.address != address("sim_host.child"));
    });
    finds("the operations are []", |plan| {
        let stays = plan.changes.iter_mut().find(|change| change.action == Action::NoOp).unwrap();
        stays.action = Action::Update;
    });
    finds("for no reason", |plan| plan.changes[0].reasons.clear());
    finds("wrong end", |plan| plan.changes[0].after = None);
    finds("wrong start", |plan| plan.changes[0].before = None);
    finds("address order", |plan| plan.changes.reverse());
    finds("is not known", |plan| {
        let stays = plan.changes.iter_mut().find(|change| change.action == Action::NoOp).unwrap();
        stays.after = Some(Value::output(&address("sim_host.base"), "id", Type::String));
    });
}

#[test]
fn order() {
    finds("does not wait for sim_host.base", |plan| {
        let update = at(plan, OperationKind::Update, "user");
        plan.operations[update].needs.clear();
    });
    finds("made before it is deleted", |plan| {
        let create = at(plan, OperationKind::Create, "base");
        plan.operations[create].needs.clear();
    });
    finds("is deleted before", |plan| {
        let delete = at(plan, OperationKind::Delete, "base");
        plan.operations[delete].needs.clear();
    });
    finds("goes before the new one", |plan| {
        let delete = at(plan, OperationKind::DeleteDeposed, "first");
        plan.operations[delete].needs.clear();
    });
}

#[test]
fn values() {
    finds("a value that nothing gives", |plan| {
        let update = at(plan, OperationKind::Update, "user");
        let opaque = Value::unknown(Type::Any, Residual::Opaque);
        plan.operations[update].arguments = Some(Value::object([("peer", opaque)]));
    });
    finds("uses an output of sim_host.stays", |plan| {
        let update = at(plan, OperationKind::Update, "user");
        let scope = Value::object([("x", output("sim_host.stays"))]);
        let residual =
            Residual::Expression { source: "x".into(), template: false, scope, place: "".into() };
        let unknown = Value::unknown(Type::Any, residual);
        plan.operations[update].arguments = Some(Value::tuple([unknown]));
    });
    finds("nothing happens to that", |plan| {
        plan.changes[0].after = Some(output("sim_host.stays"));
    });
    finds("recorded is not known", |plan| {
        plan.changes[0].before = Some(output("sim_host.base"));
    });
}

fn output(name: &str) -> Value {
    Value::output(&address(name), "id", Type::String)
}

#[test]
fn parts() {
    finds("has arguments", |plan| plan.operations[0].arguments = Some(Value::null(Type::Any)));
    finds("has a record", |plan| plan.operations[0].prior = None);
    finds("another instance", |plan| {
        plan.operations[0].prior.as_mut().unwrap().address = address("sim_host.x");
    });
    finds("must keep", |plan| {
        plan.operations[0].must_not_differ.insert("name".to_owned());
    });
    finds("no provider", |plan| plan.operations[0].provider.clear());
    finds("destruction", |plan| plan.destroy = true);
    finds("beside its operations", |plan| plan.vanished.push(address("sim_host.base")));
}

#[test]
fn bonds() {
    finds("not bound to a revision of sim_host.base", |plan| plan.base_revisions.clear());
    finds("bound to sim_host.stays, which it does not touch", |plan| {
        plan.base_revisions.insert(address("sim_host.stays"), 1);
    });
    finds("not bound to a revision of sim_host.other", |plan| {
        let update = at(plan, OperationKind::Update, "user");
        let origin = Value::from("x").with_origin(&address("sim_host.other"));
        plan.operations[update].arguments = Some(Value::object([("peer", origin)]));
    });
    finds("two revisions of sim_host.user", |plan| {
        plan.base_revisions.insert(address("sim_host.user"), 7);
    });
    finds("shows of sim_host.base is not bound", |plan| plan.output_revisions.clear());
    finds("two revisions of sim_host.base", |plan| {
        plan.output_revisions.insert(address("sim_host.base"), 7);
    });
}

/// Seldom enough: `x` has a deposed object that stood on `d`, and `z` on `x` cannot be reached before `x` is
/// mended, which waits for a new `d`.
#[test]
fn the_planner_tells_a_circle_of_operations() {
    let before = Config::of([
        Block::host("d"),
        Block::host("x"),
        Block::host("z").from("parent", "sim_host.x", "id"),
    ]);
    let mut world = World::with(&before);
    let mut old = world.record("sim_host.x").clone();
    old.dependencies = [address("sim_host.d")].into();
    world.recorded.deposed.push(old);
    world.unreachable("sim_host.z");
    let after = Config::of([
        Block::host("d").with("name", "other"),
        Block::host("x").from("peer", "sim_host.d", "id"),
    ]);
    let errors = world.try_plan(&after).unwrap_err();
    assert_eq!(errors[0].code, "operation-cycle");
    let lines: Vec<_> = errors[0].detail.lines().collect();
    assert_eq!(
        lines,
        [
            "create sim_host.d needs delete sim_host.d: \
             the old object must be gone before the new one is made",
            "delete sim_host.d needs delete old sim_host.x: \
             the second was made with the help of the first",
            "delete old sim_host.x needs delete sim_host.z: \
             the second was made with the help of the first",
            "delete sim_host.z needs update sim_host.x: \
             the first cannot be reached before the second is well",
            "update sim_host.x needs create sim_host.d: the first depends on the second",
        ]
    );
}
