//! Probes over connections that nodes open, and the all-pairs check.

use std::sync::Arc;
use std::time::Duration;

use nodes::fake::FakeHost;
use nodes::probe::{self, From};
use nodes::{Completed, Host, Member, PairOptions, Probe, ProbeKind, Target, all_pairs};

const READY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nready";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

fn http(expect_body: Option<&str>) -> Probe {
    let kind = ProbeKind::Http {
        port: 9090,
        path: "/-/ready".to_owned(),
        host: None,
        expect_status: 200,
        expect_body: expect_body.map(str::to_owned),
    };
    let mut probe = Probe::new("ready", kind);
    probe.deadline_ms = 60;
    probe.interval_ms = 20;
    probe
}

#[tokio::test]
async fn http_looks_at_status_and_body() {
    let good: Arc<dyn Host> = Arc::new(FakeHost::new("n1").listening("127.0.0.1", 9090, READY));
    probe::run(&http(Some("ready")), &Target::alone(Arc::clone(&good))).await.unwrap();
    let failure = probe::run(&http(Some("other")), &Target::alone(good)).await.unwrap_err();
    assert!(failure.found.contains("other"), "{failure}");
    let busy = Arc::new(FakeHost::new("n1").listening("127.0.0.1", 9090, BUSY));
    let failure = probe::run(&http(None), &Target::alone(busy)).await.unwrap_err();
    assert_eq!(failure.found, "HTTP 503 from 127.0.0.1:9090");
    let mute = Arc::new(FakeHost::new("n1"));
    let failure = probe::run(&http(None), &Target::alone(mute)).await.unwrap_err();
    assert!(failure.attempts > 1 && failure.to_string().contains("refused"), "{failure}");
}

#[tokio::test]
async fn one_peer_of_several_is_enough_and_none_is_named() {
    let mut probe = http(None);
    probe.from = From::Peer;
    let blind: Arc<dyn Host> = Arc::new(FakeHost::new("n2"));
    let seeing: Arc<dyn Host> = Arc::new(FakeHost::new("n3").listening("10.0.0.1", 9090, READY));
    let node: Arc<dyn Host> = Arc::new(FakeHost::new("n1"));
    let mut target =
        Target { host: node, address: Some("10.0.0.1".to_owned()), peers: vec![blind, seeing] };
    probe::run(&probe, &target).await.unwrap();
    target.peers.truncate(1);
    let failure = probe::run(&probe, &target).await.unwrap_err();
    assert_eq!(failure.peer.as_deref(), Some("n2"), "{failure}");
    target.peers.clear();
    assert!(!target.can(&probe));
    assert!(probe::run(&probe, &target).await.is_err());
}

#[tokio::test]
async fn commands_report_their_last_words_and_successes_are_counted() {
    let failing =
        Completed { status: 2, stdout: String::new(), stderr: "no such key\n".to_owned() };
    let host = Arc::new(FakeHost::new("n1").answer("wg show", failing));
    let command = |text: &str| ProbeKind::Command { command: text.to_owned() };
    let mut probe = Probe::new("keys", command("wg show"));
    (probe.deadline_ms, probe.interval_ms) = (30, 10);
    let failure =
        probe::run(&probe, &Target::alone(Arc::clone(&host) as Arc<dyn Host>)).await.unwrap_err();
    assert!(failure.found.contains("no such key"), "{failure}");
    let mut thrice = Probe::new("steady", command("true"));
    (thrice.successes_needed, thrice.interval_ms) = (3, 1);
    let before = host.calls().len();
    probe::run(&thrice, &Target::alone(Arc::clone(&host) as Arc<dyn Host>)).await.unwrap();
    assert_eq!(host.calls().len() - before, 3);
}

#[tokio::test]
async fn all_pairs_counts_both_directions_and_names_the_failed() {
    let address = |number: usize| format!("10.0.0.{number}");
    let members: Vec<Member> = (1..=4)
        .map(|number| {
            let mut host = FakeHost::new(&format!("n{number}"));
            for other in 1..=4 {
                // Node 4 hears nobody, and node 3 accepts without a word.
                let greeting = if other == 3 { "" } else { "SSH-2.0-x\r\n" };
                if other != number && other != 4 {
                    host = host.listening(&address(other), 22, greeting);
                }
            }
            Member { name: format!("n{number}"), host: Arc::new(host), address: address(number) }
        })
        .collect();
    let options = PairOptions {
        timeout: Duration::from_millis(50),
        deadline: Duration::from_millis(60),
        ..PairOptions::default()
    };
    let report = all_pairs(&members, options).await;
    assert_eq!((report.pairs, report.reached), (12, 6));
    assert!(report.failed.iter().all(|pair| pair.to == "n3" || pair.to == "n4"), "{report:?}");
    assert_eq!(all_pairs(&members[..1], options).await.pairs, 0);
}
