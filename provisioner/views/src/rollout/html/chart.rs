//! One gate over time: its measurements, stage boundaries, thresholds, the control group.
//!
//! Invariants: one mark with the class `m` a measurement; a line never bridges a gap in the data; shares are on a square-root
//! scale, so that 0.05 % and 5 % are both to be seen, and the axis says their values.
//! Refuses to know: what a verdict follows from.

use super::axis::Axis;
use super::markup::escaped;
use crate::rollout::figures::{clock, number, share};
use crate::rollout::fold::{Answer, Bounds, GateView, Model, Point, Series};
use crate::rollout::telling;
use model::rollout::entry::Verdict;

/// The places of the axis' ends.
pub const LEFT: f64 = 70.0;
/// See [`LEFT`].
pub const RIGHT: f64 = 862.0;
const WIDTH: f64 = 960.0;
const TOP: f64 = 24.0;
/// The bottom of a chart of numbers.
const BOTTOM: f64 = 196.0;
/// And of one of yes and no.
const BOTTOM_YES_NO: f64 = 80.0;
/// More points than this have no texts of their own; the table has them.
const TEXTS: usize = 1_000;

/// What the lines mean, of those that this chart has.
pub fn legend(series: &Series) -> String {
    let bounds =
        |of: &dyn Fn(&Bounds) -> bool| series.stages.iter().any(|(_, gate)| of(&gate.bounds()));
    let key = |class: &str, name: &str| {
        format!(
            "<li><svg class=\"key\" aria-hidden=\"true\" viewBox=\"0 0 24 12\">\
             <path class=\"{class}\" d=\"M0 6h24\"/></svg> {name}</li>"
        )
    };
    let mut text = format!("<ul class=\"legend\">{}", key("line", "candidate, each window"));
    if series.points().any(|point| point.cumulated.is_some()) {
        text.push_str(&key("cumulated", "candidate, all windows of the stage"));
    }
    if series.points().any(|point| point.control.is_some()) {
        text.push_str(&key("control", "control group"));
    }
    if bounds(&|of| of.proceed_above.is_some() || of.proceed_below.is_some()) {
        text.push_str(&key("proceed", "proceed"));
    }
    if bounds(&|of| of.rollback_above.is_some() || of.rollback_below.is_some()) {
        text.push_str(&key("rollback", "roll back"));
    }
    text.push_str("</ul>");
    text
}

/// The chart, with a title and a description for those who do not see it.
pub fn svg(model: &Model, series: &Series, axis: &Axis, name: &str) -> String {
    let (all, missing) = (series.points().count(), series.points().filter(|p| !counts(p)).count());
    let (title, stages) = (escaped(name), series.stages.len());
    let scale = if series.has_numbers() { Scale::of(series) } else { Scale::YES_NO };
    let height = scale.bottom + 24.0;
    let mut text = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n<title>{title} over time</title>\n\
         <desc>{all} measurements, {missing} of them without data, in up to {stages} stages. The table below has them.</desc>\n"
    );
    text.push_str(&bands(model, series, axis, scale.bottom));
    text.push_str(&scale.ticks(series));
    for (place, gate) in &series.stages {
        let stage = &model.stages[*place];
        let Some(entered) = stage.entered_ms else { continue };
        let to = stage.left_ms.map_or(RIGHT, |left| axis.x(left));
        text.push_str(&thresholds(gate, &scale, axis.x(entered), to));
    }
    text.push_str(&bound_labels(model, series, &scale));
    let look = Look { texts: all <= TEXTS, radius: if all <= 60 { 3.0 } else { 2.0 } };
    for (_, gate) in &series.stages {
        text.push_str(&lines(gate, &scale, axis));
        for point in &gate.points {
            text.push_str(&mark(point, gate, &scale, axis, look));
        }
    }
    text.push_str("</svg>\n");
    text
}

fn counts(point: &Point) -> bool {
    matches!(point.reading, Answer::Yes | Answer::No) || point.value.is_some()
}

/// The vertical axis.
struct Scale {
    least: f64,
    greatest: f64,
    root: bool,
    bottom: f64,
}

impl Scale {
    const YES_NO: Self = Self { least: 0.0, greatest: 1.0, root: false, bottom: BOTTOM_YES_NO };

