//! What is new and not seen everywhere yet: missing from lists, unknown by its id.
//!
//! By <https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>.

use super::answer::Refusal;
use super::call::Call;
use super::kinds;
use super::xml::Element;
use std::collections::{BTreeMap, BTreeSet};

/// New objects, with how many descriptions and other calls do not see them yet.
#[derive(Debug)]
pub(super) struct Hidden {
    describes: u32,
    calls: u32,
    objects: BTreeMap<String, (u32, u32)>,
}

impl Hidden {
    /// For so many descriptions, and so many calls that name an object for something else.
    pub(super) fn new(describes: u32, calls: u32) -> Self {
        Self { describes, calls, objects: BTreeMap::new() }
    }

    /// Notes what is new.
    pub(super) fn note(&mut self, made: &[String]) {
        if self.describes > 0 || self.calls > 0 {
            let new = made.iter().map(|id| (id.clone(), (self.describes, self.calls)));
            self.objects.extend(new);
        }
    }

    /// What a call is told that names an object which is not seen yet.
    pub(super) fn refuse(&mut self, call: &Call) -> Option<Refusal> {
        let is_filter = |name: &str| name.starts_with("Filter.");
        let named = call.parameters.iter().filter(|(name, _)| !is_filter(name));
        let mut refusal = None;
        for (_, id) in named {
            let Some((describes, calls)) = self.objects.get_mut(id) else { continue };
            let left = if call.changes() { calls } else { describes };
            if *left > 0 {
                *left -= 1;
                refusal.get_or_insert_with(|| absent(id));
            }
        }
        refusal
    }

    /// Takes out of a list what is not seen yet.
    pub(super) fn show(&mut self, call: &Call, answer: &mut Element) {
        let listed = kinds::LISTED.iter().find(|(operation, ..)| *operation == call.operation);
        let Some((_, set, id)) = listed else { return };
        let mut seen = BTreeSet::new();
        let objects = &self.objects;
        answer.each_mut(&mut |element| {
            if element.name == *set {
                element.children.retain(|item| {
                    let id = item.text_at(id);
                    let is_hidden = objects.get(id).is_some_and(|(describes, _)| *describes > 0);
                    if is_hidden {
                        seen.insert(id.to_owned());
                    }
                    !is_hidden
                });
            }
        });
        for id in seen {
            if let Some((describes, _)) = self.objects.get_mut(&id) {
                *describes -= 1;
            }
        }
        answer.drop_empty_reservations();
    }
}

/// What is said of an object that there is none of.
pub(super) fn absent(id: &str) -> Refusal {
    let Some(kind) = kinds::of_id(id) else {
        return Refusal::new("InvalidParameterValue", format!("'{id}' does not exist"));
    };
    let what = kind.name.replace('-', " ");
    match kind.name {
        "natgateway" => Refusal::new(kind.absent, format!("NatGateway {id} was not found")),
        "instance" => Refusal::new(kind.absent, format!("The instance ID '{id}' does not exist")),
        "volume" => Refusal::new(kind.absent, format!("The volume '{id}' does not exist.")),
        _ => Refusal::new(kind.absent, format!("The {what} ID '{id}' does not exist")),
    }
}
