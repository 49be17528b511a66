//! The Prometheus source against a real Prometheus: what is data, what is missing, what is a mistake.

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use model::rollout::entry::Reading;
use model::rollout::{Gate, Queries, Source};
use rollout::source::{Ask, MetricSource as _, Prometheus, source_for};
use std::collections::BTreeMap;
use std::time::Duration;
use support::pages::Pages;
use support::{ask, servers};
use tempfile::TempDir;

const MINUTE_MS: u64 = 60_000;
const BAD: &str = r#"sum(increase(http_requests_total{code=~"5..",$candidate}[$window]))"#;
const TOTAL: &str = r"sum(increase(http_requests_total{$candidate}[$window]))";

fn counts(bad: &str, total: &str) -> Queries {
    Queries::Counts { bad: bad.into(), total: total.into(), control: None }
}

fn value(value: &str) -> Queries {
    Queries::Value { value: value.into(), control: None, load: None }
}

/// Measures as a gate does.
async fn measure(url: &str, queries: Queries, ask: &Ask) -> Reading {
    let gate = Gate {
        name: "errors".to_owned(),
        source: Source::Prometheus {
            url: url.to_owned(),
            headers: BTreeMap::new(),
            queries,
            staleness_ms: MINUTE_MS,
        },
        interval_ms: MINUTE_MS,
        // A sample is read five times a second; a loaded machine may take its time.
        timeout_ms: MINUTE_MS,
        span: None,
    };
    source_for(&gate).expect("it is not the nodes").measure(ask).await
}

#[track_caller]
fn assert_missing(reading: &Reading, says: &str) {
    let Reading::Missing { why } = reading else { panic!("{reading:?} is not missing ({says})") };
    assert!(why.contains(says), "`{why}` does not say `{says}`");
}

#[track_caller]
fn assert_error(reading: &Reading, says: &str) {
    let Reading::Error { why } = reading else { panic!("{reading:?} is no error ({says})") };
    assert!(why.contains(says), "`{why}` does not say `{says}`");
}

fn page(good: u32, bad: Option<u32>) -> String {
    let good = format!(
        "http_requests_total{{code=\"200\"}} {good}\nidle_total{{code=\"200\"}} 7\nload 5\n"
    );
    bad.map_or_else(
        || good.clone(),
        |bad| format!("{good}http_requests_total{{code=\"500\"}} {bad}\n"),
    )
}

/// A Prometheus that has seen node `a` answer 1 000 requests, 50 of them badly, and node `b` 1 000, all of them well.
fn seen() -> Option<(TempDir, Pages, servers::Server)> {
    let directory = TempDir::new().expect("a directory");
    let pages = Pages::of(&["a", "b"]);
    pages.set("a", Some(&page(0, Some(0))));
    pages.set("b", Some(&page(0, None)));
    let server = servers::prometheus(directory.path(), &pages.configuration(&["a", "b"]))?;
    pages.read_twice();
    pages.set("a", Some(&page(950, Some(50))));
    pages.set("b", Some(&page(1_000, None)));
    pages.read_twice();
    Some((directory, pages, server))
}

/// Its file holds `watcher` with the bcrypt hash of this.
const PASSWORD: &str = "canary-of-basic-auth";
const WEB: &str =
    "basic_auth_users:\n  watcher: $2a$04$6cwzn/3MP.agxG0at/sxh.uebLdKrCY7/lFzyNhY.LXouVEP.TmKq\n";

