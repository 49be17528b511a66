//! Words, each kept once.

use foldhash::HashSet;
use std::sync::Arc;

/// How many words are found without hashing them.
const RECENT: usize = 64;

/// Texts, each kept once. The same few words come again and again, so what was asked for lately is looked at first.
pub(crate) struct Words {
    all: HashSet<Arc<str>>,
    recent: [Option<Arc<str>>; RECENT],
}

impl Default for Words {
    fn default() -> Self {
        Self { all: HashSet::default(), recent: [const { None }; RECENT] }
    }
}

impl Words {
    /// The text as it is kept.
    pub(crate) fn get(&mut self, text: &str) -> Arc<str> {
        let recent = &mut self.recent[place(text)];
        if let Some(word) = recent.as_ref().filter(|word| word.as_ref() == text) {
            return word.clone();
        }
        let word = if let Some(word) = self.all.get(text) {
            word.clone()
        } else {
            let word: Arc<str> = text.into();
            self.all.insert(word.clone());
            word
        };
        *recent = Some(word.clone());
        word
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
        let first: Vec<_> = texts.iter().map(|text| words.get(text)).collect();
        for (text, word) in texts.iter().zip(&first).rev() {
            assert_eq!(text.as_str(), word.as_ref());
            assert!(Arc::ptr_eq(&words.get(text), word));
            assert!(Arc::ptr_eq(&words.get(text), word));
        }
    }
}
