//! Values of one run alone: where they may go, where they may not, and that no expression loses the mark. And values that
//! rest on one another again and again.

mod support;

use support::{good, plan, render};

fn mistakes(text: &str) -> String {
    let run = plan(&[("/env/main.hcl", text)]);
    render(&run.diagnostics, &run.sources)
}

const TOKEN: &str = "variable \"token\" {\n  default = \"t\"\n  ephemeral = true\n}\n";

#[test]
fn an_ephemeral_value_is_not_kept() {
    let ways = [
        "var.token",
        "\"x-${var.token}\"",
        "[for t in [var.token] : upper(t)][0]",
        "true ? var.token : \"y\"",
        "try(var.token, \"y\")",
        "nonsensitive(sensitive(var.token))",
        "{ a = var.token }[\"a\"]",
        "one(toset([var.token]))",
        "jsonencode({ t = var.token })",
        "\"%{ if var.token == \"t\" }a%{ endif }\"",
        "tostring(length(var.token))",
    ];
    for way in ways {
        let found =
            mistakes(&format!("{TOKEN}resource \"local_network\" \"n\" {{\n  name = {way}\n}}\n"));
        assert!(found.starts_with("Error[ephemeral-value]"), "{way}: {found}");
        let found = mistakes(&format!("{TOKEN}output \"o\" {{\n  value = {way}\n}}\n"));
        assert!(found.starts_with("Error[ephemeral-value]"), "{way}: {found}");
    }
}

#[test]
fn an_ephemeral_value_does_not_decide_what_there_is() {
    let network = |argument: &str| {
        format!("{TOKEN}resource \"local_network\" \"n\" {{\n  {argument}\n  name = \"n\"\n}}\n")
    };
    let machine = |block: &str| {
        format!("{TOKEN}resource \"local_machine\" \"m\" {{\n  name = \"m\"\n  {block}\n}}\n")
    };
    let volume = "volumes {\n    volume = var.token\n    path = \"/x\"\n  }";
    let dynamic = "dynamic \"volumes\" {\n    for_each = toset([var.token])\n    content {\n      volume = \"v\"\n      path = \"/x\"\n    }\n  }";
    let texts = [
        network("count = length(var.token)"),
        network("enabled = var.token == \"t\""),
        network("for_each = toset([var.token])"),
        network("for_each = { for k in [\"a\"] : \"${k}-${var.token}\" => 1 }"),
        machine(volume),
        machine(dynamic),
    ];
    for text in texts {
        let found = mistakes(&text);
        assert!(found.starts_with("Error[ephemeral-value]"), "{text}: {found}");
        assert_eq!(found.matches("Error[").count(), 1, "{text}: {found}");
    }
    // Only the keys decide.
    let named = network("for_each = { a = var.token }");
    assert_eq!(mistakes(&named), "");
}

#[test]
fn how_many_there_are_may_come_from_a_secret_and_which_may_not() {
    let secret = "variable \"n\" {\n  default = 2\n  sensitive = true\n}\n";
    let resource =
        |argument: &str| format!("{secret}resource \"local_network\" \"n\" {{\n  {argument}\n}}\n");
    let text = resource("count = var.n\n  name = \"n${count.index}\"");
    let desired = good(&[("/env/main.hcl", &text)]);
    assert_eq!(desired.instances.len(), 2);
    assert!(!desired.instances[1].arguments.deep_marks().sensitive);
    for keys in ["toset([tostring(var.n)])", "{ for k in [var.n] : \"a${k}\" => 1 }"] {
        let found = mistakes(&resource(&format!("for_each = {keys}\n  name = \"n\"")));
        assert!(found.starts_with("Error[for-each-sensitive]"), "{keys}: {found}");
    }
}

#[test]
fn ephemeralasnull_makes_it_one_that_may_be_kept() {
    let main = format!(
        "{TOKEN}output \"o\" {{\n  value = ephemeralasnull({{ a = var.token, b = 1 }})\n}}\n"
    );
    let value = good(&[("/env/main.hcl", &main)]).outputs["o"].value.clone();
    assert!(value.get("a").is_some_and(|a| a.is_null()));
    assert_eq!(value.get("b"), Some(1.into()));
}

#[test]
fn a_module_hands_on_what_it_says_is_ephemeral() {
    let child = "variable \"t\" {\n  ephemeral = true\n}\noutput \"t\" {\n  ephemeral = true\n  value = var.t\n}\n";
    let main = format!(
        "{TOKEN}module \"m\" {{\n  source = \"./m\"\n  t = var.token\n}}\noutput \"ok\" {{\n  value = can(module.m.t)\n}}\n"
    );
    good(&[("/env/main.hcl", &main), ("/env/m/main.hcl", child)]);
    let main = format!("{main}output \"o\" {{\n  value = module.m.t\n}}\n");
    let run = plan(&[("/env/main.hcl", &main), ("/env/m/main.hcl", child)]);
    let found = render(&run.diagnostics, &run.sources);
    assert!(found.starts_with("Error[ephemeral-value]: output `o` is kept"), "{found}");
}

/// Each value holds the two before it, so that written out there are more of them than any plan can hold.
#[test]
fn values_that_rest_on_one_another_are_bounded() {
    use std::fmt::Write as _;
    let mut text = "resource \"local_network\" \"n\" {\n  name = \"n\"\n}\nlocals {\n  a0 = local_network.n.id\n  a1 = \"${local_network.n.id}-\"\n".to_owned();
    for at in 2..60 {
        writeln!(text, "  a{at} = \"${{local.a{}}}${{local.a{}}}\"", at - 1, at - 2).ok();
    }
    text.push_str("}\noutput \"o\" {\n  value = local.a59\n}\n");
    let found = mistakes(&text);
    assert!(found.starts_with("Error[too-many-unknowns]"), "{found}");
    assert_eq!(found.matches("Error[").count(), 1, "{found}");
}

/// Local values that each hold the one before.
fn wrapped(first: &str, levels: usize, wrap: impl Fn(String) -> String) -> String {
    use std::fmt::Write as _;
    let mut text = format!("locals {{\n  a0 = {first}\n");
    for at in 1..=levels {
        writeln!(text, "  a{at} = {}", wrap(format!("local.a{}", at - 1))).ok();
    }
    text + &format!("}}\noutput \"o\" {{\n  value = local.a{levels}\n}}\n")
}

#[test]
fn values_are_nested_up_to_a_bound() {
    let network = "resource \"local_network\" \"n\" {\n  name = \"n\"\n}\n";
    let tuple = |inner: String| format!("[{inner}]");
    let object = |inner: String| format!("{{ inner = {inner} }}");
    let text = |inner: String| format!("\"${{{inner}}}-\"");
    good(&[("/env/main.hcl", &wrapped("1", 100, tuple))]);
    let later = format!("{network}{}", wrapped("local_network.n.id", 99, text));
    good(&[("/env/main.hcl", &later)]);
    for (main, which) in [
        (wrapped("1", 101, tuple), "output.o"),
        (format!("{network}{}", wrapped("local_network.n.id", 101, text)), "output.o"),
        (wrapped("1", 5_000, tuple), "local.a257"),
        (wrapped("1", 5_000, object), "local.a257"),
        (format!("{network}{}", wrapped("local_network.n.id", 5_000, text)), "local.a257"),
    ] {
        let found = mistakes(&main);
        let wanted = format!("Error[too-deep]: the value of `{which}` is nested more than ");
        assert!(found.starts_with(&wanted), "{found}");
        assert_eq!(found.matches("Error[").count(), 1, "{found}");
    }
}
