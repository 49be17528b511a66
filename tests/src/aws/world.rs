//! What one call does: the checks before it, moto's answer, what the proxy adds to it, and what is remembered of it.
//!
//! Invariant: one call at a time, so that what is checked still holds when moto is asked. Refuses to know: connections,
//! faults and time.

use super::answer::Refusal;
use super::call::Call;
use super::copies;
use super::gaps::{self, Kept};
use super::hidden::Hidden;
use super::http::{Request, Response, form};
use super::in_use;
use super::ledger::Ledger;
use super::model::Models;
use super::moto::{Moto, Said};
use super::nodes::Nodes;
use super::origin::Origins;
use super::placement::PlacementGroups;
use super::ranges::{self, Ranges};
use super::states::States;
use super::tags;
use super::tokens::Tokens;
use super::xml::Element;
use std::collections::BTreeMap;

/// Everything that is known of what was made.
#[derive(Debug)]
pub(super) struct World {
    pub(super) ledger: Ledger,
    port: u16,
    said: Said,
    models: &'static Models,
    tokens: Tokens,
    states: States,
    ranges: Ranges,
    hidden: Hidden,
    placement: PlacementGroups,
    kept: Kept,
    origins: Origins,
    nodes: Option<Nodes>,
    calls: usize,
}

/// What became of a call.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) response: Response,
    /// Whether it changed something: not if it was refused, and not if it was answered before.
    pub(super) took_effect: bool,
}

impl World {
    pub(super) fn new(
        moto: &Moto,
        models: &'static Models,
        states: States,
        hidden: Hidden,
    ) -> Self {
        Self {
            ledger: Ledger::default(),
            port: moto.port(),
            said: moto.said(),
            models,
            tokens: Tokens::default(),
            ranges: Ranges::new(states.describes()),
            states,
            hidden,
            placement: PlacementGroups::default(),
            kept: Kept::default(),
            origins: Origins::default(),
            nodes: None,
            calls: 0,
        }
    }

    /// The same, with machines behind its instances.
    pub(super) fn with_nodes(self, nodes: Option<Nodes>) -> Self {
        Self { nodes, ..self }
    }

    /// The machines, which then end with whoever has them.
    pub(super) fn take_nodes(&mut self) -> Option<Nodes> {
        self.nodes.take()
    }

    /// Does what a call asks for.
    pub(super) fn act(&mut self, request: &Request, call: &Call) -> Outcome {
        let number = self.calls;
        self.calls += 1;
        let refused =
            |refusal: Refusal| Outcome { response: refusal.response(call), took_effect: false };
        if call.service == "ec2" {
            if self.models.ec2.takes_token(&call.operation) {
                match self.tokens.answer(call, &self.ledger) {
                    Some(Ok(response)) => return Outcome { response, took_effect: false },
                    Some(Err(refusal)) => return refused(refusal),
                    None => {}
                }
            }
            if let Some(refusal) = self.refuse(request, call) {
                return refused(refusal);
            }
        }
        let (asked, wanted) = self.rewritten(request, call);
        let response = match self.own_answer(call) {
            Some(answer) => answer.map_err(|refusal| refusal.response(call)),
            None => self.forward(request, call, &asked),
        };
        let is_dry = call.parameter("DryRun") == Some("true");
        match response {
            Ok(response) if response.status < 300 && !is_dry => {
                self.succeeded(number, (request, call), wanted.as_deref(), response)
            }
            Ok(response) | Err(response) => {
                let refusal = gaps::misnamed(call, &self.ledger, &response.body);
                let response = refusal.map_or(response, |refusal| refusal.response(call));
                Outcome { response, took_effect: false }
            }
        }
    }

    /// The answer to a call that moto has nothing to do with.
    fn own_answer(&mut self, call: &Call) -> Option<Result<Response, Refusal>> {
        if call.service != "ec2" {
            return None;
        }
        if call.operation == "TerminateInstances" {
            let (asked, gone) = gaps::termination(call, &self.ledger);
            let none_left = !gone.is_empty() && asked.list("InstanceId").is_empty();
            return none_left
                .then(|| Ok(super::answer::ec2(call, "<instancesSet></instancesSet>")));
        }
        let placement = self.placement.answer(call);
        placement.or_else(|| self.origins.answer(call)).or_else(|| self.kept.answer(call).map(Ok))
    }

