//! `provider` blocks, and how resources and module calls name them.
//!
//! A name such as `local.west` is read, not evaluated; only the key behind it is an expression.

use super::ProviderName;
use super::fields::Fields;
use crate::source::SourceFile;
use crate::syntax::{Expr, Expression, ItemKey, Kind, StepKind};
use model::Diagnostic;
use std::sync::Arc;

const HINT: &str =
    "write the provider's name, or name and alias: local.west, local.by_region[each.key]";

/// The provider that a resource names.
pub(super) fn read_provider(
    fields: &Fields,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<ProviderName> {
    let expression = fields.get("provider").filter(|value| !value.is_broken())?;
    let name = provider_name(&expression.file, &expression.root);
    if name.is_none() {
        diagnostics.push(
            Diagnostic::error("provider-reference", "`provider` names a provider block")
                .with_label(expression.span(), "")
                .with_hint(HINT),
        );
    }
    name
}

/// `providers = { local = local.west }`: what a module calls each, and which one it is here.
pub(super) fn read_providers(
    fields: &Fields,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<(String, ProviderName)> {
    let Some(expression) = fields.get("providers").filter(|value| !value.is_broken()) else {
        return Vec::new();
    };
    let mut refuse = |span| {
        diagnostics.push(
            Diagnostic::error("provider-reference", "`providers` says which provider is which")
                .with_label(span, "")
                .with_hint("write `providers = { local = local.west }`: the module's name for it, and the name here"),
        );
    };
    let Kind::Object(items) = &expression.root.kind else {
        refuse(expression.span());
        return Vec::new();
    };
    let mut providers = Vec::new();
    for item in items {
        let inner = match &item.key {
            ItemKey::Name(name) => Some(name.text.to_string()),
            ItemKey::Expr(key) => inner_name(&expression.file, key),
        };
        match (inner, provider_name(&expression.file, &item.value)) {
            (Some(inner), Some(outer)) => providers.push((inner, outer)),
            _ => refuse(expression.file.span(item.value.extent)),
        }
    }
    providers
}

fn inner_name(file: &Arc<SourceFile>, key: &Expr) -> Option<String> {
    match &key.kind {
        Kind::Literal(literal) => literal.as_text().map(ToString::to_string),
        Kind::Parens(inner) => inner_name(file, inner),
        _ => provider_name(file, key).filter(|name| name.key.is_none()).map(|name| name.name),
    }
}

fn provider_name(file: &Arc<SourceFile>, expr: &Expr) -> Option<ProviderName> {
    let span = file.span(expr.extent);
    let (name, steps) = expr.reference()?;
    let Some((alias, rest)) = steps.split_first() else {
        return Some(ProviderName { name: name.to_string(), key: None, span });
    };
    let StepKind::Attribute(alias) = &alias.kind else { return None };
    let key = match rest {
        [] => None,
        [step] => match &step.kind {
            StepKind::Index(index) => {
                Some(Expression { file: file.clone(), root: Arc::new(index.as_ref().clone()) })
            }
            _ => return None,
        },
        _ => return None,
    };
    Some(ProviderName { name: format!("{name}.{alias}"), key, span })
}
