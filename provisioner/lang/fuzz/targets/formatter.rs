//! What can be parsed can be formatted and parsed again; only space differs then, and a second time changes nothing.
#![no_main]

use lang::{format, syntax_mistakes};
use libfuzzer_sys::fuzz_target;
use model::Diagnostic;

/// What formatting must not touch: everything but space, and what it writes in another form.
fn essence(text: &str) -> String {
    let kept = |letter: &char| !letter.is_whitespace() && !"\"(){}$\u{feff}".contains(*letter);
    text.chars().filter(kept).collect()
}

fuzz_target!(|text: &str| {
    let has_mistakes = !syntax_mistakes("x.hcl", text).is_empty();
    let Ok(formatted) = format("x.hcl", text) else {
        assert!(has_mistakes, "refused although it parses: {text:?}");
        return;
    };
    assert!(!has_mistakes, "formatted although it does not parse: {text:?}");
    let mistakes: Vec<Diagnostic> = syntax_mistakes("x.hcl", &formatted);
    assert!(mistakes.is_empty(), "{text:?} became {formatted:?}: {mistakes:#?}");
    assert_eq!(format("x.hcl", &formatted).as_deref(), Ok(formatted.as_str()), "from {text:?}");
    // Types are written in full, and comments between labels are dropped.
    if !["variable", "/*"].iter().any(|word| text.contains(word)) {
        assert_eq!(essence(text), essence(&formatted), "{text:?} became {formatted:?}");
    }
});
