//! Planning and running: what `apply` and `destroy` share.
//!
//! Nothing is held while people read a plan. When it is to run, what it writes is taken and checked; if it no longer fits
//! because another run was there meanwhile, it is made anew, and asked for again if it means something else.
//! Invariants: nothing runs that was not shown and agreed to; whatever happens, the lease is given back; an error of the
//! run is told before one of giving back.

use crate::arguments::{Running, Strays};
use crate::error::{CommandError, Exit};
use crate::interrupt;
use crate::planning::{self, Sweeping, World};
use crate::session::Session;
use crate::wiring::Wired;
use engine::{ApplyError, CancelToken, Level, Purpose, RunReport, RunRequest};
use model::diagnostic::Label;
use model::plan::{Actual, Plan};
use model::record::Recorded;
use model::{Diagnostic, SourceMap, Span};
use planner::{Renamed, Target};
use serde_json::json;

/// Everything that a run needs.
pub struct Ready<'a> {
    /// The console and the user's wishes.
    pub session: &'a Session,
    /// The engine and the providers.
    pub wired: &'a Wired,
    /// The options of running.
    pub running: &'a Running,
    /// The command, for people who meet the lease: `apply environments/staging`.
    pub command: String,
    /// The texts that diagnostics point into.
    pub sources: &'a SourceMap,
    /// Seconds that a lease lives unless it is renewed.
    pub lease_seconds: u32,
}

/// How often a plan is made anew because another run changed what it is about.
const ROUNDS: u32 = 5;

/// What a run looks at before it plans.
pub struct Looking<'a> {
    /// Whether it looks at what is really there.
    pub refresh: bool,
    /// What the plan is limited to; none for everything.
    pub targets: &'a [Target],
    /// What becomes of objects that the state does not know.
    pub strays: Strays,
    /// Gives what is recorded the addresses that it has now.
    pub rename: &'a dyn Fn(Recorded) -> Renamed,
}

/// How a run ended.
pub enum Ended {
    /// The plan was empty; nothing was called.
    Nothing,
    /// The user said no.
    Declined,
    /// Interrupted before the plan began.
    Early,
    /// The plan ran.
    Ran(RunReport),
}

/// Refuses at once what would need an answer that nobody can give.
pub fn refuse_to_ask(session: &Session, running: &Running) -> Result<(), CommandError> {
    if running.auto_approve || (session.console.is_interactive() && !session.json) {
        return Ok(());
    }
    Err(nobody_to_ask("give --auto-approve, or save a plan with `plan -o FILE` and apply that")
        .into())
}

/// What would be asked cannot be.
pub fn nobody_to_ask(hint: &str) -> Diagnostic {
    Diagnostic::error("nobody-to-ask", "there is nobody to ask whether this shall be done")
        .with_detail("standard input and standard error are no terminal, or JSON is wanted")
        .with_hint(hint)
}

/// Asks; an error if the answer is not `yes` or nobody can be asked.
pub async fn agree(
    session: &Session,
    auto_approve: bool,
    question: &str,
) -> Result<(), CommandError> {
    if auto_approve {
        return Ok(());
    }
    if session.json || !session.console.is_interactive() {
        return Err(nobody_to_ask("give --auto-approve").into());
    }
    let (console, question) =
        (session.console.clone(), format!("{question} Only `yes` is a yes: "));
    let answer = tokio::task::spawn_blocking(move || console.ask(&question)).await;
    if matches!(answer, Ok(Some(answer)) if answer == "yes") {
        return Ok(());
    }
    session.console.message_line("Nothing was done.");
    Err(CommandError::default())
}

