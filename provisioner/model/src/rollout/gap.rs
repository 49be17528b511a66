//! What no rules of a rollout may lack, whoever made them: what keeps nodes from going on unjudged.
//!
//! The language tells this and more, each mistake where it is written; this is for rules that come otherwise, and tells no place.
//! Refuses to know: what else makes rules useless.

use super::{Amount, Check, Rollout, Stage};

impl Rollout {
    /// What lets nodes go on that nobody judged, in words; none in rules that the language gives. Whatever else is wrong with rules keeps
    /// a rollout from going on, and so does no harm.
    pub fn gap(&self) -> Option<String> {
        let Some(last) = self.stages.last() else {
            return Some("it has no stage".to_owned());
        };
        if last.nodes != Amount::Percent(100.0) {
            return Some(format!("its last stage, `{}`, does not hold all nodes", last.name));
        }
        self.stages.iter().find_map(Stage::gap)
    }
}

impl Stage {
    fn gap(&self) -> Option<String> {
        let name = &self.name;
        if self.approval.as_ref().is_some_and(|approval| approval.people == 0) {
            return Some(format!("stage `{name}` is to be approved by nobody"));
        }
        let open = self.gates.iter().find(|gate| !gate.check.judges())?;
        let gate = &open.gate;
        Some(format!("in stage `{name}`, gate `{gate}` has bounds that hold whatever is measured"))
    }
}

impl Check {
    /// Whether something that can be measured does not hold.
    fn judges(&self) -> bool {
        match self {
            Self::Rate { proceed_below, .. } => *proceed_below > 0.0 && *proceed_below <= 1.0,
            Self::Value {
                proceed_above, proceed_below, rollback_below, rollback_above, ..
            } => {
                let bounds = [proceed_above, proceed_below, rollback_below, rollback_above];
                let proceeds = proceed_above.is_some() || proceed_below.is_some();
                proceeds && bounds.into_iter().flatten().all(|bound| bound.is_finite())
            }
            Self::Yes { .. } => true,
        }
    }
}
