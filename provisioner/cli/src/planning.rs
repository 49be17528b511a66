//! From a configuration and what is recorded to a plan: evaluation, the providers' own checks, the planner, the checker.

use crate::arguments::{Environment, Planning, Strays, Targets};
use crate::error::CommandError;
use crate::project::Project;
use crate::session::Session;
use crate::store::LOGIN_KEY_LATER;
use crate::wiring::Factory;
use engine::{Engine, Lookups, ProviderFactory as _, SystemClock};
use lang::{Evaluated, FileSystem, Inputs, SourceLoader};
use model::diagnostic::Told;
use model::graph::{Desired, Import, Projection};
use model::plan::{Actual, Adopted, Moved, Observation, Plan, Stray};
use model::record::{Record, Recorded};
use model::rollout::Rollout;
use model::{Address, Diagnostic, Severity, SourceMap};
use planner::{Answers, Options, Planner, Question, Renamed, Target};
use provider::Owner;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the world when a plan is made.
pub struct World<'a> {
    /// What is recorded.
    pub recorded: &'a Recorded,
    /// What refresh saw.
    pub actual: &'a Actual,
    /// What has another address here than it is recorded at.
    pub moved: &'a [Moved],
}

/// What becomes of strays, and which are looked for.
pub struct Sweeping<'a> {
    /// What becomes of them.
    pub strays: Strays,
    /// What the plan is limited to; none for everything.
    pub targets: &'a [Target],
}

/// What the user asks of a plan.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Instances to replace though nothing demands it.
    pub replace: BTreeSet<Address>,
    /// What the plan is limited to; none for everything.
    pub targets: Vec<Target>,
    /// Nodes that stay as they are recorded, by node set and name.
    pub held: BTreeSet<(String, String)>,
    /// Node sets that have the nodes that are recorded, and not those that the configuration asks for.
    pub present: BTreeSet<String>,
    /// Whether warnings of the configuration were told already.
    pub quiet: bool,
}

impl Wishes {
    /// What the options say.
    pub fn of(planning: &Planning) -> Result<Self, CommandError> {
        let replace = addresses(&planning.replace)?;
        Ok(Self { replace, ..Self::limited(&planning.limits)? })
    }

    /// Only its targets.
    pub fn limited(limits: &Targets) -> Result<Self, CommandError> {
        Ok(Self { targets: targets(&limits.targets)?, ..Self::default() })
    }

    /// The options of a planner.
    pub fn options(self, environment: &str, moved: &[Moved], created_at: String) -> Options {
        Options {
            replace: self.replace,
            targets: self.targets,
            held: self.held,
            present: self.present,
            begin_with: BTreeMap::new(),
            moved: moved.to_vec(),
            created_at,
            environment: environment.to_owned(),
        }
    }
}

/// An environment that is sound as far as its files and variables go. What evaluation finds wrong with one that is
/// not is told together with what reading found.
pub fn load(session: &Session, environment: &Environment) -> Result<Project, CommandError> {
    load_from(session, environment, &FileSystem)
}

/// The same, read by `loader`.
pub fn load_from(
    session: &Session,
    environment: &Environment,
    loader: &dyn SourceLoader,
) -> Result<Project, CommandError> {
    let (project, mut diagnostics) = Project::read(session, environment, loader)?;
    if !diagnostics.iter().any(Diagnostic::is_error) {
        session.show(&diagnostics, &project.sources);
        return Ok(project);
    }
    let factory = Factory::for_checking(session)?;
    let projection = lang::validation_projection(factory.schemas());
    let inputs = project.inputs(LOGIN_KEY_LATER);
    let workshop = Workshop::new(session, &project, &inputs, &factory);
    let (_, more) = workshop.examine("", &projection);
    diagnostics.extend(more);
    Err(CommandError::new(in_source_order(diagnostics), &project.sources))
}

/// A plan, and what the configuration said of rollouts when it was made.
pub struct Made {
    /// The plan.
    pub plan: Plan,
    /// The rollouts.
    pub rules: Rules,
}

/// What a configuration is planned with.
pub struct Workshop<'a> {
    /// The console.
    pub session: &'a Session,
    /// The configuration.
    pub project: &'a Project,
    /// What its evaluation starts from.
    pub inputs: &'a Inputs,
    /// The providers.
    pub factory: &'a Factory,
    /// Time, for what is looked up.
    clock: SystemClock,
}

