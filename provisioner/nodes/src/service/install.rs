//! Installing and removing one service on one node.
//!
//! The order is fixed: fetch, verify, unpack, configure, check-config, arm, switch, restart, probe,
//! confirm, disarm. Invariants: whatever step fails, and wherever the program is killed, the node ends
//! with the previous release running or, if there was none, with nothing running; running the install
//! again brings it to the end. A release that is in place and healthy is only probed. Refuses to know
//! other nodes except as peers to probe from.

use std::sync::Arc;
use std::time::Duration;

use super::live;
use super::observe::Wanted;
use super::report::{Aftermath, InstallCause, InstallError, Installed, Observer, Step, StepEvent};
use super::scripts::{self, Back, Layout, Places, REVERTED_STATUS};
use super::spec::ServiceSpec;
use super::supervisor::Ctl;
use super::{Inspection, Observed, inspect};
use crate::artifact::{Bundle, Cache};
use crate::host::{Completed, Content, Host, HostError, Script, Upload};
use crate::probe::{self, ProbeKind, Target};

const STEP_LIMIT: Duration = Duration::from_mins(1);
const UPLOAD_LIMIT: Duration = Duration::from_mins(5);

/// Installs services, with artifacts from one cache.
#[derive(Debug, Clone)]
pub struct Installer {
    pub(crate) cache: Arc<Cache>,
}

impl Installer {
    /// An installer that takes artifacts from `cache`.
    pub fn new(cache: Arc<Cache>) -> Self {
        Self { cache }
    }

    /// Brings `spec` onto the node of `target` and returns when it is confirmed.
    pub async fn install(
        &self,
        target: &Target,
        spec: &ServiceSpec,
        observer: &dyn Observer,
    ) -> Result<Installed, InstallError> {
        let mut run = Run::start(target, spec, observer).await?;
        run.write_live_files().await?;
        if run.now.is_healthy(&run.digest) {
            return run.confirm_healthy().await;
        }
        run.bring(&self.cache).await?;
        run.release().await?;
        run.try_out().await
    }

    /// Takes a service off a node. A service that is not there is no error; the result says whether
    /// there was anything to remove. With `keep_state` its lasting state stays.
    pub async fn remove(
        &self,
        host: &Arc<dyn Host>,
        service: &str,
        drain: Option<&str>,
        keep_state: bool,
        observer: &dyn Observer,
    ) -> Result<bool, InstallError> {
        let steps = Steps { host, service, observer };
        let found = steps.look(Wanted::default()).await?;
        let layout = Layout::new(&found.root, service);
        let supervisor = steps.supervisor(&found)?;
        let was_there = found.services.iter().any(Observed::is_installed);
        if let Some(drain) = drain.filter(|_| was_there) {
            let places =
                Places { release: None, state: layout.state(), live: None, artifact: None };
            let text = places.expand(drain);
            // A service that cannot be drained is removed all the same: its node may be half gone.
            let _ = steps.script(Step::Drain, Script::new(text).limit(STEP_LIMIT)).await;
        }
        let text = scripts::remove(&layout, keep_state, &supervisor);
        steps
            .script(Step::Remove, Script::new(text).limit(STEP_LIMIT))
            .await
            .map_err(|cause| steps.failed(Step::Remove, cause))?;
        Ok(was_there)
    }

    /// Looks at services on a node, changing nothing.
    pub async fn observe(
        &self,
        host: &Arc<dyn Host>,
        services: &[&str],
    ) -> Result<Vec<Observed>, HostError> {
        Ok(inspect(host.as_ref(), services, Wanted::default()).await?.services)
    }
}

/// Running and reporting the steps of one service on one node.
#[derive(Clone, Copy)]
pub(crate) struct Steps<'a> {
    pub(crate) host: &'a Arc<dyn Host>,
    pub(crate) service: &'a str,
    pub(crate) observer: &'a dyn Observer,
}

