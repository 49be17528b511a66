//! Any expression has a value or a mistake: in a scope with values of every kind, unknown and secret ones among them.
#![no_main]

use lang_fuzz::{Files, check_places, evaluate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let text = text.trim_start_matches('\u{feff}');
    for result in evaluate(Files::default(), &[text]) {
        let mistakes = result.err().unwrap_or_default();
        check_places(&mistakes, |file| (file == lang::EXPRESSION).then(|| text.into()));
    }
});
