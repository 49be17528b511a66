//! `provider` blocks, and how resources and module calls name them.
//!
//! A name such as `local.west` is read, not evaluated; only the key behind it is an expression.

use super::ProviderName;
use super::fields::Fields;
use crate::syntax::{Expr, Expression, ItemKey, Kind, Reference, StepKind};
use model::Diagnostic;

const HINT: &str =
    "write the provider's name, or name and alias: local.west, local.by_region[each.key]";

/// The provider that a resource names.
pub(super) fn read_provider(
    fields: &Fields,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<ProviderName> {
    let expression = fields.get("provider").filter(|value| !value.is_broken())?;
    let name = provider_name(expression, expression.root());
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
    let Kind::Object(items) = expression.root().kind() else {
        refuse(expression.span());
        return Vec::new();
    };
    let mut providers = Vec::new();
    for item in items.iter() {
        let inner = match item.key {
            ItemKey::Name(name) => Some(name.text.to_string()),
            ItemKey::Expr(key) => inner_name(expression, key),
        };
        match (inner, provider_name(expression, item.value)) {
            (Some(inner), Some(outer)) => providers.push((inner, outer)),
            _ => refuse(expression.file.span(item.value.extent())),
        }
    }
    providers
}

fn inner_name(whole: &Expression, key: Expr<'_>) -> Option<String> {
    match key.kind() {
        Kind::Literal(literal) => literal.as_text().map(ToString::to_string),
        Kind::Parens(inner) => inner_name(whole, inner),
        _ => provider_name(whole, key).filter(|name| name.key.is_none()).map(|name| name.name),
    }
}

fn provider_name(whole: &Expression, expr: Expr<'_>) -> Option<ProviderName> {
    let span = whole.file.span(expr.extent());
    let Reference { root: name, steps } = expr.reference()?;
    if steps.is_empty() {
        return Some(ProviderName { name: name.to_string(), key: None, span });
    }
    let alias = steps.name(0)?;
    let key = match (steps.len(), steps.get(1).map(|step| step.kind)) {
        (1, _) => None,
        (2, Some(StepKind::Index(index))) => Some(whole.part(index)),
        _ => return None,
    };
    Some(ProviderName { name: format!("{name}.{alias}"), key, span })
}
