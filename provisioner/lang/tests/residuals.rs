//! Planning with unknowns, saving, and resolving at apply time gives what evaluation gives once all is known.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use model::graph::Desired;
use model::{Address, Value};
use support::{Everything, Nothing, made, render, run, schemas};

/// When the apply begins.
const TIME: &str = "2026-03-04T05:06:07Z";

/// Attributes of every instance as the providers of the tests make them.
fn outputs(desired: &Desired) -> impl Fn(&Address) -> Option<Value> {
    use model::graph::Projection as _;
    let instances = desired.instances.clone();
    move |address| {
        let instance = instances.iter().find(|instance| instance.address == *address)?;
        Everything(schemas()).attributes(instance).ok()
    }
}

/// Every argument and output of a plan, through JSON and `resolve`, against direct evaluation.
fn round_trip(files: &[(&str, &str)]) {
    let planned = run(files, &[], &Nothing(schemas()));
    let direct = run(files, &[], &Everything(schemas()));
    assert!(planned.diagnostics.is_empty(), "{}", render(&planned.diagnostics, &planned.sources));
    assert!(direct.diagnostics.is_empty(), "{}", render(&direct.diagnostics, &direct.sources));
    let outputs = outputs(&direct.desired);
    let through = |value: &Value| {
        let saved = serde_json::to_string(&value.to_json().unwrap()).unwrap();
        let read = Value::from_json(&serde_json::from_str(&saved).unwrap()).unwrap();
        lang::resolve(&read, &outputs, TIME).unwrap_or_else(|error| panic!("{error}\nin {saved}"))
    };
    let same = |what: &str, planned: &Value, direct: &Value| {
        let resolved = through(planned);
        assert_eq!(resolved.to_plain_json().unwrap(), direct.to_plain_json().unwrap(), "{what}");
        assert_eq!(resolved.deep_marks().sensitive, direct.deep_marks().sensitive, "{what}");
    };
    for (planned, direct) in planned.desired.instances.iter().zip(&direct.desired.instances) {
        assert_eq!(planned.address, direct.address);
        let dependencies = planned.dependencies();
        assert_eq!(dependencies, direct.dependencies(), "{}", planned.address);
        same(&planned.address.to_string(), &planned.arguments, &direct.arguments);
    }
    for (name, output) in &planned.desired.outputs {
        same(name, &output.value, &direct.desired.outputs[name].value);
    }
}

const OPERATIONS: &str = r#"
locals {
  id    = local_network.n.id
  name  = "b"
  both  = { a = local.id, b = "x" }
  list  = ["p", local.id]
  long  = length(local.id) > 3 ? { v = "${local.id}-long", w = [local.id] } : { v = "short", w = [] }
}
resource "local_network" "n" { name = "n" }
resource "nebula_ca" "ca" { name = "x" }
resource "local_machine" "m" {
  count = 2
  name  = "m${count.index}"
}
output "template" { value = "a ${local.id} b ${upper(local.id)}" }
output "heredoc" {
  value = <<-EOT
    first ${local.id}
      second
    %{for x in local.list~}
    item ${x}
    %{endfor~}
  EOT
}
output "arithmetic" { value = local_machine.m[0].port + 1 * 2 }
output "comparison" { value = local_machine.m[1].port > 10 && !(local.id == "x") }
output "conditional" { value = local.id == "x" ? 1 : 2 }
output "calls" { value = join(",", [for m in local_machine.m : "${m.name}=${m.address}"]) }
output "json" { value = jsonencode({ for k, v in local.both : k => { value = v, name = local.name } }) }
output "index" { value = split(" ", local.id)[1] }
output "attribute" { value = local.long.v }
output "nested" { value = local.long.w[0] }
output "splat" { value = join(" ", local_machine.m[*].address) }
output "unknown_for" { value = [for part in split(" ", local.id) : "${part}-${local.name}"] }
output "unknown_for_object" { value = { for i, part in split(" ", local.id) : part => i... if part != "" } }
output "unknown_key" { value = { (local.id) = local.name } }
output "unknown_index" { value = { "id of local_network.n" = 5 }[local.id] }
output "attempt" { value = try(local.long.missing, local.id, "never") }
output "can" { value = can(tonumber(local.id)) }
output "expanded" { value = max([for m in local_machine.m : m.port]...) }
output "expanded_unknown" { value = format("%s-%s-%s-%s", "a", split(" ", local.id)...) }
output "template_file" { value = templatefile("t.tftpl", { id = local.id, name = local.name, list = local.list }) }
output "template_string" { value = templatestring("x $${id}", { id = local.id }) }
output "multi_line" {
  value = (
    local.id == "y"
    || local.name == "c"
  )
}
output "secret" {
  value     = "k ${nebula_ca.ca.private_key} ${local.id}"
  sensitive = true
}
output "whole" { value = local_network.n }
output "modulo" { value = -local_machine.m[0].port % 7 }
"#;

#[test]
fn every_operation() {
    let template = "id: ${id}\n%{ for x in list ~}\n- ${x}\n%{ endfor ~}\n%{ if name == \"b\" }yes%{ else }no%{ endif }\n";
    round_trip(&[("/env/main.hcl", OPERATIONS), ("/env/t.tftpl", template)]);
}

#[test]
fn a_fleet() {
    let read = |path: &str| {
        let path = format!("{}/../../modules/{path}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    };
    let main = read("mesh/nebula/example/main.hcl");
    let files = [
        ("/p/mesh/nebula/example/main.hcl", "mesh/nebula/main.hcl"),
        ("/p/mesh/nebula/config.yml.tftpl", "mesh/nebula/config.yml.tftpl"),
        ("/p/network/local/main.hcl", "network/local/main.hcl"),
        ("/p/node/local/main.hcl", "node/local/main.hcl"),
    ];
    let texts: Vec<_> = files.iter().map(|(_, source)| read(source)).collect();
    let mesh = texts[0].clone();
    let in_env = |text: &str| {
        text.replace("\"../../../", "\"../p/").replace("\"..\"", "\"../p/mesh/nebula\"")
    };
    let main = in_env(&main);
    round_trip(&[
        ("/env/main.hcl", &main),
        ("/p/mesh/nebula/main.hcl", &mesh),
        (files[1].0, &texts[1]),
        (files[2].0, &texts[2]),
        (files[3].0, &texts[3]),
    ]);
}

#[test]
fn what_cannot_be_resolved_says_why() {
    let address = Address::parse("local_network.n").unwrap();
    let value = Value::output(&address, "id", model::Type::String);
    let error = lang::resolve(&value, &|_| None, TIME).unwrap_err();
    assert_eq!(error.summary, "`local_network.n` has no attributes yet");
    assert_eq!(error.address, Some(address.clone()));
    let files = [(
        "/env/main.hcl",
        "resource \"local_network\" \"n\" {\n  name = \"n\"\n}\noutput \"x\" {\n  value = tonumber(local_network.n.id) + 1\n}\n",
    )];
    let planned = run(&files, &[], &Nothing(schemas()));
    let known = |address: &Address| {
        Some(Value::object([("id", made(address, "id", &model::Type::String))]))
    };
    let error = lang::resolve(&planned.desired.outputs["x"].value, &known, TIME).unwrap_err();
    assert!(error.summary.starts_with("/env/main.hcl:5:11: "), "{}", error.summary);
}
