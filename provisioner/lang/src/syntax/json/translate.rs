//! From JSON to the native syntax: text that says the same, and where each part of it is written in the JSON.
//!
//! Everything behind the syntax is then the same for both. Invariants: the text has one item a line, indented by
//! structure, so that a mistake in one argument leaves the others readable; what is translated keeps its place.

use super::read::{Json, Node, characters, string};
use super::{Layout, Text};
use crate::source::{Origin, SourceFile, offset};
use crate::syntax::Extent;
use crate::syntax::lex::{Lexer, TokenKind};
use model::Diagnostic;
use std::sync::Arc;

/// Translates documents of one file.
pub(super) struct Translate<'a> {
    pub file: &'a Arc<SourceFile>,
    pub layout: &'a dyn Layout,
    pub text: String,
    pub origin: Origin,
    pub diagnostics: Vec<Diagnostic>,
    /// Whether blocks or arguments are left out because of mistakes.
    pub incomplete: bool,
    /// The kinds of the blocks around.
    kinds: Vec<String>,
}

impl<'a> Translate<'a> {
    pub(super) fn new(file: &'a Arc<SourceFile>, layout: &'a dyn Layout) -> Self {
        Self {
            file,
            layout,
            text: String::new(),
            origin: Origin::new(file.clone()),
            diagnostics: Vec::new(),
            incomplete: false,
            kinds: Vec::new(),
        }
    }

    /// Text that stands for a part of the JSON.
    fn from(&mut self, text: &str, there: Extent) {
        self.origin.push(offset(self.text.len()), offset(text.len()), there);
        self.text.push_str(text);
    }

