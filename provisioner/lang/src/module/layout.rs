//! What the members of JSON objects are in `*.hcl.json` files: blocks, arguments, and which strings are no templates.
//!
//! In the native syntax the text shows it; here it is told once for the whole language.

use crate::syntax::{Layout, Text};

/// The language's own layout.
pub(super) struct Language;

/// Blocks of a file, with how many labels they have.
const TOP: [(&str, usize); 17] = [
    ("check", 1),
    ("data", 2),
    ("environment", 1),
    ("gate", 1),
    ("import", 0),
    ("locals", 0),
    ("module", 1),
    ("moved", 0),
    ("node_set", 1),
    ("output", 1),
    ("provider", 1),
    ("removed", 0),
    ("resource", 2),
    ("rollout", 1),
    ("service", 1),
    ("terraform", 0),
    ("variable", 1),
];

/// Blocks in blocks: around, name, how many labels.
const NESTED: [(&str, &str, usize); 41] = [
    ("check", "assert", 0),
    ("check", "data", 2),
    ("content", "dynamic", 1),
    ("data", "dynamic", 1),
    ("data", "lifecycle", 0),
    ("dynamic", "content", 0),
    ("environment", "secrets", 0),
    ("environment", "state", 0),
    ("gate", "alertmanager", 0),
    ("gate", "dynamic", 1),
    ("gate", "http", 0),
    ("gate", "json", 0),
    ("gate", "nodes", 0),
    ("gate", "prometheus", 0),
    ("gate", "rate", 0),
    ("gate", "value", 0),
    ("lifecycle", "postcondition", 0),
    ("lifecycle", "precondition", 0),
    ("node_set", "pool", 1),
    ("output", "precondition", 0),
    ("probe", "http", 0),
    ("probe", "tcp", 0),
    ("provider", "dynamic", 1),
    ("removed", "lifecycle", 0),
    ("resource", "dynamic", 1),
    ("resource", "lifecycle", 0),
    ("rollout", "dynamic", 1),
    ("rollout", "error_budget", 0),
    ("rollout", "notify", 0),
    ("rollout", "stage", 1),
    ("rollout", "window", 1),
    ("service", "artifact", 0),
    ("service", "dynamic", 1),
    ("service", "file", 1),
    ("service", "probe", 1),
    ("service", "reachability", 0),
    ("stage", "approval", 0),
    ("stage", "dynamic", 1),
    ("stage", "gate", 1),
    ("variable", "validation", 0),
    ("terraform", "required_providers", 0),
];

impl Layout for Language {
    fn block(&self, kinds: &[&str], name: &str) -> Option<usize> {
        let Some(around) = kinds.last() else {
            // What is not known is a block that is not known: values have no place in a file.
            return Some(
                TOP.iter().find(|(kind, _)| *kind == name).map_or(0, |(_, labels)| *labels),
            );
        };
        // What a `dynamic` block makes holds blocks only where it is a probe of a service, or a stage of a rollout.
        let around = match (kinds.first(), *around) {
            (Some(&"service"), "content") => &"probe",
            (Some(&"rollout"), "content") => &"stage",
            // A gate in a stage only refers to one.
            (Some(&"rollout"), "gate") => return None,
            _ => around,
        };
        let found = NESTED.iter().find(|(outer, kind, _)| outer == around && *kind == name);
        found.map(|(_, _, labels)| *labels)
    }

    fn text(&self, kinds: &[&str], name: &str) -> Text {
        match (kinds.last().copied().unwrap_or_default(), name) {
            ("resource" | "data" | "module" | "output" | "check", "depends_on")
            | ("resource" | "data" | "import", "provider")
            | ("module", "providers")
            | ("node_set", "after")
            | ("lifecycle", "ignore_changes" | "replace_triggered_by")
            | ("moved", "from" | "to")
            | ("removed", "from")
            | ("import", "to")
            | ("dynamic", "iterator")
            | ("variable", "type") => Text::Expression,
            ("variable", "default" | "description") | ("output", "description") => Text::Plain,
            _ => Text::Template,
        }
    }
}

/// A file of variables: every value is itself.
pub(crate) struct Values;

impl Layout for Values {
    fn block(&self, _kinds: &[&str], _name: &str) -> Option<usize> {
        None
    }

    fn text(&self, _kinds: &[&str], _name: &str) -> Text {
        Text::Plain
    }
}
