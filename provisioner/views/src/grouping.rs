//! Changes grouped for people: by module, by node set, by node; nodes to which the same happens become one group.
//!
//! Invariant: every change given is in exactly one entry of one group, in the order given.

use model::plan::{Change, Reason};
use model::{Address, InstanceKey, PathStep};

/// Changes that are shown under one heading.
#[derive(Debug)]
pub struct Group<'a> {
    /// Where: the text in front of the addresses, empty for the root module.
    pub heading: String,
    /// The nodes, if the group is about nodes.
    pub nodes: Vec<&'a str>,
    /// What happens, by relative address.
    pub entries: Vec<Entry<'a>>,
}

/// One change, or the same change on each node of a group and to each instance of a block.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The address below the heading; without its key if there are several instances.
    pub name: String,
    /// Keys of the instances, if there are several.
    pub keys: Vec<String>,
    /// The changes: of each node of the group, of each instance.
    pub changes: Vec<&'a Change>,
}

/// Groups changes; with `collapse`, nodes of a set to which the same happens become one group, and so do instances of
/// one block.
pub fn group<'a>(changes: impl Iterator<Item = &'a Change>, collapse: bool) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for change in changes {
        let (heading, name) = split(&change.address);
        let entry = Entry { name, keys: Vec::new(), changes: vec![change] };
        match groups.last_mut().filter(|group| group.heading == heading) {
            Some(group) => group.entries.push(entry),
            None => groups.push(Group {
                heading,
                nodes: change.address.node().map(|(_, node)| node).into_iter().collect(),
                entries: vec![entry],
            }),
        }
    }
    if !collapse {
        return groups;
    }
    for group in &mut groups {
        merge_instances(group);
    }
    merge(groups)
}

/// Makes instances of one block to which the same happens one entry.
fn merge_instances(group: &mut Group<'_>) {
    let mut merged: Vec<(Option<String>, Entry<'_>)> = Vec::new();
    for entry in std::mem::take(&mut group.entries) {
        let shape = entry.changes.first().and_then(|change| instance_shape(&entry.name, change));
        match merged.last_mut().filter(|(last, _)| shape.is_some() && *last == shape) {
            Some((_, first)) => {
                first.keys.extend(entry.changes.first().and_then(|change| key_text(change)));
                first.changes.extend(entry.changes);
            }
            None => merged.push((shape, entry)),
        }
    }
    group.entries = merged.into_iter().map(|(_, entry)| named(entry)).collect();
}

/// Entries of several instances lose the first one's key from their name and gain it among their keys.
fn named(mut entry: Entry<'_>) -> Entry<'_> {
    if let Some(first) = entry.changes.first().filter(|_| !entry.keys.is_empty()) {
        entry.name = base(&entry.name, first).to_owned();
        entry.keys.splice(0..0, key_text(first));
    }
    entry
}

/// The relative address without the instance key.
fn base<'a>(name: &'a str, change: &Change) -> &'a str {
    let key = change.address.key().map(ToString::to_string).unwrap_or_default();
    name.strip_suffix(key.as_str()).unwrap_or(name)
}

/// The instance key as people read it: `edge-001`, `3`.
pub fn key_text(change: &Change) -> Option<String> {
    Some(match change.address.key()? {
        InstanceKey::Index(index) => index.to_string(),
        InstanceKey::Name(name) => name.to_string(),
    })
}

fn instance_shape(name: &str, change: &Change) -> Option<String> {
    let key = key_text(change)?;
    let base = base(name, change);
    let reasons: Vec<_> = change.reasons.iter().map(general).collect();
    let moves = (change.previous.is_some(), change.importing.is_some());
    let shape = format!("{:?} {moves:?} {reasons:?} {:?}", change.action, change.differing);
    Some(format!("{base} {}", without_word(&shape, &key)))
}

/// The text with every occurrence of a word taken out; as a part of longer words it stays.
fn without_word(text: &str, word: &str) -> String {
    let is_inner = |c: char| c.is_alphanumeric() || c == '_';
    let mut kept = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in text.match_indices(word) {
        let end = at + word.len();
        let is_word =
            !text[..at].ends_with(is_inner) && !text[end..].starts_with(is_inner) && at >= from;
        if is_word {
            kept.push_str(&text[from..at]);
            kept.push('\u{0}');
            from = end;
        }
    }
    kept.push_str(&text[from..]);
    kept
}

