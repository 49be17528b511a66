//! The rules of verdicts, one by one.

use super::{Evidence, Opinion, Seen};
use model::rollout::Check;
use model::rollout::entry::{Reading, Verdict};

const MINUTE: u64 = 60_000;

fn rate(min_sample: u64) -> Check {
    Check::Rate {
        proceed_below: 0.001,
        rollback_above: Some(0.01),
        worse_than_control: None,
        min_sample,
        confidence: 0.99,
    }
}

fn value(min_load: Option<f64>, consecutive: u32) -> Check {
    Check::Value {
        proceed_above: Some(6_000.0),
        proceed_below: None,
        rollback_below: Some(1_000.0),
        rollback_above: None,
        relative: false,
        min_load,
        consecutive,
    }
}

fn counts(bad: f64, total: f64) -> Reading {
    Reading::Counts { bad, total, control: None }
}

fn number(value: f64, load: Option<f64>) -> Reading {
    Reading::Value { value, control: None, load }
}

fn missing() -> Reading {
    Reading::Missing { why: "empty result".to_owned() }
}

/// One measurement a minute from the bake's begin on; what the last one said, and what the bake of all of them says.
fn bake(check: &Check, readings: &[Reading]) -> (Opinion, Verdict) {
    let mut evidence = Evidence::new(check);
    evidence.begin_bake();
    let (mut now_ms, mut said) = (0, None);
    for reading in readings {
        let seen = Seen { from_ms: now_ms, to_ms: now_ms + 60_000, reading, in_bake: true };
        now_ms += 60_000;
        said = Some(evidence.take(check, &seen));
    }
    let bake_ms = u64::try_from(now_ms).unwrap();
    (said.unwrap(), evidence.judge(check, MINUTE, bake_ms, now_ms).0)
}

#[test]
fn a_rate_below_proceeds_only_with_its_sample() {
    let few = vec![counts(0.0, 300.0); 15];
    assert_eq!(bake(&rate(4_603), &few).1, Verdict::Inconclusive);
    let enough = vec![counts(0.0, 307.0); 15];
    assert_eq!(bake(&rate(4_603), &enough).1, Verdict::Successful);
}

#[test]
fn windows_are_judged_together_and_not_one_by_one() {
    // One window in five is at 0.3 %, all of them together at 0.06 %.
    let mut readings = vec![counts(0.0, 1_000.0); 12];
    readings.extend(vec![counts(3.0, 1_000.0); 3]);
    let (said, whole) = bake(&rate(4_603), &readings);
    assert_eq!((said.verdict, whole), (Verdict::Successful, Verdict::Successful));
}

#[test]
fn between_proceed_and_roll_back_nothing_is_concluded() {
    let readings = vec![counts(4.0, 1_000.0); 15];
    assert_eq!(bake(&rate(4_603), &readings).1, Verdict::Inconclusive);
}

#[test]
fn what_is_shown_to_be_too_many_fails_at_once_and_needs_no_sample() {
    let (said, whole) = bake(&rate(1_000_000), &[counts(50.0, 1_000.0)]);
    assert_eq!((said.verdict, whole), (Verdict::Failed, Verdict::Failed));
    // It stays shown, whatever comes.
    let mut readings = vec![counts(50.0, 1_000.0)];
    readings.extend(vec![counts(0.0, 100_000.0); 15]);
    assert_eq!(bake(&rate(4_603), &readings).1, Verdict::Failed);
}

#[test]
fn harm_is_said_to_be_detected_where_the_suspicion_began() {
    let check = rate(4_603);
    let mut evidence = Evidence::new(&check);
    for (at, reading) in
        [counts(0.0, 1_000.0), counts(28.0, 500.0), counts(90.0, 1_000.0)].iter().enumerate()
    {
        let from_ms = i64::try_from(at).unwrap() * 60_000;
        let seen = Seen { from_ms, to_ms: from_ms + 60_000, reading, in_bake: true };
        evidence.take(&check, &seen);
    }
    assert_eq!(evidence.failure().map(|failure| failure.detected_ms), Some(120_000));
}

#[test]
fn no_data_is_never_a_success_and_never_a_failure() {
    let nothing = [
        missing(),
        counts(f64::NAN, f64::NAN),
        counts(5.0, 1.0),
        counts(-1.0, 10.0),
        counts(0.0, f64::INFINITY),
        Reading::Yes,
        number(0.0, None),
    ];
    for reading in nothing {
        let (said, whole) = bake(&rate(1), &vec![reading.clone(); 15]);
        assert_eq!(
            (said.verdict, whole),
            (Verdict::Inconclusive, Verdict::Inconclusive),
            "{reading:?}"
        );
    }
    let error = Reading::Error { why: "refused".to_owned() };
    let (said, whole) = bake(&rate(1), &vec![error; 15]);
    assert_eq!((said.verdict, whole), (Verdict::Error, Verdict::Inconclusive));
}

