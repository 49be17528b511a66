//! `console`: expressions, evaluated in an environment's own scope.
//!
//! The configuration is evaluated once and only as far as expressions need it. Takes no lease and changes nothing.

mod interactive;

use crate::arguments::Environment;
use crate::error::{CommandError, Exit};
use crate::planning;
use crate::project::Project;
use crate::session::Session;
use crate::store::{LOGIN_KEY_LATER, Store};
use crate::wiring::Factory;
use lang::EXPRESSION;
use model::record::Recorded;
use model::{Diagnostic, SourceMap, Value};
use std::io::{BufRead as _, IsTerminal as _};

/// Where the expressions come from.
pub struct Asked {
    /// Given on the command line; without them standard input is read.
    pub expressions: Vec<String>,
    /// Standard input holds an expression a line, each as a JSON string.
    pub json_lines: bool,
}

/// Runs the command.
pub async fn run(
    session: &Session,
    environment: &Environment,
    asked: Asked,
) -> Result<Exit, CommandError> {
    let project = planning::load(session, environment)?;
    let (recorded, login_key) = match Store::open(&project).await? {
        Some(store) => (store.load().await?, store.login_key()?),
        None => (Recorded::default(), LOGIN_KEY_LATER.to_owned()),
    };
    let factory = Factory::for_checking(session)?;
    let mut inputs = lang::with_unknowns(&project.configuration, project.inputs(&login_key));
    inputs.moment.is_final = true;
    let projection = lang::recorded_projection(factory.schemas(), &recorded);
    let mut scope =
        lang::Session::new(&project.configuration, &inputs, factory.schemas(), &projection);
    let diagnostics = scope.check_inputs();
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(CommandError::new(diagnostics, &project.sources));
    }
    let mut evaluator = Evaluator { session, project: &project, scope };
    if !asked.expressions.is_empty() {
        return evaluator.all(asked.expressions.into_iter().map(Ok));
    }
    if asked.json_lines {
        return evaluator.json_lines();
    }
    if std::io::stdin().is_terminal() {
        interactive::run(&mut evaluator)?;
        return Ok(Exit::Done);
    }
    let lines = std::io::stdin().lock().lines();
    evaluator.all(lines.filter(|line| !line.as_ref().is_ok_and(|line| line.trim().is_empty())))
}

/// Evaluates expressions and prints what they are.
struct Evaluator<'a> {
    session: &'a Session,
    project: &'a Project,
    scope: lang::Session<'a>,
}

impl Evaluator<'_> {
    /// Prints one after the other; the mistakes of all of them end in one failure.
    fn all(
        &mut self,
        expressions: impl Iterator<Item = std::io::Result<String>>,
    ) -> Result<Exit, CommandError> {
        let mut failed = false;
        for expression in expressions {
            let expression = expression.map_err(|error| unreadable(&error))?;
            failed |= !self.show(&expression);
        }
        // What is wrong has been said, next to the expression.
        if failed { Err(CommandError::default()) } else { Ok(Exit::Done) }
    }

    /// Prints the value of an expression, or what is wrong with it. Whether it has one.
    fn show(&mut self, text: &str) -> bool {
        let answer = self.scope.evaluate(text);
        let ok = answer.is_ok();
        match answer {
            answer if self.session.json => {
                self.session.console.data_line(&self.json(text, &answer));
            }
            Ok(value) => self.session.console.data_line(&views::literal::literal(&value)),
            Err(diagnostics) => self.session.show(&diagnostics, &self.sources(text)),
        }
        ok
    }

    /// Answers every line with a line. A mistake in an expression is an answer too.
    fn json_lines(&mut self) -> Result<Exit, CommandError> {
        let mut input = std::io::stdin().lock();
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = input.read_until(b'\n', &mut line).map_err(|error| unreadable(&error))?;
            if length == 0 {
                return Ok(Exit::Done);
            }
            let answer = match serde_json::from_slice::<String>(&line) {
                Ok(text) => {
                    let answer = self.scope.evaluate(&text);
                    self.json(&text, &answer)
                }
                Err(error) => self.json("", &Err(vec![no_json_string(&error)])),
            };
            self.session.console.data_line(&answer);
        }
    }

    /// One line of JSON.
    fn json(&self, text: &str, answer: &Result<Value, Vec<Diagnostic>>) -> String {
        match answer {
            Ok(value) => {
                let ty = serde_json::Value::from(views::literal::type_name(&value.ty()));
                let sensitive = value.deep_marks().sensitive;
                match views::literal::json(value) {
                    Some(json) => {
                        format!("{{\"value\":{json},\"type\":{ty},\"sensitive\":{sensitive}}}")
                    }
                    None => format!("{{\"unknown\":true,\"type\":{ty}}}"),
                }
            }
            Err(diagnostics) => {
                let error = views::diagnostics::json(diagnostics, &self.sources(text));
                serde_json::json!({ "error": error }).to_string()
            }
        }
    }

    fn sources(&self, text: &str) -> SourceMap {
        let mut sources = self.project.sources.clone();
        sources.insert(EXPRESSION, text);
        sources
    }
}

fn unreadable(error: &std::io::Error) -> Diagnostic {
    Diagnostic::error("unreadable", format!("cannot read standard input: {error}"))
}

fn no_json_string(error: &serde_json::Error) -> Diagnostic {
    Diagnostic::error("not-a-json-string", format!("the line is no JSON string: {error}"))
        .with_hint("each line holds one expression as a JSON string: \"upper(\\\"a\\\")\"")
}
