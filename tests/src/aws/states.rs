//! States that take their time, which moto's do not: what is made or ended is shown on its way for so many descriptions.
//!
//! Filters by state look at what is shown. Refuses to know: clocks.

use super::answer::Refusal;
use super::call::Call;
use super::xml::Element;
use std::collections::BTreeMap;

/// How a description shows objects that have a state.
struct View {
    operation: &'static str,
    set: &'static str,
    id: &'static str,
    state: &'static str,
    filter: &'static str,
}

const VIEWS: &[View] = &[
    View {
        operation: "DescribeInstances",
        set: "instancesSet",
        id: "instanceId",
        state: "instanceState/name",
        filter: "instance-state-name",
    },
    View {
        operation: "DescribeInstanceStatus",
        set: "instanceStatusSet",
        id: "instanceId",
        state: "instanceState/name",
        filter: "instance-state-name",
    },
    View {
        operation: "DescribeVolumes",
        set: "volumeSet",
        id: "volumeId",
        state: "status",
        filter: "status",
    },
    View {
        operation: "DescribeSnapshots",
        set: "snapshotSet",
        id: "snapshotId",
        state: "status",
        filter: "status",
    },
    View {
        operation: "DescribeImages",
        set: "imagesSet",
        id: "imageId",
        state: "imageState",
        filter: "state",
    },
    View {
        operation: "DescribeNatGateways",
        set: "natGatewaySet",
        id: "natGatewayId",
        state: "state",
        filter: "state",
    },
];

/// The states in which objects are on their way, by the operation that sends them there.
const ENTERED: &[(&str, &str)] = &[
    ("RunInstances", "pending"),
    ("StartInstances", "pending"),
    ("StopInstances", "stopping"),
    ("TerminateInstances", "shutting-down"),
    ("CreateVolume", "creating"),
    ("CreateSnapshot", "pending"),
    ("CopySnapshot", "pending"),
    ("CreateImage", "pending"),
    ("CopyImage", "pending"),
    ("CreateNatGateway", "pending"),
    ("DeleteNatGateway", "deleting"),
];

#[derive(Debug)]
struct Phase {
    name: &'static str,
    left: u32,
}

/// An attachment on its way to or from a volume.
#[derive(Debug)]
struct Joint {
    item: Element,
    phase: Phase,
}

/// What is on its way.
#[derive(Debug)]
pub(super) struct States {
    describes: u32,
    phases: BTreeMap<String, Phase>,
    /// By volume.
    joints: BTreeMap<String, Joint>,
}

impl States {
    /// With so many descriptions that show an object on its way.
    pub(super) fn new(describes: u32) -> Self {
        Self { describes, phases: BTreeMap::new(), joints: BTreeMap::new() }
    }

    /// How many descriptions show an object on its way.
    pub(super) fn describes(&self) -> u32 {
        self.describes
    }

