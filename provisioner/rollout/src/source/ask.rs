//! What a measurement is of: the nodes of each group and the window; and how a gate's texts are filled in with them.
//!
//! `$candidate`, `$control` and `$stage` become label matchers, `node=~"a|b"`; `$window` becomes a duration, `90s`;
//! `$from` and `$to` become the window's ends in Unix seconds. Anything else stays as it is. Pure.
//! Invariant: a group without nodes becomes a matcher that no series matches, never one that all match.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The nodes of a rollout by what they are to a stage. Excluded nodes are in none of the groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selectors {
    /// Names of the nodes on the candidate.
    pub candidate: Vec<String>,
    /// Names of the nodes of the control group.
    pub control: Vec<String>,
    /// Names of the nodes that came with this stage.
    pub stage: Vec<String>,
}

impl Selectors {
    /// The nodes of a group.
    pub fn of(&self, group: Group) -> &[String] {
        match group {
            Group::Candidate => &self.candidate,
            Group::Control => &self.control,
            Group::Stage => &self.stage,
        }
    }
}

/// A group of nodes that a text can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// `$candidate`
    Candidate,
    /// `$control`
    Control,
    /// `$stage`
    Stage,
}

impl Group {
    /// The group that a word after `$` names.
    pub(super) fn named(word: &str) -> Option<Self> {
        match word {
            "candidate" => Some(Self::Candidate),
            "control" => Some(Self::Control),
            "stage" => Some(Self::Stage),
            _ => None,
        }
    }

    fn says(self) -> &'static str {
        match self {
            Self::Candidate => "no node is on the candidate",
            Self::Control => "no node is left in the control group",
            Self::Stage => "no node came with this stage",
        }
    }
}

/// What a measurement is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The nodes.
    pub selectors: Selectors,
    /// How long ago the last measurement was, milliseconds.
    pub window_ms: u64,
    /// When it is, Unix milliseconds: the end of the window.
    pub now_ms: i64,
}

/// A text with everything filled in, and where that came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// The text.
    pub text: String,
    /// What was filled in: bytes in the text, and bytes of the word that stood there.
    pieces: Vec<(std::ops::Range<usize>, std::ops::Range<usize>)>,
}

impl Filled {
    /// The byte of the text as it was written that a byte of the filled one comes from.
    pub fn written_at(&self, at: usize) -> usize {
        let Some((here, there)) = self.pieces.iter().rfind(|(here, _)| here.start <= at) else {
            return at;
        };
        if here.contains(&at) { there.start } else { there.end + (at - here.end) }
    }
}

/// Fills in a text.
pub fn fill(text: &str, ask: &Ask) -> Filled {
    fill_with(text, ask, |filled| filled)
}

/// Fills in a URL: what is filled in is percent-encoded.
pub(super) fn fill_url(text: &str, ask: &Ask) -> String {
    fill_with(text, ask, |filled| encode(&filled)).text
}

fn fill_with(text: &str, ask: &Ask, write: impl Fn(String) -> String) -> Filled {
    let mut filled = Filled { text: String::new(), pieces: Vec::new() };
    let mut done = 0;
    for (start, word) in words(text) {
        let Some(value) = value(word, ask) else { continue };
        filled.text.push_str(&text[done..start]);
        let from = filled.text.len();
        filled.text.push_str(&write(value));
        done = start + 1 + word.len();
        filled.pieces.push((from..filled.text.len(), start..done));
    }
    filled.text.push_str(&text[done..]);
    filled
}

/// The words that follow a `$`, each with where the `$` is.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices('$').map(|(start, _)| {
        let rest = &text[start + 1..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        (start, &rest[..end.unwrap_or(rest.len())])
    })
}

fn value(word: &str, ask: &Ask) -> Option<String> {
    if let Some(group) = Group::named(word) {
        return Some(matcher(ask.selectors.of(group)));
    }
    let window_ms = i64::try_from(ask.window_ms).unwrap_or(i64::MAX);
    match word {
        "window" => Some(duration(ask.window_ms)),
        "from" => Some(ask.now_ms.saturating_sub(window_ms).div_euclid(1000).to_string()),
        "to" => Some(ask.now_ms.div_euclid(1000).to_string()),
        _ => None,
    }
}

