//! The HTML report in a real browser: headless Chromium loads it at several widths, and says what it sees.
//!
//! Where Chromium is missing the tests say so and look at nothing; with `CI` set they fail. tests/setup.sh installs it.
//! To look at the reports oneself: `REPORTS=/some/directory cargo test -p views --test report`.
//! Refuses to know: how the report is made.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on says why and fails"
)]

mod rollouts;

use model::rollout::entry::{Entry, What};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::Command;
use views::rollout::html::{Report, render};

fn report(entries: &[Entry]) -> String {
    let now_ms = entries.last().map_or(0, |entry| entry.at_ms + 60_000);
    let head = "e5".repeat(32);
    render(&Report { entries, now_ms, evidence_head: Some(&head) })
}

/// Chromium, under one of its names.
fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut all = std::env::split_paths(&path)
        .flat_map(|directory| names.iter().map(move |name| directory.join(name)));
    let found = all.find(|program| program.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI must have chromium: see tests/setup.sh");
        eprintln!("chromium is not installed, so the report is not looked at: see tests/setup.sh");
    }
    found
}

/// What is looked at from within. A browser's window has a least width, so the report is in a frame, and tells the page
/// around it. The policy of the report forbids scripts; this copy of it has none.
const PROBE: &str = r"<script>addEventListener('load', () => {
  const all = selector => [...document.querySelectorAll(selector)];
  const root = document.scrollingElement;
  const contrast = element => {
    const light = colour => {
      const [r, g, b] = colour.match(/[\d.]+/g).map(part => part / 255)
        .map(part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    let behind = element;
    while (/rgba\(.*, 0\)|transparent/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement || document.body;
    const style = getComputedStyle(element);
    const ink = light(element.closest('svg') ? style.fill : style.color);
    const page = light(getComputedStyle(behind).backgroundColor);
    return (Math.max(ink, page) + 0.05) / (Math.min(ink, page) + 0.05);
  };
  const texts = all('h1, h2, h3, p, dt, dd, th, td, li, caption, summary, .badge, svg text').filter(e => e.textContent.trim());
  parent.postMessage(JSON.stringify({
    width: innerWidth, content: root.scrollWidth,
    marks: all('svg.chart').map(svg => [svg.querySelector('title').textContent, svg.querySelectorAll('.m').length]),
    rows: all('svg.nodes rect').length,
    outside: all('svg.chart .m, svg.chart text, svg.nodes rect').filter(mark => {
      const [one, whole] = [mark.getBoundingClientRect(), mark.closest('svg').getBoundingClientRect()];
      return one.left < whole.left - 1 || one.right > whole.right + 1 || one.top < whole.top - 1 || one.bottom > whole.bottom + 1;
    }).length,
    untitled: all('svg:not([aria-hidden])').filter(svg => !svg.querySelector('title') || svg.getAttribute('role') !== 'img').length,
    tables: all('table').length, captions: all('table > caption').length,
    faint: texts.filter(text => contrast(text) < 4.5).map(text => text.textContent.slice(0, 40)),
    scripts: all('script').length - 1,
    active: all('[onload], [onerror], [onclick], a[href], img, link, iframe, object').length,
    boundaries: all('svg.chart')[0]?.querySelectorAll('.boundary').length ?? 0,
    thresholds: all('svg.chart path.proceed, svg.chart path.rollback').length,
    heading: document.querySelector('h1').textContent,
  }), '*');
});</script>";

/// Loads a report in a frame so many pixels wide: what it tells of itself, and what the console said.
fn look(browser: &Path, html: &str, width: u32, dark: bool) -> (Json, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let policy = html.lines().find(|line| line.contains("Content-Security-Policy")).unwrap();
    let probed = html.replace(policy, "").replace("</body>", &format!("{PROBE}</body>"));
    std::fs::write(directory.path().join("report.html"), probed).unwrap();
    let page = format!(
        "<!DOCTYPE html><title>frame</title><pre id=\"seen\"></pre>\
         <script>addEventListener('message', event => document.getElementById('seen').textContent = event.data)</script>\
         <iframe src=\"report.html\" width=\"{width}\" height=\"900\" style=\"border:0\"></iframe>"
    );
    std::fs::write(directory.path().join("page.html"), page).unwrap();
    let (dom, console) = load(browser, directory.path(), "page.html", dark);
    let seen = dom.split("<pre id=\"seen\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let seen = seen.unwrap_or_else(|| panic!("no answer of the report in {dom}"));
    let seen = seen.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    (serde_json::from_str(&seen).unwrap_or_else(|error| panic!("{error}: {seen}")), console)
}

/// Loads a file: its document afterwards, and what the console said.
fn load(browser: &Path, directory: &Path, file: &str, dark: bool) -> (String, Vec<String>) {
    let profile = format!("--user-data-dir={}", directory.join("profile").display());
    let address = format!("file://{}", directory.join(file).display());
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
    command.args(["--no-first-run", "--enable-logging=stderr", "--virtual-time-budget=10000"]);
    command.args(["--window-size=1400,1000", "--dump-dom", &profile]);
    if dark {
        command.arg("--force-dark-mode");
    }
    let output = command.arg(address).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "chromium failed: {said}");
    let console = said.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned);
    (String::from_utf8_lossy(&output.stdout).into_owned(), console.collect())
}