    /// Text of the native syntax that nothing in the JSON corresponds to.
    fn plain(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn line(&mut self) {
        self.text.push('\n');
        for _ in 0..self.kinds.len() {
            self.text.push_str("  ");
        }
    }

    fn report(&mut self, extent: Extent, summary: String, label: &str, hint: &str) {
        let diagnostic =
            Diagnostic::error("syntax", summary).with_label(self.file.span(extent), label);
        self.diagnostics.push(diagnostic.with_hint(hint));
    }

    /// The members of a body: of an object, or of all objects of an array.
    fn members<'n>(&mut self, node: &'n Node, what: &str) -> Vec<&'n (Extent, Node)> {
        match &node.json {
            Json::Object(members) => members.iter().collect(),
            Json::Array(items) => {
                let mut all = Vec::new();
                for item in items {
                    match &item.json {
                        Json::Object(members) => all.extend(members),
                        _ => self.no_object(item.extent, what),
                    }
                }
                all
            }
            _ => {
                self.no_object(node.extent, what);
                Vec::new()
            }
        }
    }

    fn no_object(&mut self, extent: Extent, what: &str) {
        self.incomplete = true;
        let summary = format!("an object is expected for {what}");
        self.report(extent, summary, "this is none", "write {...}, or [{...}, {...}] for several");
    }

    pub(super) fn body(&mut self, node: &Node) {
        let what = match self.kinds.last() {
            Some(kind) => format!("the content of `{kind}`"),
            None => "the document".to_owned(),
        };
        for (key, value) in self.members(node, &what) {
            let name = string(&self.file.text, *key);
            if name == "//" {
                continue;
            }
            let kinds: Vec<&str> = self.kinds.iter().map(String::as_str).collect();
            match self.layout.block(&kinds, &name) {
                Some(labels) => self.blocks(&name, &[*key], labels, value),
                None => self.argument(&name, *key, value),
            }
        }
    }

    /// Blocks of one kind: `written` are the places of the kind and of the labels so far.
    fn blocks(&mut self, kind: &str, written: &[Extent], labels: usize, node: &Node) {
        if written.len() <= labels {
            let what = format!("the labels of `{kind}`");
            for (label, inner) in self.members(node, &what) {
                let written: Vec<_> = written.iter().copied().chain([*label]).collect();
                self.blocks(kind, &written, labels, inner);
            }
            return;
        }
        match &node.json {
            Json::Null => {}
            Json::Array(items) => items.iter().for_each(|item| self.block(kind, written, item)),
            _ => self.block(kind, written, node),
        }
    }

    fn block(&mut self, kind: &str, written: &[Extent], node: &Node) {
        self.line();
        for (at, place) in written.iter().enumerate() {
            if at == 0 {
                self.word(kind, *place);
            } else {
                self.plain(" ");
                self.string(*place, Text::Plain);
            }
        }
        self.plain(" ");
        let open = Extent { start: node.extent.start, end: node.extent.start + 1 };
        self.from("{", open);
        self.kinds.push(kind.to_owned());
        self.body(node);
        self.kinds.pop();
        self.line();
        self.from("}", Extent { start: node.extent.end - 1, end: node.extent.end });
    }

    /// A name that is a word, from a string.
    fn word(&mut self, name: &str, place: Extent) {
        let inner = Extent { start: place.start + 1, end: place.end - 1 };
        if is_word(name) {
            self.from(name, inner);
            return;
        }
        self.incomplete = true;
        self.report(inner, format!("`{name}` cannot be a name"), "", "a name is one word");
        self.from("_", inner);
    }

    fn argument(&mut self, name: &str, key: Extent, value: &Node) {
        self.line();
        self.word(name, key);
        self.plain(" = ");
        let kinds: Vec<&str> = self.kinds.iter().map(String::as_str).collect();
        let text = self.layout.text(&kinds, name);
        self.value(value, text);
    }

    fn value(&mut self, node: &Node, text: Text) {
        let extent = node.extent;
        match &node.json {
            Json::String => self.string(extent, text),
            Json::Null | Json::Scalar => {
                let file = self.file.clone();
                self.from(file.slice(extent), extent);
            }
            Json::Array(items) => {
                self.from("[", Extent { start: extent.start, end: extent.start + 1 });
                for (at, item) in items.iter().enumerate() {
                    self.plain(if at > 0 { ", " } else { "" });
                    self.value(item, text);
                }
                self.from("]", Extent { start: extent.end - 1, end: extent.end });
            }
            Json::Object(members) => {
                self.from("{", Extent { start: extent.start, end: extent.start + 1 });
                for (at, (key, item)) in members.iter().enumerate() {
                    self.plain(if at > 0 { ", " } else { "" });
                    self.string(*key, text);
                    self.plain(" = ");
                    self.value(item, text);
                }
                self.from("}", Extent { start: extent.end - 1, end: extent.end });
            }
        }
    }

    fn string(&mut self, extent: Extent, text: Text) {
        let file = self.file.clone();
        let characters: Vec<_> = characters(&file.text, extent).collect();
        let quote = |at: u32| Extent { start: at, end: at + 1 };
        if text == Text::Expression {
            let written: String = characters.iter().map(|(character, _)| *character).collect();
            if stands_alone(&written) {
                for (character, place) in &characters {
                    self.character(*character, *place);
                }
                return;
            }
            self.report(
                extent,
                "this is not an expression".to_owned(),
                "",
                "write it as in the native syntax",
            );
            self.plain("null");
            return;
        }
        self.from("\"", quote(extent.start));
        if text == Text::Plain {
            self.literal(&characters, true);
        } else {
            self.template(&characters);
        }
        self.from("\"", quote(extent.end - 1));
    }

    fn character(&mut self, character: char, place: Extent) {
        self.from(character.encode_utf8(&mut [0; 4]), place);
    }

    /// Literal text, escaped as quotes need it; what could be taken for a template too if it is `plain`.
    fn literal(&mut self, characters: &[(char, Extent)], plain: bool) {
        for (at, (character, place)) in characters.iter().enumerate() {
            let before_brace = characters.get(at + 1).is_some_and(|(next, _)| *next == '{');
            match character {
                '"' => self.from("\\\"", *place),
                '\\' => self.from("\\\\", *place),
                '\n' => self.from("\\n", *place),
                '\r' => self.from("\\r", *place),
                '$' | '%' if plain && before_brace => {
                    self.from(&format!("\\u{:04x}", u32::from(*character)), *place);
                }
                character => self.character(*character, *place),
            }
        }
    }

    /// A template. White space is taken off here as `~` asks, by lines, which quotes do not have.
    fn template(&mut self, characters: &[(char, Extent)]) {
        let text: String = characters.iter().map(|(character, _)| *character).collect();
        if !text.contains("${") && !text.contains("%{") {
            return self.literal(characters, false);
        }
        if !is_closed(&text) {
            let end = characters.last().map_or(0, |(_, place)| place.end);
            let start = characters.first().map_or(end, |(_, place)| place.start);
            let hint =
                "close it with `}`; for a plain `${` write `$${`, for a plain `%{` write `%%{`";
            return self.report(
                Extent { start, end },
                "a template sequence is not closed".to_owned(),
                "",
                hint,
            );
        }
        let mut starts: Vec<usize> = Vec::with_capacity(characters.len() + 1);
        starts.extend(text.char_indices().map(|(at, _)| at));
        starts.push(text.len());
        let part = |extent: Extent| {
            let find = |byte: u32| starts.partition_point(|start| *start < byte as usize);
            &characters[find(extent.start)..find(extent.end)]
        };
        let mut lexer = Lexer::template(&text);
        let mut depth = 0;
        let mut trim = false;
        let mut token = lexer.next_token();
        let mut at = token.extent.start;
        while token.kind != TokenKind::End {
            let next = lexer.next_token();
            let own = part(Extent { start: at, end: token.extent.end });
            let trimmed = std::mem::take(&mut trim);
            match token.kind {
                TokenKind::StringLit if depth == 0 => {
                    let is_space = |(character, _): &&(char, Extent)| character.is_whitespace();
                    let from = if trimmed { own.iter().take_while(is_space).count() } else { 0 };
                    let tilde = (next.extent.end - next.extent.start) == 3
                        && matches!(
                            next.kind,
                            TokenKind::TemplateInterp | TokenKind::TemplateControl
                        );
                    let kept = &own[from..];
                    let behind =
                        if tilde { kept.iter().rev().take_while(is_space).count() } else { 0 };
                    self.literal(&kept[..kept.len() - behind], false);
                }
                kind => {
                    let outer = match kind {
                        TokenKind::TemplateInterp | TokenKind::TemplateControl => depth == 0,
                        TokenKind::TemplateSeqEnd => depth == 1,
                        _ => false,
                    };
                    let is_tilde = |(character, _): &&(char, Extent)| outer && *character == '~';
                    trim = kind == TokenKind::TemplateSeqEnd && own.iter().any(|c| is_tilde(&c));
                    for (character, place) in own.iter().filter(|c| !is_tilde(c)) {
                        self.character(*character, *place);
                    }
                }
            }
            depth = depth_behind(depth, token.kind);
            at = token.extent.end;
            token = next;
        }
    }
}

