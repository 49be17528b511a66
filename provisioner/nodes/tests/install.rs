//! Installing services: the order, failure at every step, running twice, going back, tampering.
//!
//! The node is a directory, so the real scripts run; only the supervisor is a stand-in.

#![expect(clippy::unwrap_used, reason = "the functions around the tests may panic like the tests")]

mod support;

use std::sync::Arc;

use futures::StreamExt as _;
use nodes::artifact::Artifact;
use nodes::fake::FaultyHost;
use nodes::service::{Aftermath, InstallCause, RunState};
use nodes::{FactCommand, Host, Installer, Probe, ProbeKind, Step, Target};
use support::{Log, Node, installer, mesh, program};

fn target(node: &Node) -> Target {
    Target::alone(Arc::clone(&node.host) as Arc<dyn Host>)
}

#[tokio::test]
async fn an_install_goes_through_its_steps_in_order_and_again_only_probes() {
    let (node, scratch) = (Node::new("n1"), tempfile::tempdir().unwrap());
    let installer = installer(scratch.path());
    let spec = mesh(Some(program(scratch.path(), "#!/bin/sh\n")), "first");
    let log = Log::default();
    let installed = installer.install(&target(&node), &spec, &log).await.unwrap();
    assert!(installed.changed);
    assert_eq!(
        log.done(),
        [
            Step::Inspect,
            Step::Fetch,
            Step::Verify,
            Step::Unpack,
            Step::Configure,
            Step::CheckConfig,
            Step::Arm,
            Step::Switch,
            Step::Restart,
            Step::Probe,
            Step::Confirm,
            Step::Disarm
        ]
    );
    assert_eq!(node.running("mesh").as_deref(), Some("first"));
    assert!(!node.armed());
    let program = node.path("opt/provisioner/services/mesh/current/artifact/bin/program");
    assert_eq!(std::fs::read_to_string(program).unwrap(), "#!/bin/sh\n");

    let again = Log::default();
    let installed = installer.install(&target(&node), &spec, &again).await.unwrap();
    assert!(!installed.changed);
    assert_eq!(again.done(), [Step::Inspect, Step::Probe]);
    let observed = installer.observe(&target(&node).host, &["mesh", "absent"]).await.unwrap();
    assert!(observed[0].is_healthy(&spec.digest()), "{observed:?}");
    assert!(!observed[1].is_installed());
}

#[tokio::test]
async fn a_broken_release_goes_back_to_the_one_before() {
    let (node, scratch) = (Node::new("n1"), tempfile::tempdir().unwrap());
    let installer = installer(scratch.path());
    let first = mesh(None, "first");
    installer.install(&target(&node), &first, &()).await.unwrap();
    let error = installer.install(&target(&node), &mesh(None, "broken"), &()).await.unwrap_err();
    assert_eq!(error.step, Step::Probe);
    assert_eq!(error.aftermath, Aftermath::Restored { previous: first.digest() });
    let text = error.to_string();
    assert!(
        text.contains("n1") && text.contains("answers") && text.contains("runs again"),
        "{text}"
    );
    assert_eq!(node.running("mesh").as_deref(), Some("first"));
    assert!(!node.armed());
    let observed = installer.observe(&target(&node).host, &["mesh"]).await.unwrap();
    assert!(observed[0].is_healthy(&first.digest()), "{observed:?}");
    assert_eq!(observed[0].reverted, Some(mesh(None, "broken").digest()));
}

#[tokio::test]
async fn a_broken_first_release_is_stopped_and_removed() {
    let (node, scratch) = (Node::new("n1"), tempfile::tempdir().unwrap());
    let installer = installer(scratch.path());
    let error = installer.install(&target(&node), &mesh(None, "broken"), &()).await.unwrap_err();
    assert_eq!(error.aftermath, Aftermath::Stopped, "{error}");
    assert_eq!(node.running("mesh"), None);
    assert!(!node.armed());
    let observed = installer.observe(&target(&node).host, &["mesh"]).await.unwrap();
    assert!(!observed[0].is_installed(), "{observed:?}");
    installer.install(&target(&node), &mesh(None, "good"), &()).await.unwrap();
}

