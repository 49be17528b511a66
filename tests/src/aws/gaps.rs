//! Smaller things that moto does not know, forgets or does otherwise: what instances were launched with, ends of what has
//! ended, descriptions of what is not there.
//!
//! Refuses to know: everything that has a module of its own.

use super::answer::{Refusal, ec2};
use super::call::Call;
use super::hidden::absent;
use super::http::Response;
use super::in_use::Ask;
use super::kinds::LISTED;
use super::ledger::Ledger;
use super::xml::Element;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Parameters of RunInstances and ModifyInstancePlacement that a description has to tell again, and where it does.
const TOLD: &[(&str, &str)] = &[
    ("Placement.GroupName", "placement/groupName"),
    ("Placement.Tenancy", "placement/tenancy"),
    ("Placement.Affinity", "placement/affinity"),
    ("Placement.PartitionNumber", "placement/partitionNumber"),
    ("CpuOptions.CoreCount", "cpuOptions/coreCount"),
    ("CpuOptions.ThreadsPerCore", "cpuOptions/threadsPerCore"),
    ("PrivateDnsNameOptions.HostnameType", "privateDnsNameOptions/hostnameType"),
    (
        "PrivateDnsNameOptions.EnableResourceNameDnsARecord",
        "privateDnsNameOptions/enableResourceNameDnsARecord",
    ),
    (
        "PrivateDnsNameOptions.EnableResourceNameDnsAAAARecord",
        "privateDnsNameOptions/enableResourceNameDnsAAAARecord",
    ),
];

/// What is kept of instances, by id.
#[derive(Debug, Default)]
pub(super) struct Kept {
    told: BTreeMap<String, BTreeMap<&'static str, String>>,
    credits: BTreeMap<String, String>,
}

impl Kept {
    /// Notes what instances were launched with, and has moto note what it only takes afterwards.
    pub(super) fn launched(&mut self, call: &Call, ids: &[String], ask: Ask<'_>) {
        for id in ids {
            self.tell(call, id, "");
            if let Some(credits) = call.parameter("CreditSpecification.CpuCredits") {
                self.credits.insert(id.clone(), credits.to_owned());
            }
            for attribute in ["DisableApiTermination", "DisableApiStop"] {
                if call.parameter(attribute) == Some("true") {
                    let value = format!("{attribute}.Value");
                    ask("ModifyInstanceAttribute", &[("InstanceId", id), (&value, "true")]);
                }
            }
        }
    }

    /// Keeps what a call says of an instance; `prefix` is what its parameters lack before the names of a launch.
    fn tell(&mut self, call: &Call, id: &str, prefix: &str) {
        for (parameter, path) in TOLD {
            let name = parameter.strip_prefix(prefix).unwrap_or(parameter);
            if let Some(value) = call.parameter(name) {
                self.told.entry(id.to_owned()).or_default().insert(path, value.to_owned());
            }
        }
    }

    /// The answer to calls that moto does not know.
    pub(super) fn answer(&mut self, call: &Call) -> Option<Response> {
        match call.operation.as_str() {
            "ModifyInstancePlacement" => {
                self.tell(call, call.parameter("InstanceId")?, "Placement.");
                Some(ec2(call, "<return>true</return>"))
            }
            "ModifyPrivateDnsNameOptions" => {
                let renamed = Call {
                    parameters: call
                        .parameters
                        .iter()
                        .map(|(name, value)| {
                            let name = name.replace("PrivateDnsHostnameType", "HostnameType");
                            (name, value.clone())
                        })
                        .collect(),
                    ..call.clone()
                };
                self.tell(&renamed, call.parameter("InstanceId")?, "PrivateDnsNameOptions.");
                Some(ec2(call, "<return>true</return>"))
            }
            "MonitorInstances" | "UnmonitorInstances" => Some(self.monitor(call)),
            "ModifyInstanceCreditSpecification" => Some(self.modify_credits(call)),
            "DescribeInstanceCreditSpecifications" if !call.list("InstanceId").is_empty() => {
                let item = |id: &str| {
                    let credits = self.credits.get(id).map_or("standard", String::as_str);
                    format!(
                        "<item><instanceId>{id}</instanceId><cpuCredits>{credits}</cpuCredits></item>"
                    )
                };
                let items: String = call.list("InstanceId").into_iter().map(item).collect();
                let set = "instanceCreditSpecificationSet";
                Some(ec2(call, &format!("<{set}>{items}</{set}>")))
            }
            _ => None,
        }
    }

    fn monitor(&mut self, call: &Call) -> Response {
        let (state, before) = match call.operation.as_str() {
            "MonitorInstances" => ("enabled", "pending"),
            _ => ("disabled", "disabling"),
        };
        let mut items = String::new();
        for id in call.list("InstanceId") {
            let told = self.told.entry(id.to_owned()).or_default();
            told.insert("monitoring/state", state.to_owned());
            let monitoring = format!("<monitoring><state>{before}</state></monitoring>");
            let _ = write!(items, "<item><instanceId>{id}</instanceId>{monitoring}</item>");
        }
        ec2(call, &format!("<instancesSet>{items}</instancesSet>"))
    }

    fn modify_credits(&mut self, call: &Call) -> Response {
        let mut items = String::new();
        for number in 1.. {
            let at = format!("InstanceCreditSpecification.{number}");
            let Some(id) = call.parameter(&format!("{at}.InstanceId")) else { break };
            let credits = call.parameter(&format!("{at}.CpuCredits")).unwrap_or("standard");
            self.credits.insert(id.to_owned(), credits.to_owned());
            let _ = write!(items, "<item><instanceId>{id}</instanceId></item>");
        }
        let set = "successfulInstanceCreditSpecificationSet";
        ec2(call, &format!("<{set}>{items}</{set}>"))
    }