    /// What the proxy refuses and moto would not.
    fn refuse(&mut self, request: &Request, call: &Call) -> Option<Refusal> {
        if let Some(refusal) = self.hidden.refuse(call).or_else(|| self.states.refuse(call)) {
            return Some(refusal);
        }
        let ask = |operation: &str, parameters: &[(&str, &str)]| {
            ask(self.port, request, operation, parameters)
        };
        let gap = gaps::refuse(call, &self.ledger, &ask).or_else(|| copies::refuse(call));
        let gap = gap.or_else(|| self.ranges.refuse(call, &ask));
        gap.or_else(|| in_use::refuse(call, &self.states, &ask))
    }

    /// The call as moto understands it, and the states that the proxy chooses by itself.
    fn rewritten(&self, request: &Request, call: &Call) -> (Call, Option<Vec<String>>) {
        let (mut asked, wanted) = match self.states.without_filter(call) {
            Some((asked, wanted)) => (asked, Some(wanted)),
            None => (call.clone(), None),
        };
        match call.operation.as_str() {
            "DescribeInstances" => asked = self.by_token(asked),
            "DescribeTags" => asked = tags::asked(asked),
            "DetachVolume" if call.parameter("InstanceId").is_none() => {
                let volume = call.parameter("VolumeId").unwrap_or_default();
                let found = ask(self.port, request, "DescribeVolumes", &[("VolumeId.1", volume)]);
                let attachment =
                    found.all("attachmentSet").into_iter().find_map(|set| set.children.first());
                if let Some(attachment) = attachment {
                    for (parameter, element) in [("InstanceId", "instanceId"), ("Device", "device")]
                    {
                        let value = attachment.text_at(element).to_owned();
                        asked.parameters.entry(parameter.to_owned()).or_insert(value);
                    }
                }
            }
            "TerminateInstances" => asked = gaps::termination(call, &self.ledger).0,
            // It decodes user data in this form before it expects it encoded.
            "ModifyInstanceAttribute" => {
                if let Some(data) = asked.parameters.remove("UserData.Value") {
                    asked.parameters.insert("Attribute".to_owned(), "userData".to_owned());
                    asked.parameters.insert("Value".to_owned(), data);
                }
            }
            "ModifyInstanceMetadataOptions" => {
                let ask = |operation: &str, parameters: &[(&str, &str)]| {
                    ask(self.port, request, operation, parameters)
                };
                asked = gaps::metadata_options(call, &ask);
            }
            // It launches as few as it may, EC2 as many.
            "RunInstances" => {
                if let Some(most) = call.parameter("MaxCount") {
                    asked.parameters.insert("MinCount".to_owned(), most.to_owned());
                }
                make_profile(self.port, request, call);
            }
            // It has no tags for the snapshots of an image.
            "CreateImage" => asked.parameters = without_snapshot_tags(&asked.parameters),
            _ => {}
        }
        (asked, wanted)
    }

    /// A filter by token as one by what was made with it.
    fn by_token(&self, call: Call) -> Call {
        let Some((call, tokens)) = call.without_filter("client-token") else { return call };
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let mut ids = self.tokens.made_with(&tokens);
        if ids.is_empty() {
            ids.push("none".to_owned());
        }
        let owned = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect();
        let mut filters: Vec<(String, Vec<String>)> = call
            .filters()
            .into_iter()
            .map(|(name, values)| (name.to_owned(), owned(values)))
            .collect();
        filters.push(("instance-id".to_owned(), ids));
        call.with_filters(&filters)
    }

