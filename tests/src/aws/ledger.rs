//! The ledger: every object that calls made, by whom it was asked for, and whether it still lives.
//!
//! Invariant: it is written by what moto answered, so that it also knows objects whose maker never heard of them.

use super::call::Call;
use super::kinds::{DELETED, MADE, NAMES};
use super::xml::Element;
use std::collections::{BTreeMap, BTreeSet};

const TOKEN: &str = "provisioner:token";
const ADDRESS: &str = "provisioner:address";

/// An object that a call made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its id; a bucket's name.
    pub id: String,
    /// Its type, as tag specifications name it; `bucket`.
    pub kind: String,
    /// Its name, of types that have one.
    pub name: Option<String>,
    /// Tags that it was made with.
    pub tags: BTreeMap<String, String>,
    /// The token of the call.
    pub token: Option<String>,
    /// The call's operation.
    pub operation: String,
    /// The call's place among those that were neither lost nor throttled, from 0.
    pub call: usize,
    /// Its place among the objects of the call.
    pub index: u32,
    /// Objects that it goes with.
    pub parents: Vec<String>,
    /// The object that it was made for: a root volume for its instance, a snapshot for its image.
    pub made_for: Option<String>,
    /// The place of the call that deleted it, counted alike.
    pub deleted: Option<usize>,
}

impl Object {
    /// Whose it is, if it carries our marker: the address and the creation's token.
    pub fn marker(&self) -> Option<(String, String)> {
        let piece = |number: usize| match number {
            1 => self.tags.get(ADDRESS),
            _ => self.tags.get(&format!("{ADDRESS}:{number}")),
        };
        let address: String = (1..).map_while(piece).map(String::as_str).collect();
        let token = self.tags.get(TOKEN)?;
        Some((member(&address, self.index)?, token.clone()))
    }
}

/// All objects, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    objects: Vec<Object>,
}

impl Ledger {
    /// Every object there ever was.
    pub fn all(&self) -> &[Object] {
        &self.objects
    }

    /// Objects that live.
    pub fn alive(&self) -> Vec<&Object> {
        self.objects.iter().filter(|object| object.deleted.is_none()).collect()
    }

    /// Objects of a type that live.
    pub fn alive_of(&self, kind: &str) -> Vec<&Object> {
        self.alive().into_iter().filter(|object| object.kind == kind).collect()
    }

    /// An object by its id.
    pub fn find(&self, id: &str) -> Option<&Object> {
        self.objects.iter().find(|object| object.id == id)
    }

    /// Living objects that are none of those recorded. What was made for another goes with it, and is no orphan while that
    /// is recorded.
    pub fn orphans<'i>(&self, recorded: impl IntoIterator<Item = &'i str>) -> Vec<&Object> {
        let recorded: BTreeSet<&str> = recorded.into_iter().collect();
        let is_known = |object: &&Object| {
            let by_instance = object.made_for.as_deref().is_some_and(|id| recorded.contains(id));
            let by_name = object.name.as_deref().is_some_and(|name| recorded.contains(name));
            by_instance || by_name || recorded.contains(object.id.as_str())
        };
        self.alive().into_iter().filter(|object| !is_known(object)).collect()
    }

    /// Living objects of one type that carry the same address and token.
    pub fn duplicates(&self) -> Vec<Vec<&Object>> {
        let mut by_marker: BTreeMap<_, Vec<&Object>> = BTreeMap::new();
        for object in self.alive().into_iter().filter(|object| object.made_for.is_none()) {
            if let Some(marker) = object.marker() {
                by_marker.entry((object.kind.as_str(), marker)).or_default().push(object);
            }
        }
        by_marker.into_values().filter(|objects| objects.len() > 1).collect()
    }

    /// Panics if two living objects carry one marker.
    #[track_caller]
    pub fn assert_no_duplicates(&self) {
        let duplicates = self.duplicates();
        assert!(duplicates.is_empty(), "made more than once: {duplicates:#?}");
    }

    /// Panics if a living object is none of those recorded.
    #[track_caller]
    pub fn assert_no_orphans<'i>(&self, recorded: impl IntoIterator<Item = &'i str>) {
        let orphans = self.orphans(recorded);
        assert!(orphans.is_empty(), "alive, and recorded nowhere: {orphans:#?}");
    }

    /// Notes what a call that succeeded made and deleted; gives back the ids of what it made.
    pub(super) fn note(&mut self, number: usize, call: &Call, answer: &Element) -> Vec<String> {
        self.delete(number, call, answer);
        let made = made(number, call, answer);
        let ids = made.iter().filter(|object| object.made_for.is_none());
        let ids = ids.map(|object| object.id.clone()).collect();
        self.objects.extend(made);
        ids
    }

    /// Notes what a call made without telling its id.
    pub(super) fn add(&mut self, number: usize, call: &Call, kind: &str, id: &str, made_for: &str) {
        self.objects.push(Object {
            id: id.to_owned(),
            kind: kind.to_owned(),
            name: None,
            tags: call.tags(kind),
            token: call.parameter("ClientToken").map(str::to_owned),
            operation: call.operation.clone(),
            call: number,
            index: 0,
            parents: Vec::new(),
            made_for: Some(made_for.to_owned()),
            deleted: None,
        });
    }

    fn delete(&mut self, number: usize, call: &Call, answer: &Element) {
        let Some((_, parameters)) = DELETED.iter().find(|(name, _)| *name == call.operation) else {
            return;
        };
        let named = |parameter: &&str| {
            call.list(parameter).into_iter().chain(call.parameter(parameter)).collect::<Vec<_>>()
        };
        let mut gone: Vec<&str> = parameters.iter().flat_map(named).collect();
        if call.operation.starts_with("Revoke") {
            let rules = answer.all("securityGroupRuleId").into_iter();
            gone.extend(rules.map(|rule| rule.text.as_str()));
        }
        for object in self.objects.iter_mut().filter(|object| object.deleted.is_none()) {
            let by_id = gone.contains(&object.id.as_str());
            let by_name = object.name.as_deref().is_some_and(|name| gone.contains(&name));
            let with_parent = object.parents.iter().any(|parent| gone.contains(&parent.as_str()));
            if by_id || by_name || with_parent {
                object.deleted = Some(number);
            }
        }
    }
}