/// A duration of Prometheus; none is shorter than a millisecond.
fn duration(ms: u64) -> String {
    if ms > 0 && ms.is_multiple_of(1000) {
        format!("{}s", ms / 1000)
    } else {
        format!("{}ms", ms.max(1))
    }
}

/// A label matcher that the series of these nodes match.
fn matcher(nodes: &[String]) -> String {
    if nodes.is_empty() {
        // Both at once hold for no series.
        return "node=~\".+\",node=\"\"".to_owned();
    }
    let names: Vec<_> = nodes.iter().map(|name| escape(name)).collect();
    format!("node=~\"{}\"", names.join("|"))
}

/// A name as a part of a regular expression (RE2) in a quoted string.
fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            // A backslash for the expression, and another one for the string around it.
            '\\' => escaped.push_str(r"\\\\"),
            c if ".+*?()|[]{}^$".contains(c) => escaped.extend([r"\\", c.encode_utf8(&mut [0; 4])]),
            c => escaped.push(c),
        }
    }
    escaped
}

/// What stands for itself nowhere in a URL: all but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as a part of a URL.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Why texts cannot be asked: a group that one of them names has no nodes.
pub(super) fn empty_group<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    selectors: &Selectors,
) -> Option<&'static str> {
    let mut groups = texts.into_iter().flat_map(words).filter_map(|(_, word)| Group::named(word));
    groups.find(|group| selectors.of(*group).is_empty()).map(Group::says)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(candidate: &[&str], window_ms: u64) -> Ask {
        let candidate = candidate.iter().map(|&name| name.to_owned()).collect();
        let selectors = Selectors { candidate, ..Selectors::default() };
        Ask { selectors, window_ms, now_ms: 1_700_000_090_500 }
    }

    #[test]
    fn words_are_filled_in_and_nothing_else() {
        let text = r#"sum(increase(x{code=~"5..$",$candidate}[$window])) $candidates $"#;
        let filled = fill(text, &ask(&["edge-1", "edge-2"], 90_000));
        let want = r#"sum(increase(x{code=~"5..$",node=~"edge-1|edge-2"}[90s])) $candidates $"#;
        assert_eq!(filled.text, want);
    }

    #[test]
    fn names_are_names_and_no_expressions() {
        let filled = fill("{$candidate}", &ask(&["a.b|c", r#"d\e"f"#], 1));
        assert_eq!(filled.text, r#"{node=~"a\\.b\\|c|d\\\\e\"f"}"#);
    }

    #[test]
    fn an_empty_group_matches_nothing() {
        assert_eq!(fill("{$candidate}", &ask(&[], 1)).text, r#"{node=~".+",node=""}"#);
        let nobody = Selectors::default();
        assert_eq!(empty_group(["x", "{$control}"], &nobody), Some(Group::Control.says()));
        assert_eq!(empty_group(["x", "$controls $window"], &nobody), None);
    }

    #[test]
    fn the_window_is_a_duration_of_prometheus() {
        for (ms, text) in [(0, "1ms"), (1_500, "1500ms"), (90_000, "90s")] {
            assert_eq!(fill("$window", &ask(&[], ms)).text, text);
        }
        assert_eq!(fill("$from $to", &ask(&[], 90_000)).text, "1700000000 1700000090");
    }

    #[test]
    fn positions_lead_back_to_what_was_written() {
        let text = "f{$candidate}[$window] bad";
        let filled = fill(text, &ask(&["edge-1", "edge-2"], 90_000));
        let bad = filled.text.find("bad").expect("it is there");
        assert_eq!(filled.written_at(bad), text.find("bad").expect("it is there"));
        assert_eq!(filled.written_at(0), 0);
        let inside = filled.text.find("edge-2").expect("it is there");
        assert_eq!(filled.written_at(inside), text.find('$').expect("it is there"));
    }

    #[test]
    fn urls_stay_urls() {
        let url = fill_url("http://h/q?m=$candidate&w=$window", &ask(&["a b"], 1_000));
        assert_eq!(url, "http://h/q?m=node%3D~%22a%20b%22&w=1s");
    }
}
