//! `docs/aws.md`: its introduction is written by hand, its tables from the schemas. This test compares;
//! `UPDATE_DOCS=1 cargo test -p provider-aws --test page` writes what comes after the mark.

use model::schema::{
    Adoption, Attribute, ChangePolicy, DataSchema, Mode, ProviderSchema, ResourceSchema,
};
use model::{Type, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Whatever follows it is from the schemas.
const MARK: &str = "<!-- From here on written by a test: UPDATE_DOCS=1 cargo test -p provider-aws --test page -->\n";

#[test]
fn the_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/aws.md");
    let written = std::fs::read_to_string(&path).unwrap();
    let (introduction, _) = written.split_once(MARK).expect("the mark is in the page");
    let page = format!("{introduction}{MARK}{}", tables(&provider_aws::provider_schema()));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
        return;
    }
    assert!(
        written == page,
        "docs/aws.md is stale: `UPDATE_DOCS=1 cargo test -p provider-aws --test page` writes it anew"
    );
}

#[test]
fn everything_is_described_in_one_line() {
    let schema = provider_aws::provider_schema();
    let resources =
        schema.resources.iter().map(|(name, it)| (name, &it.description, &it.attributes));
    let sources = schema.data.iter().map(|(name, it)| (name, &it.description, &it.attributes));
    for (name, description, attributes) in resources.chain(sources) {
        let own = attributes.iter().map(|(attribute, it)| (attribute.as_str(), &it.description));
        for (place, text) in own.chain([("itself", description)]) {
            let is_sentence = text.ends_with('.') && !text.contains(['\n', '|']);
            assert!(is_sentence, "{name}, {place}: {text:?}");
        }
    }
}

#[test]
fn permissions_are_of_services() {
    let permissions = provider_aws::permissions();
    assert!(permissions.contains(&"ec2:DescribeVpcs".to_owned()));
    assert!(permissions.contains(&"s3:ListAllMyBuckets".to_owned()));
    for permission in permissions {
        let is_action = permission
            .split_once(':')
            .is_some_and(|(_, action)| action.chars().all(|it| it.is_ascii_alphanumeric()));
        assert!(is_action, "{permission}");
    }
}

fn tables(schema: &ProviderSchema) -> String {
    let mut page = "\n## Permissions\n\nAll that is ever called; whoever uses some of the types needs fewer.\n\n```json\n[\n".to_owned();
    let actions: Vec<String> =
        provider_aws::permissions().iter().map(|it| format!("  \"{it}\"")).collect();
    let _ = write!(page, "{}\n]\n```\n", actions.join(",\n"));
    let _ = write!(page, "\n## Arguments of the provider\n\n{}", arguments(&schema.configuration));
    page.push_str("\n## Resource types\n");
    for (name, resource) in &schema.resources {
        page.push_str(&resource_section(name, resource));
    }
    page.push_str("\n## Data sources\n");
    for (name, source) in &schema.data {
        page.push_str(&source_section(name, source));
    }
    page
}

fn resource_section(name: &str, resource: &ResourceSchema) -> String {
    let mut section = format!("\n### {name}\n\n{}\n\n", resource.description);
    let _ = writeln!(section, "Found again {}.", found_by(resource.adoption));
    if let Some(together) = resource.created_together {
        let _ = writeln!(section, "Up to {together} of the same are made by one call.");
    }
    if let Some(together) = resource.deleted_together {
        let _ = writeln!(section, "Up to {together} are deleted together.");
    }
    section.push('\n');
    section.push_str(&arguments(&resource.attributes));
    section.push_str(&attributes(&resource.attributes));
    section
}

fn source_section(name: &str, source: &DataSchema) -> String {
    let mut section = format!("\n### data {name}\n\n{}\n\n", source.description);
    let is_argument = |it: &Attribute| it.mode != Mode::Computed;
    if source.attributes.values().any(is_argument) {
        section.push_str("| argument | type | given | meaning |\n|---|---|---|---|\n");
        for (name, it) in source.attributes.iter().filter(|(_, it)| is_argument(it)) {
            let (ty, given) = (type_of(it), given(it));
            let _ = writeln!(section, "| `{name}` | {ty} | {given} | {} |", it.description);
        }
        fields(&mut section, source.attributes.iter().filter(|(_, it)| is_argument(it)));
        section.push('\n');
    }
    section.push_str(&attributes(&source.attributes));
    section
}

