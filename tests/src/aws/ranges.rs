//! IPv6 ranges of networks and subnets, and the addresses of machines in them, as far as moto leaves them out: ranges take
//! their time, machines get the addresses that are asked for, or one where their subnet gives them, and some calls come too early.
//!
//! Refuses to know: whether a subnet's range is a part of its network's.

use super::answer::Refusal;
use super::call::Call;
use super::in_use::Ask;
use super::xml::Element;
use std::collections::BTreeMap;

const STATE: &str = "ipv6CidrBlockState";

/// Ranges on their way, by the ids of their associations: what they are shown as, and for how many descriptions.
#[derive(Debug)]
pub(super) struct Ranges {
    describes: u32,
    phases: BTreeMap<String, (&'static str, u32)>,
}

impl Ranges {
    /// With so many descriptions that show a range on its way.
    pub(super) fn new(describes: u32) -> Self {
        Self { describes, phases: BTreeMap::new() }
    }

    /// Notes what a call that succeeded sends on its way.
    pub(super) fn note(&mut self, call: &Call, answer: &mut Element) {
        let phase = match call.operation.as_str() {
            "CreateVpc" | "CreateSubnet" | "AssociateVpcCidrBlock" | "AssociateSubnetCidrBlock" => {
                "associating"
            }
            "DisassociateVpcCidrBlock" => "disassociating",
            _ => return,
        };
        each(answer, &mut |id, state| {
            if self.describes > 0 {
                self.phases.insert(id.to_owned(), (phase, self.describes));
                phase.clone_into(state);
            }
        });
    }

    /// Shows ranges on their way in a description.
    pub(super) fn show(&mut self, call: &Call, answer: &mut Element) {
        if !matches!(call.operation.as_str(), "DescribeVpcs" | "DescribeSubnets") {
            return;
        }
        let phases = &mut self.phases;
        each(answer, &mut |id, state| {
            let Some((phase, left)) = phases.get_mut(id) else { return };
            phase.clone_into(state);
            *left -= 1;
            if *left == 0 {
                phases.remove(id);
            }
        });
    }

    /// What a call is told that comes too early, or asks for what is not there.
    pub(super) fn refuse(&self, call: &Call, ask: Ask<'_>) -> Option<Refusal> {
        let wrong = |text: String| Some(Refusal::new("InvalidParameterValue", text));
        let subnet = call.parameter("SubnetId").unwrap_or_default();
        let found = || ask("DescribeSubnets", &[("SubnetId.1", subnet)]);
        let of = |found: &Element| {
            let mut ids = Vec::new();
            each(&mut found.clone(), &mut |id, _| ids.push(id.to_owned()));
            ids
        };
        match call.operation.as_str() {
            "ModifySubnetAttribute"
                if call.parameter("AssignIpv6AddressOnCreation.Value") == Some("true") =>
            {
                let ids = of(&found());
                let is_there = ids.iter().any(|id| !self.phases.contains_key(id));
                let text = format!("{subnet} has no associated IPv6 CIDR block");
                if is_there { None } else { wrong(text) }
            }
            "AssociateSubnetCidrBlock" if !of(&found()).is_empty() => {
                wrong(format!("{subnet} has an IPv6 CIDR block already"))
            }
            "DisassociateSubnetCidrBlock" => {
                let id = call.parameter("AssociationId")?;
                let all = ask("DescribeSubnets", &[]);
                let all = all.at("subnetSet").map(|set| set.children.as_slice());
                let own =
                    all.unwrap_or_default().iter().find(|one| of(one).iter().any(|it| it == id))?;
                let gives = own.text_at("assignIpv6AddressOnCreation") == "true";
                let text = || "the subnet assigns addresses of this CIDR block".to_owned();
                if gives { wrong(text()) } else { None }
            }
            _ => None,
        }
    }
}

/// The ranges in an answer: the ids of their associations, and their states, which moto writes as Python does.
fn each(answer: &mut Element, with: &mut dyn FnMut(&str, &mut String)) {
    answer.each_mut(&mut |element| {
        let id = element.text_at("associationId").to_owned();
        if let Some(state) = element.at_mut(STATE).and_then(|it| it.at_mut("state")) {
            if let Some(plain) = state.text.strip_prefix("{'State': '") {
                state.text = plain.trim_end_matches("'}").to_owned();
            }
            with(&id, &mut state.text);
        }
    });
}

/// Gives machines the addresses that they were launched with.
pub(super) fn launched(call: &Call, ids: &[String], ask: Ask<'_>) {
    let parameter = |names: [&str; 2]| names.iter().find_map(|name| call.parameter(name));
    let named = |prefix: &str| -> Vec<&str> {
        (1..)
            .map_while(|number| call.parameter(&format!("{prefix}.{number}.Ipv6Address")))
            .collect()
    };
    let asked = [named("Ipv6Address"), named("NetworkInterface.1.Ipv6Addresses")].concat();
    let count = parameter(["Ipv6AddressCount", "NetworkInterface.1.Ipv6AddressCount"]);
    let subnet = parameter(["SubnetId", "NetworkInterface.1.SubnetId"]);
    let gives = || {
        let found = ask("DescribeSubnets", &[("SubnetId.1", subnet?)]);
        let gives = found.at("subnetSet/item")?.text_at("assignIpv6AddressOnCreation") == "true";
        gives.then_some(1)
    };
    let count = count.map_or_else(gives, |count| count.parse::<usize>().ok()).unwrap_or_default();
    if asked.is_empty() && count == 0 {
        return;
    }
    for id in ids {
        let found = ask("DescribeInstances", &[("InstanceId.1", id)]);
        let interfaces = found.all("networkInterfaceSet");
        let Some(interface) = interfaces.first().and_then(|set| set.children.first()) else {
            continue;
        };
        let has = interface.at("ipv6AddressesSet").map_or(0, |set| set.children.len());
        let interface = ("NetworkInterfaceId", interface.text_at("networkInterfaceId"));
        if !asked.is_empty() {
            let names: Vec<String> =
                (1..=asked.len()).map(|number| format!("Ipv6Addresses.{number}")).collect();
            let addresses = names.iter().map(String::as_str).zip(asked.iter().copied());
            let all: Vec<(&str, &str)> = std::iter::once(interface).chain(addresses).collect();
            ask("AssignIpv6Addresses", &all);
        } else if count > has {
            let more = (count - has).to_string();
            ask("AssignIpv6Addresses", &[interface, ("Ipv6AddressCount", &more)]);
        }
    }
}
