//! What the measurements of a gate in a stage say: the rules of the four verdicts.
//!
//! Invariants: missing data is never a success and never a failure; what was shown once stays shown for the stage; the
//! result hangs on the measurements alone. Refuses to know: where measurements come from, what a verdict leads to.

use crate::sequential::{Against, log_above};
use crate::words::{duration, grouped, percent};
use model::rollout::Check;
use model::rollout::entry::{Measurement, Reading, Verdict};
use std::collections::BTreeMap;

/// The share of a bake, in per cent, that must have been measured before the stage can succeed.
pub const COVERAGE_PERCENT: u64 = 80;
/// After so many intervals without data the last data says nothing of now.
pub const FRESH_INTERVALS: u64 = 2;

/// A measurement as a gate takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen<'a> {
    /// From when.
    pub from_ms: i64,
    /// To when.
    pub to_ms: i64,
    /// What came back.
    pub reading: &'a Reading,
    /// Whether all of it lies in the bake: only then it counts towards success.
    pub in_bake: bool,
}

impl<'a> Seen<'a> {
    /// A measurement of a stage whose bake began then, if it did.
    pub fn of(measurement: &'a Measurement, bake_ms: Option<i64>) -> Self {
        let Measurement { from_ms, to_ms, reading, .. } = measurement;
        let in_bake = bake_ms.is_some_and(|bake_ms| *from_ms >= bake_ms);
        Self { from_ms: *from_ms, to_ms: *to_ms, reading, in_bake }
    }
}

/// Why a gate failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// In a sentence.
    pub why: String,
    /// The end of the first measurement that led to it.
    pub detected_ms: i64,
    /// The end of the measurement that showed it.
    pub measured_ms: i64,
}

/// What one measurement, with all before it, says.
#[derive(Clone, Debug, PartialEq)]
pub struct Opinion {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub why: String,
    /// Numbers to draw, by name.
    pub shown: BTreeMap<String, f64>,
}

/// What is known of a gate in a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Bad and all events since the bake began.
    counts: (f64, f64),
    /// The same since the stage began: what harm is judged by.
    stage_counts: (f64, f64),
    control: (f64, f64),
    against: Option<Against>,
    suspect_ms: Option<i64>,
    good_in_row: u32,
    bad_in_row: u32,
    applied: u32,
    covered_ms: i64,
    data_ms: Option<i64>,
    measured_ms: Option<i64>,
    errors: u32,
    latest: Verdict,
    failure: Option<Failure>,
}

/// What a reading means for a check: data, or why there is none.
enum Data {
    Counts {
        bad: f64,
        total: f64,
        control: Option<(f64, f64)>,
    },
    /// The value; none when the gate does not apply now.
    Value {
        value: f64,
        applies: bool,
    },
    Answer(Result<(), String>),
}

impl Evidence {
    /// Nothing known yet.
    pub fn new(check: &Check) -> Self {
        let against = match check {
            Check::Rate { worse_than_control: Some(margin), proceed_below, .. } => {
                Some(Against::new(*margin, proceed_below / 2.0))
            }
            _ => None,
        };
        Self {
            counts: (0.0, 0.0),
            stage_counts: (0.0, 0.0),
            control: (0.0, 0.0),
            against,
            suspect_ms: None,
            good_in_row: 0,
            bad_in_row: 0,
            applied: 0,
            covered_ms: 0,
            data_ms: None,
            measured_ms: None,
            errors: 0,
            latest: Verdict::Inconclusive,
            failure: None,
        }
    }

    /// The bake begins: from now on success is counted. What speaks for harm stays.
    pub(crate) fn begin_bake(&mut self) {
        self.counts = (0.0, 0.0);
        self.control = (0.0, 0.0);
        self.good_in_row = 0;
        self.applied = 0;
        self.covered_ms = 0;
        self.data_ms = None;
        self.measured_ms = None;
        self.errors = 0;
        self.latest = Verdict::Inconclusive;
    }

