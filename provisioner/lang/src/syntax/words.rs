//! Words, each kept once.

use foldhash::HashMap;
use std::sync::Arc;

/// How many words are found without hashing them.
const RECENT: usize = 64;

/// Texts by number, those that come again kept once. What was asked for lately is looked at first.
#[derive(Default)]
pub(crate) struct Words {
    all: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
    recent: Recent,
}

/// The numbers of recent words, at the places where [`place`] puts them.
struct Recent([Option<u32>; RECENT]);

impl Default for Recent {
    fn default() -> Self {
        Self([None; RECENT])
    }
}

/// Bytes of a text for each word, and for each that comes again, that room is made for.
const BYTES_PER_WORD: usize = 64;
const BYTES_PER_KNOWN: usize = 128;

impl Words {
    /// Those of a text of so many bytes.
    pub(crate) fn of_text(bytes: usize) -> Self {
        let mut words = Self::default();
        words.all.reserve(bytes / BYTES_PER_WORD);
        words.numbers.reserve(bytes / BYTES_PER_KNOWN);
        words
    }

    /// The number of a text that is kept once.
    pub(crate) fn number(&mut self, text: &str) -> u32 {
        let place = place(text);
        if let Some(number) = self.recent.0[place]
            && self.get(number).as_ref() == text
        {
            return number;
        }
        let known = self.numbers.get(text).copied();
        let number = known.unwrap_or_else(|| {
            let word: Arc<str> = text.into();
            let number = self.add(word.clone());
            self.numbers.insert(word, number);
            number
        });
        self.recent.0[place] = Some(number);
        number
    }

    /// A text that is kept once.
    pub(crate) fn word(&mut self, text: &str) -> Arc<str> {
        let number = self.number(text);
        self.get(number).clone()
    }

    /// Keeps a text that probably does not come again.
    pub(crate) fn add(&mut self, text: Arc<str>) -> u32 {
        let number = crate::source::offset(self.all.len());
        self.all.push(text);
        number
    }

    /// The text of a number that was given here.
    pub(crate) fn get(&self, number: u32) -> &Arc<str> {
        &self.all[number as usize]
    }

    /// All texts in the order of their numbers.
    pub(crate) fn into_all(self) -> Vec<Arc<str>> {
        self.all
    }
}

/// Where a word is among the recent ones.
fn place(text: &str) -> usize {
    let end = |byte: Option<&u8>| byte.copied().map_or(0, usize::from);
    let bytes = text.as_bytes();
    (bytes.len() * 5 + end(bytes.first()) * 7 + end(bytes.last()) * 3) % RECENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_kept_once_however_many_there_are() {
        let mut words = Words::default();
        let texts: Vec<_> = (0..1000).map(|at| format!("r{at}")).chain([String::new()]).collect();
        let first: Vec<_> = texts.iter().map(|text| words.number(text)).collect();
        for (text, number) in texts.iter().zip(&first).rev() {
            assert_eq!(text.as_str(), words.get(*number).as_ref());
            assert_eq!(words.number(text), *number);
            assert_eq!(words.number(text), *number);
        }
        assert_eq!(words.into_all().len(), texts.len());
    }
}