impl<'a> Workshop<'a> {
    /// What plans a configuration.
    pub fn new(
        session: &'a Session,
        project: &'a Project,
        inputs: &'a Inputs,
        factory: &'a Factory,
    ) -> Self {
        let clock = SystemClock::new(u64::from(std::process::id()));
        Self { session, project, inputs, factory, clock }
    }

    /// The plan that makes the environment as configured.
    pub async fn plan(&self, world: &World<'_>, wishes: Wishes) -> Result<Plan, CommandError> {
        Ok(self.make(world, wishes).await?.plan)
    }

    /// The plan that makes the environment as configured. What it imports and what its data sources say is
    /// looked up, in batches, and everything is decided once more with that, until all that can be known is.
    pub async fn make(&self, world: &World<'_>, wishes: Wishes) -> Result<Made, CommandError> {
        let Self { session, project, factory, .. } = *self;
        let schemas = factory.schemas();
        let lineage = &world.recorded.lineage;
        let created_at = self.inputs.moment.time.to_string();
        let quiet = wishes.quiet;
        let options = wishes.options(&project.environment, world.moved, created_at);
        let mut recorded = Cow::Borrowed(world.recorded);
        let mut actual = Cow::Borrowed(world.actual);
        let mut imported: Vec<Adopted> = Vec::new();
        let mut notes: Vec<Diagnostic> = Vec::new();
        let mut answers = Answers::new();
        loop {
            let planner = Planner::new(&recorded, &actual, schemas, options.clone());
            let planner = planner.with_answers(&answers);
            let (desired, mut diagnostics) = self.examine(lineage, &planner);
            if quiet {
                diagnostics.retain(Diagnostic::is_error);
            }
            let new = |import: &&Import| !recorded.records.contains_key(&import.address);
            let wanted: Vec<_> = desired.imports.iter().filter(new).cloned().collect();
            // What is wrong already is told as that, not as what reading it all the same would say.
            let is_wrong = |address: &Address| {
                let mut errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
                errors.any(|diagnostic| diagnostic.address.as_ref() == Some(address))
            };
            let mut asked = planner.asked();
            asked.retain(|question| !is_wrong(&question.address));
            if wanted.is_empty() && asked.is_empty() {
                let desired = self.sound(desired, diagnostics)?;
                let plan = planner.plan(&desired);
                let plan =
                    plan.map_err(|diagnostics| CommandError::new(diagnostics, &project.sources))?;
                // What no target means stays as it is.
                let is_meant = |adopted: &Adopted| {
                    let address = &adopted.record.address;
                    plan.changes.iter().any(|change| change.address == *address)
                };
                imported.retain(is_meant);
                notes.retain(|note| {
                    imported.iter().any(|it| note.address.as_ref() == Some(&it.record.address))
                });
                session.show(&notes, &project.sources);
                let plan = checked(engine::adopting(plan, world.recorded, imported))?;
                let owner =
                    Owner { environment: project.environment.clone(), lineage: lineage.clone() };
                let plan = identified(plan, factory, &owner).await?;
                return Ok(Made { plan, rules: Rules::of(desired) });
            }
            answers.extend(self.hear(lineage, &desired, asked).await?);
            let found = self.lookups(lineage, &desired).import(&wanted, &desired.instances).await;
            let found = found.and_then(|(found, said)| {
                Ok((not_recorded_twice(&recorded, found, &wanted)?, said))
            });
            let (found, said) =
                found.map_err(|diagnostics| CommandError::new(diagnostics, &project.sources))?;
            notes.extend(said.into_iter().filter(|_| !quiet));
            for Adopted { record, .. } in &found {
                let seen = Observation::Present(record.attributes.clone());
                actual.to_mut().insert(record.address.clone(), seen);
            }
            recorded = Cow::Owned(engine::with_adopted(&recorded, &found));
            imported.extend(found);
        }
    }

    /// Reads what is outside of the configuration.
    fn lookups<'l>(&'l self, lineage: &str, desired: &'l Desired) -> Lookups<'l> {
        let environment = self.project.environment.clone();
        let owner = Owner { environment, lineage: lineage.to_owned() };
        let providers = &desired.providers;
        Lookups { factory: self.factory, providers, owner, clock: &self.clock }
    }

    /// What data sources say: what is known already, and the rest is read.
    async fn hear(
        &self,
        lineage: &str,
        desired: &Desired,
        asked: Vec<Question>,
    ) -> Result<Answers, CommandError> {
        let (mut answers, asked) = self.project.answers.known(asked);
        let (read, unread) = self.lookups(lineage, desired).read(&asked).await;
        self.project.answers.hear(&asked, &read);
        answers.extend(read);
        answers.extend(self.checked_only(desired, unread)?);
        Ok(answers)
    }