    /// What was shown against the candidate, if anything.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// The end of the last measurement that brought data.
    pub fn data_ms(&self) -> Option<i64> {
        self.data_ms
    }

    /// The end of the last measurement, whatever it brought.
    pub fn measured_ms(&self) -> Option<i64> {
        self.measured_ms
    }

    /// How often in a row the source could not be asked.
    pub fn errors(&self) -> u32 {
        self.errors
    }

    /// Bad and all events since the bake began.
    pub fn counts(&self) -> (f64, f64) {
        self.counts
    }

    /// Takes a measurement and says what the gate says with it.
    pub fn take(&mut self, check: &Check, seen: &Seen<'_>) -> Opinion {
        self.measured_ms = Some(self.measured_ms.unwrap_or(seen.to_ms).max(seen.to_ms));
        let data = match data(check, seen.reading) {
            Ok(data) => data,
            Err((verdict, why)) => return self.take_nothing(verdict, why),
        };
        self.errors = 0;
        self.data_ms = Some(self.data_ms.unwrap_or(seen.to_ms).max(seen.to_ms));
        if seen.in_bake {
            self.covered_ms =
                self.covered_ms.saturating_add(seen.to_ms.saturating_sub(seen.from_ms).max(0));
        }
        let (verdict, why, shown) = match (check, data) {
            (Check::Rate { .. }, Data::Counts { bad, total, control }) => {
                self.take_counts(check, seen, (bad, total), control)
            }
            (_, Data::Value { value, applies }) => self.take_value(check, seen, value, applies),
            (_, Data::Answer(answer)) => self.take_answer(check, seen, answer),
            (_, Data::Counts { .. }) => {
                (Verdict::Inconclusive, "counts say nothing here".to_owned(), BTreeMap::new())
            }
        };
        self.latest = verdict;
        Opinion { verdict, why, shown }
    }

    /// No data: the rows of equal answers are broken, nothing else changes.
    fn take_nothing(&mut self, verdict: Verdict, why: String) -> Opinion {
        self.errors = if verdict == Verdict::Error { self.errors.saturating_add(1) } else { 0 };
        self.good_in_row = 0;
        self.bad_in_row = 0;
        if self.failure.is_none() {
            self.latest = verdict;
        }
        Opinion { verdict, why, shown: BTreeMap::new() }
    }

    fn fail(&mut self, why: String, now_ms: i64) -> (Verdict, String) {
        let detected_ms = self.suspect_ms.unwrap_or(now_ms);
        let failure = self.failure.get_or_insert(Failure { why, detected_ms, measured_ms: now_ms });
        (Verdict::Failed, failure.why.clone())
    }

    /// Remembers since when something speaks against the candidate.
    fn suspect(&mut self, suspicious: bool, now_ms: i64) {
        if !suspicious {
            self.suspect_ms = None;
        } else if self.suspect_ms.is_none() {
            self.suspect_ms = Some(now_ms);
        }
    }