    fn of(series: &Series) -> Self {
        let bounds = series.stages.iter().flat_map(|(_, gate)| all_of(&gate.bounds()));
        let shown = series.points().flat_map(|point| [point.value, point.cumulated, point.control]);
        let numbers: Vec<f64> = bounds.chain(shown).flatten().filter(|n| n.is_finite()).collect();
        let greatest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        if numbers.is_empty() {
            return Self { bottom: BOTTOM, ..Self::YES_NO };
        }
        if series.is_share() {
            let greatest = (greatest * 1.15).clamp(0.000_001, 1.0);
            return Self { least: 0.0, greatest, root: true, bottom: BOTTOM };
        }
        let room = ((greatest - least) * 0.15).max(greatest.abs() * 0.02).max(1e-9);
        let floor = if least >= 0.0 { (least - room).max(0.0) } else { least - room };
        Self { least: floor, greatest: greatest + room, root: false, bottom: BOTTOM }
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.least) / (self.greatest - self.least);
        let share = share.clamp(0.0, 1.0);
        let share = if self.root { share.sqrt() } else { share };
        self.bottom - share * (self.bottom - TOP)
    }

    /// Lines across and their values: round numbers.
    fn ticks(&self, series: &Series) -> String {
        let mut text = String::new();
        if !series.has_numbers() {
            for (value, word) in [(0.0, "no"), (1.0, "yes")] {
                text.push_str(&tick(self.y(value * 0.6 + 0.2), word));
            }
            return text;
        }
        let mut last = f64::INFINITY;
        for value in if self.root { self.decades() } else { self.steps() } {
            let y = self.y(value);
            if last - y < 22.0 {
                continue;
            }
            last = y;
            let said = if self.root { share(value) } else { number(value) };
            text.push_str(&tick(y, &said));
        }
        text
    }

    /// 1, 2 and 5 of every power of ten within the scale, upwards, from nought on.
    fn decades(&self) -> Vec<f64> {
        let tens = (-7..=0).map(|power| 10_f64.powi(power));
        let all = tens.flat_map(|ten| [ten, 2.0 * ten, 5.0 * ten]);
        [0.0].into_iter().chain(all).filter(|value| *value <= self.greatest).collect()
    }

    /// Multiples of 1, 2 or 5 of a power of ten, about five.
    fn steps(&self) -> Vec<f64> {
        let rough = (self.greatest - self.least) / 6.0;
        let ten = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0].map(|times| times * ten);
        let step = step.into_iter().find(|step| *step >= rough).unwrap_or(10.0 * ten);
        let first = (self.least / step).ceil();
        let all = (0..20_u32).map(|index| (first + f64::from(index)) * step);
        all.take_while(|value| *value <= self.greatest).collect()
    }
}

fn tick(y: f64, said: &str) -> String {
    let (x, said) = (LEFT - 8.0, escaped(said));
    format!(
        "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>\
         <text class=\"axis\" x=\"{x}\" y=\"{:.1}\" text-anchor=\"end\">{said}</text>\n",
        y + 4.0
    )
}

fn all_of(bounds: &Bounds) -> [Option<f64>; 4] {
    [bounds.proceed_below, bounds.proceed_above, bounds.rollback_above, bounds.rollback_below]
}

/// The stages behind everything, with their names above and the times at which they begin below.
fn bands(model: &Model, series: &Series, axis: &Axis, bottom: f64) -> String {
    let mut text = String::new();
    let mut free = f64::NEG_INFINITY;
    let mut label = |text: &mut String, x: f64, at_ms: i64| {
        if x >= free {
            free = x + 52.0;
            let (y, said) = (bottom + 16.0, clock(at_ms));
            push!(
                *text,
                "<text class=\"axis\" x=\"{x:.1}\" y=\"{y}\">{}</text>\n",
                &said[..said.len().min(5)]
            );
        }
    };
    let entered = model.stages.iter().enumerate().filter(|(_, stage)| stage.set == series.set);
    for (place, stage) in entered {
        let Some(entered) = stage.entered_ms else { continue };
        let (x, to) = (axis.x(entered), stage.left_ms.map_or(RIGHT, |left| axis.x(left)));
        let (wide, tall) = ((to - x).max(1.0), bottom - TOP);
        let odd = if place % 2 == 1 { " odd" } else { "" };
        let name = escaped(&stage.name);
        push!(
            text,
            "<rect class=\"band{odd}\" x=\"{x:.1}\" y=\"{TOP}\" width=\"{wide:.1}\" height=\"{tall}\"><title>{name}</title></rect>\n"
        );
        push!(text, "<path class=\"boundary\" d=\"M{x:.1} {}V{bottom}\"/>\n", TOP - 14.0);
        if let Some(baking) = stage.bake_started_ms {
            push!(
                text,
                "<path class=\"bake\" d=\"M{:.1} {TOP}V{bottom}\"><title>{name} bakes from here</title></path>\n",
                axis.x(baking)
            );
        }
        let fit = fitting(&stage.name, wide - 6.0);
        push!(
            text,
            "<text class=\"stage\" x=\"{:.1}\" y=\"{}\">{}</text>\n",
            x + 4.0,
            TOP - 5.0,
            escaped(&fit)
        );
        label(&mut text, x, entered);
    }
    if let Some(rollback) = &model.rollback {
        let x = axis.x(rollback.decided_ms);
        push!(
            text,
            "<path class=\"decided\" d=\"M{x:.1} {}V{bottom}\"><title>rollback decided</title></path>\n",
            TOP - 14.0
        );
        push!(
            text,
            "<text class=\"stage alarm\" x=\"{:.1}\" y=\"{}\">rollback</text>\n",
            x + 4.0,
            TOP - 5.0
        );
        label(&mut text, x, rollback.decided_ms);
    }
    text
}

