//! Any file is an environment that is evaluated, or a list of mistakes: references, blocks, repetition, modules.
//! Behind a NUL stands a second file, `m/main.hcl`.
#![no_main]

use lang_fuzz::{Files, check_places, run};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (root, module) = text.split_once('\0').unwrap_or((text, "output \"o\" { value = 1 }\n"));
    let files = Files::default();
    let files = files.with("main.hcl", root.as_bytes()).with("m/main.hcl", module.as_bytes());
    let (diagnostics, sources) = run(&files);
    check_places(&diagnostics, |file| sources.text(file).map(|text| text.as_str().into()));
});
