//! Modules, instances, dependencies, variables: what comes out of a configuration that is right.

mod support;

use lang::{Inputs, VariableInput};
use model::{Address, Type, Value};
use std::collections::BTreeMap;
use std::path::Path;
use support::{Everything, Files, Nothing, addresses, good, instance, plan, render, run, schemas};

fn dependencies(desired: &model::graph::Desired, address: &str) -> Vec<String> {
    instance(desired, address).dependencies().iter().map(Address::to_string).collect()
}

#[test]
fn arguments_are_completed_and_converted() {
    let desired = good(&[(
        "/env/main.hcl",
        r#"
        resource "local_volume" "v" {
          name = 5
          size = "10"
        }
        resource "local_machine" "m" {
          name    = "m"
          secret  = "s"
          publish = { "80" = "8080" }
          volumes {
            volume = local_volume.v.id
            path   = "/a"
          }
          volumes {
            volume = "x"
            path   = "/b"
          }
        }
    "#,
    )]);
    let volume = &instance(&desired, "local_volume.v").arguments;
    assert_eq!(volume.get("name").unwrap(), "5".into());
    assert_eq!(volume.get("size").unwrap(), 10.into());
    let machine = &instance(&desired, "local_machine.m").arguments;
    assert!(machine.get("network").unwrap().is_null());
    assert!(machine.get("secret").unwrap().marks().sensitive);
    assert_eq!(machine.get("publish").unwrap(), Value::map(Type::Number, [("80", 8080.into())]));
    assert_eq!(machine.get("volumes").unwrap().as_items().unwrap().len(), 2);
    assert_eq!(dependencies(&desired, "local_machine.m"), ["local_volume.v"]);
    assert_eq!(instance(&desired, "local_machine.m").place, "/env/main.hcl:6:9");
}

#[test]
fn dependencies_are_those_of_the_instance_even_through_modules_and_locals() {
    let desired = good(&[
        (
            "/env/main.hcl",
            r#"
            resource "local_network" "n" {
              for_each = { a = 1, b = 2 }
              name     = each.key
            }
            module "m" {
              for_each = toset(["a", "b"])
              source   = "./m"
              networks = { for key, network in local_network.n : key => { id = network.id } }
              which    = each.key
            }
            locals {
              ids = { for key, m in module.m : key => m.id }
            }
            resource "local_volume" "v" {
              count = 2
              name  = local.ids[element(["a", "b"], count.index)]
              size  = 1
            }
            resource "local_volume" "chained" {
              name       = "c"
              size       = 1
              depends_on = [local_volume.v[0], module.m]
            }
        "#,
        ),
        (
            "/env/m/main.hcl",
            r#"
            variable "networks" { type = map(object({ id = string })) }
            variable "which" { type = string }
            resource "local_machine" "m" {
              name    = "m-${var.which}"
              network = var.networks[var.which].id
            }
            output "id" { value = "${local_machine.m.id}!" }
        "#,
        ),
    ]);
    assert_eq!(
        dependencies(&desired, "module.m[\"a\"].local_machine.m"),
        ["local_network.n[\"a\"]"]
    );
    assert_eq!(dependencies(&desired, "local_volume.v[1]"), ["module.m[\"b\"].local_machine.m"]);
    assert_eq!(
        dependencies(&desired, "local_volume.chained"),
        ["local_volume.v[0]", "module.m[\"a\"].local_machine.m", "module.m[\"b\"].local_machine.m"]
    );
}

#[test]
fn instances_of_one_resource_may_need_each_other() {
    let desired = good(&[(
        "/env/main.hcl",
        r#"
        resource "local_network" "n" {
          count = 3
          name  = count.index == 0 ? "first" : "after ${local_network.n[count.index - 1].name}"
        }
        output "last" { value = local_network.n[2].name }
    "#,
    )]);
    let last = &desired.outputs["last"].value;
    assert_eq!(last.as_str(), Some("after after first"));
    assert_eq!(dependencies(&desired, "local_network.n[2]"), ["local_network.n[1]"]);
}

