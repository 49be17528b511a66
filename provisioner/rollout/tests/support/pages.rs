//! Pages of metrics for a Prometheus to read, one a node; a test can change them, and knows when they were read.

use super::web::{Reply, Web};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Longer than this a page is never waited for.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Default)]
struct Page {
    /// None: the target answers 503.
    text: Option<String>,
    reads: u32,
}

/// Pages by node.
pub struct Pages {
    web: Web,
    shared: Arc<(Mutex<BTreeMap<String, Page>>, Condvar)>,
}

impl Pages {
    /// Serves an empty page for each node.
    pub fn of(nodes: &[&str]) -> Self {
        let page = |&node: &&str| (node.to_owned(), Page { text: Some(String::new()), reads: 0 });
        let pages: BTreeMap<_, _> = nodes.iter().map(page).collect();
        let shared = Arc::new((Mutex::new(pages), Condvar::new()));
        let served = Arc::clone(&shared);
        let web = Web::start(move |request| {
            let target = request.line.split(' ').nth(1).unwrap_or_default();
            let mut pages = served.0.lock().expect("no test panics with it");
            let Some(page) = pages.get_mut(target.trim_start_matches('/')) else {
                return Reply::Whole(404, String::new());
            };
            page.reads += 1;
            served.1.notify_all();
            let answer = page.text.clone();
            answer.map_or(Reply::Whole(503, String::new()), |text| Reply::Whole(200, text))
        });
        Self { web, shared }
    }

    /// What a node says from now on; none: it answers 503.
    pub fn set(&self, node: &str, text: Option<&str>) {
        let mut pages = self.shared.0.lock().expect("no test panics with it");
        pages.get_mut(node).expect("the node has a page").text = text.map(str::to_owned);
    }

    /// Waits until what every page says now is in Prometheus. Two more reads: the first one may have begun before, and
    /// when the second one is there the one before is stored.
    pub fn read_twice(&self) {
        let pages = self.shared.0.lock().expect("no test panics with it");
        let before: Vec<_> = pages.values().map(|page| page.reads).collect();
        let unread = |pages: &mut BTreeMap<String, Page>| {
            pages.values().zip(&before).any(|(page, before)| page.reads < before + 3)
        };
        let waited = self.shared.1.wait_timeout_while(pages, PATIENCE, unread);
        assert!(!waited.expect("no test panics with it").1.timed_out(), "nobody reads the pages");
    }

    /// The configuration of a Prometheus that reads them all, each with the label `node`.
    pub fn configuration(&self, nodes: &[&str]) -> String {
        let mut text = String::from(
            "global: { scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }\n\
             scrape_configs:\n- job_name: work\n  static_configs:\n",
        );
        for node in nodes {
            writeln!(
                text,
                "  - {{ targets: [\"{}\"], labels: {{ node: {node}, __metrics_path__: /{node} }} }}",
                self.web.address()
            )
            .expect("a text can be written");
        }
        text
    }
}
