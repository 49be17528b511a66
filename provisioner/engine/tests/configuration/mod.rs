//! What the engine's tests configure: a few lines instead of a language, and what goes with them. Shared by the
//! test binaries.

use async_trait::async_trait;
use engine::{Clock, Resolver};
use jiff::Timestamp;
use model::graph::{Desired, Instance, Lifecycle, Output, Projection, ProviderConfig};
use model::plan::{Actual, Moved, Plan};
use model::record::Recorded;
use model::schema::ProviderSchema;
use model::value::Data;
use model::{Address, Diagnostic, Residual, Span, Value};
use planner::{Options, Planner, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// 2026-01-01T00:00:00Z.
const EPOCH_MS: u64 = 1_767_225_600_000;
pub const ENVIRONMENT: &str = "test";

/// Resolves references to attributes; the tests need no expressions.
pub struct References;

impl Resolver for References {
    fn resolve(
        &self,
        value: &Value,
        outputs: &dyn Fn(&Address) -> Option<Value>,
        _time: &str,
    ) -> Result<Value, Diagnostic> {
        let mut missing = None;
        let resolved = value.map_leaves(&mut |leaf| {
            let Data::Unknown(unknown) = leaf.data() else { return leaf.clone() };
            let Residual::Output { address, path } = unknown.residual.as_ref() else {
                return leaf.clone();
            };
            let found = outputs(address);
            let found = path.iter().fold(found, |value, step| value?.get(step));
            found.unwrap_or_else(|| {
                missing = Some(address.clone());
                leaf.clone()
            })
        });
        match missing {
            None => Ok(resolved),
            Some(address) => {
                Err(Diagnostic::error("unresolved", format!("{address} has no record")))
            }
        }
    }
}

/// Time that tokio's paused time moves: every engine and every store of a test has this one.
#[derive(Clone)]
pub struct PausedTime {
    start: Instant,
    seed: u64,
}

impl PausedTime {
    pub fn new(seed: u64) -> Self {
        Self { start: Instant::now(), seed }
    }

    fn passed(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap()
    }
}

#[async_trait]
impl Clock for PausedTime {
    fn now_ms(&self) -> u64 {
        self.passed()
    }

    fn wall_ms(&self) -> u64 {
        EPOCH_MS + self.passed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn seed(&self) -> u64 {
        self.seed
    }
}

impl state::clock::Clock for PausedTime {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(i64::try_from(self.wall_ms()).unwrap()).unwrap()
    }
}

pub fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// One block of the configuration.
#[derive(Clone, Debug)]
pub struct Block {
    pub address: &'static str,
    pub name: String,
    /// Instances whose `id` it refers to.
    pub refers: Vec<&'static str>,
    /// `size` of a disk, `version` of a service, `text` of a note, `label` of others.
    pub setting: i64,
    pub create_first: bool,
    /// Where it was before, if it has moved.
    pub was: Option<&'static str>,
}

pub fn block(address: &'static str, refers: &[&'static str]) -> Block {
    Block {
        address,
        name: address.to_owned(),
        refers: refers.to_vec(),
        setting: 1,
        create_first: false,
        was: None,
    }
}

/// Two disks, two machines on them, a check over both.
pub fn diamond() -> Vec<Block> {
    vec![
        block("memory_disk.a", &[]),
        block("memory_disk.b", &[]),
        block("memory_machine.one", &["memory_disk.a"]),
        block("memory_machine.two", &["memory_disk.a", "memory_disk.b"]),
        block("memory_check.all", &["memory_machine.one", "memory_machine.two"]),
    ]
}

/// What it takes to get there; no blocks ask for nothing, which is to destroy.
pub fn plan(
    recorded: &Recorded,
    actual: &Actual,
    schemas: &BTreeMap<String, ProviderSchema>,
    blocks: &[Block],
    targets: &[Target],
) -> Result<Plan, Vec<Diagnostic>> {
    plan_moved(recorded, &[], actual, schemas, blocks, targets)
}

/// The same for what is recorded elsewhere than it says.
pub fn plan_moved(
    recorded: &Recorded,
    moved: &[Moved],
    actual: &Actual,
    schemas: &BTreeMap<String, ProviderSchema>,
    blocks: &[Block],
    targets: &[Target],
) -> Result<Plan, Vec<Diagnostic>> {
    let options = Options {
        moved: moved.to_vec(),
        environment: ENVIRONMENT.to_owned(),
        created_at: "2026-01-01T00:00:00Z".to_owned(),
        targets: targets.to_vec(),
        ..Options::default()
    };
    let planner = Planner::new(recorded, actual, schemas, options);
    if blocks.is_empty() {
        planner.plan_destroy()
    } else {
        planner.plan(&desired(&planner, blocks))
    }
}

/// What the blocks ask for.
fn desired(planner: &Planner<'_>, blocks: &[Block]) -> Desired {
    let mut desired = Desired { environment: ENVIRONMENT.to_owned(), ..Desired::default() };
    let config = ProviderConfig { name: "memory".to_owned(), arguments: Value::object::<&str>([]) };
    desired.providers.insert("memory".to_owned(), config);
    let mut ids: BTreeMap<&str, Value> = BTreeMap::new();
    for block in blocks {
        let instance = instance(block, &ids);
        let attributes = planner.attributes(&instance).unwrap();
        let id = attributes.get("id").unwrap().with_origin(&instance.address);
        ids.insert(block.address, id.clone());
        let output = Output { value: id, sensitive: false, description: String::new() };
        desired.outputs.insert(block.address.replace('.', "_"), output);
        desired.instances.push(instance);
    }
    desired
}

fn instance(block: &Block, ids: &BTreeMap<&str, Value>) -> Instance {
    let address = address(block.address);
    let refers = Value::tuple(block.refers.iter().map(|name| ids[name].clone()));
    let name = ("name", Value::from(block.name.as_str()));
    let arguments = match address.kind() {
        "memory_disk" => Value::object([
            name,
            ("size", block.setting.into()),
            ("key", Value::from("hunter2").into_sensitive()),
        ]),
        "memory_machine" => {
            Value::object([name, ("disks", refers), ("label", block.setting.to_string().into())])
        }
        "memory_bucket" => Value::object([name, ("label", block.setting.to_string().into())]),
        "memory_address" | "memory_worker" => {
            Value::object([("label", block.setting.to_string().into())])
        }
        "memory_service" => {
            let machine = ids[block.refers[0]].clone();
            let version = ("version", block.setting.to_string().into());
            Value::object([name, ("machine", machine), version])
        }
        "memory_note" => {
            Value::object([name, ("about", refers), ("text", block.setting.to_string().into())])
        }
        _ => Value::object([("of", refers)]),
    };
    Instance {
        provider: "memory".to_owned(),
        arguments,
        depends_on: BTreeSet::default(),
        lifecycle: Lifecycle { create_before_destroy: block.create_first, ..Lifecycle::default() },
        triggers: Vec::new(),
        sequence: None,
        span: Span { file: "main.hcl".into(), start: 0, end: 0 },
        place: format!("main.hcl:1:1 ({})", block.address),
        address,
    }
}
