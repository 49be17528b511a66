//! Sequential tests of rates: evidence that may be looked at after every measurement without losing its meaning.
//!
//! Both are e-processes: nonnegative, at most 1 on average while the hypothesis holds, whenever one stops. So the chance that
//! one ever reaches 1/alpha though the hypothesis holds is at most alpha (Ville 1939), however often it is looked at.
//!
//! - [`log_above`]: "the rate is at most `bound`". A mixture of likelihood ratios over a fixed grid of rates above the
//!   bound (Robbins 1970; Johari, Koomen, Pekelis, Walsh 2022, "Always Valid Inference").
//! - [`Against`]: "the candidate's rate is at most the control group's plus `margin`". E-variables for two samples, a block a
//!   measurement (Turner, Ly, Grünwald 2024, "Generic E-variables for exact sequential k-sample tests that allow for optional
//!   stopping"; Turner, Grünwald 2023 for a margin).
//!
//! Invariant: pure functions of counts. Refuses to know: gates, thresholds, what follows.

/// How many alternatives a mixture has.
const GRID: u32 = 24;
/// Rates stay this far from 0 and 1, so that no logarithm is infinite.
const EDGE: f64 = 1e-9;

/// The logarithm of the e-value against "the rate is at most `bound`" (0 to 1) after `bad` of `total` events. 0 when nothing
/// was seen; never NaN or infinite for finite counts.
pub fn log_above(bound: f64, bad: f64, total: f64) -> f64 {
    let bound = bound.clamp(EDGE, 1.0 - EDGE);
    let good = (total - bad).max(0.0);
    let logs =
        alternatives(bound).map(|rate| ratio(rate, bound, bad) + ratio_good(rate, bound, good));
    log_mean(logs)
}

/// Rates above a bound, evenly spread over the logarithm of the odds against it: from a tenth above it to close to 1.
fn alternatives(bound: f64) -> impl Iterator<Item = f64> + Clone {
    let odds = bound / (1.0 - bound);
    let (low, high) = ((odds * 1.1).ln(), (odds * 2.0).max(99.0).ln());
    (0..GRID).map(move |at| {
        let place = low + (high - low) * f64::from(at) / f64::from(GRID - 1);
        let odds = place.exp();
        odds / (1.0 + odds)
    })
}

fn ratio(rate: f64, bound: f64, bad: f64) -> f64 {
    if bad > 0.0 { bad * (rate / bound).ln() } else { 0.0 }
}

fn ratio_good(rate: f64, bound: f64, good: f64) -> f64 {
    // `ln_1p` keeps the digits of small rates.
    if good > 0.0 { good * ((-rate).ln_1p() - (-bound).ln_1p()) } else { 0.0 }
}

/// The logarithm of the mean of numbers given by their logarithms.
fn log_mean(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let (most, count) = logs
        .clone()
        .fold((f64::NEG_INFINITY, 0_u32), |(most, count), log| (most.max(log), count + 1));
    if count == 0 || !most.is_finite() {
        return 0.0;
    }
    let sum: f64 = logs.map(|log| (log - most).exp()).sum();
    most + (sum / f64::from(count)).ln()
}

/// Evidence against "the candidate's rate is at most the control group's plus a margin".
#[derive(Clone, Debug, PartialEq)]
pub struct Against {
    margin: f64,
    guess: f64,
    control_bad: f64,
    control_total: f64,
    logs: Vec<f64>,
}

/// By how many times the candidate's rate is above what is allowed, in the alternatives.
const LIFTS: [f64; 8] = [1.3, 1.6, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0];

impl Against {
    /// Nothing seen yet. `guess` (0 to 1) stands for the control group's rate until it was measured once.
    pub fn new(margin: f64, guess: f64) -> Self {
        let margin = margin.clamp(0.0, 1.0);
        let guess = guess.clamp(1e-6, 0.5);
        Self { margin, guess, control_bad: 0.0, control_total: 0.0, logs: vec![0.0; LIFTS.len()] }
    }

    /// Takes one measurement: bad and all events of either group. What is bet was fixed by the measurements before it.
    pub fn take(&mut self, candidate: (f64, f64), control: (f64, f64)) {
        // Half an event of prior at the guessed rate, so that the rate is never 0.
        let prior = 0.5 / self.guess;
        let base = (self.control_bad + 0.5) / (self.control_total + prior);
        let base = base.clamp(EDGE, 1.0 - EDGE);
        for (log, lift) in self.logs.iter_mut().zip(LIFTS) {
            let rate = ((base + self.margin) * lift).clamp(EDGE, 1.0 - EDGE);
            let (null_rate, null_base) = nearest(rate, base, candidate.1, control.1, self.margin);
            let (bad, total) = candidate;
            *log += ratio(rate, null_rate, bad) + ratio_good(rate, null_rate, total - bad);
            let (bad, total) = control;
            *log += ratio(base, null_base, bad) + ratio_good(base, null_base, total - bad);
        }
        self.control_bad += control.0;
        self.control_total += control.1;
    }

    /// The logarithm of the e-value.
    pub fn log_value(&self) -> f64 {
        log_mean(self.logs.iter().copied())
    }
}