/// As much of a name as fits so many pixels; nothing of one that would be a letter.
fn fitting(name: &str, wide: f64) -> String {
    let letters =
        (1_u32..).take_while(|letters| f64::from(*letters) * 6.6 <= wide).take(60).count();
    if letters < 3 { String::new() } else { crate::rollout::figures::cut(name, letters) }
}

fn thresholds(gate: &GateView, scale: &Scale, from: f64, to: f64) -> String {
    let bounds = gate.bounds();
    let mut text = String::new();
    for (class, bound) in [
        ("proceed", bounds.proceed_below),
        ("proceed", bounds.proceed_above),
        ("rollback", bounds.rollback_above),
        ("rollback", bounds.rollback_below),
    ] {
        if let Some(bound) = bound {
            let y = scale.y(bound);
            push!(text, "<path class=\"{class}\" d=\"M{from:.1} {y:.1}H{to:.1}\"/>\n");
        }
    }
    text
}

/// The bounds of the last stage that began, in the margin; one that would cover another is moved down.
fn bound_labels(model: &Model, series: &Series, scale: &Scale) -> String {
    let began = |(place, _): &&(usize, &GateView)| model.stages[*place].entered_ms.is_some();
    let Some((_, gate)) = series.stages.iter().rev().find(began) else {
        return String::new();
    };
    let bounds = gate.bounds();
    let mut labels: Vec<(f64, &str, String)> = [
        ("proceed", "<", bounds.proceed_below),
        ("proceed", ">", bounds.proceed_above),
        ("rollback", ">", bounds.rollback_above),
        ("rollback", "<", bounds.rollback_below),
    ]
    .into_iter()
    .filter_map(|(class, sign, bound)| {
        let bound = bound?;
        Some((scale.y(bound) + 4.0, class, format!("{sign} {}", gate.figure(bound))))
    })
    .collect();
    labels.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut text = String::new();
    let mut free = f64::NEG_INFINITY;
    for (y, class, said) in labels {
        let y = y.max(free);
        free = y + 14.0;
        let (x, said) = (RIGHT + 6.0, escaped(&said));
        push!(text, "<text class=\"bound {class}\" x=\"{x}\" y=\"{y:.1}\">{said}</text>\n");
    }
    text
}

/// Lines through neighbours that have numbers.
fn lines(gate: &GateView, scale: &Scale, axis: &Axis) -> String {
    let path = |class: &str, value: &dyn Fn(&Point) -> Option<f64>| {
        let mut path = String::new();
        let mut down = false;
        for point in &gate.points {
            let Some(value) = value(point) else {
                down = false;
                continue;
            };
            let letter = if down { 'L' } else { 'M' };
            push!(path, "{letter}{:.1} {:.1}", axis.x(point.to_ms), scale.y(value));
            down = true;
        }
        if path.is_empty() { path } else { format!("<path class=\"{class}\" d=\"{path}\"/>\n") }
    };
    let mut text = path("control", &|point| point.control);
    text.push_str(&path("cumulated", &|point| point.value.and(point.cumulated)));
    text.push_str(&path("line", &|point| point.value));
    text
}

/// How marks look.
#[derive(Clone, Copy)]
struct Look {
    /// Whether each has a text of its own.
    texts: bool,
    radius: f64,
}

/// One measurement.
fn mark(point: &Point, gate: &GateView, scale: &Scale, axis: &Axis, look: Look) -> String {
    let x = axis.x(point.to_ms);
    let said = match (point.value, point.reading) {
        (Some(value), _) => gate.figure(value),
        (None, Answer::Yes) => "yes".to_owned(),
        (None, Answer::No) => "no".to_owned(),
        (None, Answer::Number | Answer::Missing) => "no data".to_owned(),
        (None, Answer::Error) => "no answer".to_owned(),
    };
    let title = if look.texts {
        let verdict = telling::verdict_name(point.verdict);
        let said = format!("{} {said}, {verdict}: {}", clock(point.to_ms), point.why);
        format!("<title>{}</title>", escaped(&said))
    } else {
        String::new()
    };
    let y = match (point.value, point.reading) {
        (Some(value), _) => scale.y(value),
        (None, Answer::Yes) => scale.y(0.8),
        (None, Answer::No) => scale.y(0.2),
        (None, _) => {
            let y = scale.bottom - 6.0;
            let cross = format!("M{:.1} {:.1}l6 6m0 -6l-6 6", x - 3.0, y - 3.0);
            return format!("<path class=\"m missing\" d=\"{cross}\">{title}</path>\n");
        }
    };
    let (class, radius) = match point.verdict {
        Verdict::Failed => ("m failed", 4.0),
        Verdict::Successful => ("m successful", look.radius),
        Verdict::Inconclusive | Verdict::Error => ("m", look.radius),
    };
    format!(
        "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\">{title}</circle>\n"
    )
}
