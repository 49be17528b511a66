//! The time axis that all charts of a report share: to scale within a stage, not between stages.
//!
//! A canary of 15 minutes and a last stage of a day are both to be seen, so a part of the axis (from the beginning of one
//! stage to that of the next, the rollback, the rest) is as wide as its time to the power of 0.4.
//!
//! Invariants: later is never further left; every moment of the rollout is between the axis' ends.
//! Refuses to know: what is drawn along it.

use crate::rollout::figures::between;
use crate::rollout::fold::Model;

/// Moments (Unix milliseconds) by place.
#[derive(Clone, Debug)]
pub struct Axis {
    knots: Vec<(i64, f64)>,
}

impl Axis {
    /// From the beginning of a rollout to `end_ms`, between two places.
    pub fn of(model: &Model, end_ms: i64, left: f64, right: f64) -> Self {
        let mut moments: Vec<i64> =
            model.stages.iter().filter_map(|stage| stage.entered_ms).collect();
        moments.extend(model.rollback.as_ref().map(|rollback| rollback.decided_ms));
        moments.retain(|moment| (model.started_ms..=end_ms).contains(moment));
        moments.extend([model.started_ms, end_ms.max(model.started_ms)]);
        moments.sort_unstable();
        moments.dedup();
        let weights: Vec<f64> =
            moments.windows(2).map(|pair| real(between(pair[0], pair[1])).powf(0.4)).collect();
        let sum: f64 = weights.iter().sum();
        let mut place = left;
        let mut knots = vec![(moments[0], left)];
        for (moment, weight) in moments.iter().skip(1).zip(&weights) {
            place += weight / sum * (right - left);
            knots.push((*moment, place));
        }
        Self { knots }
    }

    /// Where a moment is; one before the beginning or after the end is at that end.
    pub fn x(&self, at_ms: i64) -> f64 {
        let (first, last) = (self.knots[0], self.knots[self.knots.len() - 1]);
        if at_ms <= first.0 {
            return first.1;
        }
        let part = self.knots.windows(2).find(|pair| at_ms <= pair[1].0);
        part.map_or(last.1, |pair| {
            let ((from, left), (to, right)) = (pair[0], pair[1]);
            left + real(between(from, at_ms)) / real(between(from, to)) * (right - left)
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds that are drawn in 1 000 pixels")]
fn real(ms: u64) -> f64 {
    ms as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::sample;

    #[test]
    fn time_goes_right_and_stays_inside() {
        let model = Model::of(&sample::good());
        let axis = Axis::of(&model, model.last_ms, 10.0, 110.0);
        let steps = (0..2_000).map(|step| model.started_ms - 60_000 + step * 60_000);
        let places: Vec<f64> = steps.map(|at| axis.x(at)).collect();
        assert!(places.is_sorted());
        assert!(places.iter().all(|place| (10.0..=110.001).contains(place)));
        let canary = axis.x(model.stages[1].entered_ms.unwrap()) - 10.0;
        assert!(canary > 5.0, "15 minutes of 28 hours can be seen: {canary}");
        let none = Axis::of(&Model::default(), 0, 10.0, 110.0);
        assert!((none.x(5) - 10.0).abs() < 1e-9);
    }
}
