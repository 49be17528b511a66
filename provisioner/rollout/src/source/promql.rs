//! The series selectors of a PromQL query, as it is written: before `$candidate` and the like are filled in.
//!
//! Not a parser of the language: Prometheus is asked whether a query is right. This finds which series a right one reads, so
//! that their freshness can be asked for. Pure. Invariant: a query that cannot be followed is an error, never one without
//! selectors.

use super::ask::Group;

/// What a query reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// In their order, without ranges and offsets.
    pub selectors: Vec<Selector>,
    /// Whether there is an operator, so that an empty result says nothing about a selector.
    pub has_operator: bool,
}

impl Query {
    /// The selector of a query that sums up or counts one and does nothing else with it.
    pub(super) fn only(&self) -> Option<&Selector> {
        match self.selectors.as_slice() {
            [only] if !self.has_operator => Some(only),
            _ => None,
        }
    }
}

/// A series selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector {
    /// As it is written.
    pub exact: String,
    /// Series that are there as long as the targets are read, whether or not events of the kind have happened: labels
    /// that tell kinds of events apart (`code=~"5.."`) must only exist (`code!=""`).
    pub live: String,
    /// Groups that it names.
    pub groups: Vec<Group>,
}

/// Labels whose values are there from the beginning: of targets, of the buckets of a histogram, the metric's name.
const KEPT: [&str; 5] = ["job", "instance", "le", "node", "__name__"];
const LABELLED: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const AGGREGATIONS: [&str; 14] = [
    "sum",
    "min",
    "max",
    "avg",
    "group",
    "stddev",
    "stdvar",
    "count",
    "count_values",
    "bottomk",
    "topk",
    "quantile",
    "limitk",
    "limit_ratio",
];
const OPERATORS: [&str; 4] = ["and", "or", "unless", "atan2"];
const OTHER_WORDS: [&str; 5] = ["bool", "offset", "inf", "nan", "smoothed"];

/// Finds the selectors of a query.
pub(super) fn scan(query: &str) -> Result<Query, String> {
    let mut scanner = Scanner { text: query, at: 0 };
    let mut found = Query::default();
    while let Some(next) = scanner.peek() {
        match next {
            '"' | '\'' | '`' => {
                scanner.string()?;
            }
            '#' => scanner.skip_while(|c| c != '\n'),
            '[' => scanner.skip_past(']')?,
            '{' => found.selectors.push(scanner.selector("")?),
            '+' | '-' | '*' | '/' | '%' | '^' | '=' | '!' | '<' | '>' => {
                found.has_operator = true;
                scanner.bump();
            }
            '$' => scanner.filled_in()?,
            c if c.is_ascii_digit() || c == '.' => {
                scanner.skip_while(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
            }
            c if is_name(c) => scanner.word(&mut found)?,
            _ => scanner.bump(),
        }
    }
    Ok(found)
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// One matcher in braces.
enum Matcher<'a> {
    Group(Group, &'a str),
    /// A metric's name in quotes.
    Name(&'a str),
    Label {
        label: &'a str,
        operator: &'a str,
        value: &'a str,
    },
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !wanted(c)).unwrap_or(rest.len());
    }

    fn skip_past(&mut self, end: char) -> Result<(), String> {
        let found = self.rest().find(end).ok_or_else(|| format!("a `{end}` is missing"))?;
        self.at += found + end.len_utf8();
        Ok(())
    }

    fn skip_space(&mut self) {
        self.skip_while(char::is_whitespace);
        while self.peek() == Some('#') {
            self.skip_while(|c| c != '\n');
            self.skip_while(char::is_whitespace);
        }
    }

    fn name(&mut self) -> &'a str {
        let from = self.at;
        self.skip_while(is_name);
        &self.text[from..self.at]
    }

    /// A quoted text, quotes and all.
    fn string(&mut self) -> Result<&'a str, String> {
        let from = self.at;
        let Some(quote) = self.peek() else { return Err("a text is missing".to_owned()) };
        self.bump();
        loop {
            match self.peek() {
                None => return Err(format!("a `{quote}` is missing")),
                Some('\\') if quote != '`' => self.bump(),
                Some(c) if c == quote => {
                    self.bump();
                    return Ok(&self.text[from..self.at]);
                }
                Some(_) => {}
            }
            self.bump();
        }
    }

    /// A word that is filled in, outside of braces: a moment or a duration, `offset $window`.
    fn filled_in(&mut self) -> Result<(), String> {
        self.bump();
        match self.name() {
            "window" | "from" | "to" => Ok(()),
            word => Err(format!("`${word}` stands outside of braces")),
        }
    }

    /// A word: a metric, unless it is a function or a word of the language.
    fn word(&mut self, found: &mut Query) -> Result<(), String> {
        let word = self.name();
        self.skip_space();
        let lower = word.to_ascii_lowercase();
        if LABELLED.contains(&lower.as_str()) {
            return if self.peek() == Some('(') { self.skip_past(')') } else { Ok(()) };
        }
        let is_operator = OPERATORS.contains(&lower.as_str());
        found.has_operator |= is_operator;
        let is_called = self.peek() == Some('(');
        if is_operator || is_called || OTHER_WORDS.contains(&lower.as_str()) {
            return Ok(());
        }
        if AGGREGATIONS.contains(&lower.as_str()) && self.peek().is_some_and(is_name) {
            return Ok(());
        }
        let selector = self.selector(word)?;
        found.selectors.push(selector);
        Ok(())
    }

    /// What may stand in braces after a metric's name.
    fn selector(&mut self, name: &str) -> Result<Selector, String> {
        let mut matchers = Vec::new();
        if self.peek() == Some('{') {
            self.bump();
            loop {
                self.skip_while(|c| c.is_whitespace() || c == ',');
                match self.peek() {
                    Some('}') => break self.bump(),
                    Some('#') => self.skip_space(),
                    Some(_) => matchers.push(self.matcher()?),
                    None => return Err("a `}` is missing".to_owned()),
                }
            }
        }
        Ok(selector(name, &matchers))
    }

    fn matcher(&mut self) -> Result<Matcher<'a>, String> {
        let from = self.at;
        if self.peek() == Some('$') {
            self.bump();
            let word = self.name();
            let group = Group::named(word);
            let group = group.ok_or_else(|| format!("`${word}` names no group of nodes"))?;
            return Ok(Matcher::Group(group, &self.text[from..self.at]));
        }
        let quoted = matches!(self.peek(), Some('"' | '\'' | '`'));
        let label = if quoted { self.string()? } else { self.name() };
        self.skip_space();
        let operators = ["=~", "!~", "!=", "="];
        let operator = operators.into_iter().find(|operator| self.rest().starts_with(operator));
        let Some(operator) = operator else {
            if quoted {
                return Ok(Matcher::Name(label));
            }
            return Err(format!("`{label}` in braces has no operator"));
        };
        self.at += operator.len();
        self.skip_space();
        Ok(Matcher::Label { label, operator, value: self.string()? })
    }
}

