//! The functions that read a text of some form take any text. The first byte says which, so that what is found for one
//! form is kept for it.
#![no_main]

use lang_fuzz::{Files, evaluate};
use libfuzzer_sys::fuzz_target;

/// Each is called with the whole text, or with its parts before and behind the first line break.
const CALLS: [&str; 21] = [
    "jsonencode(jsondecode(file(\"text\")))",
    "yamlencode(yamldecode(file(\"text\")))",
    "csvdecode(file(\"text\"))",
    "regex(file(\"first\"), file(\"rest\"))",
    "regexall(file(\"first\"), file(\"rest\"))",
    "replace(file(\"rest\"), \"/${file(\"first\")}/\", \"<$0>\")",
    "format(file(\"text\"), 1, \"a\", true, [1], -2.5)",
    "formatlist(file(\"text\"), [1, 2], \"a\", 1e40)",
    "formatdate(file(\"text\"), \"2024-02-29T01:02:03Z\")",
    "[timeadd(file(\"first\"), file(\"rest\")), timecmp(file(\"first\"), file(\"rest\"))]",
    "base64gzip(base64decode(file(\"text\")))",
    "textdecodebase64(file(\"rest\"), file(\"first\"))",
    "templatefile(\"text\", { a = 1, b = [1, 2], c = \"x\" })",
    "[tonumber(file(\"text\")), parseint(file(\"first\"), 36)]",
    "parseint(file(\"first\"), tonumber(file(\"rest\")))",
    "[cidrsubnet(file(\"first\"), 3, 2), cidrhost(file(\"first\"), 5), cidrnetmask(file(\"first\"))]",
    "cidrsubnets(file(\"first\"), 1, 2, 3)",
    "[title(file(\"text\")), upper(file(\"text\")), strrev(file(\"text\")), indent(3, file(\"text\"))]",
    "[substr(file(\"rest\"), 2, -1), trim(file(\"rest\"), file(\"first\")), split(file(\"first\"), file(\"rest\"))]",
    "fileset(path.module, file(\"text\"))",
    "[dirname(file(\"text\")), basename(file(\"text\")), pathexpand(file(\"text\")), abspath(file(\"text\"))]",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, text)) = bytes.split_first() else { return };
    let mut parts = text.splitn(2, |byte| *byte == b'\n');
    let (first, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let files = Files::default().with("text", text).with("first", first).with("rest", rest);
    let _ = evaluate(files, &[CALLS[usize::from(*choice) % CALLS.len()]]);
});
