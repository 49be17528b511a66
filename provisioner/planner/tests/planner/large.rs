//! Large graphs: these finish in seconds as long as nothing grows with the square of the size.

use crate::world::{Block, Config, World};
use model::graph::{Desired, Instance, Lifecycle};
use model::plan::Actual;
use model::record::Recorded;
use model::{Address, Span, Value};
use planner::{Options, Planner, check};

const COUNT: usize = 100_000;

fn host(index: usize, arguments: Vec<(&str, Value)>) -> Instance {
    let name = format!("n{index:06}");
    let all = [("name", Value::string(&name))].into_iter().chain(arguments);
    Instance {
        address: Address::new(vec![], "sim_host", name.as_str(), None),
        provider: "sim".to_owned(),
        arguments: Value::object(all),
        depends_on: [].into(),
        lifecycle: Lifecycle::default(),
        triggers: Vec::new(),
        sequence: None,
        span: Span { file: "main.hcl".into(), start: 0, end: 0 },
        place: String::new(),
    }
}

fn plan(instances: Vec<Instance>) -> model::plan::Plan {
    let (recorded, actual) = (Recorded::default(), Actual::default());
    let schemas = crate::world::schemas();
    let planner = Planner::new(&recorded, &actual, &schemas, Options::default());
    planner.plan(&Desired { instances, ..Desired::default() }).unwrap()
}

#[test]
fn a_chain_of_many() {
    let link = |index: usize| {
        let below = Address::new(vec![], "sim_host", format!("n{:06}", index.max(1) - 1), None);
        let id = Value::output(&below, "id", model::Type::String);
        host(index, if index == 0 { vec![] } else { vec![("parent", id)] })
    };
    let plan = plan((0..COUNT).map(link).collect());
    assert_eq!(plan.operations.len(), COUNT);
    assert!(check::check(&plan).is_empty());
}

#[test]
fn a_star_of_many() {
    let centre = Address::new(vec![], "sim_host", "n000000", None);
    let id = Value::output(&centre, "id", model::Type::String);
    let spoke =
        |index: usize| host(index, if index == 0 { vec![] } else { vec![("parent", id.clone())] });
    let plan = plan((0..COUNT).map(spoke).collect());
    assert!(plan.operations.iter().skip(1).all(|operation| operation.needs == [0].into()));
    assert!(check::check(&plan).is_empty());
}

#[test]
fn a_long_chain_is_deleted_and_stays() {
    let block = |index: usize| {
        let block = Block::host(&format!("n{index:05}"));
        if index == 0 { block } else { block.after(&format!("sim_host.n{:05}", index - 1)) }
    };
    let config = Config::of((0..5000).map(block));
    let world = World::with(&config);
    assert!(!world.plan(&config).has_changes());
    assert_eq!(world.plan_destroy().operations.len(), 5000);
}