impl Ready<'_> {
    /// Settles what an earlier run left, looks at what is there, plans, asks, runs. A plan that was made already is tried first.
    pub async fn plan_and_run(
        &self,
        purpose: Purpose,
        mut first: Option<Box<Plan>>,
        looking: &Looking<'_>,
        make: impl AsyncFn(&World<'_>) -> Result<Plan, CommandError>,
    ) -> Result<Ended, CommandError> {
        let cancel = listen()?;
        let mut agreed: Option<Plan> = None;
        for round in 1..=ROUNDS {
            let plan = match first.take() {
                Some(plan) => Some(*plan),
                None => self.recover_and_plan(purpose, looking, &cancel, &make).await?,
            };
            let Some(plan) = plan else { return Ok(Ended::Early) };
            if agreed.as_ref().is_none_or(|before| !means_the_same(before, &plan)) {
                self.announce(&plan);
                if plan.has_changes() && !self.is_agreed(&plan, &cancel).await {
                    let early = cancel.level() > Level::Running;
                    return Ok(if early { Ended::Early } else { Ended::Declined });
                }
            }
            match self.run(&plan, &cancel).await {
                Err(error) if error.is_outdated() && round < ROUNDS => {
                    self.session.console.message_line(&format!("Planning again: {error}."));
                    agreed = Some(plan);
                }
                Err(ApplyError::Interrupted) => return Ok(Ended::Early),
                Ok(report) => return self.after(plan, report, looking, &cancel, make).await,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Diagnostic::error("busy", "other runs keep changing what this one is about")
            .with_hint("wait until they are done, or limit this one with --target")
            .into())
    }

    /// None if it was interrupted.
    async fn recover_and_plan(
        &self,
        purpose: Purpose,
        looking: &Looking<'_>,
        cancel: &CancelToken,
        make: impl AsyncFn(&World<'_>) -> Result<Plan, CommandError>,
    ) -> Result<Option<Plan>, CommandError> {
        let recovered = self.wired.engine.recover(&self.request(), purpose, cancel).await;
        let recorded = match recovered {
            Err(ApplyError::Interrupted) => return Ok(None),
            recovered => recovered?,
        };
        let renamed = (looking.rename)(recorded);
        self.look_and_plan(&renamed, looking, cancel, make).await
    }

    /// What is known of a run before it begins.
    pub fn request(&self) -> RunRequest {
        RunRequest {
            run: run_id(),
            command: self.command.clone(),
            wait: self.running.calling.lock_timeout,
            lease_seconds: self.lease_seconds,
        }
    }

    /// Takes what the plan writes and runs it.
    pub async fn run(&self, plan: &Plan, cancel: &CancelToken) -> Result<RunReport, ApplyError> {
        let engine = &self.wired.engine;
        self.wired.progress.expect(plan.operations.len());
        let run = engine.begin_run(&self.request(), engine::scope_of(plan), cancel).await?;
        let report = run.apply(plan, usize::from(self.running.calling.parallelism), cancel).await;
        let finished = run.finish().await;
        let report = report?;
        finished?;
        Ok(report)
    }

    /// Outputs that another run made stale meanwhile are evaluated again, as long as that changes no object.
    async fn after(
        &self,
        plan: Plan,
        mut report: RunReport,
        looking: &Looking<'_>,
        cancel: &CancelToken,
        make: impl AsyncFn(&World<'_>) -> Result<Plan, CommandError>,
    ) -> Result<Ended, CommandError> {
        for _ in 1..ROUNDS {
            if !report.outputs_left || !report.is_complete() {
                break;
            }
            let recorded = self.wired.engine.load().await.map_err(ApplyError::from)?;
            let Renamed { recorded, moved, .. } = (looking.rename)(recorded);
            let world =
                World { recorded: &recorded, actual: &Actual::new(), moved: moved.as_slice() };
            let newer = make(&world).await?;
            if !newer.operations.is_empty() {
                break;
            }
            let again = self.run(&newer, cancel).await?;
            report.outputs_left = again.outputs_left;
            report.outputs = again.outputs;
            if !again.outputs_left {
                report.diagnostics.retain(|diagnostic| diagnostic.code != "outputs-left");
            }
        }
        Ok(if plan.has_changes() { Ended::Ran(report) } else { Ended::Nothing })
    }

    /// None if it was interrupted. What the configuration leads to beyond the records makes it look at everything.
    pub async fn look_and_plan(
        &self,
        renamed: &Renamed,
        looking: &Looking<'_>,
        cancel: &CancelToken,
        make: impl AsyncFn(&World<'_>) -> Result<Plan, CommandError>,
    ) -> Result<Option<Plan>, CommandError> {
        let Renamed { recorded, moved, .. } = renamed;
        if !looking.refresh {
            return make(&World { recorded, actual: &Actual::new(), moved }).await.map(Some);
        }
        let near = planning::within_reach(recorded, looking.targets);
        let Some(actual) = self.look(&near, cancel).await? else { return Ok(None) };
        let world = World { recorded, actual: &actual, moved };
        let plan = self.sweep(&world, looking, &make).await?;
        if !planning::looked_past(&plan, &world) {
            return Ok(Some(plan));
        }
        let Some(actual) = self.look(recorded, cancel).await? else { return Ok(None) };
        self.sweep(&World { recorded, actual: &actual, moved }, looking, &make).await.map(Some)
    }

    async fn sweep(
        &self,
        world: &World<'_>,
        looking: &Looking<'_>,
        make: impl AsyncFn(&World<'_>) -> Result<Plan, CommandError>,
    ) -> Result<Plan, CommandError> {
        let sweeping = Sweeping { strays: looking.strays, targets: looking.targets };
        planning::swept(self.session, &self.wired.engine, &sweeping, world, make).await
    }

    async fn look(
        &self,
        recorded: &Recorded,
        cancel: &CancelToken,
    ) -> Result<Option<Actual>, CommandError> {
        tokio::select! {
            actual = planning::refresh(self.session, &self.wired.engine, recorded) => actual.map(Some),
            () = cancel.reached(Level::Finish) => Ok(None),
        }
    }

    /// Runs a saved plan, exactly as it is.
    pub async fn run_saved(&self, plan: Plan) -> Result<Ended, CommandError> {
        let cancel = listen()?;
        // People have read it when it was made; whether it still fits is not known yet.
        self.session.console.message_line(&views::plan::summary(&plan));
        self.wired.progress.expect(plan.operations.len());
        let parallelism = usize::from(self.running.calling.parallelism);
        match self.wired.engine.apply(&plan, &self.request(), parallelism, &cancel).await {
            Err(ApplyError::Interrupted) => Ok(Ended::Early),
            report => Ok(Ended::Ran(report?)),
        }
    }

    /// Shows a plan before it runs.
    pub fn announce(&self, plan: &Plan) {
        let console = &self.session.console;
        if self.session.json {
            let line = json!({ "event": "planned", "plan": views::plan::json(plan) });
            console.data_line(&line.to_string());
        } else {
            let drawing = self.session.drawing(console.err_palette());
            console.message(&format!("\n{}\n", views::plan::human(plan, drawing)));
        }
    }

    /// Whether the user wants it.
    pub async fn is_agreed(&self, plan: &Plan, cancel: &CancelToken) -> bool {
        if self.running.auto_approve {
            return true;
        }
        let verb = if plan.destroy { "Destroy all this?" } else { "Do this?" };
        let question = format!("{verb} Only `yes` is a yes: ");
        let console = self.session.console.clone();
        // A blocked read cannot be interrupted: it is left behind when the user interrupts.
        let answer = tokio::task::spawn_blocking(move || console.ask(&question));
        tokio::select! {
            answer = answer => matches!(answer, Ok(Some(answer)) if answer == "yes"),
            () = cancel.reached(Level::Finish) => false,
        }
    }

    /// Tells how it ended, and gives the exit code; `done` is called when everything planned is done.
    pub fn end(&self, ended: Ended, done: impl FnOnce(&Session)) -> Result<Exit, CommandError> {
        let console = &self.session.console;
        match ended {
            Ended::Declined => {
                console.message_line("Nothing was done.");
                Err(CommandError::default())
            }
            Ended::Early => {
                console.message_line("Interrupted; nothing was done.");
                Ok(Exit::Interrupted)
            }
            Ended::Nothing => {
                done(self.session);
                Ok(Exit::Done)
            }
            Ended::Ran(report) if report.is_complete() => {
                self.session.show(&report.diagnostics, self.sources);
                done(self.session);
                Ok(Exit::Done)
            }
            Ended::Ran(report) => {
                let again = "What was done is kept. The same command again goes on from there.";
                if report.interrupted && report.failed.is_empty() {
                    console.message_line(again);
                    return Ok(Exit::Interrupted);
                }
                let mut error = CommandError::new(report.diagnostics, self.sources);
                for diagnostic in &mut error.diagnostics {
                    point(diagnostic, self.sources);
                }
                if error.diagnostics.is_empty() {
                    error = Diagnostic::error("incomplete", "not everything was done").into();
                }
                if let Some(last) = error.diagnostics.last_mut() {
                    last.hints.push(again.to_owned());
                }
                Err(error)
            }
        }
    }
}

/// Whether two plans do the same for the same reasons, whatever the state's serial.
fn means_the_same(before: &Plan, now: &Plan) -> bool {
    before.operations == now.operations
        && before.changes == now.changes
        && before.outputs == now.outputs
        && before.adopted == now.adopted
        && before.moved == now.moved
}

/// A token that signals raise.
pub fn listen() -> Result<CancelToken, CommandError> {
    interrupt::listen().map_err(|error| {
        Diagnostic::error("signals", format!("cannot watch for signals: {error}")).into()
    })
}

/// The engine names places as `declared at FILE:LINE:COLUMN`; with the source at hand that becomes an excerpt.
pub fn point(diagnostic: &mut Diagnostic, sources: &SourceMap) {
    if !diagnostic.labels.is_empty() {
        return;
    }
    let found = diagnostic
        .detail
        .lines()
        .find_map(|line| span(line.strip_prefix("declared at ")?, sources));
    let Some(span) = found else { return };
    let kept = diagnostic.detail.lines().filter(|line| !line.starts_with("declared at "));
    diagnostic.detail = kept.collect::<Vec<_>>().join("\n");
    diagnostic.labels.push(Label { span, message: "declared here".to_owned() });
}

fn span(place: &str, sources: &SourceMap) -> Option<Span> {
    let mut parts = place.rsplitn(3, ':');
    let column: usize = parts.next()?.parse().ok()?;
    let line: usize = parts.next()?.parse().ok()?;
    let file = parts.next()?;
    let text = sources.text(file)?;
    let start = match line.checked_sub(2) {
        Some(before) => text.match_indices('\n').nth(before)?.0 + 1,
        None => 0,
    };
    let rest = text.get(start..)?.lines().next().unwrap_or_default();
    let offset = rest.char_indices().nth(column.checked_sub(1)?).map_or(rest.len(), |(at, _)| at);
    let (start, end) = (start + offset, start + rest.trim_end().len());
    Some(Span {
        file: file.into(),
        start: u32::try_from(start).ok()?,
        end: u32::try_from(end.max(start)).ok()?,
    })
}

/// Unique enough for one environment: no two processes of a host share an id and a moment.
pub fn run_id() -> String {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S.%6fZ");
    format!("{now}-{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_becomes_an_excerpt() {
        let mut sources = SourceMap::default();
        sources.insert("env/main.hcl", "a = 1\n\nservice \"x\" {\n}\n");
        let mut diagnostic = Diagnostic::error("provider-invalid", "no")
            .with_detail("declared at env/main.hcl:3:1\nmore");
        point(&mut diagnostic, &sources);
        let span = &diagnostic.labels[0].span;
        assert_eq!((span.start, span.end), (7, 20));
        assert_eq!(sources.position(span), Some((3, 1)));
        assert_eq!(diagnostic.detail, "more");
        let mut unknown = Diagnostic::error("e", "no").with_detail("declared at other.hcl:1:1");
        point(&mut unknown, &sources);
        assert_eq!(unknown.detail, "declared at other.hcl:1:1");
    }
}