/// The objects in an answer.
fn made(number: usize, call: &Call, answer: &Element) -> Vec<Object> {
    let name = NAMES.iter().find(|(operation, _)| *operation == call.operation);
    let name = name.and_then(|(_, parameter)| call.parameter(parameter)).map(str::to_owned);
    let object = |kind: &str, id: &str, index: usize| Object {
        id: id.to_owned(),
        kind: kind.to_owned(),
        name: name.clone(),
        tags: call.tags(kind),
        token: call.parameter("ClientToken").map(str::to_owned),
        operation: call.operation.clone(),
        call: number,
        index: u32::try_from(index).unwrap_or(u32::MAX),
        parents: parents(call),
        made_for: None,
        deleted: None,
    };
    if call.operation == "CreateBucket" {
        let name = call.parameter("Bucket").unwrap_or_default();
        return vec![object("bucket", name, 0)];
    }
    let Some((_, kind, set, id)) = MADE.iter().find(|(name, ..)| *name == call.operation) else {
        return Vec::new();
    };
    let mut made = Vec::new();
    for (place, item) in items(answer, set).into_iter().enumerate() {
        let index = item.text_at("amiLaunchIndex").parse().unwrap_or(place);
        let instance = object(kind, item.text_at(id), index);
        for mapping in
            item.at("blockDeviceMapping").map(|at| at.children.as_slice()).unwrap_or_default()
        {
            let mut volume = object("volume", mapping.text_at("ebs/volumeId"), index);
            volume.made_for = Some(instance.id.clone());
            volume.parents.clear();
            if mapping.text_at("ebs/deleteOnTermination") == "true" {
                volume.parents.push(instance.id.clone());
            }
            made.push(volume);
        }
        if !instance.id.is_empty() {
            made.push(instance);
        }
    }
    made
}

/// Elements that an answer holds objects in: the items of a set, the one element of that name, or the answer itself.
fn items<'a>(answer: &'a Element, set: &str) -> Vec<&'a Element> {
    if set.is_empty() {
        return vec![answer];
    }
    let Some(found) = answer.at(set) else { return Vec::new() };
    let is_set = found.children.iter().all(|child| child.name == "item");
    if is_set { found.children.iter().collect() } else { vec![found] }
}