    /// Tells in a description what is kept.
    pub(super) fn show(&self, call: &Call, answer: &mut Element) {
        if call.operation != "DescribeInstances" {
            return;
        }
        answer.each_mut(&mut |element| {
            let told = self.told.get(element.text_at("instanceId"));
            if element.at("instanceState").is_none() {
                return;
            }
            for (path, value) in told.into_iter().flatten() {
                if let Some((parent, _)) =
                    path.split_once('/').filter(|(at, _)| element.at(at).is_none())
                {
                    element.set(parent, "");
                }
                element.set(path, value);
            }
        });
    }
}

/// What a call is told that wants what is not there, or has ended.
pub(super) fn refuse(call: &Call, ledger: &Ledger, ask: Ask<'_>) -> Option<Refusal> {
    let ids = call.list("InstanceId").into_iter();
    let gone = ids.chain(call.parameter("InstanceId")).find(|id| has_ended(id, ledger));
    match call.operation.as_str() {
        "StopInstances" | "StartInstances" | "RebootInstances" => {
            let verb = call.operation.trim_end_matches("Instances").to_lowercase();
            let text = |id| {
                format!("The instance '{id}' is not in a state from which it can be {verb}ed.")
            };
            let text = |id| text(id).replace("stoped", "stopped");
            gone.map(|id| Refusal::new("IncorrectInstanceState", text(id)))
        }
        "AttachVolume" | "AssociateAddress" | "CreateImage" | "ModifyInstanceAttribute" => {
            let text = |id| format!("The instance '{id}' is terminated.");
            gone.map(|id| Refusal::new("IncorrectInstanceState", text(id)))
        }
        "RunInstances" => {
            let image = call.parameter("ImageId")?;
            let found = ask("DescribeImages", &[("ImageId.1", image)]);
            let is_there = found.at("imagesSet/item").is_some();
            let text = || format!("The image id '[{image}]' does not exist");
            (!is_there).then(|| Refusal::new("InvalidAMIID.NotFound", text()))
        }
        _ => None,
    }
}

fn has_ended(id: &str, ledger: &Ledger) -> bool {
    ledger.find(id).is_some_and(|object| object.deleted.is_some())
}

/// A termination without the instances that have ended already, and those.
pub(super) fn termination(call: &Call, ledger: &Ledger) -> (Call, Vec<String>) {
    let (gone, left): (Vec<_>, Vec<_>) = call
        .list("InstanceId")
        .into_iter()
        .map(str::to_owned)
        .partition(|id| has_ended(id, ledger));
    let mut asked = call.clone();
    asked.parameters.retain(|name, _| !name.starts_with("InstanceId."));
    let numbered = (1..).zip(left).map(|(number, id)| (format!("InstanceId.{number}"), id));
    asked.parameters.extend(numbered);
    (asked, gone)
}

/// What is told of an instance that had ended already when it was to end.
pub(super) fn ended(id: &str) -> String {
    let state = "<code>48</code><name>terminated</name>";
    format!(
        "<item><instanceId>{id}</instanceId><currentState>{state}</currentState><previousState>{state}</previousState></item>"
    )
}

/// The first object that a description asks for by its id, and does not tell of.
pub(super) fn missing(call: &Call, answer: &Element) -> Option<Refusal> {
    let chooses =
        |name: &String| name.starts_with("Filter.") || name == "MaxResults" || name == "NextToken";
    let is_other = matches!(call.operation.as_str(), "DescribeInstanceStatus" | "DescribeTags");
    if is_other || call.parameters.keys().any(chooses) {
        return None;
    }
    let (_, set, id) = LISTED.iter().find(|(operation, ..)| *operation == call.operation)?;
    let (first, rest) = id.split_at(1);
    let asked = call.list(&format!("{}{rest}", first.to_uppercase()));
    let told: Vec<_> = answer.all(set).into_iter().flat_map(|set| &set.children).collect();
    let is_told = |wanted: &&str| told.iter().any(|item| item.text_at(id) == *wanted);
    asked.into_iter().find(|wanted| !is_told(wanted)).map(absent)
}

/// The refusal of a description in place of moto's, which names any of the objects asked for, also one that is there.
pub(super) fn misnamed(call: &Call, ledger: &Ledger, body: &[u8]) -> Option<Refusal> {
    let (_, _, id) = LISTED.iter().find(|(operation, ..)| *operation == call.operation)?;
    let (first, rest) = id.split_at(1);
    let asked = call.list(&format!("{}{rest}", first.to_uppercase()));
    let body = String::from_utf8_lossy(body);
    let lives = |id: &&str| ledger.find(id).is_some_and(|object| object.deleted.is_none());
    let is_wrong = asked.iter().any(|id| lives(id) && body.contains(*id));
    asked.into_iter().find(|id| is_wrong && !lives(id)).map(absent)
}

/// Metadata options that a change does not name stay as they are; moto drops them.
pub(super) fn metadata_options(call: &Call, ask: Ask<'_>) -> Call {
    let id = call.parameter("InstanceId").unwrap_or_default();
    let found = ask("DescribeInstances", &[("InstanceId.1", id)]);
    let mut asked = call.clone();
    let options = found.all("metadataOptions");
    for option in options.first().map(|options| options.children.as_slice()).unwrap_or_default() {
        let (first, rest) = option.name.split_at(1);
        let name = format!("{}{rest}", first.to_uppercase());
        if name.starts_with("Http") || name == "InstanceMetadataTags" {
            asked.parameters.entry(name).or_insert_with(|| option.text.clone());
        }
    }
    asked
}