    fn take_counts(
        &mut self,
        check: &Check,
        seen: &Seen<'_>,
        (bad, total): (f64, f64),
        control: Option<(f64, f64)>,
    ) -> (Verdict, String, BTreeMap<String, f64>) {
        let Check::Rate { proceed_below, rollback_above, confidence, .. } = check else {
            return (Verdict::Inconclusive, "no rate".to_owned(), BTreeMap::new());
        };
        add(&mut self.stage_counts, (bad, total));
        if seen.in_bake {
            add(&mut self.counts, (bad, total));
        }
        if let (Some(against), Some(control)) = (&mut self.against, control) {
            against.take((bad, total), control);
            add(&mut self.control, control);
        }
        let (all_bad, all) = self.stage_counts;
        let log_bound = rollback_above.map(|bound| log_above(bound, all_bad, all));
        let log_control = self.against.as_ref().map(Against::log_value);
        let worst = log_bound.into_iter().chain(log_control).fold(f64::NEG_INFINITY, f64::max);
        self.suspect(worst > 0.0, seen.to_ms);
        let enough = -(1.0 - confidence.clamp(0.0, 1.0 - 1e-9)).ln();
        let sure = percent(*confidence);
        let over = log_bound.is_some_and(|log| log >= enough);
        let worse = log_control.is_some_and(|log| log >= enough);
        let (verdict, why) = if self.failure.is_some() || over || worse {
            let (bad, all) = (grouped(all_bad), grouped(all));
            let than = match rollback_above {
                Some(bound) if over => format!("above {}", percent(*bound)),
                _ => "worse than the control group".to_owned(),
            };
            self.fail(
                format!("{bad} bad of {all} events: shown to be {than} at {sure}"),
                seen.to_ms,
            )
        } else {
            self.rate_now(check)
        };
        let mut shown = BTreeMap::from([("threshold".to_owned(), *proceed_below)]);
        let mut show = |name: &str, value: Option<f64>| {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                shown.insert(name.to_owned(), value);
            }
        };
        show("rate", (total > 0.0).then(|| bad / total));
        let counts = if self.counts.1 > 0.0 { self.counts } else { self.stage_counts };
        show("cumulated", (counts.1 > 0.0).then(|| counts.0 / counts.1));
        show("events", Some(counts.1));
        show("rollback", *rollback_above);
        show("e_value", worst.is_finite().then(|| worst.min(60.0).exp()));
        show("control_rate", control.filter(|(_, all)| *all > 0.0).map(|(bad, all)| bad / all));
        (verdict, why, shown)
    }

    /// What the events since the bake began say of proceeding.
    fn rate_now(&self, check: &Check) -> (Verdict, String) {
        let Check::Rate { proceed_below, min_sample, confidence, .. } = check else {
            return (Verdict::Inconclusive, "no rate".to_owned());
        };
        let (bad, total) = self.counts;
        let sample = sample(*min_sample);
        if total < sample || total <= 0.0 {
            let (total, sample) = (grouped(total), grouped(sample));
            return (Verdict::Inconclusive, format!("{total} of at least {sample} events seen"));
        }
        let enough = -(1.0 - confidence.clamp(0.0, 1.0 - 1e-9)).ln();
        let rate = bad / total;
        let (seen, bound) = (percent(rate), percent(*proceed_below));
        if rate >= *proceed_below || log_above(*proceed_below, bad, total) >= enough {
            return (Verdict::Inconclusive, format!("{seen} is not below {bound}"));
        }
        let all = grouped(total);
        (Verdict::Successful, format!("{seen} of {all} events, below {bound}"))
    }

    fn take_value(
        &mut self,
        check: &Check,
        seen: &Seen<'_>,
        value: f64,
        applies: bool,
    ) -> (Verdict, String, BTreeMap<String, f64>) {
        let Check::Value { proceed_above, proceed_below, rollback_below, rollback_above, .. } =
            check
        else {
            return (Verdict::Inconclusive, "no value".to_owned(), BTreeMap::new());
        };
        let mut shown = BTreeMap::from([("value".to_owned(), value)]);
        shown.extend(proceed_below.or(*proceed_above).map(|bound| ("threshold".to_owned(), bound)));
        shown.extend(rollback_above.or(*rollback_below).map(|it| ("rollback".to_owned(), it)));
        if !applies {
            let (verdict, why) = self.value_now(check);
            return (verdict, format!("the load is under the floor: does not apply; {why}"), shown);
        }
        let under = |bound: &Option<f64>| bound.is_some_and(|bound| value < bound);
        let over = |bound: &Option<f64>| bound.is_some_and(|bound| value > bound);
        let harmful = under(rollback_below) || over(rollback_above);
        let good = !harmful
            && proceed_above.is_none_or(|bound| value > bound)
            && proceed_below.is_none_or(|bound| value < bound);
        self.count_rows(seen, good, harmful);
        let (verdict, why) = if self.failure.is_some() || self.bad_in_row >= needed(check) {
            let times = self.bad_in_row;
            self.fail(format!("{value} is beyond its bound, {times} times in a row"), seen.to_ms)
        } else {
            self.value_now(check)
        };
        (verdict, why, shown)
    }

    fn count_rows(&mut self, seen: &Seen<'_>, good: bool, harmful: bool) {
        self.suspect(harmful, seen.to_ms);
        self.bad_in_row = if harmful { self.bad_in_row.saturating_add(1) } else { 0 };
        if seen.in_bake {
            self.good_in_row = if good { self.good_in_row.saturating_add(1) } else { 0 };
            self.applied = self.applied.saturating_add(1);
        }
    }

    fn value_now(&self, check: &Check) -> (Verdict, String) {
        let mut needed = needed(check);
        if self.applied == 0 {
            return match check {
                Check::Value { min_load: Some(_), .. } if self.data_ms.is_some() => {
                    (Verdict::Successful, "the load was never above the floor".to_owned())
                }
                _ => (Verdict::Inconclusive, "not measured in the bake yet".to_owned()),
            };
        }
        // A gate that applied only a few times cannot have more in a row than that.
        if matches!(check, Check::Value { min_load: Some(_), .. }) {
            needed = needed.min(self.applied);
        }
        if self.good_in_row >= needed {
            return (
                Verdict::Successful,
                format!("within its bounds {} times in a row", self.good_in_row),
            );
        }
        let why = format!("within its bounds {} of {needed} times in a row", self.good_in_row);
        (Verdict::Inconclusive, why)
    }

    fn take_answer(
        &mut self,
        check: &Check,
        seen: &Seen<'_>,
        answer: Result<(), String>,
    ) -> (Verdict, String, BTreeMap<String, f64>) {
        self.count_rows(seen, answer.is_ok(), answer.is_err());
        let shown = BTreeMap::from([("value".to_owned(), if answer.is_ok() { 1.0 } else { 0.0 })]);
        let (verdict, why) = match answer {
            Err(why) if self.failure.is_some() || self.bad_in_row >= needed(check) => {
                let times = self.bad_in_row;
                self.fail(format!("no, {times} times in a row: {why}"), seen.to_ms)
            }
            Ok(()) if self.failure.is_some() => self.fail(String::new(), seen.to_ms),
            Err(why) => (Verdict::Inconclusive, format!("no: {why}")),
            Ok(()) if self.good_in_row == 0 => {
                (Verdict::Inconclusive, "yes, before the bake".to_owned())
            }
            Ok(()) => (Verdict::Successful, "yes".to_owned()),
        };
        (verdict, why, shown)
    }

    /// What the gate says of the whole bake: [`Verdict::Successful`] only if it was measured through, up to now.
    pub fn judge(
        &self,
        check: &Check,
        interval_ms: u64,
        bake_ms: u64,
        now_ms: i64,
    ) -> (Verdict, String) {
        if let Some(failure) = &self.failure {
            return (Verdict::Failed, failure.why.clone());
        }
        let Some(data_ms) = self.data_ms else {
            return (Verdict::Inconclusive, "there is no data".to_owned());
        };
        let silent_ms = u64::try_from(now_ms.saturating_sub(data_ms)).unwrap_or(0);
        if silent_ms > interval_ms.saturating_mul(FRESH_INTERVALS) {
            return (
                Verdict::Inconclusive,
                format!("no data for {}", duration(silent_ms / 1000 * 1000)),
            );
        }
        let covered = u64::try_from(self.covered_ms).unwrap_or(0);
        if covered.saturating_mul(100) < bake_ms.saturating_mul(COVERAGE_PERCENT) {
            let percent = covered.saturating_mul(100) / bake_ms.max(1);
            let why = format!("{percent} % of the bake was measured, {COVERAGE_PERCENT} % must be");
            return (Verdict::Inconclusive, why);
        }
        if matches!(self.latest, Verdict::Error) {
            return (Verdict::Inconclusive, "the last measurement could not be made".to_owned());
        }
        match check {
            Check::Rate { .. } => self.rate_now(check),
            Check::Value { .. } => self.value_now(check),
            Check::Yes { .. } if self.good_in_row > 0 => (Verdict::Successful, "yes".to_owned()),
            Check::Yes { .. } => (Verdict::Inconclusive, "the last answer was not yes".to_owned()),
        }
    }
}

