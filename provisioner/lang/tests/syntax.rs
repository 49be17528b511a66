//! What users get for mistakes in the syntax, and that no text brings the parser down.

mod support;

use lang::syntax_mistakes;
use model::SourceMap;
use support::{Nothing, render, run, schemas};

fn shown(text: &str) -> String {
    let mut sources = SourceMap::default();
    sources.insert("main.hcl", text);
    render(&syntax_mistakes("main.hcl", text), &sources)
}

/// Takes a snapshot of what is said about every one of some texts.
fn check(name: &str, texts: &[&str]) {
    let mut all = String::new();
    for text in texts {
        let mistakes = shown(text);
        assert!(!mistakes.is_empty(), "nothing was found in {text:?}");
        all.push_str("--- ");
        all.push_str(&text.trim_end().replace('\n', "\n    "));
        all.push('\n');
        all.push_str(&mistakes);
        all.push('\n');
    }
    insta::assert_snapshot!(name, all);
}

#[test]
fn braces_that_do_not_match() {
    check(
        "syntax_braces",
        &[
            "resource \"a\" \"b\" {\n  input = { a = 1\n}\n",
            "resource \"a\" \"b\" {\n  input = 1\n\nresource \"a\" \"c\" {\n  input = 'x'\n}\n",
            "locals {\n  a = {\n    b = {\n      c = 1\n  }\n  d = 2\n}\n",
            "a {\n  b {\n    c = 1\n}\n\nd {\n  e = [\n}\n",
            "a {\n  b = {\n  }\n  }\n  c = 1\n}\n",
            "a {\n}\n}\n",
            "locals {\n  a = [1, 2\n  b = 3\n}\nlocals {\n  c = (1\n}\n",
            "a {\n",
        ],
    );
}

#[test]
fn arguments_and_blocks() {
    check(
        "syntax_items",
        &[
            "a: 1\n",
            "a == 1\n",
            "a.b = 1\n",
            "\"a\" = 1\n",
            "a\n",
            "a\n{\n}\n",
            "a = 1, b = 2\n",
            "a = 1 b = 2\n",
            "a = foo bar\n",
            "a = 10GB\n",
            "a = \"say \"hi\"\"\n",
            "a = b = c\n",
            "a = b and c\n",
            "a =\n  1\n",
            "a = 1 +\n  2\n",
            "a = b\n  && c\n",
            "a = ]\n",
            "a \"b\" = {\n}\n",
            "a \"${b}\" {\n}\n",
            "a 'b' {\n}\n",
            "a { b = 1, c = 2 }\n",
            "a { b = 1\n}\n",
            "a {} b {}\n",
            "= 1\n",
            "/* a\n",
        ],
    );
}

#[test]
fn values() {
    check(
        "syntax_values",
        &[
            "a = 'x'\n",
            "a = “x”\n",
            "a = ${var.x}\n",
            "a = b & c\n",
            "a = b;\n",
            "a = +1\n",
            "a = .5\n",
            "a = 1.2.3\n",
            "a = b === c\n",
            "a = b <> c\n",
            "a = b ?? c\n",
            "a = b ? c\n",
            "a = b.0.1\n",
            "a = b.[0]\n",
            "a = b.\"c\"\n",
            "a = b.*.c.*.d\n",
            "a = [1 2]\n",
            "a = f(1 2)\n",
            "a = f(b = 1)\n",
            "a = [b = 1]\n",
            "a = (1]\n",
            "a = { b = 1 c = 2 }\n",
            "a = { b }\n",
            "a = { b {\n  } }\n",
            "a = [for b : c]\n",
            "a = [for b in c b]\n",
            "a = [for b in c : b => b]\n",
            "a = {for b in c : b}\n",
            "a = \u{a0}1\n",
        ],
    );
}

#[test]
fn texts() {
    check(
        "syntax_texts",
        &[
            "a = \"b\nc = 'd'\n",
            "a = \"\\d\"\n",
            "a = \"${b\"\n",
            "a = \"${}\"\n",
            "a = \"${b c}\"\n",
            "a = \"%{ elseif b }\"\n",
            "a = \"%{ if b }c\"\n",
            "a = \"%{ endif }\"\n",
            "a = \"%{ if b }%{ endfor }\"\n",
            "a = << EOT\nb\nEOT\n",
            "a = <<EOT \nb\nEOT\n",
            "a = <<\"EOT\"\nb\nEOT\n",
            "a {\n  b = <<EOT\n  c\n  EOT,\n}\nd = 'e'\n",
        ],
    );
}

