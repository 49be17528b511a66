//! Any text is parsed, or told what is wrong with it at places that exist: as a file, a JSON file, one expression.
#![no_main]

use lang_fuzz::check_places;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let whole = text.strip_prefix('\u{feff}').unwrap_or(text);
    let of_file = |_: &str| Some(whole.into());
    check_places(&lang::syntax_mistakes("x.hcl", text), of_file);
    for name in ["x.hclvars", "x.json"] {
        check_places(&lang::parse_variable_file(name, text).diagnostics, of_file);
    }
    let _ = lang::goes_on(text);
});