#[tokio::test]
async fn a_release_that_does_not_stay_up_goes_back() {
    let (node, scratch) = (Node::new("n1"), tempfile::tempdir().unwrap());
    let installer = installer(scratch.path());
    installer.install(&target(&node), &mesh(None, "first"), &()).await.unwrap();
    let mut crashing = mesh(None, "second");
    crashing.command.push("crash".to_owned());
    let error = installer.install(&target(&node), &crashing, &()).await.unwrap_err();
    assert_eq!(error.step, Step::Restart);
    assert_eq!(node.running("mesh").as_deref(), Some("first"));
}

#[tokio::test]
async fn a_configuration_that_its_own_check_refuses_touches_nothing() {
    let (node, scratch) = (Node::new("n1"), tempfile::tempdir().unwrap());
    let installer = installer(scratch.path());
    installer.install(&target(&node), &mesh(None, "first"), &()).await.unwrap();
    let log = Log::default();
    let error = installer.install(&target(&node), &mesh(None, "bad"), &log).await.unwrap_err();
    assert_eq!((error.step, &error.aftermath), (Step::CheckConfig, &Aftermath::Untouched));
    assert!(!log.done().contains(&Step::Switch));
    assert_eq!(node.running("mesh").as_deref(), Some("first"));
}

/// Every call to the node fails once, before or after it did its work; then the program is gone, the
/// timer runs out or does not, and the next install must bring everything right.
#[tokio::test]
async fn whatever_call_fails_the_node_is_never_left_without_a_good_release() {
    let scratch = tempfile::tempdir().unwrap();
    let (installer, artifact) = (installer(scratch.path()), program(scratch.path(), "#!/bin/sh\n"));
    let variants = [(false, false), (false, true), (true, false), (true, true)];
    let cases = (1..=20).flat_map(|number| variants.map(|(after, timer)| (number, after, timer)));
    let counts: Vec<u32> = futures::stream::iter(cases)
        .map(|(number, after, timer)| fail_one_call(&installer, &artifact, number, after, timer))
        .buffer_unordered(16)
        .collect()
        .await;
    let calls = counts.into_iter().max().unwrap_or(0);
    assert!(
        (10..20).contains(&calls),
        "every one of the {calls} calls was failed, and the last cases failed none"
    );
}

/// Returns how many calls the install made.
async fn fail_one_call(
    installer: &Installer,
    artifact: &Artifact,
    number: u32,
    after: bool,
    timer: bool,
) -> u32 {
    let (first, second) = (mesh(None, "first"), mesh(Some(artifact.clone()), "second"));
    let node = Node::new("n1");
    installer.install(&target(&node), &first, &()).await.unwrap();
    let inner = Arc::clone(&node.host) as Arc<dyn Host>;
    let faulty =
        if after { FaultyHost::after(inner, number) } else { FaultyHost::before(inner, number) };
    let faulty = Arc::new(faulty);
    let result =
        installer.install(&Target::alone(Arc::clone(&faulty) as Arc<dyn Host>), &second, &()).await;
    let expected = if result.is_ok() { "second" } else { "first" };
    if timer {
        node.timer_runs_out();
    }
    let now = node.running("mesh");
    // The confirmation did its work and only its answer was lost: the new release is good and stays.
    let confirmed_unheard = after && now.as_deref() == Some("second");
    assert!(
        now.as_deref() == Some(expected) || confirmed_unheard,
        "call {number}, after {after}, timer {timer}: {now:?}, {result:?}"
    );
    installer.install(&target(&node), &second, &()).await.unwrap();
    assert_eq!(node.running("mesh").as_deref(), Some("second"));
    let observed = installer.observe(&target(&node).host, &["mesh"]).await.unwrap();
    assert!(observed[0].is_healthy(&second.digest()), "{observed:?}");
    faulty.count()
}