/// Heading and relative address: the path up to the last node, node set or module, and the rest.
fn split(address: &Address) -> (String, String) {
    let path = address.path();
    let last_node = path.iter().rposition(|step| !matches!(step, PathStep::Module { .. }));
    let end = last_node.map_or(path.len(), |at| at + 1);
    let heading: Vec<String> = path[..end].iter().map(ToString::to_string).collect();
    let rest = address.at(path[end..].to_vec(), address.key().cloned());
    (heading.join("."), rest.to_string())
}

fn merge(groups: Vec<Group<'_>>) -> Vec<Group<'_>> {
    let mut merged: Vec<(Option<String>, Group<'_>)> = Vec::new();
    for group in groups {
        let shape = (!group.nodes.is_empty()).then(|| shape(&group));
        let same = shape.is_some().then(|| merged.iter_mut().find(|(other, _)| *other == shape));
        match same.flatten() {
            Some((_, first)) => {
                first.nodes.extend(group.nodes);
                for (entry, more) in first.entries.iter_mut().zip(group.entries) {
                    entry.changes.extend(more.changes);
                }
            }
            None => merged.push((shape, group)),
        }
    }
    merged.into_iter().map(|(_, group)| group).collect()
}

/// What happens to a node, without what is its own: equal for nodes to which the same happens.
fn shape(group: &Group<'_>) -> String {
    let set = group
        .entries
        .first()
        .and_then(|entry| entry.changes.first())
        .and_then(|change| change.address.node_set());
    let mut shape = format!("{set:?}");
    for entry in &group.entries {
        for change in &entry.changes {
            let reasons: Vec<_> = change.reasons.iter().map(general).collect();
            let moves = (change.previous.is_some(), change.importing.is_some());
            let what = (change.action, moves, &reasons, &change.differing);
            push!(shape, "|{} {what:?}", entry.name);
        }
    }
    match group.nodes.first() {
        Some(node) => shape.replace(node, "\u{0}"),
        None => shape,
    }
}

/// The reason without the addresses in it, which name the node's own parts.
fn general(reason: &Reason) -> Reason {
    match reason {
        Reason::DependencyChanges { .. } => Reason::DependencyChanges { addresses: Vec::new() },
        other => other.clone(),
    }
}

/// Node names in few words: `edge-001 … edge-024`, runs of consecutive numbers joined, at most `most` runs.
pub fn names(nodes: &[&str], most: usize) -> String {
    let mut runs: Vec<(&str, &str, usize)> = Vec::new();
    for node in nodes {
        match runs.last_mut().filter(|(_, last, _)| follows(last, node)) {
            Some((_, last, count)) => {
                *last = node;
                *count += 1;
            }
            None => runs.push((node, node, 1)),
        }
    }
    let shown = runs.iter().take(most).map(|(first, last, count)| match count {
        1 => (*first).to_owned(),
        2 => format!("{first}, {last}"),
        _ => format!("{first} … {last}"),
    });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    let more: usize = runs.iter().skip(most).map(|(_, _, count)| count).sum();
    if more > 0 {
        push!(text, " and {more} more");
    }
    text
}

fn follows(last: &str, next: &str) -> bool {
    let numbered = |name: &str| {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        name[stem.len()..].parse::<u64>().ok().map(|number| (stem.len(), number))
    };
    match (numbered(last), numbered(next)) {
        (Some((stem, last_number)), Some((other, number))) => {
            stem == other && last[..stem] == next[..other] && number == last_number + 1
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_joined_to_runs() {
        let nodes = ["a-001", "a-002", "a-003", "b-1", "b-2", "z"];
        assert_eq!(names(&nodes, 8), "a-001 … a-003, b-1, b-2, z");
        assert_eq!(names(&nodes, 1), "a-001 … a-003 and 3 more");
    }

    #[test]
    fn a_key_is_taken_out_where_it_is_a_word() {
        assert_eq!(without_word("name: [\"a\"], a_b, a", "a"), "name: [\"\u{0}\"], a_b, \u{0}");
    }

    #[test]
    fn an_address_splits_at_its_last_node_or_module() {
        let split = |text: &str| split(&Address::parse(text).unwrap());
        let pair = |left: &str, right: &str| (left.to_owned(), right.to_owned());
        assert_eq!(split("a.b"), pair("", "a.b"));
        assert_eq!(split("module.m.module.n[0].a.b"), pair("module.m.module.n[0]", "a.b"));
        assert_eq!(
            split("node_set.s.node[\"n\"].module.disk.local_volume.x[1]"),
            pair("node_set.s.node[\"n\"]", "module.disk.local_volume.x[1]")
        );
    }
}
