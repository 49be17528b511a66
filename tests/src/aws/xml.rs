//! XML as moto and the SDKs write it: a tree that can be looked into, edited and written again.
//!
//! Refuses to know: namespaces, document types, and what the elements mean.

use std::fmt::Write as _;

/// An element: its name, its attributes as written, its children and the text between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: String,
    pub(super) children: Vec<Element>,
    pub(super) text: String,
}

impl Element {
    /// The root element of a document.
    pub(super) fn parse(document: &str) -> Option<Self> {
        let mut rest = document;
        loop {
            rest = rest.get(rest.find('<')?..)?;
            if rest.starts_with("<?") {
                rest = after(rest, "?>")?;
            } else if rest.starts_with("<!--") {
                rest = after(rest, "-->")?;
            } else {
                break;
            }
        }
        Self::read(rest).map(|(element, _)| element)
    }

    /// An element at the beginning of a text, and the text after it.
    fn read(text: &str) -> Option<(Self, &str)> {
        let end = text.find('>')?;
        let tag = text.get(1..end)?;
        let rest = &text[end + 1..];
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        let mut element = Self {
            name: name.to_owned(),
            attributes: attributes.trim().to_owned(),
            ..Self::default()
        };
        if is_empty {
            Some((element, rest))
        } else {
            element.content(rest).map(|rest| (element, rest))
        }
    }

    /// Reads up to the closing tag, and gives back what is after it.
    fn content<'t>(&mut self, mut rest: &'t str) -> Option<&'t str> {
        loop {
            let at = rest.find('<')?;
            self.text.push_str(&unescaped(&rest[..at]));
            rest = &rest[at..];
            if rest.starts_with("<!--") {
                rest = after(rest, "-->")?;
            } else if let Some(raw) = rest.strip_prefix("<![CDATA[") {
                self.text.push_str(&raw[..raw.find("]]>")?]);
                rest = after(raw, "]]>")?;
            } else if let Some(closing) = rest.strip_prefix("</") {
                let end = closing.find('>')?;
                if !self.children.is_empty() {
                    self.text.clear();
                }
                return (closing[..end].trim() == self.name).then(|| &closing[end + 1..]);
            } else {
                let (child, after) = Self::read(rest)?;
                self.children.push(child);
                rest = after;
            }
        }
    }

    /// The document with this as its root.
    pub(super) fn document(&self) -> String {
        let mut text = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n".to_owned();
        self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) {
        let space = if self.attributes.is_empty() { "" } else { " " };
        let _ = write!(text, "<{}{space}{}>", self.name, self.attributes);
        text.push_str(&escaped(&self.text));
        for child in &self.children {
            child.write(text);
        }
        let _ = write!(text, "</{}>", self.name);
    }

    /// The first child of that name, by a path with `/` between names.
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |at, name| at.children.iter().find(|c| c.name == name))
    }

    /// The same, to be edited.
    pub(super) fn at_mut(&mut self, path: &str) -> Option<&mut Self> {
        path.split('/').try_fold(self, |at, name| at.children.iter_mut().find(|c| c.name == name))
    }

    /// The text at a path; empty where there is none.
    pub(super) fn text_at(&self, path: &str) -> &str {
        self.at(path).map(|element| element.text.as_str()).unwrap_or_default()
    }

    /// Sets the text at a path whose last element is made if it is missing.
    pub(super) fn set(&mut self, path: &str, text: &str) {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = if parent.is_empty() { Some(self) } else { self.at_mut(parent) };
        let Some(parent) = parent else { return };
        let at = parent.children.iter().position(|child| child.name == name);
        let at = at.unwrap_or_else(|| {
            parent.children.push(Self { name: name.to_owned(), ..Self::default() });
            parent.children.len() - 1
        });
        text.clone_into(&mut parent.children[at].text);
    }

    /// All elements of that name below this one, however deep.
    pub(super) fn all<'e>(&'e self, name: &'e str) -> Vec<&'e Self> {
        let mut found = Vec::new();
        for child in &self.children {
            if child.name == name {
                found.push(child);
            }
            found.extend(child.all(name));
        }
        found
    }

    /// Visits this element and all below it.
    pub(super) fn each_mut(&mut self, visit: &mut impl FnMut(&mut Self)) {
        visit(self);
        for child in &mut self.children {
            child.each_mut(visit);
        }
    }

    /// Takes out the reservations of a description of instances that have none left.
    pub(super) fn drop_empty_reservations(&mut self) {
        if let Some(reservations) = self.at_mut("reservationSet") {
            let has_some =
                |one: &Self| one.at("instancesSet").is_none_or(|set| !set.children.is_empty());
            reservations.children.retain(has_some);
        }
    }

    /// An attribute's value, as written.
    #[cfg(test)]
    fn attributes(&self) -> &str {
        &self.attributes
    }
}

fn after<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    text.find(mark).map(|at| &text[at + mark.len()..])
}

/// Text with the characters that XML keeps for itself written as entities.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#xD;")
}

fn unescaped(text: &str) -> String {
    let mut pieces = text.split('&');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (entity, rest) = piece.split_once(';').unwrap_or(("", piece));
        let character = match entity {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => numbered(entity),
        };
        plain.extend(character);
        plain.push_str(rest);
    }
    plain
}

fn numbered(entity: &str) -> Option<char> {
    let number = entity.strip_prefix('#')?;
    let hex = number.strip_prefix(['x', 'X']).map(|hex| u32::from_str_radix(hex, 16));
    hex.unwrap_or_else(|| number.parse()).ok().and_then(char::from_u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_can_be_edited_and_written() {
        let document = "<?xml version=\"1.0\"?>\n<!-- by moto --><A xmlns=\"urn:a\">\n  <set><item><id>1</id>\
            <name>a &amp; &#x62;</name></item><item/></set>\n</A>";
        let mut root = Element::parse(document).unwrap();
        assert_eq!((root.attributes(), root.text.as_str()), ("xmlns=\"urn:a\"", ""));
        assert_eq!(root.text_at("set/item/name"), "a & b");
        assert_eq!((root.all("item").len(), root.text_at("set/none")), (2, ""));
        root.set("set/item/id", "<2>");
        root.set("set/item/more", "3");
        let again = Element::parse(&root.document()).unwrap();
        assert_eq!(again, root);
        assert_eq!((again.text_at("set/item/id"), again.text_at("set/item/more")), ("<2>", "3"));
    }

    #[test]
    fn what_is_cut_off_is_not_read() {
        for cut in ["", "<a", "<a><b></a>", "<a>text", "no element"] {
            assert_eq!(Element::parse(cut), None, "{cut}");
        }
    }
}