    /// What cannot be read is a warning where only a `check` asks for it.
    fn checked_only(
        &self,
        desired: &Desired,
        unread: Vec<Diagnostic>,
    ) -> Result<Answers, CommandError> {
        let mut answers = Answers::new();
        let (mut warnings, errors): (Vec<_>, Vec<_>) = unread.into_iter().partition(|diagnostic| {
            diagnostic.address.as_ref().is_some_and(|address| desired.checked.contains(address))
        });
        if !errors.is_empty() {
            return Err(CommandError::new(errors, &self.project.sources));
        }
        for warning in &mut warnings {
            warning.severity = Severity::Warning;
            answers.extend(warning.address.clone().map(|address| (address, planner::unread())));
        }
        self.session.show(&warnings, &self.project.sources);
        Ok(answers)
    }

    /// What the configuration says of rollouts where no plan is made of it. Rules may rest on data sources: those that nobody has asked yet are asked,
    /// if that is wished. What is wrong with the configuration is told where it is planned.
    pub async fn rules(&self, world: &World<'_>, asks: bool) -> Result<Rules, CommandError> {
        let Self { project, inputs, factory, .. } = *self;
        let mut answers = Answers::new();
        loop {
            let options = Wishes::default().options(&project.environment, world.moved, now());
            let planner = Planner::new(world.recorded, world.actual, factory.schemas(), options);
            let planner = planner.with_answers(&answers);
            let evaluated =
                lang::evaluate(&project.configuration, inputs, factory.schemas(), &planner);
            let (desired, asked) = (evaluated.desired, planner.asked());
            if asked.is_empty() {
                return Ok(Rules::of(desired));
            }
            let more = if asks {
                let lineage = &world.recorded.lineage;
                self.hear(lineage, &desired, asked).await?
            } else {
                project.answers.known(asked).0
            };
            if more.is_empty() {
                return Ok(Rules::of(desired));
            }
            answers.extend(more);
        }
    }

    /// Evaluates a configuration and lets the providers check every argument that is known. Warnings are shown.
    pub fn evaluate(
        &self,
        lineage: &str,
        projection: &dyn Projection,
    ) -> Result<Desired, CommandError> {
        let (desired, diagnostics) = self.examine(lineage, projection);
        self.sound(desired, diagnostics)
    }

    /// What was evaluated, if there are no mistakes. Warnings are shown.
    fn sound(
        &self,
        desired: Desired,
        diagnostics: Vec<Diagnostic>,
    ) -> Result<Desired, CommandError> {
        if diagnostics.iter().any(Diagnostic::is_error) {
            return Err(CommandError::new(in_source_order(diagnostics), &self.project.sources));
        }
        self.session.show(&diagnostics, &self.project.sources);
        Ok(desired)
    }

    /// The same with all diagnostics given back, warnings and errors.
    fn examine(&self, lineage: &str, projection: &dyn Projection) -> (Desired, Vec<Diagnostic>) {
        let Self { project, inputs, factory, .. } = *self;
        let Evaluated { desired, diagnostics } =
            lang::evaluate(&project.configuration, inputs, factory.schemas(), projection);
        let more = validate_arguments(&desired, factory, lineage);
        let mut told: Told = diagnostics.into_iter().chain(more).collect();
        (desired, told.take())
    }
}

/// An object has one place in the state.
fn not_recorded_twice(
    recorded: &Recorded,
    found: Vec<Adopted>,
    wanted: &[Import],
) -> Result<Vec<Adopted>, Vec<Diagnostic>> {
    fn object(record: &Record) -> (&str, &str, &str) {
        let name = record.provider.split('.').next().unwrap_or_default();
        (name, record.address.kind(), &record.id)
    }
    let mut known: BTreeMap<_, _> =
        recorded.records.values().map(|record| (object(record), &record.address)).collect();
    let mut errors = Vec::new();
    for Adopted { record, .. } in &found {
        let Some(other) = known.insert(object(record), &record.address) else { continue };
        let summary = format!(
            "{} cannot be imported: its object `{}` is recorded as {other}",
            record.address, record.id
        );
        let mut diagnostic = Diagnostic::error("import-recorded", summary)
            .with_hint(format!("to give it the other address: moved {{ from = {other} ... }}"))
            .about(&record.address);
        if let Some(import) = wanted.iter().find(|it| it.address == record.address) {
            diagnostic = diagnostic.with_label(import.span.clone(), "imported here");
        }
        errors.push(diagnostic);
    }
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

/// The plan of an environment that is not recorded yet. Makes nothing, not even the environment's key.
pub async fn fresh(
    session: &Session,
    project: &Project,
    wishes: Wishes,
) -> Result<Plan, CommandError> {
    let inputs = project.inputs(LOGIN_KEY_LATER);
    let factory = Factory::for_checking(session)?;
    let world = World { recorded: &Recorded::default(), actual: &Actual::new(), moved: &[] };
    Workshop::new(session, project, &inputs, &factory).plan(&world, wishes).await
}

/// What is really there; an error of a provider ends the command, since a plan made in ignorance could do harm.
pub async fn refresh(
    session: &Session,
    engine: &Engine,
    recorded: &Recorded,
) -> Result<Actual, CommandError> {
    let (actual, diagnostics) = engine.refresh(recorded).await;
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(CommandError { diagnostics, ..CommandError::default() });
    }
    session.show(&diagnostics, &SourceMap::default());
    Ok(actual)
}