fn selector(name: &str, matchers: &[Matcher<'_>]) -> Selector {
    let (mut exact, mut live, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    let mut is_named = !name.is_empty();
    for matcher in matchers {
        match matcher {
            Matcher::Group(group, text) => {
                groups.push(*group);
                exact.push((*text).to_owned());
                live.push((*text).to_owned());
            }
            Matcher::Name(text) => {
                is_named = true;
                exact.push((*text).to_owned());
                live.push((*text).to_owned());
            }
            Matcher::Label { label, operator, value } => {
                let whole = format!("{label}{operator}{value}");
                is_named |= *label == "__name__";
                if KEPT.contains(label) {
                    live.push(whole.clone());
                } else if operator.starts_with('=') && !may_be_empty(value) {
                    live.push(format!("{label}!=\"\""));
                }
                exact.push(whole);
            }
        }
    }
    let braces = |matchers: &[String]| {
        if matchers.is_empty() { String::new() } else { format!("{{{}}}", matchers.join(",")) }
    };
    let exact = format!("{name}{}", braces(&exact));
    let live = if is_named { format!("{name}{}", braces(&live)) } else { exact.clone() };
    Selector { exact, live, groups }
}

/// Whether a quoted value may match a label that is not there.
fn may_be_empty(quoted: &str) -> bool {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    // An alternative that is empty, or one that may be: then nothing is asked of the label.
    inner.is_empty() || inner.split('|').any(|part| part.is_empty() || part.ends_with(['*', '?']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lives(query: &str) -> Vec<String> {
        scan(query).expect("it is a query").selectors.into_iter().map(|s| s.live).collect()
    }

    #[test]
    fn selectors_are_found_wherever_they_stand() {
        let query = r#"
            sum by (code, node) (rate(http_requests_total{code=~"5..|}", $candidate}[$window] offset 5m)) # a{b="c"}
              / ignoring(code) group_left
            sum without (x) (increase({__name__="all", job='w'}[1m:1s])) > bool 0.5e3 or vector(0) unless max(up)"#;
        let found = scan(query).expect("it is a query");
        assert!(found.has_operator);
        let exact: Vec<_> = found.selectors.iter().map(|s| s.exact.as_str()).collect();
        let want = [
            r#"http_requests_total{code=~"5..|}",$candidate}"#,
            r#"{__name__="all",job='w'}"#,
            "up",
        ];
        assert_eq!(exact, want);
        assert_eq!(found.selectors[0].groups, [Group::Candidate]);
    }

    #[test]
    fn what_tells_kinds_of_events_apart_need_not_have_happened() {
        let query =
            r#"sum(increase(x{code=~"5..",job="w",node!="a",path!="/",to="",v=~".*",$stage}[1m]))"#;
        assert_eq!(lives(query), [r#"x{code!="",job="w",node!="a",$stage}"#]);
        assert_eq!(lives(r#"x_bucket{le="0.15"}"#), [r#"x_bucket{le="0.15"}"#]);
        assert_eq!(lives(r#"{code="1"}"#), [r#"{code="1"}"#]);
        assert_eq!(lives(r#"{"a.b",code="1"}"#), [r#"{"a.b",code!=""}"#]);
    }

    #[test]
    fn a_plain_sum_has_an_only_selector() {
        assert!(scan("sum(increase(x[1m]))").expect("a query").only().is_some());
        assert!(scan("sum(x) or vector(0)").expect("a query").only().is_none());
        assert!(scan("sum(x) - sum(y)").expect("a query").only().is_none());
        assert!(scan("sum(x) > 1").expect("a query").only().is_none());
        assert!(scan("time()").expect("a query").only().is_none());
    }

    #[test]
    fn what_cannot_be_followed_is_an_error() {
        for query in [r#"x{a="b}"#, "x{a}", "x[1m", "$candidate", "x{$nobody}", "x{", "'"] {
            assert!(scan(query).is_err(), "{query}");
        }
    }

    #[test]
    fn words_of_the_language_are_no_metrics() {
        assert_eq!(lives("sum by (a) (x) and on (b) y"), ["x", "y"]);
        assert_eq!(lives("quantile(0.9, z) + time() + NaN + -Inf + 1h30m"), ["z"]);
        assert_eq!(lives("a:b:c @ start() - d offset $window"), ["a:b:c", "d"]);
        assert_eq!(lives("sum"), ["sum"]);
    }
}