#[test]
fn a_mistake_hides_none_in_other_blocks() {
    let text = "variable \"size\" {\n  default = 'x'\n}\n\nlocals {\n  a = var.size\n  b = var.sise\n  c = [1, 2\n  d = local.c\n  e = uper(\"x\")\n}\n\nresource \"local_network\" \"n\" {\n  name = \"x\n}\n\noutput \"o\" {\n  value = local.nope + local_network.n.id\n}\n";
    let run = run(&[("/env/main.hcl", text)], &[], &Nothing(schemas()));
    insta::assert_snapshot!("syntax_and_others", render(&run.diagnostics, &run.sources));
}

#[test]
fn at_most_twenty_mistakes_are_reported() {
    let text = "a = ]\n".repeat(1000);
    assert_eq!(syntax_mistakes("main.hcl", &text).len(), 20);
}

/// Deep and long texts are read or refused, and never exhaust the stack.
#[test]
fn depth_is_bounded() {
    let around = |open: &str, middle: &str, close: &str, times: usize| {
        format!("locals {{\n  a = {}{middle}{}\n}}\n", open.repeat(times), close.repeat(times))
    };
    let shapes = [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("{ a = ", "1", "}"),
        ("f(", "1", ")"),
        ("\"${", "1", "}\""),
        ("true ? ", "1", " : 1"),
        ("true ? 1 : ", "1", ""),
        ("-", "1", ""),
        ("!", "true", ""),
        ("[for x in ", "[]", " : x]"),
        ("a[", "0", "]"),
        ("(1 + ", "1", ")"),
        ("a", "", "[*]"),
        ("\"%{ if true }", "", "%{ endif }\""),
    ];
    for (open, middle, close) in shapes {
        let mistakes = syntax_mistakes("main.hcl", &around(open, middle, close, 150));
        assert!(mistakes.len() <= 1, "{open}");
        let mistakes = syntax_mistakes("main.hcl", &around(open, middle, close, 50_000));
        assert!(mistakes.len() <= 20, "{open}");
    }
    let blocks = format!("{}{}", "a {\n".repeat(50_000), "}\n".repeat(50_000));
    assert!(shown(&blocks).contains("the nesting is too deep"));
}

/// What is just not too deep is evaluated.
#[test]
fn deep_expressions_are_evaluated() {
    let around = |open: &str, middle: &str, close: &str| {
        let (open, close) = (open.repeat(190), close.repeat(190));
        format!(
            "locals {{\n  a = {open}{middle}{close}\n}}\noutput \"a\" {{\n  value = jsonencode(local.a)\n}}\n"
        )
    };
    for (open, middle, close) in [
        ("(", "1", ")"),
        ("(1 + ", "1", ")"),
        ("abs(", "1", ")"),
        ("true ? 1 : ", "1", ""),
        ("[for x in [1] : ", "1", "][0]"),
        ("\"${", "1", "}x\""),
        ("[", "1", "]"),
        ("{ a = ", "1", "}"),
    ] {
        let run = run(&[("/env/main.hcl", &around(open, middle, close))], &[], &Nothing(schemas()));
        assert!(run.diagnostics.is_empty(), "{open}: {}", render(&run.diagnostics, &run.sources));
    }
}

#[test]
fn long_chains_are_evaluated() {
    let sum = format!(
        "locals {{\n  a = 1{}\n}}\noutput \"a\" {{\n  value = local.a\n}}\n",
        " + 1".repeat(20_000)
    );
    let run = run(&[("/env/main.hcl", &sum)], &[], &Nothing(schemas()));
    assert!(run.diagnostics.is_empty());
    assert_eq!(run.desired.outputs["a"].value, 20_001.into());
}

/// Texts made of pieces of the language: whatever they are, they are read to the end, and places lie within them.
#[test]
fn any_text_is_read() {
    let pieces = [
        "a", " = ", "\n", "{", "}", "[", "]", "(", ")", "\"", "${", "%{", "~}", "<<EOT\n", "EOT\n",
        "1", ".", ",", "*", "?", ":", "for", " in ", "if", "=>", "...", "'", "#", "/*", "*/", "\\",
        "é", "\u{feff}", "\r\n", "&&", "-", "!", "  ",
    ];
    let mut seed = 7u64;
    for _ in 0..4000 {
        let mut text = String::new();
        for _ in 0..24 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
        }
        for mistake in syntax_mistakes("main.hcl", &text) {
            assert!(!mistake.labels.is_empty(), "{text:?}");
            for label in mistake.labels {
                let place = label.span.start as usize..label.span.end as usize;
                let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
                assert!(text.get(place).is_some(), "{text:?}");
            }
        }
    }
}
