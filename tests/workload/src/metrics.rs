//! What `/metrics` says, in the text format of Prometheus. Every series is there from the start, at 0.

use std::fmt::Write as _;
use std::time::Duration;

/// Upper bounds of the buckets, seconds.
const BOUNDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.5];

/// Counts since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    good: u64,
    bad: u64,
    /// Not cumulative; the last one is what is above all bounds.
    buckets: [u64; BOUNDS.len() + 1],
    seconds: f64,
}

impl Metrics {
    /// Counts a request.
    pub fn count(&mut self, is_good: bool, took: Duration) {
        *(if is_good { &mut self.good } else { &mut self.bad }) += 1;
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound);
        self.buckets[bucket.unwrap_or(BOUNDS.len())] += 1;
        self.seconds += seconds;
    }

    /// The page.
    pub fn page(&self, version: &str) -> String {
        self.written(version).unwrap_or_default()
    }

    fn written(&self, version: &str) -> Result<String, std::fmt::Error> {
        let mut page = String::new();
        writeln!(page, "# TYPE workload_info gauge\nworkload_info{{version=\"{version}\"}} 1")?;
        writeln!(page, "# HELP http_requests_total Requests, by the code of their answer.")?;
        writeln!(page, "# TYPE http_requests_total counter")?;
        writeln!(page, "http_requests_total{{code=\"200\"}} {}", self.good)?;
        writeln!(page, "http_requests_total{{code=\"500\"}} {}", self.bad)?;
        let name = "http_request_duration_seconds";
        writeln!(page, "# HELP {name} How long requests took.\n# TYPE {name} histogram")?;
        let mut total = 0;
        for (bound, count) in BOUNDS.iter().zip(&self.buckets) {
            total += count;
            writeln!(page, "{name}_bucket{{le=\"{bound}\"}} {total}")?;
        }
        total += self.buckets[BOUNDS.len()];
        writeln!(page, "{name}_bucket{{le=\"+Inf\"}} {total}")?;
        writeln!(page, "{name}_sum {}\n{name}_count {total}", self.seconds)?;
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up() {
        let mut metrics = Metrics::default();
        metrics.count(true, Duration::from_millis(150));
        metrics.count(false, Duration::from_millis(180));
        metrics.count(true, Duration::from_secs(9));
        let page = metrics.page("2");
        for line in [
            "workload_info{version=\"2\"} 1",
            "http_requests_total{code=\"200\"} 2",
            "http_requests_total{code=\"500\"} 1",
            "http_request_duration_seconds_bucket{le=\"0.1\"} 0",
            "http_request_duration_seconds_bucket{le=\"0.15\"} 1",
            "http_request_duration_seconds_bucket{le=\"0.2\"} 2",
            "http_request_duration_seconds_bucket{le=\"1\"} 2",
            "http_request_duration_seconds_bucket{le=\"+Inf\"} 3",
            "http_request_duration_seconds_count 3",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
    }
}
