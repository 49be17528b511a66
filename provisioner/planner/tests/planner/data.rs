//! Data sources: asked for while planning where that can be, read by an operation where not.

use crate::world::{World, address, checked, schemas};
use model::graph::{Desired, Instance, Lifecycle, Projection as _, ProviderConfig};
use model::plan::{Action, Actual, OperationKind, Plan, Reason};
use model::schema::{Attribute, DataSchema, ProviderSchema};
use model::{Address, Span, Type, Value};
use planner::{Answers, Options, Planner};
use std::collections::{BTreeMap, BTreeSet};

fn with_lookup() -> BTreeMap<String, ProviderSchema> {
    let mut schemas = schemas();
    let attributes = [
        ("name".to_owned(), Attribute::required(Type::String, "")),
        ("found".to_owned(), Attribute::computed(Type::String, "")),
    ];
    let lookup = DataSchema { description: String::new(), attributes: attributes.into() };
    let provider = schemas.get_mut("sim").unwrap();
    provider.data.insert("sim_lookup".to_owned(), lookup);
    schemas
}

fn instance(address: Address, arguments: Value) -> Instance {
    Instance {
        address,
        provider: "sim".to_owned(),
        arguments,
        depends_on: BTreeSet::new(),
        lifecycle: Lifecycle::default(),
        triggers: Vec::new(),
        sequence: None,
        span: Span { file: "main.hcl".into(), start: 0, end: 4 },
        place: "main.hcl:1:1".to_owned(),
    }
}

fn lookup(name: Value) -> Instance {
    instance(address("data.sim_lookup.x"), Value::object([("name", name)]))
}

fn host(name: &str, peer: Value) -> Instance {
    let arguments = Value::object([("name", Value::from(name)), ("peer", peer)]);
    instance(address(&format!("sim_host.{name}")), arguments)
}

/// The plan of a lookup after a host that is new, and a host that uses what is found.
fn plan(depends: bool, answers: &Answers) -> (Plan, usize) {
    let (world, schemas) = (World::default(), with_lookup());
    let actual = Actual::new();
    let planner = Planner::new(&world.recorded, &actual, &schemas, Options::default());
    let planner = planner.with_answers(answers);
    let first = host("first", Value::null(Type::String));
    planner.attributes(&first).unwrap();
    let mut lookup = lookup("wanted".into());
    if depends {
        lookup.depends_on.insert(first.address.clone());
    }
    let found = planner.attributes(&lookup).unwrap().get("found").unwrap();
    let user = host("user", found.with_origin(&lookup.address));
    planner.attributes(&user).unwrap();
    let config = ProviderConfig { name: "sim".to_owned(), arguments: Value::object::<&str>([]) };
    let desired = Desired {
        instances: vec![first, lookup, user],
        providers: [("sim".to_owned(), config)].into(),
        ..Desired::default()
    };
    (planner.plan(&desired).unwrap(), planner.asked().len())
}

#[test]
fn what_can_be_read_is_asked_for_and_then_known() {
    let (_, asked) = plan(false, &Answers::new());
    assert_eq!(asked, 1);
    let answer = Value::object([("name", Value::from("wanted")), ("found", "it".into())]);
    let answers = Answers::from([(address("data.sim_lookup.x"), answer)]);
    let (plan, asked) = plan(false, &answers);
    assert_eq!(asked, 0);
    let plan = checked(plan);
    assert!(plan.operations.iter().all(|operation| operation.kind == OperationKind::Create));
    let user = plan.operations.iter().find(|it| it.address == address("sim_host.user")).unwrap();
    assert_eq!(user.arguments.as_ref().unwrap().get("peer").unwrap().as_str(), Some("it"));
    assert!(!plan.changes.iter().any(|change| change.address.is_data()));
}

#[test]
fn what_waits_for_a_change_is_read_while_the_plan_runs() {
    let (plan, asked) = plan(true, &Answers::new());
    assert_eq!(asked, 0);
    let plan = checked(plan);
    let order: Vec<_> =
        plan.operations.iter().map(|it| format!("{:?} {}", it.kind, it.address)).collect();
    assert_eq!(order, ["Create sim_host.first", "Read data.sim_lookup.x", "Create sim_host.user"]);
    let read = plan.changes.iter().find(|change| change.action == Action::Read).unwrap();
    let addresses = vec![address("sim_host.first")];
    assert_eq!(read.reasons, [Reason::DependencyChanges { addresses }]);
    // Deletions go by records, and a data source has none.
    let user = &plan.operations[2];
    let dependencies: Vec<_> = user.dependencies.iter().map(ToString::to_string).collect();
    assert_eq!(dependencies, ["sim_host.first"]);
    assert!(!plan.base_revisions.keys().any(Address::is_data));
}
