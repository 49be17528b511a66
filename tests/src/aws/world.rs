//! What one call does: the checks before it, moto's answer, what the proxy adds to it, and what is remembered of it.
//!
//! Invariant: one call at a time, so that what is checked still holds when moto is asked. Refuses to know: connections,
//! faults and time.

use super::answer::Refusal;
use super::call::Call;
use super::hidden::{Hidden, absent};
use super::http::{Request, Response, form};
use super::in_use;
use super::ledger::Ledger;
use super::model::Models;
use super::placement::PlacementGroups;
use super::states::States;
use super::tokens::Tokens;
use super::xml::Element;
use std::collections::BTreeMap;

/// Everything that is known of what was made.
#[derive(Debug)]
pub(super) struct World {
    pub(super) ledger: Ledger,
    port: u16,
    models: &'static Models,
    tokens: Tokens,
    states: States,
    hidden: Hidden,
    placement: PlacementGroups,
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
    pub(super) fn new(port: u16, models: &'static Models, states: States, hidden: Hidden) -> Self {
        Self {
            ledger: Ledger::default(),
            port,
            models,
            tokens: Tokens::default(),
            states,
            hidden,
            placement: PlacementGroups::default(),
            calls: 0,
        }
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
        let response = match self.placement.answer(call).filter(|_| call.service == "ec2") {
            Some(answer) => answer.map_err(|refusal| refusal.response(call)),
            None => self.forward(request, call, &asked),
        };
        let is_dry = call.parameter("DryRun") == Some("true");
        match response {
            Ok(response) if response.status < 300 && !is_dry => {
                self.succeeded(number, call, wanted.as_deref(), response)
            }
            Ok(response) | Err(response) => Outcome { response, took_effect: false },
        }
    }

    /// What the proxy refuses and moto would not.
    fn refuse(&mut self, request: &Request, call: &Call) -> Option<Refusal> {
        if let Some(refusal) = self.hidden.refuse(call).or_else(|| self.states.refuse(call)) {
            return Some(refusal);
        }
        let ask = |operation: &str, parameters: &[(&str, &str)]| {
            ask(self.port, request, operation, parameters)
        };
        in_use::refuse(call, &self.states, &ask)
    }

    /// The call as moto understands it, and the states that the proxy chooses by itself.
    fn rewritten(&self, request: &Request, call: &Call) -> (Call, Option<Vec<String>>) {
        let (mut asked, wanted) = match self.states.without_filter(call) {
            Some((asked, wanted)) => (asked, Some(wanted)),
            None => (call.clone(), None),
        };
        match call.operation.as_str() {
            "DescribeInstances" => asked = self.by_token(asked),
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
            // It launches as few as it may, EC2 as many.
            "RunInstances" => {
                if let Some(most) = call.parameter("MaxCount") {
                    asked.parameters.insert("MinCount".to_owned(), most.to_owned());
                }
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
            let page = String::from_utf8_lossy(&answer.body);
            return Err(failed(format!("moto answers {}: {page}", answer.status)));
        }
        Ok(named(call, answer))
    }

    /// Notes a call that succeeded, and edits its answer.
    fn succeeded(
        &mut self,
        number: usize,
        call: &Call,
        wanted: Option<&[String]>,
        mut response: Response,
    ) -> Outcome {
        let is_ec2 = call.service == "ec2";
        let text = String::from_utf8_lossy(&response.body);
        let parsed = if is_ec2 { Element::parse(&text) } else { None };
        let mut answer = parsed.unwrap_or_default();
        let unedited = answer.clone();
        if call.changes() {
            let made = self.ledger.note(number, call, &answer);
            self.states.note(call, &made, &mut answer);
            self.hidden.note(&made);
            response.replace(&unedited, &answer);
            if is_ec2 && self.models.ec2.takes_token(&call.operation) {
                self.tokens.remember(call, &response, made);
            }
            return Outcome { response, took_effect: true };
        }
        self.hidden.show(call, &mut answer);
        self.states.show(call, wanted, &mut answer);
        if call.operation == "DescribeNatGateways" {
            let found = answer.all("natGatewayId");
            let missing = call
                .list("NatGatewayId")
                .into_iter()
                .find(|id| !found.iter().any(|f| f.text == **id));
            if let Some(id) = missing {
                return Outcome { response: absent(id).response(call), took_effect: false };
            }
        }
        response.replace(&unedited, &answer);
        Outcome { response, took_effect: false }
    }
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