    /// The state in which an object is shown, if it is on its way.
    pub(super) fn shown(&self, id: &str) -> Option<&'static str> {
        self.phases.get(id).map(|phase| phase.name)
    }

    /// Takes the filter by state out of a description, so that moto tells all and [`States::show`] can choose.
    pub(super) fn without_filter(&self, call: &Call) -> Option<(Call, Vec<String>)> {
        let view = VIEWS.iter().find(|view| view.operation == call.operation)?;
        if self.phases.is_empty() && self.joints.is_empty() {
            return None;
        }
        call.without_filter(view.filter)
    }

    /// Notes what a call that succeeded sends on its way, and shows so in its answer.
    pub(super) fn note(&mut self, call: &Call, made: &[String], answer: &mut Element) {
        self.note_joint(call, answer);
        let entered = ENTERED.iter().find(|(operation, _)| *operation == call.operation);
        let Some((_, state)) = entered.filter(|_| self.describes > 0) else { return };
        let named = ["InstanceId", "NatGatewayId"].into_iter().flat_map(|parameter| {
            call.list(parameter).into_iter().chain(call.parameter(parameter))
        });
        let ids: Vec<String> =
            if made.is_empty() { named.map(str::to_owned).collect() } else { made.to_vec() };
        for id in ids {
            self.phases.insert(id, Phase { name: state, left: self.describes });
        }
        answer.each_mut(&mut |element| {
            for path in ["currentState/name", "instanceState/name"] {
                if element.at(path).is_some() {
                    set_state(element, path, state);
                }
            }
        });
        match call.operation.as_str() {
            "CreateVolume" | "CreateSnapshot" => answer.set("status", state),
            "CreateNatGateway" => answer.set("natGateway/state", state),
            _ => {}
        }
    }

    /// Notes that a volume is attached or detached.
    fn note_joint(&mut self, call: &Call, answer: &mut Element) {
        let state = match call.operation.as_str() {
            "AttachVolume" => "attaching",
            "DetachVolume" => "detaching",
            _ => return,
        };
        if self.describes > 0 {
            answer.set("status", state);
            let mut item = answer.clone();
            "item".clone_into(&mut item.name);
            item.children.retain(|child| child.name != "requestId");
            let phase = Phase { name: state, left: self.describes };
            self.joints.insert(answer.text_at("volumeId").to_owned(), Joint { item, phase });
        }
    }

    /// Shows attachments on their way in a description of volumes.
    fn show_joints(&mut self, answer: &mut Element) {
        let volumes = answer.at_mut("volumeSet").map(|set| set.children.as_mut_slice());
        for volume in volumes.unwrap_or_default() {
            let id = volume.text_at("volumeId").to_owned();
            let Some(joint) = self.joints.get_mut(&id) else { continue };
            volume.set("status", "in-use");
            if let Some(set) = volume.at_mut("attachmentSet") {
                set.children = vec![joint.item.clone()];
            }
            joint.phase.left -= 1;
            if joint.phase.left == 0 {
                self.joints.remove(&id);
            }
        }
    }

    /// Shows objects on their way in a description, and only those in the states asked for.
    pub(super) fn show(&mut self, call: &Call, wanted: Option<&[String]>, answer: &mut Element) {
        let Some(view) = VIEWS.iter().find(|view| view.operation == call.operation) else { return };
        let running_only = view.operation == "DescribeInstanceStatus"
            && call.parameter("IncludeAllInstances") != Some("true");
        if view.operation == "DescribeVolumes" {
            self.show_joints(answer);
        }
        let phases = &mut self.phases;
        answer.each_mut(&mut |element| {
            if element.name != view.set {
                return;
            }
            for item in &mut element.children {
                let id = item.text_at(view.id).to_owned();
                if let Some(phase) = phases.get_mut(&id) {
                    set_state(item, view.state, phase.name);
                    phase.left -= 1;
                    if phase.left == 0 {
                        phases.remove(&id);
                    }
                }
            }
            element.children.retain(|item| {
                let state = item.text_at(view.state);
                let is_wanted = wanted.is_none_or(|wanted| wanted.iter().any(|one| one == state));
                is_wanted && (!running_only || state == "running")
            });
        });
        answer.drop_empty_reservations();
    }

    fn joint(&self, call: &Call) -> Option<&Joint> {
        self.joints.get(call.parameter("VolumeId")?)
    }

    /// What a call is told that comes too early for the state of an object.
    pub(super) fn refuse(&self, call: &Call) -> Option<Refusal> {
        let shown = |name: &str| {
            let named = call.list(name).into_iter().chain(call.parameter(name));
            named.filter_map(|id| Some((id.to_owned(), self.shown(id)?))).collect::<Vec<_>>()
        };
        let first = |name: &str| shown(name).into_iter().next();
        let refused = |code: &str, text: String| Some(Refusal::new(code, text));
        match call.operation.as_str() {
            "AttachVolume" | "DeleteVolume" | "DetachVolume" if self.joint(call).is_some() => {
                let joint = self.joint(call)?;
                let (id, state) = (call.parameter("VolumeId")?, joint.phase.name);
                if call.operation == "DetachVolume" {
                    let text = format!("Volume '{id}' is {state}.");
                    return refused("IncorrectState", text);
                }
                let instance = joint.item.text_at("instanceId");
                refused("VolumeInUse", format!("Volume {id} is currently attached to {instance}"))
            }
            "StopInstances" | "StartInstances" => {
                let verb = if call.operation == "StopInstances" { "stopped" } else { "started" };
                // Stopping what is stopping is no error, nor is starting what is starting.
                let same = if verb == "stopped" { "stopping" } else { "pending" };
                let (id, _) = shown("InstanceId").into_iter().find(|(_, state)| *state != same)?;
                refused(
                    "IncorrectInstanceState",
                    format!("The instance '{id}' is not in a state from which it can be {verb}."),
                )
            }
            "AttachVolume" => {
                if let Some((id, _)) = first("VolumeId") {
                    return refused("IncorrectState", format!("Volume '{id}' is not 'available'."));
                }
                let (id, state) = first("InstanceId")?;
                let is_off = state == "stopping";
                (!is_off).then(|| {
                    Refusal::new("IncorrectState", format!("Instance '{id}' is not 'running'."))
                })
            }
            "AssociateAddress" => {
                let (id, state) = first("InstanceId")?;
                refused(
                    "InvalidInstanceID",
                    format!(
                        "The {state} instance '{id}' is not in a valid state for this operation."
                    ),
                )
            }
            "CreateVolume" => {
                first("SnapshotId")?;
                refused("IncorrectState", "Snapshot is in invalid state - pending".to_owned())
            }
            "RunInstances" => {
                let (id, _) = first("ImageId")?;
                refused("InvalidAMIID.Unavailable", format!("The image ID '{id}' is not available"))
            }
            _ => None,
        }
    }
}