/// Killed in the middle: the future is dropped at each call, which the hosts see as silence.
#[tokio::test]
async fn a_killed_install_is_taken_back_by_the_node() {
    let scratch = tempfile::tempdir().unwrap();
    let installer = installer(scratch.path());
    let node = Node::new("n1");
    installer.install(&target(&node), &mesh(None, "first"), &()).await.unwrap();
    let mut second = mesh(None, "second");
    // A probe that never ends by itself, so that the kill comes between switch and confirm.
    let kind =
        ProbeKind::Command { command: "touch \"$PROVISIONER_ROOT/probing\"; false".to_owned() };
    let mut endless = Probe::new("endless", kind);
    endless.deadline_ms = 600_000;
    second.probes.push(endless);
    let whole = target(&node);
    let install = installer.install(&whole, &second, &());
    let killed = async {
        while !node.path("probing").exists() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        _ = install => panic!("the probe never succeeds"),
        () = killed => {}
    }
    assert_eq!(node.running("mesh").as_deref(), Some("second"));
    assert!(node.armed());
    let observed = installer.observe(&whole.host, &["mesh"]).await.unwrap();
    assert_eq!(observed[0].pending, Some(second.digest()));
    node.timer_runs_out();
    assert_eq!(node.running("mesh").as_deref(), Some("first"));
}

#[tokio::test]
async fn tampering_shows_and_is_mended() {
    let (node, scratch) = (Node::new("n1"), tempfile::tempdir().unwrap());
    let installer = installer(scratch.path());
    let spec = mesh(Some(program(scratch.path(), "#!/bin/sh\n")), "first");
    installer.install(&target(&node), &spec, &()).await.unwrap();
    let home = "opt/provisioner/services/mesh/current";
    for (file, damaged) in [("config", "config"), ("artifact/bin/program", "artifact")] {
        std::fs::write(node.path(&format!("{home}/{file}")), "changed by hand").unwrap();
        let observed = installer.observe(&target(&node).host, &["mesh"]).await.unwrap();
        assert!(observed[0].damaged.iter().any(|name| name.starts_with(damaged)), "{observed:?}");
        assert!(installer.install(&target(&node), &spec, &()).await.unwrap().changed);
        let observed = installer.observe(&target(&node).host, &["mesh"]).await.unwrap();
        assert!(observed[0].is_healthy(&spec.digest()), "{observed:?}");
    }
    assert_eq!(node.running("mesh").as_deref(), Some("first"));
}

#[tokio::test]
async fn a_stopped_service_is_started_again_and_nothing_else() {
    let (node, scratch) = (Node::new("n1"), tempfile::tempdir().unwrap());
    let installer = installer(scratch.path());
    let spec = mesh(Some(program(scratch.path(), "#!/bin/sh\n")), "first");
    installer.install(&target(&node), &spec, &()).await.unwrap();
    std::fs::write(node.path("run/provisioner/fake/mesh.state"), "failed\n").unwrap();
    let observed = installer.observe(&target(&node).host, &["mesh"]).await.unwrap();
    assert_eq!(observed[0].state, RunState::Failed);
    let log = Log::default();
    installer.install(&target(&node), &spec, &log).await.unwrap();
    assert!(!log.done().contains(&Step::Fetch) && !log.done().contains(&Step::Configure));
    assert_eq!(node.running("mesh").as_deref(), Some("first"));
}

#[tokio::test]
async fn two_releases_are_kept_and_going_back_needs_no_download() {
    let (node, scratch) = (Node::new("n1"), tempfile::tempdir().unwrap());
    let installer = installer(scratch.path());
    let artifact = program(scratch.path(), "#!/bin/sh\n");
    for config in ["one", "two", "three"] {
        installer
            .install(&target(&node), &mesh(Some(artifact.clone()), config), &())
            .await
            .unwrap();
    }
    assert_eq!(node.releases(), 2);
    let log = Log::default();
    installer.install(&target(&node), &mesh(Some(artifact), "two"), &log).await.unwrap();
    assert!(!log.done().contains(&Step::Fetch) && !log.done().contains(&Step::Configure));
    assert_eq!(node.running("mesh").as_deref(), Some("two"));
}

