//! What the candidate of a saved rollout is evaluated from: the texts of its configuration, the values of its variables, the
//! moment, and what data sources said when the plan was made.
//!
//! Invariants: it is a secret, since any of these may be; waves that are planned from it on another machine, or after the
//! files were changed, are those of the plan that was read. A data source that is asked the same again answers the same.
//! Refuses to know: the language, where plans are kept.

use lang::{InputValue, Kept, Moment, VariableInput};
use model::digest::sha256_hex;
use model::schema::ProviderSchema;
use model::{Address, Diagnostic, Value};
use planner::{Answers, Question};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// A candidate, to be loaded again.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// The environment's directory.
    pub directory: PathBuf,
    /// What was read of it and of the modules.
    pub sources: Kept,
    /// The values of its variables.
    variables: BTreeMap<String, Variable>,
    /// [`Moment::time`].
    time: String,
    /// [`Moment::seed`].
    seed: String,
    /// What data sources said.
    answers: Vec<Answered>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Variable {
    Text { text: String, origin: String, may_be_unused: bool },
    Value { value: Value, origin: String, may_be_unused: bool },
}

/// What a data source said.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Answered {
    address: Address,
    arguments: Value,
    answer: Value,
}

impl Candidate {
    /// The candidate of a configuration that was read through a recording loader.
    pub fn new(
        directory: PathBuf,
        sources: Kept,
        values: &BTreeMap<String, VariableInput>,
        moment: &Moment,
        answers: &AnswerBook,
    ) -> Self {
        let variables = values.iter().map(|(name, input)| (name.clone(), Variable::of(input)));
        Self {
            directory,
            sources,
            variables: variables.collect(),
            time: moment.time.to_string(),
            seed: moment.seed.to_string(),
            answers: answers.heard(),
        }
    }

    /// As a plan carries it.
    pub fn write(&self) -> Result<Value, Diagnostic> {
        let text = serde_json::to_string(self).map_err(|error| unkept(&error))?;
        Ok(Value::string(&text).into_sensitive())
    }

    /// As a plan carries it.
    pub fn read(value: &Value) -> Result<Self, Diagnostic> {
        let text = value.as_str().unwrap_or_default();
        serde_json::from_str(text).map_err(|error| unkept(&error))
    }

    /// The values of its variables.
    pub fn values(&self) -> BTreeMap<String, VariableInput> {
        self.variables.iter().map(|(name, variable)| (name.clone(), variable.input())).collect()
    }

    /// When it was evaluated first, and with what chance.
    pub fn moment(&self) -> Moment {
        Moment { time: self.time.as_str().into(), seed: self.seed.as_str().into(), is_final: false }
    }

    /// What data sources say.
    pub fn answers(&self) -> AnswerBook {
        AnswerBook { given: self.answers.clone(), ..AnswerBook::default() }
    }
}

fn unkept(error: &serde_json::Error) -> Diagnostic {
    let summary = format!("the configuration cannot be kept in a plan: {error}");
    Diagnostic::error("rollout-candidate", summary)
        .with_hint("apply the environment instead of a saved plan")
}

impl Variable {
    fn of(input: &VariableInput) -> Self {
        let (origin, may_be_unused) = (input.origin.clone(), input.may_be_unused);
        match &input.value {
            InputValue::Text(text) => Self::Text { text: text.clone(), origin, may_be_unused },
            InputValue::Value(value) => Self::Value { value: value.clone(), origin, may_be_unused },
        }
    }

    fn input(&self) -> VariableInput {
        match self {
            Self::Text { text, origin, may_be_unused } => {
                VariableInput { may_be_unused: *may_be_unused, ..VariableInput::text(text, origin) }
            }
            Self::Value { value, origin, may_be_unused } => VariableInput {
                may_be_unused: *may_be_unused,
                ..VariableInput::value(value.clone(), origin)
            },
        }
    }
}

/// What data sources say to a configuration: what a saved plan brought with it, and what was read.
#[derive(Debug, Default)]
pub struct AnswerBook {
    given: Vec<Answered>,
    heard: Mutex<BTreeMap<Address, Answered>>,
    /// Whether what was read is not asked for again.
    is_kept: AtomicBool,
}

impl AnswerBook {
    /// The answers that are given, and the questions that are left.
    pub fn known(&self, asked: Vec<Question>) -> (Answers, Vec<Question>) {
        let mut answers = Answers::new();
        let mut left = Vec::new();
        let heard = if self.is_kept.load(Ordering::Relaxed) { self.heard() } else { Vec::new() };
        for question in asked {
            let is_same = |it: &&Answered| {
                it.address == question.address && same(&it.arguments, &question.arguments)
            };
            match self.given.iter().chain(&heard).find(is_same) {
                Some(known) => {
                    answers.insert(question.address, known.answer.clone());
                }
                None => left.push(question),
            }
        }
        (answers, left)
    }

    /// From now on, whoever asks the same again is told the same: all waves of a rollout are of one candidate.
    pub fn keep(&self) {
        self.is_kept.store(true, Ordering::Relaxed);
    }