/// Sets a state's name, and the number that instances' states have beside it.
fn set_state(item: &mut Element, path: &str, state: &str) {
    item.set(path, state);
    let code = match state {
        "pending" => "0",
        "shutting-down" => "32",
        "stopping" => "64",
        _ => return,
    };
    if let Some(parent) = path.strip_suffix("/name") {
        item.set(&format!("{parent}/code"), code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(operation: &str, parameters: &[(&str, &str)]) -> Call {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Call {
            service: "ec2".to_owned(),
            region: "eu-central-1".to_owned(),
            operation: operation.to_owned(),
            parameters: parameters.iter().map(pair).collect(),
        }
    }

    fn described(states: &mut States, filter: Option<&str>) -> Vec<String> {
        let by_state =
            |state| [("Filter.1.Name", "instance-state-name"), ("Filter.1.Value.1", state)];
        let parameters: Vec<_> = filter.into_iter().flat_map(by_state).collect();
        let asked = call("DescribeInstances", &parameters);
        let wanted = states.without_filter(&asked).map(|(_, wanted)| wanted);
        let mut answer = Element::parse(
            "<R><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId><instanceState><code>16</code>\
             <name>running</name></instanceState></item></instancesSet></item></reservationSet></R>",
        )
        .unwrap();
        states.show(&asked, wanted.as_deref(), &mut answer);
        let text = |state: &Element| format!("{} {}", state.text_at("code"), state.text_at("name"));
        answer.all("instanceState").into_iter().map(text).collect()
    }

    #[test]
    fn an_instance_is_pending_for_its_descriptions() {
        let mut states = States::new(3);
        states.note(&call("RunInstances", &[]), &["i-1".to_owned()], &mut Element::default());
        assert_eq!(described(&mut states, None), ["0 pending"]);
        assert_eq!(described(&mut states, Some("pending")), ["0 pending"]);
        let stop = call("StopInstances", &[("InstanceId.1", "i-1")]);
        assert_eq!(states.refuse(&stop).unwrap().code, "IncorrectInstanceState");
        assert!(described(&mut states, Some("running")).is_empty());
        assert_eq!(described(&mut states, None), ["16 running"]);
        assert_eq!(states.refuse(&stop), None);
    }
}