/// A plan that knows of strays: objects that carry the environment's mark and that the state does not know.
pub async fn swept(
    session: &Session,
    engine: &Engine,
    sweeping: &Sweeping<'_>,
    world: &World<'_>,
    make: impl AsyncFn(&World<'_>) -> Result<Plan, CommandError>,
) -> Result<Plan, CommandError> {
    let World { recorded, actual, moved } = *world;
    if sweeping.strays == Strays::Ignore {
        return make(world).await;
    }
    let (mut strays, warnings) = engine.sweep(recorded, &recorded.providers).await?;
    session.show(&warnings, &SourceMap::default());
    let targets = sweeping.targets;
    strays.retain(|stray| targets.is_empty() || targets.iter().any(|t| t.matches(&stray.address)));
    if sweeping.strays == Strays::Tell || strays.is_empty() {
        let mut plan = make(world).await?;
        strays.retain(|stray| !plan.adopted.iter().any(|it| is_object(&it.record, stray)));
        plan.strays = strays;
        return Ok(plan);
    }
    let mut taken: BTreeSet<Address> = recorded.records.keys().cloned().collect();
    let adopt = |stray: &Stray| {
        // One object an instance; what is half made is made anew.
        let is_free = stray.attributes.is_some() && taken.insert(stray.address.clone());
        engine::adopted(stray, None, sweeping.strays == Strays::Delete || !is_free)
    };
    let adopted: Vec<_> = strays.iter().map(adopt).collect();
    let mut seen = actual.clone();
    for adopted in adopted.iter().filter(|adopted| !adopted.deposed) {
        let record = &adopted.record;
        seen.insert(record.address.clone(), Observation::Present(record.attributes.clone()));
    }
    let known = engine::with_adopted(recorded, &adopted);
    let plan = make(&World { recorded: &known, actual: &seen, moved }).await?;
    checked(engine::adopting(plan, recorded, adopted))
}

/// Whether a stray is the object of a record.
fn is_object(record: &Record, stray: &Stray) -> bool {
    record.id == stray.id
        && record.provider == stray.provider
        && record.address.kind() == stray.address.kind()
}

/// What is recorded, at the addresses that the configuration says it has now.
pub fn renamed(session: &Session, project: &Project, recorded: &Recorded) -> Renamed {
    let addresses = recorded.records.keys().chain(recorded.deposed.iter().map(|it| &it.address));
    let moves = project.configuration.moves(addresses);
    let mut renamed = planner::rename(recorded, &moves);
    session.show(&std::mem::take(&mut renamed.warnings), &project.sources);
    renamed
}

/// What a plan limited to targets looks at, as far as what is recorded tells.
pub fn within_reach<'r>(recorded: &'r Recorded, targets: &[Target]) -> Cow<'r, Recorded> {
    if targets.is_empty() {
        return Cow::Borrowed(recorded);
    }
    let reach = planner::reach(targets, recorded);
    let mut near = recorded.clone();
    near.records.retain(|address, _| reach.contains(address));
    Cow::Owned(near)
}

/// Whether a plan is about a recorded object that was not looked at: the configuration led further than the records.
pub fn looked_past(plan: &Plan, world: &World<'_>) -> bool {
    plan.changes.iter().any(|change| {
        let address = &change.address;
        world.recorded.records.contains_key(address) && !world.actual.contains_key(address)
    })
}