fn add(sum: &mut (f64, f64), more: (f64, f64)) {
    sum.0 += more.0;
    sum.1 += more.1;
}

fn needed(check: &Check) -> u32 {
    match check {
        Check::Value { consecutive, .. } | Check::Yes { consecutive } => (*consecutive).max(1),
        Check::Rate { .. } => 1,
    }
}

/// A number of events as one that counts can be compared with.
#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 events one more does not matter")]
pub(crate) fn sample(events: u64) -> f64 {
    events as f64
}

/// Whether a check compares the candidate with the control group.
pub fn compares(check: &Check) -> bool {
    match check {
        Check::Rate { worse_than_control, .. } => worse_than_control.is_some(),
        Check::Value { relative, .. } => *relative,
        Check::Yes { .. } => false,
    }
}

/// What a reading brings for a check; or the verdict on having none, and why.
fn data(check: &Check, reading: &Reading) -> Result<Data, (Verdict, String)> {
    let missing = |why: &str| (Verdict::Inconclusive, why.to_owned());
    match (check, reading) {
        (_, Reading::Missing { why }) => Err((Verdict::Inconclusive, format!("no data: {why}"))),
        (_, Reading::Error { why }) => Err((Verdict::Error, why.clone())),
        (Check::Rate { .. }, Reading::Counts { bad, total, control }) => {
            let control = control.map(|(bad, total)| counts(bad, total)).transpose()?;
            if compares(check) && control.is_none() {
                return Err(missing("no data: the control group's counts are missing"));
            }
            let (bad, total) = counts(*bad, *total)?;
            Ok(Data::Counts { bad, total, control })
        }
        (Check::Value { relative, min_load, .. }, Reading::Value { value, control, load }) => {
            let load = load.filter(|load| load.is_finite());
            let applies = match (min_load, load) {
                (None, _) => true,
                (Some(_), None) => return Err(missing("no data: the load is missing")),
                (Some(floor), Some(load)) => load >= *floor,
            };
            let value = match control.filter(|control| control.is_finite() && *control > 0.0) {
                Some(control) if *relative => value / control,
                None if *relative && applies => {
                    return Err(missing("no data: the control group's value is missing"));
                }
                _ => *value,
            };
            if applies && !value.is_finite() {
                return Err(missing("no data: the value is not a number"));
            }
            Ok(Data::Value { value: if value.is_finite() { value } else { 0.0 }, applies })
        }
        (Check::Yes { .. }, Reading::Yes) => Ok(Data::Answer(Ok(()))),
        (Check::Yes { .. }, Reading::No { why }) => Ok(Data::Answer(Err(why.clone()))),
        _ => Err(missing("no data: the answer is not of the kind that the gate asks for")),
    }
}

/// Counts that can be: finite, not negative, not more bad ones than all.
fn counts(bad: f64, total: f64) -> Result<(f64, f64), (Verdict, String)> {
    let sound = bad.is_finite() && total.is_finite() && bad >= 0.0 && total >= 0.0;
    // Both counts are extrapolated by themselves, so the bad ones may be a little more than all.
    if !sound || bad > total * 1.05 + 1.0 {
        let why = format!("no data: {bad} bad events of {total} cannot be");
        return Err((Verdict::Inconclusive, why));
    }
    Ok((bad.min(total), total))
}

#[cfg(test)]
mod tests;