#[tokio::test]
async fn a_removed_service_leaves_nothing_and_can_be_removed_again() {
    let (node, scratch) = (Node::new("n1"), tempfile::tempdir().unwrap());
    let installer = installer(scratch.path());
    installer.install(&target(&node), &mesh(None, "first"), &()).await.unwrap();
    let host = target(&node).host;
    assert!(
        installer.remove(&host, "mesh", Some("touch @state@/drained"), true, &()).await.unwrap()
    );
    assert!(
        node.path("opt/provisioner/services/mesh/state/drained").exists(),
        "state stays when asked"
    );
    assert!(!installer.remove(&host, "mesh", None, false, &()).await.unwrap());
    assert!(!node.path("opt/provisioner/services/mesh").exists());
    assert!(!node.path("etc/provisioner/services/mesh.json").exists());
    assert_eq!(node.running("mesh"), None);
}

#[tokio::test]
async fn facts_come_back_and_keys_stay() {
    let (node, scratch) = (Node::new("n1"), tempfile::tempdir().unwrap());
    let installer = installer(scratch.path());
    let make = "[ -f @state@/key ] || head -c 32 /dev/urandom | sha256sum > @state@/key; sha256sum < @state@/key";
    let commands =
        [FactCommand::new("public", make), FactCommand::new("greeting", "@artifact@/bin/program")];
    let artifact = program(scratch.path(), "#!/bin/sh\necho ' hello '\n");
    let host = target(&node).host;
    let facts = installer.facts(&host, "mesh", Some(&artifact), &commands, &()).await.unwrap();
    assert_eq!(facts["greeting"], "hello");
    let again = installer.facts(&host, "mesh", Some(&artifact), &commands, &()).await.unwrap();
    assert_eq!(again, facts, "facts are idempotent");
    let failing = [FactCommand::new("x", "echo why >&2; false")];
    let error = installer.facts(&host, "mesh", None, &failing, &()).await.unwrap_err();
    assert!(error.to_string().contains("why"), "{error}");
    let asked = installer.ask(&host, "mesh", Some(&artifact), &commands).await.unwrap();
    assert_eq!(asked, Some(facts), "what is there is asked");
    let absent = program(scratch.path(), "#!/bin/sh\necho other\n");
    let asked = installer.ask(&host, "mesh", Some(&absent), &commands).await.unwrap();
    assert_eq!(asked, None, "asking brings nothing onto a node");
}

#[tokio::test]
async fn a_wrong_digest_and_a_node_without_supervisor_are_refused_early() {
    let (node, scratch) = (Node::new("n1"), tempfile::tempdir().unwrap());
    let installer = installer(scratch.path());
    let mut artifact = program(scratch.path(), "x");
    artifact.sha256 = "0".repeat(64);
    artifact.declared_at = Some("main.hcl:7:3".to_owned());
    let error =
        installer.install(&target(&node), &mesh(Some(artifact), "first"), &()).await.unwrap_err();
    assert_eq!(error.step, Step::Fetch);
    assert!(error.to_string().contains("main.hcl:7:3"), "{error}");
    std::fs::remove_file(node.path("run/provisioner/ctl")).unwrap();
    let error = installer.install(&target(&node), &mesh(None, "first"), &()).await.unwrap_err();
    assert!(matches!(*error.cause, InstallCause::NoSupervisor), "{error}");
}

#[tokio::test]
async fn a_spec_that_could_not_work_is_refused() {
    let (node, scratch) = (Node::new("n1"), tempfile::tempdir().unwrap());
    let installer = installer(scratch.path());
    for path in ["../up", "/abs", "unit.json", "artifact/x", "a//b"] {
        let mut spec = mesh(None, "first");
        let file = spec.files["config"].clone();
        spec.files.insert(path.to_owned(), file);
        assert!(installer.install(&target(&node), &spec, &()).await.is_err(), "{path}");
    }
    let mut unnamed = mesh(None, "first");
    unnamed.name = "../mesh".to_owned();
    assert!(installer.install(&target(&node), &unnamed, &()).await.is_err());
}