/// A plan that says whose the clouds are that it changes.
async fn identified(
    mut plan: Plan,
    factory: &Factory,
    owner: &Owner,
) -> Result<Plan, CommandError> {
    let identities = engine::identities(&plan, factory, owner).await;
    let error = |diagnostics| CommandError { diagnostics, ..CommandError::default() };
    plan.identities = identities.map_err(error)?;
    Ok(plan)
}

/// The plan that deletes everything recorded, or what the targets mean.
pub async fn plan_destroy(
    environment: &str,
    factory: &Factory,
    world: &World<'_>,
    wishes: Wishes,
) -> Result<Plan, CommandError> {
    let options = wishes.options(environment, world.moved, now());
    let planner = Planner::new(world.recorded, world.actual, factory.schemas(), options);
    let plan = planner.plan_destroy();
    let error = |diagnostics| CommandError { diagnostics, ..CommandError::default() };
    let plan = checked(plan.map_err(error)?)?;
    let owner =
        Owner { environment: environment.to_owned(), lineage: world.recorded.lineage.clone() };
    identified(plan, factory, &owner).await
}

/// What the configuration says of rollouts.
pub struct Rules {
    /// How changes reach the nodes of node sets, by node set, with what is secret in the rules.
    pub rollouts: BTreeMap<String, Rollout>,
    /// The order in which sets are gone through.
    pub order: Vec<String>,
    /// SHA-256 of the configuration and variables.
    pub configuration_digest: String,
    /// The nodes that are configured, by node set.
    pub nodes: BTreeMap<String, BTreeSet<String>>,
}

impl Rules {
    fn of(desired: Desired) -> Self {
        let names =
            |set: model::graph::NodeSet| set.nodes.into_iter().map(|node| node.name).collect();
        Self {
            rollouts: desired.rollouts,
            order: desired.rollout_order,
            configuration_digest: desired.configuration_digest,
            nodes: desired.node_sets.into_iter().map(|(name, set)| (name, names(set))).collect(),
        }
    }
}

/// What the providers say of arguments, beyond their types.
fn validate_arguments(desired: &Desired, factory: &Factory, lineage: &str) -> Vec<Diagnostic> {
    let owner = Owner { environment: desired.environment.clone(), lineage: lineage.to_owned() };
    let mut diagnostics = Vec::new();
    for (key, config) in &desired.providers {
        if !config.arguments.is_wholly_known() {
            continue;
        }
        let provider = match factory.configure(config, &owner) {
            Ok(provider) => provider,
            Err(error) => {
                let mut diagnostic = Diagnostic::error(
                    "provider-configuration",
                    format!("provider `{key}`: {}", error.message),
                )
                .with_detail(error.detail);
                diagnostic.hints = error.hints;
                diagnostics.push(diagnostic);
                continue;
            }
        };
        for instance in desired.instances.iter().filter(|instance| instance.provider == *key) {
            let said = provider.validate(&instance.address, &instance.arguments);
            diagnostics.extend(said.into_iter().map(|mut diagnostic| {
                if diagnostic.labels.is_empty() {
                    diagnostic = diagnostic.with_label(instance.span.clone(), "");
                }
                let diagnostic = diagnostic.about(&instance.address);
                engine::without_secrets(diagnostic, &instance.arguments)
            }));
        }
    }
    diagnostics
}

/// Refuses a plan that contradicts itself: a defect that must not run.
pub fn checked(plan: Plan) -> Result<Plan, CommandError> {
    let diagnostics = planner::check::check(&plan);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(CommandError { diagnostics, ..CommandError::default() });
    }
    Ok(plan)
}

/// Targets that the user wrote.
pub fn targets(texts: &[String]) -> Result<Vec<Target>, CommandError> {
    let parse = |text: &String| {
        Target::parse(text)
            .map_err(|error| Diagnostic::error("not-a-target", error.to_string()).into())
    };
    texts.iter().map(parse).collect()
}

/// Addresses that the user wrote.
fn addresses(texts: &[String]) -> Result<BTreeSet<Address>, CommandError> {
    let parse = |text: &String| {
        Address::parse(text)
            .map_err(|error| Diagnostic::error("not-an-address", error.to_string()).into())
    };
    texts.iter().map(parse).collect()
}

/// The time, as plans carry it.
pub fn now() -> String {
    written(jiff::Timestamp::now())
}

/// A time to the second, in UTC.
pub fn written(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// By place in the source; what has no place comes last, as it was.
fn in_source_order(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by_key(|diagnostic| {
        let span = diagnostic.labels.first().map(|label| &label.span);
        (span.is_none(), span.map(|span| (span.file.clone(), span.start)))
    });
    diagnostics
}