impl Steps<'_> {
    fn report(&self, step: Step, event: StepEvent) {
        self.observer.step(self.host.name(), self.service, step, event);
    }

    pub(crate) fn skip(&self, step: Step, why: &str) {
        self.report(step, StepEvent::Skipped(why.to_owned()));
    }

    pub(crate) fn failed(&self, step: Step, cause: InstallCause) -> InstallError {
        InstallError {
            node: self.host.name().to_owned(),
            service: self.service.to_owned(),
            step,
            cause: Box::new(cause),
            aftermath: Aftermath::Untouched,
        }
    }

    /// Does `work` as `step`, reported.
    pub(crate) async fn doing<T>(
        &self,
        step: Step,
        work: impl Future<Output = Result<T, InstallCause>>,
    ) -> Result<T, InstallCause> {
        self.report(step, StepEvent::Started);
        let result = work.await;
        self.report(
            step,
            match &result {
                Ok(_) => StepEvent::Done,
                Err(cause) => StepEvent::Failed(cause.to_string()),
            },
        );
        result
    }

    pub(crate) async fn script(
        &self,
        step: Step,
        script: Script,
    ) -> Result<Completed, InstallCause> {
        self.doing(step, async { successful(self.host.run(&script).await?) }).await
    }

    pub(crate) async fn look(&self, wanted: Wanted<'_>) -> Result<Inspection, InstallError> {
        let look = async { Ok(inspect(self.host.as_ref(), &[self.service], wanted).await?) };
        self.doing(Step::Inspect, look).await.map_err(|cause| self.failed(Step::Inspect, cause))
    }

    fn supervisor(&self, found: &Inspection) -> Result<Ctl, InstallError> {
        if found.has_ctl {
            return Ok(Ctl::new(&found.root));
        }
        Err(self.failed(Step::Inspect, InstallCause::NoSupervisor))
    }

    /// Sends a bundle to the node, verifies and unpacks it there.
    pub(crate) async fn bring(&self, layout: &Layout, bundle: &Bundle) -> Result<(), InstallError> {
        let fetch = async {
            successful(self.host.run(&Script::new(scripts::make_room(layout))).await?)?;
            let upload = Upload {
                content: Content::File(bundle.path.clone()),
                path: layout.unverified(&bundle.key),
                mode: 0o600,
                limit: UPLOAD_LIMIT,
            };
            Ok(self.host.upload(&upload).await?)
        };
        self.doing(Step::Fetch, fetch).await.map_err(|cause| self.failed(Step::Fetch, cause))?;
        let steps = [
            (Step::Verify, scripts::verify(layout, bundle)),
            (Step::Unpack, scripts::unpack(layout, &bundle.key)),
        ];
        for (step, text) in steps {
            let script = Script::new(text).limit(UPLOAD_LIMIT);
            self.script(step, script).await.map_err(|cause| self.failed(step, cause))?;
        }
        Ok(())
    }
}

fn successful(completed: Completed) -> Result<Completed, InstallCause> {
    if completed.success() {
        return Ok(completed);
    }
    Err(InstallCause::Script { status: completed.status, output: completed.last_words() })
}

/// One install under way.
struct Run<'a> {
    steps: Steps<'a>,
    target: &'a Target,
    spec: &'a ServiceSpec,
    digest: String,
    layout: Layout,
    places: Places,
    supervisor: Ctl,
    found: Inspection,
    now: Observed,
    /// The confirmed release to go back to, if it is another one.
    previous: Option<String>,
}

impl<'a> Run<'a> {
    async fn start(
        target: &'a Target,
        spec: &'a ServiceSpec,
        observer: &'a dyn Observer,
    ) -> Result<Self, InstallError> {
        let steps = Steps { host: &target.host, service: &spec.name, observer };
        scripts::check_spec(spec)
            .map_err(|message| steps.failed(Step::Inspect, InstallCause::Invalid(message)))?;
        if let Some(artifact) = &spec.artifact {
            artifact.check().map_err(|error| steps.failed(Step::Fetch, error.into()))?;
        }
        let digest = spec.digest();
        let key = spec.artifact.as_ref().map(crate::artifact::Artifact::key);
        let wanted = Wanted { artifact: key.as_deref(), release: Some((&spec.name, &digest)) };
        let found = steps.look(wanted).await?;
        let supervisor = steps.supervisor(&found)?;
        let layout = Layout::new(&found.root, &spec.name);
        let places = Places {
            release: Some(layout.release(&digest)),
            state: layout.state(),
            live: Some(layout.live()),
            artifact: key.map(|key| layout.artifact(&key)),
        };
        let now = found.services.first().cloned().unwrap_or_default();
        let previous = now.confirmed.clone().filter(|confirmed| *confirmed != digest);
        Ok(Self { steps, target, spec, digest, layout, places, supervisor, found, now, previous })
    }