    fn forward(&self, request: &Request, call: &Call, asked: &Call) -> Result<Response, Response> {
        let before = self.said.exceptions();
        let sent = if asked == call {
            request.send(self.port)
        } else {
            with_form(request, &asked.operation, &asked.parameters).send(self.port)
        };
        let failed =
            |text: String| Refusal::new("InternalError", text).with_status(500).response(call);
        let answer =
            sent.map_err(|error| failed(format!("moto does not answer the proxy: {error}")))?;
        // What it does not know, or chokes on, it answers with a page for people.
        if answer.status >= 500 {
            let why =
                self.said.exception(before).unwrap_or_else(|| "it does not say why".to_owned());
            return Err(failed(format!(
                "moto answers {} to {}: {why}",
                answer.status, call.operation
            )));
        }
        Ok(named(call, answer))
    }

    /// Notes a call that succeeded, and edits its answer.
    fn succeeded(
        &mut self,
        number: usize,
        (request, call): (&Request, &Call),
        wanted: Option<&[String]>,
        mut response: Response,
    ) -> Outcome {
        let is_ec2 = call.service == "ec2";
        let text = String::from_utf8_lossy(&response.body);
        let parsed = if is_ec2 { Element::parse(&text) } else { None };
        let mut answer = parsed.unwrap_or_default();
        let unedited = answer.clone();
        if call.changes() {
            if call.operation == "TerminateInstances" {
                let (_, gone) = gaps::termination(call, &self.ledger);
                answer.append(
                    "instancesSet",
                    &gone.iter().map(|id| gaps::ended(id)).collect::<String>(),
                );
            }
            let made = self.ledger.note(number, call, &answer);
            self.follow(number, (request, call), &made);
            if let Err(error) = self.back(request, call, &made) {
                let text = format!("the node behind an instance fails: {error}");
                let refusal = Refusal::new("InternalError", text).with_status(500);
                return Outcome { response: refusal.response(call), took_effect: true };
            }
            self.tell_nodes(&mut answer);
            self.states.note(call, &made, &mut answer);
            self.ranges.note(call, &mut answer);
            self.hidden.note(&made);
            response.replace(&unedited, &answer);
            if is_ec2 && self.models.ec2.takes_token(&call.operation) {
                self.tokens.remember(call, &response, made);
            }
            return Outcome { response, took_effect: true };
        }
        self.hidden.show(call, &mut answer);
        self.kept.show(call, &mut answer);
        self.origins.show(call, &mut answer);
        self.tell_nodes(&mut answer);
        self.states.show(call, wanted, &mut answer);
        self.ranges.show(call, &mut answer);
        if let Some(refusal) = gaps::missing(call, &answer).filter(|_| is_ec2) {
            return Outcome { response: refusal.response(call), took_effect: false };
        }
        if call.operation == "DescribeTags" {
            tags::told(&mut answer);
            answer.append("tagSet", &self.placement.tags(call));
        }
        tags::page(call, &mut answer);
        response.replace(&unedited, &answer);
        Outcome { response, took_effect: false }
    }

    /// Has the machines behind the instances follow a call.
    fn back(&mut self, request: &Request, call: &Call, made: &[String]) -> Result<(), String> {
        let Some(nodes) = &mut self.nodes else { return Ok(()) };
        if call.operation != "RunInstances" {
            return nodes.follow(call);
        }
        let key = call.parameter("KeyName").and_then(|name| {
            let asked = [("KeyName.1", name), ("IncludePublicKey", "true")];
            let found = ask(self.port, request, "DescribeKeyPairs", &asked);
            found.at("keySet/item/publicKey").map(|key| key.text.trim().to_owned())
        });
        made.iter().try_for_each(|id| nodes.start(id, call, key.clone()))
    }

    fn tell_nodes(&self, answer: &mut Element) {
        if let Some(nodes) = &self.nodes {
            nodes.show(answer);
        }
    }