/// The pair of rates with `candidate <= control + margin` that is nearest (Kullback-Leibler, weighted by the events of either
/// group) to the alternative. The hypothesis is convex, so the likelihood ratio against it is an e-variable: with
/// `A = E[ratio of one candidate event]`, `ln A <= A - 1` is the slope of the distance towards the true rates, and that
/// is not downwards from the nearest pair.
fn nearest(rate: f64, base: f64, events: f64, control_events: f64, margin: f64) -> (f64, f64) {
    if rate <= base + margin {
        return (rate, base);
    }
    // On the boundary the distance is convex in the control's rate: its slope changes its sign once.
    let (mut low, mut high) = (base.min(rate - margin).max(EDGE), base.max(rate - margin));
    let top = (1.0 - EDGE - margin).max(EDGE);
    high = high.clamp(EDGE, top);
    low = low.clamp(EDGE, high);
    let slope = |at: f64| {
        let candidate = (at + margin).clamp(EDGE, 1.0 - EDGE);
        let part = |events: f64, alternative: f64, null: f64| {
            events * (null - alternative) / (null * (1.0 - null))
        };
        part(events, rate, candidate) + part(control_events, base, at)
    };
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if slope(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    let at = f64::midpoint(low, high);
    ((at + margin).clamp(EDGE, 1.0 - EDGE), at)
}

#[cfg(test)]
mod tests {
    use super::{Against, log_above, nearest};

    /// The expectation over one event under a rate is at most the value before it, at and below the bound.
    #[test]
    fn one_more_event_is_not_expected_to_raise_it_while_the_hypothesis_holds() {
        for bound in [0.000_1, 0.01, 0.05, 0.5] {
            for (bad, total) in [(0.0, 0.0), (0.0, 50.0), (3.0, 40.0), (12.0, 5_000.0)] {
                let now = log_above(bound, bad, total).exp();
                for rate in [bound, bound * 0.5, 0.0] {
                    let next = rate * log_above(bound, bad + 1.0, total + 1.0).exp()
                        + (1.0 - rate) * log_above(bound, bad, total + 1.0).exp();
                    assert!(
                        next <= now * (1.0 + 1e-9),
                        "{bound} {bad}/{total} {rate}: {next} {now}"
                    );
                }
            }
        }
    }

    #[test]
    fn ten_times_the_bound_is_shown_by_few_events_and_the_bound_itself_is_not() {
        assert!(log_above(0.01, 100.0, 1_000.0) > 100_f64.ln());
        assert!(log_above(0.01, 10.0, 1_000.0) < 1.0);
        assert!(log_above(0.01, 0.0, 1_000.0) < 0.0);
        assert!(log_above(0.01, 0.0, 0.0).abs() < 1e-12);
    }

    /// All outcomes of a block of two and three events, weighted by their chance under pairs of rates that the hypothesis allows.
    #[test]
    fn a_block_of_two_groups_is_an_e_variable_everywhere_in_the_hypothesis() {
        for margin in [0.0, 0.05] {
            for base in [0.0_f64, 0.01, 0.2, 0.6] {
                for below in [0.0, 0.02, 0.1] {
                    let rate: f64 = (base + margin - below).max(0.0);
                    let mut expected = 0.0;
                    for bad in 0..=2_u32 {
                        for control in 0..=3_u32 {
                            let mut against = Against::new(margin, 0.01);
                            against.take((f64::from(bad), 2.0), (f64::from(control), 3.0));
                            let chance = chance(2, bad, rate) * chance(3, control, base);
                            expected += chance * against.log_value().exp();
                        }
                    }
                    assert!(expected <= 1.0 + 1e-6, "{margin} {base} {rate}: {expected}");
                }
            }
        }
    }

    fn chance(of: u32, bad: u32, rate: f64) -> f64 {
        let ways = [[1.0, 1.0, 0.0, 0.0], [1.0, 2.0, 1.0, 0.0], [1.0, 3.0, 3.0, 1.0]];
        let ways = ways[of as usize - 1][bad as usize];
        ways * rate.powi(i32::try_from(bad).unwrap())
            * (1.0 - rate).powi(i32::try_from(of - bad).unwrap())
    }

    #[test]
    fn the_nearest_pair_lies_on_the_boundary_between_both_rates() {
        let (candidate, control) = nearest(0.3, 0.1, 100.0, 100.0, 0.0);
        assert!((candidate - control).abs() < 1e-9 && (0.19..0.21).contains(&control));
        let (candidate, control) = nearest(0.3, 0.1, 100.0, 1.0, 0.05);
        assert!((candidate - control - 0.05).abs() < 1e-9 && control > 0.24);
    }

    #[test]
    fn a_worse_candidate_is_told_from_an_equal_one() {
        let (mut worse, mut equal) = (Against::new(0.0, 0.001), Against::new(0.0, 0.001));
        for _ in 0..10 {
            worse.take((30.0, 1_000.0), (10.0, 1_000.0));
            equal.take((10.0, 1_000.0), (10.0, 1_000.0));
        }
        assert!(worse.log_value() > 100_f64.ln(), "{}", worse.log_value());
        assert!(equal.log_value() < 0.0, "{}", equal.log_value());
    }
}