    fn failed(&self, step: Step, cause: InstallCause) -> InstallError {
        self.steps.failed(step, cause)
    }

    async fn script(&self, step: Step, script: Script) -> Result<(), InstallError> {
        self.steps.script(step, script).await.map(drop).map_err(|cause| self.failed(step, cause))
    }

    fn done(&self, changed: bool, skipped_probes: Vec<String>) -> Installed {
        Installed {
            digest: self.digest.clone(),
            previous: self.previous.clone(),
            changed,
            skipped_probes,
        }
    }

    /// The release is in place: only the probes have a say.
    async fn confirm_healthy(&self) -> Result<Installed, InstallError> {
        for step in [Step::Fetch, Step::Unpack, Step::Configure, Step::Switch, Step::Restart] {
            self.steps.skip(step, "this release is current and undamaged");
        }
        match self.probe().await {
            Ok(skipped) => Ok(self.done(false, skipped)),
            Err(cause) => {
                let mut error = self.failed(Step::Probe, cause);
                error.aftermath = Aftermath::Unchanged;
                Err(error)
            }
        }
    }

    /// Live files come first: a release that reads them must find them.
    async fn write_live_files(&self) -> Result<(), InstallError> {
        if self.spec.live_files().next().is_none() {
            return Ok(());
        }
        let archive = live::archive(self.spec, &self.places)
            .map_err(|e| self.failed(Step::Live, InstallCause::Invalid(e.to_string())))?;
        let script = Script::new(live::write(&self.layout)).stdin(archive);
        self.script(Step::Live, script).await
    }

    /// Fetch, verify, unpack.
    async fn bring(&mut self, cache: &Cache) -> Result<(), InstallError> {
        let Some(artifact) = &self.spec.artifact else {
            self.steps.skip(Step::Fetch, "no artifact");
            return Ok(());
        };
        if self.found.artifact_intact {
            self.steps.skip(Step::Fetch, "already unpacked on the node");
            let touch = Script::new(scripts::touch(&self.layout, &artifact.key()));
            return self.script(Step::Unpack, touch).await;
        }
        let bundle = match cache.bundle(artifact).await {
            Ok(bundle) => bundle,
            Err(error) => {
                self.steps.report(Step::Fetch, StepEvent::Failed(error.to_string()));
                return Err(self.failed(Step::Fetch, error.into()));
            }
        };
        self.steps.bring(&self.layout, &bundle).await
    }

    /// Configure, check-config.
    async fn release(&self) -> Result<(), InstallError> {
        if self.found.release_intact {
            self.steps.skip(Step::Configure, "this release is on the node");
        } else {
            let archive =
                scripts::release_archive(self.spec, &self.places, &self.layout, &self.digest)
                    .map_err(|error| {
                        self.failed(Step::Configure, InstallCause::Invalid(error.to_string()))
                    })?;
            let script = Script::new(scripts::configure(&self.layout, &self.digest)).stdin(archive);
            self.script(Step::Configure, script).await?;
        }
        let Some(check) = &self.spec.check else {
            self.steps.skip(Step::CheckConfig, "none declared");
            return Ok(());
        };
        let text =
            scripts::check_config(&self.layout, &self.digest, self.spec, &self.places, check);
        self.script(Step::CheckConfig, Script::new(text).limit(STEP_LIMIT)).await
    }