/// How many braces are open behind a token.
fn depth_behind(depth: u32, kind: TokenKind) -> u32 {
    match kind {
        TokenKind::TemplateInterp | TokenKind::TemplateControl | TokenKind::OBrace => depth + 1,
        TokenKind::CBrace | TokenKind::TemplateSeqEnd => depth.saturating_sub(1),
        _ => depth,
    }
}

/// Whether every sequence of a template has its end.
fn is_closed(text: &str) -> bool {
    let mut lexer = Lexer::template(text);
    let mut depth = 0;
    loop {
        let token = lexer.next_token();
        if token.kind == TokenKind::End {
            return depth == 0;
        }
        depth = depth_behind(depth, token.kind);
    }
}

fn is_word(name: &str) -> bool {
    let mut lexer = Lexer::new(name);
    let token = lexer.next_token();
    token.kind == TokenKind::Ident && token.extent.end as usize == name.len()
}

/// Whether the text can stand in the middle of a line without changing what is around it.
fn stands_alone(text: &str) -> bool {
    let mut lexer = Lexer::new(text);
    let mut open = Vec::new();
    loop {
        let token = lexer.next_token();
        match token.kind {
            TokenKind::End => return open.is_empty() && !text.trim().is_empty(),
            TokenKind::Newline | TokenKind::Comment | TokenKind::OHeredoc | TokenKind::Invalid => {
                return false;
            }
            TokenKind::OBrace => open.push(TokenKind::CBrace),
            TokenKind::OBrack => open.push(TokenKind::CBrack),
            TokenKind::OParen => open.push(TokenKind::CParen),
            TokenKind::OQuote => open.push(TokenKind::CQuote),
            TokenKind::TemplateInterp | TokenKind::TemplateControl => {
                open.push(TokenKind::TemplateSeqEnd);
            }
            TokenKind::CBrace
            | TokenKind::CBrack
            | TokenKind::CParen
            | TokenKind::CQuote
            | TokenKind::TemplateSeqEnd
                if open.pop() != Some(token.kind) =>
            {
                return false;
            }
            TokenKind::Comma if open.is_empty() => return false,
            _ => {}
        }
    }
}