/// One that wants a name and a password is asked with a header, which is told nowhere.
#[tokio::test]
async fn a_private_one_is_asked_with_a_header() {
    let directory = TempDir::new().expect("a directory");
    let pages = Pages::of(&["a"]);
    pages.set("a", Some(&page(7, None)));
    let file = directory.path().join("web.yml");
    std::fs::write(&file, WEB).expect("the directory is ours");
    let more = [format!("--web.config.file={}", file.display())];
    let configuration = pages.configuration(&["a"]);
    let server = servers::prometheus_with(directory.path(), &configuration, &more);
    let Some(server) = server else { return };
    pages.read_twice();
    let asked = |password: Option<&str>| {
        let basic = |it: &str| format!("Basic {}", BASE64.encode(format!("watcher:{it}")));
        let headers = password.map(|it| ("Authorization".to_owned(), basic(it)));
        let gate = Gate {
            name: "load".to_owned(),
            source: Source::Prometheus {
                url: server.url(),
                headers: headers.into_iter().collect(),
                queries: value("max(load{$candidate})"),
                staleness_ms: MINUTE_MS,
            },
            interval_ms: MINUTE_MS,
            timeout_ms: MINUTE_MS,
            span: None,
        };
        let stored = serde_json::to_string(&gate).expect("it is JSON");
        assert!(!stored.contains("Basic") && !stored.contains("Authorization"), "{stored}");
        source_for(&gate).expect("it is not the nodes")
    };
    let ask = ask(&["a"], &[], MINUTE_MS);
    let reading = asked(Some(PASSWORD)).measure(&ask).await;
    assert_eq!(reading, Reading::Value { value: 5.0, control: None, load: None });
    assert_eq!(asked(Some(PASSWORD)).check_syntax(&ask).await, Some(Vec::new()));
    for password in [None, Some("wrong-canary")] {
        let source = asked(password);
        let reading = source.measure(&ask).await;
        assert_error(&reading, "401");
        let told = format!("{reading:?} {:?}", source.queries(&ask));
        assert!(!told.contains("canary") && !told.contains("Basic"), "{told}");
    }
}

#[tokio::test]
async fn counts_come_from_live_targets() {
    let Some((_directory, _pages, server)) = seen() else { return };
    let url = server.url();
    let reading = measure(&url, counts(BAD, TOTAL), &ask(&["a"], &[], MINUTE_MS)).await;
    let Reading::Counts { bad, total, control: None } = reading else { panic!("{reading:?}") };
    // `increase` extrapolates, all series alike.
    assert!((900.0..2_000.0).contains(&total), "{total}");
    assert!((bad / total - 0.05).abs() < 0.01, "{bad} of {total}");
    // Node b never answered badly: no such series, and that is 0.
    let reading = measure(&url, counts(BAD, TOTAL), &ask(&["b"], &[], MINUTE_MS)).await;
    assert!(
        matches!(reading, Reading::Counts { bad: 0.0, total, .. } if total > 900.0),
        "{reading:?}"
    );
    // Nothing happened, on targets that are there.
    let idle =
        |matchers: &str| format!("sum(increase(idle_total{{{matchers}$candidate}}[$window]))");
    let queries = counts(&idle("code=\"500\","), &idle(""));
    let reading = measure(&url, queries, &ask(&["a", "b"], &[], MINUTE_MS)).await;
    assert_eq!(reading, Reading::Counts { bad: 0.0, total: 0.0, control: None });
    // The control group's.
    let control = |text: &str| text.replace("$candidate", "$control");
    let queries = Queries::Counts {
        bad: BAD.into(),
        total: TOTAL.into(),
        control: Some((control(BAD), control(TOTAL))),
    };
    let reading = measure(&url, queries.clone(), &ask(&["a"], &["b"], MINUTE_MS)).await;
    let Reading::Counts { control: Some((bad, total)), .. } = reading else {
        panic!("{reading:?}")
    };
    assert!(bad == 0.0 && total > 900.0, "{bad} of {total}");
    let reading = measure(&url, queries, &ask(&["a"], &[], MINUTE_MS)).await;
    assert_missing(&reading, "control group");
    // A number.
    let queries = Queries::Value {
        value: "sum(load{$candidate})".into(),
        control: Some("sum(load{$control})".into()),
        load: Some("sum(load)".into()),
    };
    let reading = measure(&url, queries, &ask(&["a"], &["b"], MINUTE_MS)).await;
    assert_eq!(reading, Reading::Value { value: 5.0, control: Some(5.0), load: Some(10.0) });
}

