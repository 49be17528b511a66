//! What a launch leaves on its machines and moto leaves out: the tags that name their launch template, and the requests of spot
//! machines.
//!
//! Refuses to know: whether a machine still runs.

use super::answer::{Refusal, ec2};
use super::call::Call;
use super::http::Response;
use super::in_use::Ask;
use super::xml::{Element, escaped};
use std::collections::BTreeMap;

/// Requests of spot machines.
#[derive(Debug, Default)]
pub(super) struct Origins {
    /// What a request is told as, by its id.
    requests: BTreeMap<String, String>,
    /// The request of a machine.
    of: BTreeMap<String, String>,
}

impl Origins {
    /// Notes how machines were launched.
    pub(super) fn launched(&mut self, call: &Call, ids: &[String], ask: Ask<'_>) {
        if let Some((template, version)) = template(call, ask) {
            for id in ids {
                let tags = [
                    ("ResourceId.1", id.as_str()),
                    ("Tag.1.Key", "aws:ec2launchtemplate:id"),
                    ("Tag.1.Value", &template),
                    ("Tag.2.Key", "aws:ec2launchtemplate:version"),
                    ("Tag.2.Value", &version),
                ];
                ask("CreateTags", &tags);
            }
        }
        if call.parameter("InstanceMarketOptions.MarketType") == Some("spot") {
            for id in ids {
                self.request(call, id);
            }
        }
    }

    fn request(&mut self, call: &Call, instance: &str) {
        let id = format!("sir-{:08x}", self.requests.len() + 1);
        let asked = |name: &str, without: &str| {
            let name = format!("InstanceMarketOptions.SpotOptions.{name}");
            escaped(call.parameter(&name).unwrap_or(without))
        };
        let price: f64 = asked("MaxPrice", "0.1").parse().unwrap_or_default();
        let (ty, behaviour) = (
            asked("SpotInstanceType", "one-time"),
            asked("InstanceInterruptionBehavior", "terminate"),
        );
        let item = format!(
            "<item><spotInstanceRequestId>{id}</spotInstanceRequestId><spotPrice>{price:.6}</spotPrice><type>{ty}</type>\
             <state>active</state><instanceId>{instance}</instanceId>\
             <instanceInterruptionBehavior>{behaviour}</instanceInterruptionBehavior></item>"
        );
        self.requests.insert(id.clone(), item);
        self.of.insert(instance.to_owned(), id);
    }

    /// The answer to calls about requests.
    pub(super) fn answer(&self, call: &Call) -> Option<Result<Response, Refusal>> {
        let asked = call.list("SpotInstanceRequestId");
        if call.operation != "DescribeSpotInstanceRequests" || asked.is_empty() {
            return None;
        }
        let absent = |id: &str| {
            let text = format!("The spot instance request ID '{id}' does not exist");
            Refusal::new("InvalidSpotInstanceRequestID.NotFound", text)
        };
        let items: Result<String, Refusal> = asked
            .into_iter()
            .map(|id| self.requests.get(id).map(String::as_str).ok_or_else(|| absent(id)))
            .collect();
        Some(items.map(|items| {
            ec2(call, &format!("<spotInstanceRequestSet>{items}</spotInstanceRequestSet>"))
        }))
    }

    /// Tells in a description whose request a machine is of.
    pub(super) fn show(&self, call: &Call, answer: &mut Element) {
        if call.operation != "DescribeInstances" || self.of.is_empty() {
            return;
        }
        answer.each_mut(&mut |element| {
            let id = self.of.get(element.text_at("instanceId"));
            if let Some(id) = id.filter(|_| element.at("instanceState").is_some()) {
                element.set("spotInstanceRequestId", id);
            }
        });
    }
}

/// The template of a launch, and the number of its version.
fn template(call: &Call, ask: Ask<'_>) -> Option<(String, String)> {
    let by_id = call.parameter("LaunchTemplate.LaunchTemplateId");
    let by_name = call.parameter("LaunchTemplate.LaunchTemplateName");
    let asked = match (by_id, by_name) {
        (Some(id), _) => ("LaunchTemplateId.1", id),
        (None, name) => ("LaunchTemplateName.1", name?),
    };
    let found = ask("DescribeLaunchTemplates", &[asked]);
    let found = found.at("launchTemplates/item")?;
    let version = match call.parameter("LaunchTemplate.Version") {
        Some("$Latest") => found.text_at("latestVersionNumber"),
        None | Some("$Default" | "") => found.text_at("defaultVersionNumber"),
        Some(number) => number,
    };
    Some((found.text_at("launchTemplateId").to_owned(), version.to_owned()))
}
