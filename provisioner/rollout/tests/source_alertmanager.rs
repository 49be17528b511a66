//! The Alertmanager source against a real Alertmanager, and a real Prometheus that reports to it.

mod support;

use model::rollout::entry::Reading;
use rollout::source::{Alertmanager, Ask, MetricSource as _, WATCHDOG};
use std::fmt::Write as _;
use std::time::Duration;
use support::pages::Pages;
use support::servers::Server;
use support::{ask, servers};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_mins(1);
const PAST: &str = "2020-01-02T00:00:00Z";
const FUTURE: &str = "2999-01-01T00:00:00Z";

/// Reports an alert that fires until `until`.
fn report(server: &Server, name: &str, node: &str, until: &str) {
    let labels = format!(r#"{{"alertname":"{name}","severity":"critical","node":"{node}"}}"#);
    let body =
        format!(r#"[{{"labels":{labels},"startsAt":"2020-01-01T00:00:00Z","endsAt":"{until}"}}]"#);
    let sent = ureq::post(format!("{}/api/v2/alerts", server.url()))
        .content_type("application/json")
        .send(body);
    assert!(sent.is_ok(), "{sent:?}");
}

async fn measure(server: &Server, matchers: &[&str], ask: &Ask) -> Reading {
    let matchers = matchers.iter().map(|&matcher| matcher.to_owned()).collect();
    Alertmanager::new(&server.url(), matchers, LIMIT).measure(ask).await
}

#[tokio::test]
async fn silence_is_missing_and_alerts_are_a_no() {
    let directory = TempDir::new().expect("a directory");
    let Some(server) = servers::alertmanager(directory.path()) else { return };
    let critical = ["severity=\"critical\"", "$candidate"];
    let asked = ask(&["a", "b"], &["c"], 60_000);
    let reading = measure(&server, &critical, &asked).await;
    assert!(matches!(&reading, Reading::Missing { why } if why.contains(WATCHDOG)), "{reading:?}");
    report(&server, WATCHDOG, "", FUTURE);
    assert_eq!(measure(&server, &critical, &asked).await, Reading::Yes);
    // The alert that always fires is none, however much is asked for.
    assert_eq!(measure(&server, &[], &asked).await, Reading::Yes);
    // Another node's alert is not the candidate's.
    report(&server, "Fire", "c", FUTURE);
    assert_eq!(measure(&server, &critical, &asked).await, Reading::Yes);
    report(&server, "Fire", "b", FUTURE);
    let no = Reading::No { why: "firing: Fire on b".to_owned() };
    assert_eq!(measure(&server, &critical, &asked).await, no);
    report(&server, "Fire", "b", PAST);
    assert_eq!(measure(&server, &critical, &asked).await, Reading::Yes);
    // Nobody says any more that all is well.
    report(&server, WATCHDOG, "", PAST);
    assert!(matches!(measure(&server, &critical, &asked).await, Reading::Missing { .. }));
}

#[tokio::test]
async fn matchers_are_checked_before_anything_is_measured() {
    let directory = TempDir::new().expect("a directory");
    let Some(server) = servers::alertmanager(directory.path()) else { return };
    let asked = ask(&["a"], &[], 60_000);
    let matchers = ["severity=\"critical\"", "$candidate", "severity critical"];
    let matchers = matchers.map(str::to_owned).to_vec();
    let source = Alertmanager::new(&server.url(), matchers.clone(), LIMIT);
    let problems = source.check_syntax(&asked).await.expect("it is there");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].text, "matchers[2]");
    assert!(problems[0].message.contains("matcher"), "{problems:?}");
    let reading = source.measure(&asked).await;
    assert!(
        matches!(&reading, Reading::Error { why } if why.contains("a matcher is wrong")),
        "{reading:?}"
    );
    server.kill();
    assert_eq!(source.check_syntax(&asked).await, None);
    assert!(matches!(source.measure(&asked).await, Reading::Error { .. }));
}

#[tokio::test]
async fn a_prometheus_reports_that_all_is_well_and_that_it_is_not() {
    let directory = TempDir::new().expect("a directory");
    let Some(server) = servers::alertmanager(directory.path()) else { return };
    let pages = Pages::of(&["a"]);
    pages.set("a", Some("trouble 0\n"));
    let rules = directory.path().join("rules.yml");
    let text = "groups:\n- name: all\n  rules:\n  - { alert: Watchdog, expr: vector(1) }\n  \
                - { alert: Trouble, expr: trouble > 0, labels: { severity: critical } }\n";
    std::fs::write(&rules, text).expect("the directory is ours");
    let mut configuration = pages.configuration(&["a"]);
    let address = server.url();
    let address = address.trim_start_matches("http://");
    write!(
        configuration,
        "rule_files: [\"{}\"]\nalerting: {{ alertmanagers: [{{ static_configs: [{{ targets: [\"{address}\"] }}] }}] }}\n",
        rules.display()
    )
    .expect("a text can be written");
    let Some(_prometheus) = servers::prometheus(directory.path(), &configuration) else { return };
    let asked = ask(&["a"], &[], 60_000);
    let matchers = ["severity=\"critical\"", "$candidate"];
    // A rule is looked at about as often as the page is read.
    let mut reading = measure(&server, &matchers, &asked).await;
    for _ in 0..100 {
        if reading == Reading::Yes {
            break;
        }
        pages.read_twice();
        reading = measure(&server, &matchers, &asked).await;
    }
    assert_eq!(reading, Reading::Yes);
    pages.set("a", Some("trouble 1\n"));
    for _ in 0..100 {
        if reading != Reading::Yes {
            break;
        }
        pages.read_twice();
        reading = measure(&server, &matchers, &asked).await;
    }
    assert_eq!(reading, Reading::No { why: "firing: Trouble on a".to_owned() });
}
