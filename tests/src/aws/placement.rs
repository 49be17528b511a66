//! Placement groups, which moto does not have.

use super::answer::{Refusal, ec2};
use super::call::Call;
use super::http::Response;
use super::tags;
use super::xml::escaped;
use std::collections::BTreeMap;
use std::fmt::Write as _;

#[derive(Debug)]
struct Group {
    id: String,
    strategy: String,
    partitions: Option<String>,
    spread: Option<String>,
    tags: BTreeMap<String, String>,
}

/// The groups by region and name.
#[derive(Debug, Default)]
pub(super) struct PlacementGroups {
    groups: BTreeMap<(String, String), Group>,
    made: u32,
}

impl PlacementGroups {
    /// The answer to a call about placement groups; none if it is about something else.
    pub(super) fn answer(&mut self, call: &Call) -> Option<Result<Response, Refusal>> {
        let name = call.parameter("GroupName").unwrap_or_default();
        match call.operation.as_str() {
            "CreatePlacementGroup" => Some(self.create(call, name)),
            "DeletePlacementGroup" => {
                let gone = self.groups.remove(&(call.region.clone(), name.to_owned()));
                let answer = gone.map(|_| ec2(call, "<return>true</return>"));
                Some(answer.ok_or_else(|| unknown(name)))
            }
            "DescribePlacementGroups" => Some(self.describe(call)),
            "CreateTags" | "DeleteTags" => {
                let ids = call.list("ResourceId");
                let ours = !ids.is_empty() && ids.iter().all(|id| id.starts_with("pg-"));
                ours.then(|| Ok(self.tag(call, &ids)))
            }
            _ => None,
        }
    }

    /// What DescribeTags tells of them.
    pub(super) fn tags(&self, call: &Call) -> String {
        let ty = "placement-group";
        let here = self.groups.iter().filter(|((region, _), _)| *region == call.region);
        let all = here.flat_map(|(_, group)| group.tags.iter().map(|tag| (&group.id, tag)));
        let fitting = all.filter(|(id, (key, value))| tags::fits(call, ty, id, key, value));
        let item = |(id, (key, value)): (&String, (&String, &String))| {
            format!(
                "<item><resourceId>{id}</resourceId><resourceType>{ty}</resourceType><key>{}</key><value>{}</value></item>",
                escaped(key),
                escaped(value)
            )
        };
        fitting.map(item).collect()
    }

    fn create(&mut self, call: &Call, name: &str) -> Result<Response, Refusal> {
        let key = (call.region.clone(), name.to_owned());
        if self.groups.contains_key(&key) {
            let text = format!("The placement group '{name}' already exists.");
            return Err(Refusal::new("InvalidPlacementGroup.Duplicate", text));
        }
        self.made += 1;
        let text = |parameter: &str| call.parameter(parameter).map(str::to_owned);
        let group = Group {
            id: format!("pg-{:017x}", self.made),
            strategy: text("Strategy").unwrap_or_else(|| "cluster".to_owned()),
            partitions: text("PartitionCount"),
            spread: text("SpreadLevel"),
            tags: call.tags("placement-group"),
        };
        let item = group.item(name);
        self.groups.insert(key, group);
        Ok(ec2(call, &format!("<return>true</return><placementGroup>{item}</placementGroup>")))
    }

    fn describe(&self, call: &Call) -> Result<Response, Refusal> {
        let (names, ids) = (call.list("GroupName"), call.list("GroupId"));
        let here = || self.groups.iter().filter(|((region, _), _)| *region == call.region);
        let missing = names.iter().find(|name| !here().any(|((_, one), _)| one == *name));
        let missing = missing.or_else(|| ids.iter().find(|id| !here().any(|(_, g)| g.id == **id)));
        if let Some(name) = missing {
            return Err(unknown(name));
        }
        let mut items = String::new();
        for ((_, name), group) in here() {
            let is_named = names.is_empty() || names.contains(&name.as_str());
            let is_meant = ids.is_empty() || ids.contains(&group.id.as_str());
            if is_named && is_meant && group.fits(name, call) {
                let _ = write!(items, "<item>{}</item>", group.item(name));
            }
        }
        Ok(ec2(call, &format!("<placementGroupSet>{items}</placementGroupSet>")))
    }

    fn tag(&mut self, call: &Call, ids: &[&str]) -> Response {
        let tag = |number: usize| {
            let key = call.parameter(&format!("Tag.{number}.Key"))?.to_owned();
            let value = call.parameter(&format!("Tag.{number}.Value")).unwrap_or_default();
            Some((key, value.to_owned()))
        };
        let tags: Vec<_> = (1..).map_while(tag).collect();
        let groups = self.groups.values_mut().filter(|group| ids.contains(&group.id.as_str()));
        for group in groups {
            if call.operation == "CreateTags" {
                group.tags.extend(tags.clone());
            } else {
                group.tags.retain(|key, _| !tags.iter().any(|(gone, _)| gone == key));
            }
        }
        ec2(call, "<return>true</return>")
    }
}

impl Group {
    fn fits(&self, name: &str, call: &Call) -> bool {
        call.filters().into_iter().all(|(filter, values)| {
            let is = |value: &str| values.contains(&value);
            match filter {
                "group-name" => is(name),
                "strategy" => is(&self.strategy),
                "state" => is("available"),
                "tag-key" => self.tags.keys().any(|key| is(key)),
                _ => filter
                    .strip_prefix("tag:")
                    .is_some_and(|key| self.tags.get(key).is_some_and(|value| is(value))),
            }
        })
    }

    fn item(&self, name: &str) -> String {
        let Self { id, strategy, .. } = self;
        let mut item = format!(
            "<groupName>{}</groupName><groupId>{id}</groupId><strategy>{strategy}</strategy><state>available</state>",
            escaped(name)
        );
        if let Some(partitions) = &self.partitions {
            let _ = write!(item, "<partitionCount>{partitions}</partitionCount>");
        }
        if let Some(spread) = &self.spread {
            let _ = write!(item, "<spreadLevel>{spread}</spreadLevel>");
        }
        let tag = |(key, value): (&String, &String)| {
            format!("<item><key>{}</key><value>{}</value></item>", escaped(key), escaped(value))
        };
        let tags: String = self.tags.iter().map(tag).collect();
        let _ = write!(item, "<tagSet>{tags}</tagSet>");
        item
    }
}

fn unknown(name: &str) -> Refusal {
    let text = format!("The Placement Group '{name}' is unknown.");
    Refusal::new("InvalidPlacementGroup.Unknown", text)
}
