//! What the configuration says has moved: which recorded instances get which new addresses.
//!
//! Every record follows the statements from where it is, the most exact one first and each once, as long as one names
//! its place. Nothing takes a place that is taken: the shorter way wins, and whoever comes too late stays where it was.
//! The work grows with the number of records and of statements, not with their product.
//! Refuses to know: which places the configuration has.

use model::moves::Move;
use model::plan::Moved;
use model::record::{Record, Recorded};
use model::{Address, Diagnostic, PathStep};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The state with the new addresses.
#[derive(Clone, Debug, Default)]
pub struct Renamed {
    /// What is recorded, as it will be when the moves are written.
    pub recorded: Recorded,
    /// Every move, by its new address.
    pub moved: Vec<Moved>,
    /// Moves that cannot be made.
    pub warnings: Vec<Diagnostic>,
}

/// Gives recorded instances the addresses that the configuration says they have now.
pub fn rename(recorded: &Recorded, moves: &[Move]) -> Renamed {
    let (map, warnings) = addresses(recorded, moves);
    if map.is_empty() {
        return Renamed { recorded: recorded.clone(), moved: Vec::new(), warnings };
    }
    let mut renamed = recorded.clone();
    let records = std::mem::take(&mut renamed.records).into_values();
    renamed.records =
        records.map(|it| at_new(it, &map)).map(|it| (it.address.clone(), it)).collect();
    renamed.deposed = renamed.deposed.into_iter().map(|record| at_new(record, &map)).collect();
    let moved = moved(&renamed, &map);
    Renamed { recorded: renamed, moved, warnings }
}

fn new_of(address: &Address, map: &BTreeMap<Address, Address>) -> Address {
    map.get(address).unwrap_or(address).clone()
}

fn at_new(record: Record, map: &BTreeMap<Address, Address>) -> Record {
    let dependencies = record.dependencies.iter().map(|address| new_of(address, map)).collect();
    Record { address: new_of(&record.address, map), dependencies, ..record }
}

/// The moves with the records that name what moves among their dependencies.
fn moved(renamed: &Recorded, map: &BTreeMap<Address, Address>) -> Vec<Moved> {
    let mut dependents: BTreeMap<&Address, BTreeSet<Address>> = BTreeMap::new();
    for record in renamed.records.values().chain(&renamed.deposed) {
        for dependency in &record.dependencies {
            dependents.entry(dependency).or_default().insert(record.address.clone());
        }
    }
    let one = |(from, to): (&Address, &Address)| Moved {
        from: from.clone(),
        to: to.clone(),
        dependents: dependents.remove(to).unwrap_or_default(),
    };
    let mut moved: Vec<_> = map.iter().map(one).collect();
    moved.sort_by(|one, other| one.to.cmp(&other.to));
    moved
}

/// Old and new addresses of all that moves.
fn addresses(recorded: &Recorded, moves: &[Move]) -> (BTreeMap<Address, Address>, Vec<Diagnostic>) {
    if moves.is_empty() {
        return (BTreeMap::new(), Vec::new());
    }
    let index = Index::new(moves);
    let known: BTreeSet<&Address> =
        recorded.records.keys().chain(recorded.deposed.iter().map(|it| &it.address)).collect();
    let mut ways: Vec<Way<'_>> = known.iter().filter_map(|address| index.way(address)).collect();
    let is_implied = |way: &Way<'_>| way.steps.iter().any(|step| moves[*step].span.is_none());
    ways.sort_by_key(|way| (way.steps.len(), is_implied(way), way.from));
    let leaving: BTreeSet<&Address> = ways.iter().map(|way| way.from).collect();
    let stays = |address: &Address| known.contains(address) && !leaving.contains(address);
    let mut arriving: BTreeMap<Address, Way<'_>> = BTreeMap::new();
    let mut warnings = Vec::new();
    for way in ways {
        let mut late = Some(way);
        if let Some(way) = late.take_if(|way| !stays(&way.to) && !arriving.contains_key(&way.to)) {
            arriving.insert(way.to.clone(), way);
        }
        // Whoever stays after all takes the place that somebody may have been given.
        while let Some(way) = late {
            warnings.push(blocked(&way, moves));
            late = arriving.remove(way.from);
        }
    }
    let map = arriving.into_values().map(|way| (way.from.clone(), way.to)).collect();
    (map, warnings)
}

fn blocked(way: &Way<'_>, moves: &[Move]) -> Diagnostic {
    let Way { from, to, steps } = way;
    let summary = format!("{from} cannot move to {to}: something is recorded there already");
    let mut diagnostic = Diagnostic::warning("move-blocked", summary)
        .with_detail(format!("{from} stays where it is; if it is not configured, this plan deletes it"))
        .with_hint(format!(
            "to keep the moved object, take the other one out of the way first: `state mv` or `state rm` for {to}"
        ))
        .about(from);
    for span in steps.iter().filter_map(|step| moves[*step].span.clone()) {
        diagnostic = diagnostic.with_label(span, "");
    }
    diagnostic
}

/// How a record gets from where it is to where it belongs.
struct Way<'a> {
    from: &'a Address,
    to: Address,
    /// The statements, in order.
    steps: Vec<usize>,
}

/// Statements by what they may match.
struct Index<'m> {
    moves: &'m [Move],
    /// By depth, resource type and name.
    resources: HashMap<(usize, &'m str, &'m str), Vec<usize>>,
    /// By depth and the name of the last call.
    modules: HashMap<(usize, &'m str), Vec<usize>>,
}

impl<'m> Index<'m> {
    fn new(moves: &'m [Move]) -> Self {
        let mut index = Self { moves, resources: HashMap::new(), modules: HashMap::new() };
        for (at, one) in moves.iter().enumerate() {
            let depth = one.within.len() + one.from.modules.len();
            if let Some(resource) = &one.from.resource {
                let key = (depth, resource.kind.as_ref(), resource.name.as_ref());
                index.resources.entry(key).or_default().push(at);
            } else if let Some((name, _)) = one.from.modules.last() {
                index.modules.entry((depth, name)).or_default().push(at);
            }
        }
        index
    }

    /// The way of a record; none if no statement is about it.
    fn way<'a>(&self, from: &'a Address) -> Option<Way<'a>> {
        let (mut to, mut steps) = (from.clone(), Vec::new());
        while let Some((step, next)) = self.next(&to, &steps) {
            to = next;
            steps.push(step);
        }
        (to != *from).then_some(Way { from, to, steps })
    }

    fn next(&self, at: &Address, used: &[usize]) -> Option<(usize, Address)> {
        let (path, kind, name) = (at.path(), at.kind(), at.name());
        let of_resource = self.resources.get(&(path.len(), kind, name));
        let of_modules = path.iter().enumerate().rev().filter_map(|(depth, step)| {
            let PathStep::Module { name, .. } = step else { return None };
            self.modules.get(&(depth + 1, name.as_ref()))
        });
        let candidates = of_resource.into_iter().chain(of_modules).flatten().copied();
        let mut candidates: Vec<_> = candidates.filter(|step| !used.contains(step)).collect();
        // What people wrote and what names one instance comes before what means many.
        candidates.sort_by_key(|step| {
            let one = &self.moves[*step];
            let depth = one.within.len() + one.from.modules.len();
            (
                one.from.resource.is_none(),
                usize::MAX - depth,
                !one.from.has_key(),
                one.span.is_none(),
            )
        });
        candidates.into_iter().find_map(|step| Some((step, self.moves[step].takes(at)?)))
    }
}