    /// Arm, switch, restart, probe, confirm, disarm; back to the previous release if that fails.
    async fn try_out(&self) -> Result<Installed, InstallError> {
        match self.trial().await {
            Ok(skipped) => Ok(self.done(true, skipped)),
            Err((step, cause)) => {
                let mut error = self.failed(step, cause);
                error.aftermath = self.take_back(step).await;
                Err(error)
            }
        }
    }

    fn back(&self) -> Back {
        match (&self.previous, &self.now.confirmed) {
            (Some(previous), _) => Back::To(previous.clone()),
            (None, Some(_)) => Back::Same,
            (None, None) => Back::Nothing,
        }
    }

    async fn trial(&self) -> Result<Vec<String>, (Step, InstallCause)> {
        let at = |step: Step| move |cause: InstallCause| (step, cause);
        let timeout_s = self.spec.dead_man_limit_s();
        let revert = scripts::revert(&self.layout, &self.digest, &self.back(), &self.supervisor);
        let arm = scripts::arm(&self.layout, &self.digest, timeout_s, &self.supervisor);
        self.steps
            .script(Step::Arm, Script::new(arm).stdin(revert))
            .await
            .map_err(at(Step::Arm))?;
        let switch = scripts::switch(&self.layout, &self.digest);
        self.steps.script(Step::Switch, Script::new(switch)).await.map_err(at(Step::Switch))?;
        let limit = STEP_LIMIT + Duration::from_secs(self.spec.stop_timeout_s);
        let restart = Script::new(scripts::restart(&self.layout, &self.supervisor)).limit(limit);
        self.steps.script(Step::Restart, restart).await.map_err(at(Step::Restart))?;
        let skipped = self.probe().await.map_err(at(Step::Probe))?;
        let confirm = Script::new(scripts::confirm(&self.layout, &self.digest));
        match self.steps.script(Step::Confirm, confirm).await {
            Err(InstallCause::Script { status: REVERTED_STATUS, .. }) => {
                return Err((Step::Confirm, InstallCause::RevertedByNode));
            }
            result => result.map_err(at(Step::Confirm))?,
        };
        let disarm =
            scripts::disarm(&self.layout, &self.digest, self.previous.as_deref(), &self.supervisor);
        // Confirmed is confirmed: a timer that runs out now finds nothing on trial and does nothing.
        let _ = self.steps.script(Step::Disarm, Script::new(disarm)).await;
        Ok(skipped)
    }

    async fn probe(&self) -> Result<Vec<String>, InstallCause> {
        let mut skipped = Vec::new();
        let work = async {
            for probe in &self.spec.probes {
                if !self.target.can(probe) {
                    skipped.push(probe.name.clone());
                    continue;
                }
                let mut probe = probe.clone();
                if let ProbeKind::Command { command } = &mut probe.kind {
                    *command = self.places.expand(command);
                }
                probe::run(&probe, self.target)
                    .await
                    .map_err(|failure| InstallCause::Probe(Box::new(failure)))?;
            }
            Ok(())
        };
        self.steps.doing(Step::Probe, work).await?;
        Ok(skipped)
    }

    /// The trial failed: the node's own revert script is run at once, and its timer stopped.
    async fn take_back(&self, failed: Step) -> Aftermath {
        let text = scripts::take_back(&self.layout, &self.digest, &self.supervisor);
        let limit = STEP_LIMIT + Duration::from_secs(self.spec.stop_timeout_s);
        let result = self.steps.script(Step::Revert, Script::new(text).limit(limit)).await;
        match (result, self.back()) {
            // Nothing had been switched, so there was nothing to take back.
            (_, _) if failed < Step::Switch => Aftermath::Untouched,
            (Ok(_), Back::To(previous)) => Aftermath::Restored { previous },
            (Ok(_), Back::Nothing) => Aftermath::Stopped,
            (Ok(_), Back::Same) => Aftermath::Unchanged,
            (Err(cause), _) => Aftermath::LeftToTimer {
                timeout_s: self.spec.dead_man_limit_s(),
                why: cause.to_string(),
            },
        }
    }
}
