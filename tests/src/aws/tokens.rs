//! Client tokens, which moto ignores: the same call with the same token gets the same answer, and nothing is made twice.
//!
//! Invariant: only a call that succeeded is remembered. By
//! <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html>.

use super::answer::Refusal;
use super::call::Call;
use super::http::Response;
use super::ledger::Ledger;
use std::collections::BTreeMap;

#[derive(Debug)]
struct Known {
    parameters: BTreeMap<String, String>,
    answer: Response,
    ids: Vec<String>,
}

/// Tokens that were used, by region, operation and token.
#[derive(Debug, Default)]
pub(super) struct Tokens(BTreeMap<(String, String, String), Known>);

impl Tokens {
    /// What is answered to a call that was made before with this token.
    pub(super) fn answer(&self, call: &Call, ledger: &Ledger) -> Option<Result<Response, Refusal>> {
        let known = self.0.get(&key(call)?)?;
        let is_gone = |id: &String| ledger.find(id).is_some_and(|object| object.deleted.is_some());
        if known.parameters != call.parameters {
            return Some(Err(Refusal::new(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
            )));
        }
        if call.operation == "RunInstances" && known.ids.iter().all(is_gone) {
            return Some(Err(Refusal::new(
                "IdempotentInstanceTerminated",
                "The client token you have provided is associated with a resource that is already deleted. Please use a \
                 different client token for the new resource.",
            )));
        }
        Some(Ok(known.answer.clone()))
    }

    /// Remembers a call that succeeded.
    pub(super) fn remember(&mut self, call: &Call, answer: &Response, ids: Vec<String>) {
        if let Some(key) = key(call) {
            let (parameters, answer) = (call.parameters.clone(), answer.clone());
            self.0.insert(key, Known { parameters, answer, ids });
        }
    }

    /// What was made with one of these tokens.
    pub(super) fn made_with(&self, tokens: &[&str]) -> Vec<String> {
        let used = self.0.iter().filter(|((.., token), _)| tokens.contains(&token.as_str()));
        used.flat_map(|(_, known)| known.ids.clone()).collect()
    }
}

fn key(call: &Call) -> Option<(String, String, String)> {
    let token = call.parameter("ClientToken").filter(|token| !token.is_empty())?;
    Some((call.region.clone(), call.operation.clone(), token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::xml::Element;

    fn launch(count: &str) -> Call {
        let parameters = [("ClientToken", "t"), ("MaxCount", count), ("ImageId", "ami-1")];
        Call {
            service: "ec2".to_owned(),
            region: "eu-central-1".to_owned(),
            operation: "RunInstances".to_owned(),
            parameters: parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        }
    }

    fn terminate(number: usize, id: &str, ledger: &mut Ledger) {
        let call = Call {
            operation: "TerminateInstances".to_owned(),
            parameters: [("InstanceId.1".to_owned(), id.to_owned())].into(),
            ..launch("2")
        };
        ledger.note(number, &call, &Element::default());
    }

    #[test]
    fn a_launch_is_gone_when_all_of_it_is() {
        let (mut tokens, mut ledger) = (Tokens::default(), Ledger::default());
        assert!(tokens.answer(&launch("2"), &ledger).is_none());
        let items =
            "<item><instanceId>i-1</instanceId></item><item><instanceId>i-2</instanceId></item>";
        let answer = format!("<R><instancesSet>{items}</instancesSet></R>");
        let ids = ledger.note(0, &launch("2"), &Element::parse(&answer).unwrap());
        let answer = Response { status: 200, headers: Vec::new(), body: answer.into_bytes() };
        tokens.remember(&launch("2"), &answer, ids);
        let again =
            |tokens: &Tokens, ledger: &Ledger, count| match tokens.answer(&launch(count), ledger) {
                Some(Err(refusal)) => refusal.code,
                Some(Ok(again)) => String::from_utf8(again.body).unwrap(),
                None => "made".to_owned(),
            };
        assert!(again(&tokens, &ledger, "2").contains("i-2"));
        assert_eq!(again(&tokens, &ledger, "3"), "IdempotentParameterMismatch");
        terminate(1, "i-1", &mut ledger);
        assert!(again(&tokens, &ledger, "2").contains("i-1"), "a part of it lives");
        terminate(2, "i-2", &mut ledger);
        assert_eq!(again(&tokens, &ledger, "2"), "IdempotentInstanceTerminated");
        assert_eq!(tokens.made_with(&["t", "other"]), ["i-1", "i-2"]);
    }
}