/// What an object goes with: an association with either end, a rule with its group.
fn parents(call: &Call) -> Vec<String> {
    let ends: &[&str] = match call.operation.as_str() {
        "AssociateAddress" => &["AllocationId", "InstanceId", "NetworkInterfaceId"],
        "AssociateRouteTable" => &["RouteTableId", "SubnetId"],
        "ReplaceRouteTableAssociation" => &["RouteTableId"],
        "AuthorizeSecurityGroupIngress" | "AuthorizeSecurityGroupEgress" => &["GroupId"],
        _ => &[],
    };
    ends.iter().filter_map(|end| call.parameter(end)).map(str::to_owned).collect()
}

/// The address at an index of the text that objects of one call share: `aws_instance.web[{0-99}]`. Written apart from the
/// program's own code for it, which it checks.
fn member(text: &str, index: u32) -> Option<String> {
    let Some((before, rest)) = text.split_once('{') else { return Some(text.to_owned()) };
    let (parts, after) = rest.split_once('}')?;
    let mut all = Vec::new();
    for part in parts.split(',') {
        match part.split_once('-') {
            None => all.push(part.to_owned()),
            Some((first, last)) => {
                let (from, to): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
                all.extend(
                    (from..=to).map(|number| format!("{number:0width$}", width = first.len())),
                );
            }
        }
    }
    let part = all.get(usize::try_from(index).ok()?)?;
    Some(format!("{before}{part}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::http::pairs;

    fn call(operation: &str, form: &str) -> Call {
        Call {
            service: "ec2".to_owned(),
            region: "eu-central-1".to_owned(),
            operation: operation.to_owned(),
            parameters: pairs(form).into_iter().collect(),
        }
    }

    fn launch(ids: [&str; 2]) -> Element {
        let item = |(index, id): (usize, &str)| {
            format!(
                "<item><instanceId>{id}</instanceId><amiLaunchIndex>{index}</amiLaunchIndex><blockDeviceMapping><item><ebs>\
                <volumeId>vol-{id}</volumeId><deleteOnTermination>true</deleteOnTermination></ebs></item>\
                </blockDeviceMapping></item>"
            )
        };
        let items: String = ids.into_iter().enumerate().map(item).collect();
        Element::parse(&format!("<R><instancesSet>{items}</instancesSet></R>")).unwrap()
    }

    const MARKED: &str = "ClientToken=t&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=provisioner:address&\
        TagSpecification.1.Tag.1.Value=a.b[{08-09}]&TagSpecification.1.Tag.2.Key=provisioner:token&\
        TagSpecification.1.Tag.2.Value=t";

    #[test]
    fn duplicates_are_those_of_one_marker() {
        let mut ledger = Ledger::default();
        ledger.note(0, &call("RunInstances", MARKED), &launch(["i-1", "i-2"]));
        ledger.assert_no_duplicates();
        let markers: Vec<_> =
            ledger.alive_of("instance").iter().map(|o| o.marker().unwrap().0).collect();
        assert_eq!(markers, ["a.b[08]", "a.b[09]"]);
        ledger.note(1, &call("RunInstances", MARKED), &launch(["i-3", "i-4"]));
        assert_eq!(ledger.duplicates().len(), 2);
        let gone = call("TerminateInstances", "InstanceId.1=i-1&InstanceId.2=i-4");
        ledger.note(2, &gone, &Element::default());
        ledger.assert_no_duplicates();
        assert_eq!(ledger.alive_of("volume").len(), 2, "root volumes go with their instances");
    }

    #[test]
    fn orphans_are_alive_and_recorded_nowhere() {
        let mut ledger = Ledger::default();
        ledger.note(0, &call("RunInstances", MARKED), &launch(["i-1", "i-2"]));
        let volume = Element::parse("<R><volumeId>vol-9</volumeId></R>").unwrap();
        ledger.note(1, &call("CreateVolume", ""), &volume);
        let orphans: Vec<_> = ledger.orphans(["i-1"]).iter().map(|o| o.id.clone()).collect();
        assert_eq!(orphans, ["vol-i-2", "i-2", "vol-9"]);
        ledger.note(2, &call("DeleteVolume", "VolumeId=vol-9"), &Element::default());
        ledger.assert_no_orphans(["i-1", "i-2"]);
    }

    #[test]
    fn members_are_counted_over_ranges_and_names() {
        let written = |index| member("web[\"eu-{001-003,blue}\"].x", index);
        assert_eq!(written(2).as_deref(), Some("web[\"eu-003\"].x"));
        assert_eq!(written(3).as_deref(), Some("web[\"eu-blue\"].x"));
        assert_eq!(written(4), None);
    }
}