    /// What moto leaves out after a call that made something.
    fn follow(&mut self, number: usize, (request, call): (&Request, &Call), made: &[String]) {
        let ask = |operation: &str, parameters: &[(&str, &str)]| {
            ask(self.port, request, operation, parameters)
        };
        match (call.operation.as_str(), made) {
            ("RunInstances", ids) => {
                self.kept.launched(call, ids, &ask);
                self.origins.launched(call, ids, &ask);
                ranges::launched(call, ids, &ask);
            }
            ("CreateBucket", _) => tag_bucket(self.port, request),
            ("CreateImage", [image]) => {
                let found = ask("DescribeImages", &[("ImageId.1", image)]);
                for snapshot in found.all("snapshotId") {
                    self.ledger.add(number, call, "snapshot", &snapshot.text, image);
                    for (key, value) in call.tags("snapshot") {
                        let tag = [("Tag.1.Key", key.as_str()), ("Tag.1.Value", value.as_str())];
                        ask(
                            "CreateTags",
                            &[("ResourceId.1", snapshot.text.as_str()), tag[0], tag[1]],
                        );
                    }
                }
            }
            _ => {}
        }
    }
}

/// Gives a new bucket the tags that it was asked for with, which moto leaves out.
fn tag_bucket(port: u16, request: &Request) {
    let body = String::from_utf8_lossy(&request.body);
    let tags = body.split_once("<Tags>").and_then(|(_, rest)| rest.split_once("</Tags>"));
    let Some((tags, _)) = tags else { return };
    let body = format!("<Tagging><TagSet>{tags}</TagSet></Tagging>").into_bytes();
    let target = format!("{}?tagging", request.path());
    let tagging = Request { target, body, ..request.clone() };
    // Where moto refuses, the bucket has no tags, which whoever made it sees.
    let _ = tagging.send(port);
}

impl Response {
    /// Replaces the body where the answer in it was edited.
    fn replace(&mut self, unedited: &Element, answer: &Element) {
        if unedited != answer {
            self.body = answer.document().into_bytes();
        }
    }
}

/// A question of the proxy's own to moto, with the region of a request. An error is an empty answer.
fn ask(port: u16, like: &Request, operation: &str, parameters: &[(&str, &str)]) -> Element {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mut all: BTreeMap<String, String> = parameters.iter().map(owned).collect();
    all.insert("Version".to_owned(), "2016-11-15".to_owned());
    let answer = with_form(like, operation, &all).send(port);
    let body = answer.map(|answer| answer.body).unwrap_or_default();
    Element::parse(&String::from_utf8_lossy(&body)).unwrap_or_default()
}

/// Makes the instance profile that a launch names: it is known to another service, which is not part of the tests.
fn make_profile(port: u16, like: &Request, call: &Call) {
    let arn = call.parameter("IamInstanceProfile.Arn").and_then(|arn| arn.rsplit('/').next());
    let Some(name) = call.parameter("IamInstanceProfile.Name").or(arn) else { return };
    let mut request = like.clone();
    for (_, value) in
        request.headers.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
    {
        *value = value.replace("/ec2/", "/iam/");
    }
    let named = [("InstanceProfileName", name), ("Version", "2010-05-08")];
    let named = named.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    // It may be there already.
    let _ = with_form(&request, "CreateInstanceProfile", &named).send(port);
}

/// A request with another form.
fn with_form(like: &Request, operation: &str, parameters: &BTreeMap<String, String>) -> Request {
    let (action, operation) = ("Action".to_owned(), operation.to_owned());
    let pairs = std::iter::once((&action, &operation)).chain(parameters);
    Request { body: form(pairs), ..like.clone() }
}

/// An answer as S3 calls it, where moto calls it after the operation.
fn named(call: &Call, mut answer: Response) -> Response {
    if call.operation == "GetBucketVersioning" {
        let text = String::from_utf8_lossy(&answer.body);
        let text = text.replace("GetBucketVersioningResponse", "VersioningConfiguration");
        answer.body = text.into_bytes();
    }
    answer
}

fn without_snapshot_tags(parameters: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_snapshot = |(name, value): (&String, &String)| {
        let is_type = name.ends_with(".ResourceType") && value == "snapshot";
        is_type.then(|| name.trim_end_matches("ResourceType").to_owned())
    };
    let snapshots: Vec<String> = parameters.iter().filter_map(is_snapshot).collect();
    let mut left = parameters.clone();
    left.retain(|name, _| !snapshots.iter().any(|prefix| name.starts_with(prefix.as_str())));
    left
}