fn found_by(adoption: Adoption) -> &'static str {
    match (adoption.token_retention_s, adoption.unique_name, adoption.tagged) {
        (Some(_), _, true) => "by the token of its creation, and by its tags",
        (None, true, _) => "by its name, which is unique, and its tags",
        (None, false, _) => "by its tags",
        (Some(_), _, false) => "by what it joins or belongs to",
    }
}

fn arguments(attributes: &BTreeMap<String, Attribute>) -> String {
    let arguments = || attributes.iter().filter(|(_, it)| it.mode != Mode::Computed);
    let mut table =
        String::from("| argument | type | given | a change | meaning |\n|---|---|---|---|---|\n");
    for (name, it) in arguments() {
        let (ty, given, change) = (type_of(it), given(it), change(&it.change));
        let secret = if it.sensitive { " Secret." } else { "" };
        let _ = writeln!(
            table,
            "| `{name}` | {ty} | {given} | {change} | {}{secret} |",
            it.description
        );
    }
    fields(&mut table, arguments());
    table
}

/// The fields of nested blocks, below one another.
fn fields<'a>(page: &mut String, arguments: impl Iterator<Item = (&'a String, &'a Attribute)>) {
    let mut lines = Vec::new();
    for (name, it) in arguments {
        nested(&mut lines, name, &it.ty);
    }
    if !lines.is_empty() {
        page.push_str("\nIn its blocks:\n\n| field | type | given |\n|---|---|---|\n");
        page.push_str(&lines.concat());
    }
}

fn nested(lines: &mut Vec<String>, place: &str, ty: &Type) {
    let Some(Type::Object(of)) = element(ty) else { return };
    for (name, field) in of.iter() {
        let place = format!("{place}.{name}");
        let given = if field.optional { "optional" } else { "required" };
        let ty = match element(&field.ty) {
            Some(Type::Object(_)) => "block".to_owned(),
            _ => field.ty.to_string(),
        };
        lines.push(format!("| `{place}` | {ty} | {given} |\n"));
        nested(lines, &place, &field.ty);
    }
}

fn element(ty: &Type) -> Option<&Type> {
    match ty {
        Type::List(element) | Type::Set(element) => Some(element),
        _ => None,
    }
}

fn attributes(attributes: &BTreeMap<String, Attribute>) -> String {
    let mut table = String::new();
    for (name, it) in attributes.iter().filter(|(_, it)| it.mode == Mode::Computed) {
        let secret = if it.sensitive { " Secret." } else { "" };
        let _ = writeln!(table, "| `{name}` | {} | {}{secret} |", type_of(it), it.description);
    }
    if table.is_empty() {
        return table;
    }
    format!("\n| attribute | type | meaning |\n|---|---|---|\n{table}")
}

fn type_of(attribute: &Attribute) -> String {
    let is_of_objects = matches!(element(&attribute.ty), Some(Type::Object(_)));
    match (attribute.blocks, is_of_objects) {
        (Some(count), _) => match (count.min, count.max) {
            (1, Some(1)) => "block".to_owned(),
            (_, Some(1)) => "block, one at most".to_owned(),
            (0, None) => "blocks".to_owned(),
            (least, None) => format!("blocks, at least {least}"),
            (least, Some(most)) => format!("blocks, {least} to {most}"),
        },
        (None, true) => "list of objects".to_owned(),
        (None, false) => attribute.ty.to_string(),
    }
}

fn given(attribute: &Attribute) -> String {
    match (attribute.mode, &attribute.default) {
        (Mode::Required, _) => "required".to_owned(),
        (Mode::Optional, Some(default)) => format!("optional: `{}`", literal(default)),
        (Mode::Optional, None) => "optional".to_owned(),
        (Mode::OptionalComputed, _) => "optional, or AWS chooses".to_owned(),
        (Mode::Computed, _) => String::new(),
    }
}

fn literal(value: &Value) -> String {
    value.to_json().map_or_else(|_| "…".to_owned(), |json| json.to_string())
}

fn change(policy: &ChangePolicy) -> String {
    match policy {
        ChangePolicy::InPlace => "in place".to_owned(),
        ChangePolicy::Replace => "replaces".to_owned(),
        ChangePolicy::ReplaceIf(other) => format!("replaces if `{other}`"),
        ChangePolicy::ReplaceFields(fields) => format!("replaces: `{}`", fields.join("`, `")),
        ChangePolicy::Refuse(_) => "refused".to_owned(),
    }
}