#[tokio::test]
async fn what_is_in_doubt_is_missing() {
    let Some((_directory, pages, server)) = seen() else { return };
    let url = server.url();
    let asked = ask(&["a"], &[], MINUTE_MS);
    let typo = BAD.replace("http_requests", "http_request");
    let reading = measure(&url, counts(&typo, TOTAL), &asked).await;
    assert_missing(&reading, "http_request_total{code!=\"\",$candidate}");
    let typo = BAD.replace("code", "status");
    assert_missing(&measure(&url, counts(&typo, TOTAL), &asked).await, "status!=\"\"");
    // One of the nodes was never read.
    let reading = measure(&url, counts(BAD, TOTAL), &ask(&["a", "ghost"], &[], MINUTE_MS)).await;
    assert_missing(&reading, "ghost (none)");
    let reading = measure(&url, value("sum(idle_total{$candidate} * 0) / 0"), &asked).await;
    assert_missing(&reading, "NaN");
    let reading = measure(&url, value("sum(load{$candidate}) / 0"), &asked).await;
    assert_missing(&reading, "inf");
    let reading = measure(&url, value("sum(load{$candidate}) > 100"), &asked).await;
    assert_missing(&reading, "empty");
    let reading = measure(&url, counts(&format!("{BAD} > 1e9"), TOTAL), &asked).await;
    assert_missing(&reading, "or vector(0)");
    // No window that short holds two samples.
    let reading = measure(&url, counts(BAD, TOTAL), &ask(&["a"], &[], 1)).await;
    assert_missing(&reading, "window is too short");
    // A target that went away: its samples are still within the window.
    pages.set("a", None);
    pages.read_twice();
    assert_missing(&measure(&url, counts(BAD, TOTAL), &asked).await, "a (none)");
}

#[tokio::test]
async fn mistakes_are_errors() {
    let Some((_directory, _pages, server)) = seen() else { return };
    let url = server.url();
    let asked = ask(&["a"], &[], MINUTE_MS);
    let several = "increase(http_requests_total{$candidate}[$window])";
    let reading = measure(&url, counts(BAD, several), &asked).await;
    assert_error(
        &reading,
        "total: the query gives 2 series where one is expected; they differ in code",
    );
    assert_error(&measure(&url, value("load{$candidate}[1m]"), &asked).await, "matrix");
    let reading = measure(&url, value("sum(load{$candidate}"), &asked).await;
    assert_error(&reading, "unclosed left parenthesis");
    assert_error(&measure(&url, value("vector(1)"), &asked).await, "reads no series");
    let reading = measure(&url, counts(TOTAL, BAD), &asked).await;
    assert_error(&reading, "more than all");
}

#[tokio::test]
async fn what_is_left_from_before_is_stale() {
    let Some((directory, pages, server)) = seen() else { return };
    let asked = ask(&["a"], &[], MINUTE_MS);
    let url = server.url();
    server.kill();
    assert_error(&measure(&url, counts(BAD, TOTAL), &asked).await, "no answer");
    // It is back, with what it has seen, and does not reach its targets: nothing tells it that they are gone.
    let nothing = pages.configuration(&[]);
    let Some(server) = servers::prometheus(directory.path(), &nothing) else { return };
    let limit = Duration::from_mins(1);
    let load = || value("sum(load{$candidate})");
    let strict = Prometheus::new(&server.url(), load(), 1, limit);
    assert_missing(&strict.measure(&asked).await, "s old)");
    let hour = Prometheus::new(&server.url(), load(), 3_600_000, limit);
    assert!(matches!(hour.measure(&asked).await, Reading::Value { value: 5.0, .. }));
}

#[tokio::test]
async fn syntax_is_checked_before_anything_is_measured() {
    let Some((_directory, _pages, server)) = seen() else { return };
    let url = server.url();
    let asked = ask(&["a"], &["b"], MINUTE_MS);
    let limit = Duration::from_mins(1);
    let check = |queries| {
        let source = Prometheus::new(&url, queries, MINUTE_MS, limit);
        let asked = asked.clone();
        async move { source.check_syntax(&asked).await.expect("it is there") }
    };
    assert_eq!(check(counts(BAD, TOTAL)).await, []);
    // The place is one in what was written, behind a selector that became longer.
    let broken = "sum(load{$candidate}) ++* 2";
    let problems = check(value(broken)).await;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].text, "value");
    assert_eq!(problems[0].at, broken.find('*'), "{problems:?}");
    let problems =
        check(counts("rate(load{$candidate})", "sum(increase(load{$candidate}[$window])")).await;
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].message.contains("expected type range vector"), "{problems:?}");
    assert!(problems[1].message.contains("unclosed left parenthesis"), "{problems:?}");
    let problems = check(value("http_requests_total{$candidate}")).await;
    assert!(problems[0].message.contains("differ in code"), "{problems:?}");
    assert!(check(value("1 + 1")).await[0].message.contains("reads no series"));
    server.kill();
    let source = Prometheus::new(&url, value(broken), MINUTE_MS, limit);
    assert_eq!(source.check_syntax(&asked).await, None);
}