#[test]
fn predicates_and_keys_are_dependencies_too() {
    let desired = good(&[(
        "/env/main.hcl",
        r#"
        resource "local_network" "n" { name = "n" }
        resource "local_network" "unused" { name = "u" }
        resource "local_volume" "v" {
          name = local_network.n.name == "n" ? "yes" : "no"
          size = 1
        }
        resource "local_volume" "w" {
          for_each = toset([local_network.n.name])
          name     = "w"
          size     = length([for x in ["a"] : x if local_network.n.name != ""])
        }
    "#,
    )]);
    assert_eq!(
        instance(&desired, "local_volume.v").arguments.get("name").unwrap().as_str(),
        Some("yes")
    );
    assert_eq!(dependencies(&desired, "local_volume.v"), ["local_network.n"]);
    assert_eq!(dependencies(&desired, "local_volume.w[\"n\"]"), ["local_network.n"]);
}

#[test]
fn variables_come_from_outside_or_their_defaults() {
    let text = r#"
        variable "size" { type = number }
        variable "names" { type = list(string) }
        variable "o" {
          type    = object({ a = string, b = optional(number, 7), c = optional(list(string)) })
          default = { a = "x" }
        }
        variable "none" { default = null }
        variable "kept" {
          default  = "d"
          nullable = false
        }
        variable "any" { type = any }
        variable "secret" {
          type      = string
          sensitive = true
        }
        output "all" {
          value     = [var.size + 1, var.names[1], var.o.b, var.o.c, var.none, var.kept, var.any, var.secret]
          sensitive = true
        }
    "#;
    let variables = [
        ("size", "6"),
        ("names", "[\"a\", \"b\"]"),
        ("any", "text"),
        ("secret", "s"),
        ("kept", "k"),
    ];
    let run = run(&[("/env/main.hcl", text)], &variables, &Nothing(schemas()));
    assert!(run.diagnostics.is_empty(), "{}", render(&run.diagnostics, &run.sources));
    let value = &run.desired.outputs["all"].value;
    let json = serde_json::to_string(&value.to_plain_json().unwrap()).unwrap();
    assert_eq!(json, r#"[7,"b",7,null,null,"k","text","s"]"#);
    assert!(value.as_items().unwrap()[7].marks().sensitive);
    assert!(!value.as_items().unwrap()[0].marks().sensitive);
}

#[test]
fn an_undeclared_variable_of_the_process_environment_is_no_mistake() {
    let loaded = lang::load(
        Path::new("/env"),
        &Files::new(&[("/env/main.hcl", "output \"x\" {\n  value = 1\n}\n")]),
    );
    let variables = BTreeMap::from([(
        "else".to_owned(),
        VariableInput::environment("1", "PROVISIONER_VAR_else"),
    )]);
    let inputs = Inputs { variables, ..Inputs::default() };
    let evaluated =
        lang::evaluate(&loaded.configuration.unwrap(), &inputs, &schemas(), &Nothing(schemas()));
    assert_eq!(evaluated.diagnostics, []);
}

#[test]
fn sensitive_values_stay_so_wherever_they_go() {
    let desired = good(&[(
        "/env/main.hcl",
        r#"
        resource "nebula_ca" "ca" { name = "x" }
        locals {
          key  = "key: ${nebula_ca.ca.private_key}"
          open = nonsensitive("open: ${sensitive("x")}")
        }
        resource "local_machine" "m" { name = local.key }
        resource "local_machine" "o" { name = local.open }
        output "key" {
          value     = [local.key]
          sensitive = true
        }
    "#,
    )]);
    let name = instance(&desired, "local_machine.m").arguments.get("name").unwrap();
    assert!(name.marks().sensitive && name.is_unknown());
    let open = instance(&desired, "local_machine.o").arguments.get("name").unwrap();
    assert!(!open.marks().sensitive);
    assert!(desired.outputs["key"].value.deep_marks().sensitive);
}

#[test]
fn a_source_may_have_variables() {
    let files = [
        (
            "/env/main.hcl",
            "variable \"cloud\" { default = \"b\" }\nmodule \"m\" {\n  source = \"./${var.cloud}\"\n}\noutput \"x\" { value = module.m.x }\n",
        ),
        ("/env/a/main.hcl", "output \"x\" { value = \"a\" }\n"),
        ("/env/b/main.hcl", "output \"x\" { value = \"b ${path.module} ${path.root}\" }\n"),
        ("/env/broken/main.hcl", "output {\n"),
    ];
    let desired = good(&files);
    assert_eq!(desired.outputs["x"].value.as_str(), Some("b b ."));
    let broken = run(&files, &[("cloud", "broken")], &Nothing(schemas()));
    assert!(broken.diagnostics.iter().any(|diagnostic| diagnostic.code == "syntax"));
}

#[test]
fn providers_have_a_configuration_whether_declared_or_not() {
    let desired = good(&[(
        "/env/main.hcl",
        r#"
        provider "local" { isolation = upper("namespaces") }
        provider "local" {
          alias     = "plain"
          isolation = "none"
        }
        resource "local_network" "n" {
          name     = "n"
          provider = local.plain
        }
        resource "nebula_ca" "ca" { name = "x" }
    "#,
    )]);
    assert_eq!(
        desired.providers.keys().map(String::as_str).collect::<Vec<_>>(),
        ["local", "local.plain", "nebula"]
    );
    assert_eq!(
        desired.providers["local"].arguments.get("isolation").unwrap().as_str(),
        Some("NAMESPACES")
    );
    assert_eq!(instance(&desired, "local_network.n").provider, "local.plain");
}

#[test]
fn lifecycle_takes_expressions() {
    let desired = good(&[(
        "/env/main.hcl",
        r#"
        variable "safe" { default = true }
        resource "local_network" "n" {
          name = "n"
          lifecycle {
            prevent_destroy = var.safe && true
            ignore_changes  = [name, cidr]
          }
        }
    "#,
    )]);
    let lifecycle = &instance(&desired, "local_network.n").lifecycle;
    assert!(lifecycle.prevent_destroy && !lifecycle.create_before_destroy);
    assert_eq!(lifecycle.ignore_changes.len(), 2);
}

#[test]
fn unknown_parts_do_not_spread_through_collections() {
    let desired = good(&[(
        "/env/main.hcl",
        r#"
        resource "local_network" "n" { name = "n" }
        locals {
          all    = [{ name = "a", id = local_network.n.id }, { name = "b", id = "known" }]
          ids    = { for item in local.all : item.name => item.id }
          merged = merge(local.ids, { c = "x" })
        }
        output "names" { value = keys(local.merged) }
        output "b" { value = local.merged["b"] }
        output "a" { value = local.merged["a"] }
        output "first" { value = [for item in local.all : item.name if item.name != "a"] }
        output "count" { value = length(local.all) }
        output "text" { value = "id ${local.ids["a"]}" }
        output "pick" { value = local.all[*].name }
    "#,
    )]);
    let value = |name: &str| desired.outputs[name].value.clone();
    assert_eq!(value("names").as_items().unwrap().len(), 3);
    assert_eq!(value("b").as_str(), Some("known"));
    assert_eq!(value("count"), 2.into());
    assert_eq!(
        value("a"),
        Value::output(&Address::parse("local_network.n").unwrap(), "id", Type::String)
    );
    assert!(value("text").is_unknown());
    assert!(value("first").is_wholly_known() && value("pick").is_wholly_known());
}

#[test]
fn validation_knows_nothing_and_complains_of_nothing() {
    let text = r#"
        resource "local_network" "n" { name = "n" }
        resource "local_volume" "v" {
          for_each = toset(split(",", local_network.n.id))
          name     = each.key
          size     = 1
        }
        output "x" { value = [for v in local_volume.v : v.id] }
    "#;
    let projection = lang::validation_projection(&schemas());
    let validated = run(&[("/env/main.hcl", text)], &[], &projection);
    assert!(
        validated.diagnostics.is_empty(),
        "{}",
        render(&validated.diagnostics, &validated.sources)
    );
    assert_eq!(addresses(&validated.desired), ["local_network.n"]);
    assert_eq!(plan(&[("/env/main.hcl", text)]).diagnostics[0].code, "unknown-keys");
    assert!(run(&[("/env/main.hcl", text)], &[], &Everything(schemas())).diagnostics.is_empty());
}

#[test]
fn the_digest_covers_files_variables_and_what_functions_read() {
    let digest = |main: &str, template: &str, size: &str| {
        let files = [("/env/main.hcl", main), ("/env/t.tftpl", template)];
        let run = run(&files, &[("size", size)], &Nothing(schemas()));
        assert!(run.diagnostics.is_empty(), "{}", render(&run.diagnostics, &run.sources));
        run.desired.configuration_digest
    };
    let main = "variable \"size\" {}\noutput \"x\" { value = templatefile(\"${path.module}/t.tftpl\", {}) }\n";
    let first = digest(main, "a", "1");
    assert_eq!(first, digest(main, "a", "1"));
    assert_ne!(first, digest(main, "b", "1"));
    assert_ne!(first, digest(main, "a", "2"));
    assert_ne!(first, digest(&format!("{main}\n"), "a", "1"));
}

#[test]
fn ten_thousand_instances_are_no_matter() {
    let desired = good(&[(
        "/env/main.hcl",
        r#"
        locals { names = { for pair in setproduct(range(100), range(100)) : join("-", pair) => pair } }
        resource "local_network" "n" {
          for_each = local.names
          name     = each.key
        }
        resource "local_volume" "v" {
          for_each = local_network.n
          name     = each.value.id
          size     = 1
        }
        resource "local_volume" "w" {
          for_each = local.names
          name     = local_network.n[each.key].id
          size     = each.value[0]
        }
    "#,
    )]);
    assert_eq!(desired.instances.len(), 30000);
    assert_eq!(dependencies(&desired, "local_volume.v[\"99-99\"]"), ["local_network.n[\"99-99\"]"]);
    assert_eq!(dependencies(&desired, "local_volume.w[\"7-8\"]"), ["local_network.n[\"7-8\"]"]);
}

#[test]
fn chains_may_be_of_any_length() {
    // Nothing is in the order in which it is needed, so nothing is there when it is asked for.
    let links = (1..2000)
        .rev()
        .map(|at| format!("  a{at} = [for x in [upper(local.a{})] : \"${{x}}\"][0]\n", at - 1));
    let links: String = links.collect();
    let text =
        format!("output \"x\" {{ value = local.a1999 }}\nlocals {{\n{links}  a0 = \"x\"\n}}\n");
    let desired = good(&[("/env/main.hcl", &text)]);
    assert_eq!(desired.outputs["x"].value.as_str(), Some("X"));

    let links = (1..2000).rev().map(|at| {
        let before = at - 1;
        format!("resource \"local_network\" \"n{at}\" {{ name = local_network.n{before}.id }}\n")
    });
    let text: String =
        links.chain(["resource \"local_network\" \"n0\" { name = \"x\" }".to_owned()]).collect();
    let desired = good(&[("/env/main.hcl", &text)]);
    assert_eq!(desired.instances.len(), 2000);
    assert_eq!(dependencies(&desired, "local_network.n1999"), ["local_network.n1998"]);
}

#[test]
fn chains_lead_through_modules_and_instances_of_one_block() {
    let calls = (1..300).rev().map(|at| {
        format!(
            "module \"m{at}\" {{\n  source = \"../part\"\n  before = module.m{}.last\n}}\n",
            at - 1
        )
    });
    let first = "module \"m0\" {\n  source = \"../part\"\n  before = \"x\"\n}\n".to_owned();
    let main: String = calls.chain([first]).collect();
    let part = r#"
        variable "before" {}
        resource "local_network" "n" {
          count = 3
          name  = count.index == 2 ? var.before : local_network.n[count.index + 1].id
        }
        output "last" { value = local_network.n[0].id }
    "#;
    let desired = good(&[("/env/main.hcl", &main), ("/part/main.hcl", part)]);
    assert_eq!(desired.instances.len(), 900);
    assert_eq!(
        dependencies(&desired, "module.m299.local_network.n[2]"),
        ["module.m298.local_network.n[0]"]
    );
}

#[test]
fn a_long_circle_is_a_cycle() {
    let links = (0..1000).map(|at| format!("  a{at} = local.a{}\n", (at + 1) % 1000));
    let text = format!("locals {{\n{}}}\n", links.collect::<String>());
    let refused = plan(&[("/env/main.hcl", &text)]);
    assert_eq!(refused.diagnostics.len(), 1);
    assert_eq!(refused.diagnostics[0].code, "cycle");
    assert!(refused.diagnostics[0].summary.ends_with("and so on, through 1000 in all"));
    assert_eq!(refused.diagnostics[0].labels.len(), 12);
}
