//! Type expressions: `list(object({ name = string, size = optional(number, 1) }))`.

use super::constant::constant;
use super::suggest::did_you_mean;
use crate::syntax::{Call, Expr, Expression, ItemKey, Kind};
use model::convert::convert;
use model::types::Field;
use model::{Diagnostic, Type};
use std::collections::BTreeMap;
use std::sync::Arc;

const WORDS: [&str; 11] = [
    "any", "bool", "number", "string", "list", "set", "map", "tuple", "object", "optional", "null",
];

/// The type that an expression names; `any` after a mistake.
pub(crate) fn read_type(expression: &Expression, diagnostics: &mut Vec<Diagnostic>) -> Type {
    Reader { whole: expression, diagnostics }.read(expression.root())
}

struct Reader<'a> {
    whole: &'a Expression,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn read(&mut self, expr: Expr<'_>) -> Type {
        match expr.kind() {
            Kind::Variable(word) => self.word(word, expr),
            Kind::Call(call) => self.constructor(call, expr),
            Kind::Broken => Type::Any,
            _ => self.wrong(
                expr,
                "a type is a word such as `string` or a call such as `list(string)`",
                None,
            ),
        }
    }

    fn wrong(&mut self, expr: Expr<'_>, problem: &str, hint: Option<String>) -> Type {
        let span = self.whole.file.span(expr.extent());
        let mut diagnostic =
            Diagnostic::error("type", "this is not a type").with_label(span, problem);
        diagnostic.hints.extend(hint);
        self.diagnostics.push(diagnostic);
        Type::Any
    }

    fn word(&mut self, word: &str, expr: Expr<'_>) -> Type {
        match word {
            "any" => Type::Any,
            "bool" => Type::Bool,
            "number" => Type::Number,
            "string" => Type::String,
            "list" => Type::list(Type::Any),
            "set" => Type::set(Type::Any),
            "map" => Type::map(Type::Any),
            _ => self.wrong(expr, &format!("there is no type `{word}`"), did_you_mean(word, WORDS)),
        }
    }

    fn constructor(&mut self, call: Call<'_>, expr: Expr<'_>) -> Type {
        let Some(argument) = call.arguments.only() else {
            return self.wrong(
                expr,
                &format!("`{}` takes one argument here", call.name.text),
                None,
            );
        };
        match (call.name.text.as_ref(), argument.kind()) {
            ("list", _) => Type::list(self.read(argument)),
            ("set", _) => Type::set(self.read(argument)),
            ("map", _) => Type::map(self.read(argument)),
            ("tuple", Kind::Tuple(items)) => {
                Type::Tuple(Arc::new(items.iter().map(|item| self.read(item)).collect()))
            }
            ("tuple", _) => self.wrong(
                argument,
                "`tuple` takes its types in brackets: tuple([string, number])",
                None,
            ),
            ("object", Kind::Object(items)) => {
                let mut fields = BTreeMap::new();
                for item in items.iter() {
                    match item.key {
                        ItemKey::Name(name) => {
                            fields.insert(name.text.clone(), self.field(item.value));
                        }
                        ItemKey::Expr(key) => {
                            self.wrong(key, "the name of an attribute is a plain word", None);
                        }
                    }
                }
                Type::Object(Arc::new(fields))
            }
            ("object", _) => self.wrong(
                argument,
                "`object` takes its attributes in braces: object({ name = string })",
                None,
            ),
            ("optional", _) => {
                self.wrong(expr, "`optional` stands only inside `object({ ... })`", None)
            }
            (word, _) => {
                let hint = did_you_mean(word, WORDS);
                self.wrong(expr, &format!("there is no type `{word}(...)`"), hint)
            }
        }
    }

    fn field(&mut self, expr: Expr<'_>) -> Field {
        let Kind::Call(call) = expr.kind() else {
            return Field { ty: self.read(expr), optional: false, default: None };
        };
        if call.name.text.as_ref() != "optional" {
            return Field { ty: self.read(expr), optional: false, default: None };
        }
        let ty = match call.arguments.get(0) {
            Some(ty) => self.read(ty),
            None => self.wrong(expr, "`optional` takes a type", None),
        };
        let default = call.arguments.get(1).and_then(|default| {
            let value = constant(&self.whole.part(default), self.diagnostics)?;
            match convert(&value, &ty) {
                Ok(value) => Some(value),
                Err(error) => {
                    let label = error.to_string();
                    let diagnostic = Diagnostic::error("type", "the default does not fit its type")
                        .with_label(self.whole.file.span(default.extent()), label);
                    self.diagnostics.push(diagnostic);
                    None
                }
            }
        });
        Field { ty, optional: true, default }
    }
}