    /// What was read, as digests: enough to see that a data source says something else. What is secret, or may change at any
    /// time, is not looked at.
    pub fn digests(&self, schemas: &BTreeMap<String, ProviderSchema>) -> BTreeMap<Address, String> {
        let schema = |kind: &str| schemas.values().find_map(|provider| provider.data.get(kind));
        let lasts = |kind: &str, name: &str| {
            let attribute = schema(kind).and_then(|it| it.attributes.get(name));
            attribute.is_none_or(|it| !it.sensitive && it.stable)
        };
        let digest = |it: &Answered| {
            let attributes = it.answer.as_entries().into_iter().flat_map(|it| it.iter());
            let lasting = attributes.filter(|(name, _)| lasts(it.address.kind(), name));
            let open = lasting.filter(|(_, value)| !value.deep_marks().sensitive);
            let told: Vec<_> = open.map(|(name, value)| (name, value.to_json().ok())).collect();
            sha256_hex(serde_json::json!(told).to_string().as_bytes())
        };
        self.heard().iter().map(|it| (it.address.clone(), digest(it))).collect()
    }

    /// Remembers what was read.
    pub fn hear(&self, asked: &[Question], answers: &Answers) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        for question in asked {
            let Some(answer) = answers.get(&question.address) else { continue };
            let (address, arguments) = (question.address.clone(), question.arguments.clone());
            let answered = Answered { address: address.clone(), arguments, answer: answer.clone() };
            heard.insert(address, answered);
        }
    }

    fn heard(&self) -> Vec<Answered> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.values().cloned().collect()
    }
}

/// Whether two values are written alike: types are not kept in JSON.
fn same(one: &Value, other: &Value) -> bool {
    match (one.to_json(), other.to_json()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::schema::{Attribute, DataSchema};
    use model::{Span, Type};

    fn question(name: &str) -> Question {
        Question {
            address: Address::parse("data.sim_image.x").unwrap(),
            provider: "sim".to_owned(),
            arguments: Value::object([("name", Value::from(name))]),
            span: Span { file: "main.hcl".into(), start: 0, end: 1 },
        }
    }

    #[test]
    fn a_candidate_comes_back_as_it_was() {
        let mut values = BTreeMap::new();
        values.insert("size".to_owned(), VariableInput::text("7", "--var"));
        values.insert("zone".to_owned(), VariableInput::environment("a", "PROVISIONER_VAR_zone"));
        let secret = Value::from("hush").into_sensitive();
        values.insert("key".to_owned(), VariableInput::value(secret, "x.hclvars"));
        let moment =
            Moment { time: "2026-01-02T03:04:05Z".into(), seed: "7".into(), is_final: false };
        let book = AnswerBook::default();
        let asked = [question("linux")];
        let said = Value::object([("id", Value::from("image-1"))]);
        book.hear(&asked, &Answers::from([(asked[0].address.clone(), said.clone())]));
        let candidate =
            Candidate::new("/there/env".into(), Kept::default(), &values, &moment, &book);
        let written = candidate.write().unwrap();
        assert!(written.to_json().unwrap().get("$sensitive").is_some());
        let read = Candidate::read(&written).unwrap();
        assert_eq!((read.values(), read.moment()), (values, moment));

        // Asked the same it says the same, and asked something else it is asked anew.
        let (answers, left) = read.answers().known(vec![question("linux")]);
        assert!(left.is_empty());
        assert_eq!(answers[&asked[0].address].get("id"), said.get("id"));
        let (answers, left) = read.answers().known(vec![question("other")]);
        assert!(answers.is_empty() && left.len() == 1);
    }

    #[test]
    fn what_was_heard_is_asked_for_again_until_it_is_kept() {
        let book = AnswerBook::default();
        let asked = [question("linux")];
        let said = Value::object([("id", Value::from("image-1"))]);
        book.hear(&asked, &Answers::from([(asked[0].address.clone(), said)]));
        assert_eq!(book.known(vec![question("linux")]).1.len(), 1);
        book.keep();
        let (answers, left) = book.known(vec![question("linux"), question("other")]);
        assert_eq!((answers.len(), left.len()), (1, 1));
    }

    #[test]
    fn a_digest_changes_with_what_lasts_and_is_open() {
        let attribute = |ty: Type| Attribute::computed(ty, "");
        let image = DataSchema {
            attributes: BTreeMap::from([
                ("id".to_owned(), attribute(Type::String)),
                ("seen_at".to_owned(), attribute(Type::String).volatile()),
                ("key".to_owned(), attribute(Type::String).secret()),
            ]),
            ..DataSchema::default()
        };
        let provider =
            ProviderSchema { data: [("sim_image".to_owned(), image)].into(), ..Default::default() };
        let schemas = BTreeMap::from([("sim".to_owned(), provider)]);
        let digests = |id: &str, seen_at: &str, key: &str| {
            let said = [("id", id), ("seen_at", seen_at), ("key", key)];
            let said = Value::object(said.map(|(name, text)| (name, Value::from(text))));
            let (book, asked) = (AnswerBook::default(), [question("linux")]);
            book.hear(&asked, &Answers::from([(asked[0].address.clone(), said)]));
            book.digests(&schemas)
        };
        let before = digests("image-1", "now", "hush");
        assert_eq!(before.len(), 1);
        assert_eq!(before, digests("image-1", "later", "other"));
        assert_ne!(before, digests("image-2", "now", "hush"));
    }

    #[test]
    fn what_is_no_candidate_is_refused() {
        assert_eq!(Candidate::read(&Value::from("{}")).err().unwrap().code, "rollout-candidate");
    }
}