fn measured(entries: &[Entry], gate: &str) -> usize {
    let of = |entry: &&Entry| matches!(&entry.what, What::Measured(one) if one.gate == gate);
    entries.iter().filter(of).count()
}

#[test]
fn every_measurement_is_drawn_and_nothing_overflows() {
    let all = [
        ("good", rollouts::good()),
        ("rolled_back", rollouts::rolled_back()),
        ("held", rollouts::held()),
        ("nasty", rollouts::nasty()),
        ("thousand", rollouts::thousand()),
    ];
    if let Some(directory) = std::env::var_os("REPORTS") {
        for (name, entries) in &all {
            let path = Path::new(&directory).join(format!("{name}.html"));
            std::fs::write(path, report(entries)).unwrap();
        }
    }
    let Some(browser) = browser() else { return };
    for (index, (name, entries)) in all.iter().enumerate() {
        let html = report(entries);
        for width in [400, 1280] {
            let dark = (index % 2 == 0) == (width == 400);
            let (seen, console) = look(&browser, &html, width, dark);
            let place = format!("{name} at {width}, dark {dark}: {seen:#}");
            assert!(console.is_empty(), "{place}\n{console:?}");
            assert_eq!(seen["width"], width, "{place}");
            assert!(seen["content"].as_u64().unwrap() <= u64::from(width), "{place}");
            let marks = seen["marks"].as_array().unwrap();
            assert_eq!(marks.len(), 4, "{place}");
            for mark in marks {
                let gate = mark[0].as_str().unwrap().trim_end_matches(" over time");
                let wanted = measured(entries, gate);
                assert_eq!(mark[1].as_u64().unwrap(), wanted as u64, "{gate}, {place}");
            }
            for none in ["outside", "untitled", "scripts", "active"] {
                assert_eq!(seen[none], 0, "{none}, {place}");
            }
            assert_eq!(seen["faint"].as_array().map(Vec::len), Some(0), "{place}");
            assert_eq!(seen["tables"], seen["captions"], "{place}");
            let entered = |entry: &&Entry| matches!(entry.what, What::StageEntered { .. });
            let stages = entries.iter().filter(entered).count() as u64;
            assert_eq!(seen["boundaries"], stages, "{place}");
            // Errors and latency have two bounds, throughput has one, in every stage that began.
            assert_eq!(seen["thresholds"], stages * 5, "{place}");
        }
    }
}

#[test]
fn the_report_itself_loads_under_its_policy() {
    let Some(browser) = browser() else { return };
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("report.html"), report(&rollouts::nasty())).unwrap();
    let (dom, console) = load(&browser, directory.path(), "report.html", false);
    assert!(console.is_empty(), "{console:?}");
    assert!(!dom.contains("<script"), "{dom}");
    assert!(dom.contains("&lt;script&gt;console.error"), "the text is there, as a text");
}

#[test]
fn nothing_comes_from_elsewhere_and_many_nodes_stay_few_elements() {
    let html = report(&rollouts::thousand());
    for outside in ["http://", "https://", "url(", "@import", "src=", "href="] {
        assert!(!html.contains(outside), "{outside}");
    }
    let nodes = html.split("class=\"nodes\"").nth(1).and_then(|rest| rest.split("</svg>").next());
    let rectangles = nodes.unwrap().matches("<rect").count();
    assert!((10..2_000).contains(&rectangles), "{rectangles}");
}

#[test]
fn a_report_of_nothing_says_so() {
    let html = report(&[]);
    assert!(html.contains("It has not begun") && html.contains("Nothing was measured"), "{html}");
}