#[test]
fn a_bake_of_which_less_than_four_fifths_were_measured_is_no_success() {
    let of = |with: usize, without: usize| {
        let mut readings = vec![missing(); without];
        readings.extend(vec![counts(0.0, 10_000.0); with]);
        bake(&rate(4_603), &readings).1
    };
    assert_eq!(of(11, 4), Verdict::Inconclusive);
    assert_eq!(of(12, 3), Verdict::Successful);
}

#[test]
fn the_end_of_the_bake_must_be_measured() {
    let mut readings = vec![counts(0.0, 10_000.0); 17];
    readings.extend(vec![missing(); 3]);
    assert_eq!(bake(&rate(4_603), &readings).1, Verdict::Inconclusive);
}

#[test]
fn a_missing_control_group_is_missing_data() {
    let Check::Rate { proceed_below, rollback_above, min_sample, confidence, .. } = rate(1_000)
    else {
        unreachable!()
    };
    let worse_than_control = Some(0.0);
    let check =
        Check::Rate { proceed_below, rollback_above, worse_than_control, min_sample, confidence };
    assert_eq!(bake(&check, &vec![counts(0.0, 1_000.0); 15]).1, Verdict::Inconclusive);
    let control = |bad| Reading::Counts { bad, total: 5_000.0, control: Some((1.0, 5_000.0)) };
    assert_eq!(bake(&check, &vec![control(1.0); 15]).1, Verdict::Successful);
    // Twenty times the control's rate is a failure though far below the bound of 1 %.
    assert_eq!(bake(&check, &vec![control(20.0); 15]).1, Verdict::Failed);
}

#[test]
fn values_decide_by_rows() {
    let check = value(None, 3);
    let good = vec![number(6_500.0, None); 15];
    assert_eq!(bake(&check, &good).1, Verdict::Successful);
    let mut dip = good.clone();
    dip.push(number(3_000.0, None));
    assert_eq!(bake(&check, &dip).1, Verdict::Inconclusive);
    let mut twice = good.clone();
    twice.extend(vec![number(10.0, None); 2]);
    assert_eq!(bake(&check, &twice).1, Verdict::Inconclusive);
    twice.push(number(10.0, None));
    assert_eq!(bake(&check, &twice).1, Verdict::Failed);
    // A gap breaks the row.
    let mut gap = good;
    gap.extend([number(10.0, None), number(10.0, None), missing(), number(10.0, None)]);
    assert_eq!(bake(&check, &gap).1, Verdict::Inconclusive);
}

#[test]
fn below_its_floor_of_load_a_gate_neither_fails_nor_lacks_data() {
    let check = value(Some(500.0), 3);
    let night = vec![number(10.0, Some(20.0)); 15];
    assert_eq!(bake(&check, &night).1, Verdict::Successful);
    let mut morning = night;
    morning.extend(vec![number(10.0, Some(900.0)); 3]);
    assert_eq!(bake(&check, &morning).1, Verdict::Failed);
    // Whether it applies is not known: no data.
    assert_eq!(bake(&check, &vec![number(7_000.0, None); 15]).1, Verdict::Inconclusive);
}

#[test]
fn a_relative_value_needs_a_control_group_that_does_something() {
    let check = Check::Value {
        proceed_above: Some(0.9),
        proceed_below: None,
        rollback_below: Some(0.5),
        rollback_above: None,
        relative: true,
        min_load: None,
        consecutive: 2,
    };
    let of = |value, control| Reading::Value { value, control, load: None };
    assert_eq!(bake(&check, &vec![of(95.0, Some(100.0)); 15]).1, Verdict::Successful);
    assert_eq!(bake(&check, &vec![of(40.0, Some(100.0)); 15]).1, Verdict::Failed);
    for control in [None, Some(0.0), Some(f64::NAN)] {
        assert_eq!(bake(&check, &vec![of(95.0, control); 15]).1, Verdict::Inconclusive);
    }
}

#[test]
fn noes_in_a_row_fail_and_a_single_one_does_not() {
    let check = Check::Yes { consecutive: 2 };
    let no = || Reading::No { why: "an alert fires".to_owned() };
    assert_eq!(bake(&check, &[Reading::Yes, no(), Reading::Yes]).1, Verdict::Successful);
    assert_eq!(bake(&check, &[Reading::Yes, Reading::Yes, no()]).1, Verdict::Inconclusive);
    assert_eq!(bake(&check, &[Reading::Yes, no(), no()]).1, Verdict::Failed);
    assert_eq!(bake(&check, &[no(), no(), Reading::Yes]).1, Verdict::Failed);
}
