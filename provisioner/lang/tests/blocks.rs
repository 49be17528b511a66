//! `enabled`, `dynamic`, providers with `for_each` and aliases, and what modules make of them.

mod support;

use model::Value;
use support::{Nothing, addresses, good, instance, plan, render, run, schemas};

fn said(text: &str) -> String {
    let run = plan(&[("/env/main.hcl", text)]);
    render(&run.diagnostics, &run.sources)
}

#[test]
fn what_is_not_enabled_is_null_and_has_no_instance() {
    let desired = good(&[
        (
            "/env/main.hcl",
            r#"
            variable "on" { default = false }
            resource "local_network" "off" {
              enabled = var.on
              name    = "off"
            }
            resource "local_network" "on" {
              lifecycle { enabled = !var.on }
              name = "on"
            }
            module "off" {
              source  = "../m"
              enabled = var.on
            }
            module "takes" {
              source  = "../takes"
              enabled = var.on
            }
            output "off" { value = local_network.off }
            output "id" { value = one(local_network.off[*].id) }
            output "guarded" { value = local_network.off != null ? local_network.off.name : "none" }
            output "tried" { value = try(local_network.off.name, "none") }
            output "module" { value = module.off == null }
            output "given" { value = module.takes.enabled }
            "#,
        ),
        ("/m/main.hcl", "resource \"local_network\" \"n\" {\n  name = \"m\"\n}\n"),
        (
            "/takes/main.hcl",
            "variable \"enabled\" {}\noutput \"enabled\" {\n  value = var.enabled\n}\n",
        ),
    ]);
    assert_eq!(addresses(&desired), ["local_network.on"]);
    let value = |name: &str| desired.outputs[name].value.without_marks();
    assert!(value("off").is_null() && value("id").is_null());
    assert_eq!(value("guarded"), "none".into());
    assert_eq!(value("tried"), "none".into());
    assert_eq!((value("module"), value("given")), (true.into(), false.into()));
}

#[test]
fn a_node_set_that_is_not_enabled_has_no_nodes() {
    let desired = good(&[
        (
            "/env/main.hcl",
            r#"
            node_set "edge" {
              enabled = false
              pool "main" {
                source = "../node"
                size   = 3
              }
            }
            output "nodes" { value = node_set.edge.nodes }
            "#,
        ),
        ("/node/main.hcl", "variable \"node\" {}\noutput \"machine\" {\n  value = {}\n}\n"),
    ]);
    assert!(desired.instances.is_empty());
    assert_eq!(desired.outputs["nodes"].value.without_marks(), Value::tuple([]));
}

#[test]
fn providers_take_nested_and_dynamic_blocks() {
    let desired = good(&[(
        "/env/main.hcl",
        r#"
        variable "relays" { default = ["b", "c"] }
        provider "nebula" {
          relay {
            host = "a"
            port = 1
          }
          dynamic "relay" {
            for_each = var.relays
            content { host = relay.value }
          }
        }
        "#,
    )]);
    let relays = desired.providers["nebula"].arguments.get("relay").unwrap();
    let relays = relays.to_plain_json().unwrap();
    let hosts: Vec<_> = relays.as_array().unwrap().iter().map(|relay| &relay["host"]).collect();
    assert_eq!(hosts, ["a", "b", "c"]);
}

#[test]
fn dynamic_blocks_are_as_many_as_their_elements() {
    let desired = good(&[(
        "/env/main.hcl",
        r#"
        locals { paths = { logs = "/var/log", data = "/data" } }
        resource "local_machine" "m" {
          name = "m"
          volumes {
            volume = "root"
            path   = "/"
          }
          dynamic "volumes" {
            for_each = local.paths
            content {
              volume = volumes.key
              path   = volumes.value
            }
          }
          dynamic "volumes" {
            for_each = ["x"]
            iterator = it
            content {
              volume = "${it.key}-${it.value}"
              path   = "/${it.value}"
            }
          }
        }
        resource "local_machine" "none" {
          name = "none"
          dynamic "volumes" {
            for_each = []
            content {
              volume = volumes.value
              path   = "/"
            }
          }
        }
        "#,
    )]);
    let volumes = instance(&desired, "local_machine.m").arguments.get("volumes").unwrap();
    let names: Vec<_> =
        volumes.as_items().unwrap().iter().map(|it| it.get("volume").unwrap()).collect();
    assert_eq!(names, ["root".into(), "data".into(), "logs".into(), "0-x".into()]);
    let none = instance(&desired, "local_machine.none").arguments.get("volumes").unwrap();
    assert_eq!(none.as_items().unwrap().len(), 0);
}

#[test]
fn dynamic_blocks_over_what_is_not_known_are_told_by_the_apply() {
    let desired = good(&[(
        "/env/main.hcl",
        r#"
        resource "local_network" "n" { name = "n" }
        resource "local_machine" "m" {
          name = "m"
          volumes {
            volume = "root"
            path   = "/"
          }
          dynamic "volumes" {
            for_each = split(",", local_network.n.id)
            content {
              volume = volumes.value
              path   = "/${volumes.key}"
            }
          }
        }
        "#,
    )]);
    let volumes = instance(&desired, "local_machine.m").arguments.get("volumes").unwrap();
    assert!(volumes.is_unknown());
    let made = Value::object([("id", "a,b".into()), ("name", "n".into())]);
    let resolved =
        lang::resolve(&volumes, &|_| Some(made.clone()), "2026-01-01T00:00:00Z").unwrap();
    assert_eq!(
        resolved.without_marks().to_plain_json().unwrap().to_string(),
        r#"[{"path":"/","volume":"root"},{"path":"/0","volume":"a"},{"path":"/1","volume":"b"}]"#
    );
}

#[test]
fn mistakes_in_dynamic_blocks() {
    insta::assert_snapshot!(said(
        r#"
        resource "local_machine" "m" {
          name = "m"
          dynamic "volume" {
            for_each = [1]
            content {}
          }
          dynamic "volumes" {
            for_each = "text"
            content {
              volume = volumes.valu
              path   = other.value
            }
          }
          dynamic "volumes" {
            iterator = "it"
          }
          dynamic {
            for_each = []
            content {}
          }
          dynamic "volumes" {
            for_each = [1]
            content {
              volume = volumes.value
            }
          }
        }
        "#
    ));
}

const REGIONS: &str = r#"
    provider "local" {}
    provider "local" {
      alias     = "west"
      isolation = "process"
    }
    provider "local" {
      alias     = "by_region"
      for_each  = toset(["eu", "us"])
      isolation = each.key
    }
"#;

#[test]
fn providers_have_aliases_and_keys_and_go_to_modules() {
    let main = format!(
        "{REGIONS}{}",
        r#"
        resource "local_network" "default" { name = "a" }
        resource "local_network" "west" {
          name     = "b"
          provider = local.west
        }
        resource "local_network" "regional" {
          for_each = toset(["eu", "us"])
          name     = each.key
          provider = local.by_region[each.key]
        }
        module "inner" {
          source    = "../m"
          providers = {
            local     = local.west
            local.alt = local.by_region["eu"]
          }
        }
        "#
    );
    let nested = r#"
        resource "local_network" "n" { name = "n" }
        resource "local_network" "alt" {
          name     = "alt"
          provider = local.alt
        }
        module "deeper" { source = "../deeper" }
    "#;
    let deeper = "resource \"local_network\" \"d\" {\n  name = \"d\"\n}\n";
    let desired =
        good(&[("/env/main.hcl", &main), ("/m/main.hcl", nested), ("/deeper/main.hcl", deeper)]);
    let of = |address: &str| instance(&desired, address).provider.clone();
    assert_eq!(of("local_network.default"), "local");
    assert_eq!(of("local_network.west"), "local.west");
    assert_eq!(of("local_network.regional[\"us\"]"), "local.by_region[\"us\"]");
    assert_eq!(of("module.inner.local_network.n"), "local.west");
    assert_eq!(of("module.inner.local_network.alt"), "local.by_region[\"eu\"]");
    assert_eq!(of("module.inner.module.deeper.local_network.d"), "local.west");
    let keys: Vec<_> = desired.providers.keys().map(String::as_str).collect();
    assert_eq!(keys, ["local", "local.by_region[\"eu\"]", "local.by_region[\"us\"]", "local.west"]);
    let eu = &desired.providers["local.by_region[\"eu\"]"].arguments;
    assert_eq!(eu.get("isolation").unwrap().without_marks(), "eu".into());
}

#[test]
fn mistakes_with_providers() {
    let main = format!(
        "{REGIONS}{}",
        r#"
        provider "local" { for_each = toset(["a"]) }
        resource "local_network" "a" {
          name     = "a"
          provider = local.wst
        }
        resource "local_network" "b" {
          name     = "b"
          provider = local.by_region
        }
        resource "local_network" "c" {
          name     = "c"
          provider = local.by_region["asia"]
        }
        resource "local_network" "d" {
          name     = "d"
          provider = local.west["x"]
        }
        resource "local_network" "e" {
          name     = "e"
          provider = nebula
        }
        resource "local_network" "f" {
          name     = "f"
          provider = upper("x")
        }
        module "m" {
          source    = "../m"
          providers = [local.west]
        }
        "#
    );
    let module =
        "resource \"local_network\" \"n\" {\n  name     = \"n\"\n  provider = local.alt\n}\n";
    let run = run(&[("/env/main.hcl", &main), ("/m/main.hcl", module)], &[], &Nothing(schemas()));
    insta::assert_snapshot!(render(&run.diagnostics, &run.sources));
}

#[test]
fn what_ignore_changes_may_be() {
    let desired = good(&[(
        "/env/main.hcl",
        r#"
        variable "ignore" { default = ["cidr"] }
        resource "local_network" "all" {
          name = "n"
          lifecycle { ignore_changes = all }
        }
        resource "local_network" "variable" {
          name = "n"
          lifecycle { ignore_changes = var.ignore }
        }
        resource "local_machine" "parts" {
          name = "m"
          lifecycle { ignore_changes = [publish["ssh"], volumes[0].path, "domain"] }
        }
        "#,
    )]);
    let ignored = |address: &str| {
        let ignored = &instance(&desired, address).lifecycle.ignore_changes;
        ignored.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(ignored("local_network.all"), ["cidr", "name"]);
    assert_eq!(ignored("local_network.variable"), ["cidr"]);
    assert_eq!(ignored("local_machine.parts"), ["domain", "publish.ssh", "volumes[0].path"]);
}

#[test]
fn mistakes_in_blocks() {
    insta::assert_snapshot!(said(
        r#"
        variable "count" {}
        variable "n" {
          default = 1
          sensitiv = true
        }
        resource "local_network" "n" {
          name    = "n"
          enabled = true
          count   = 2
          provisioner "local-exec" { command = "true" }
        }
        resource "local_network" "m" {
          enabled = local_network.other.id == ""
          name    = "m"
          lifecycle {
            ignore_changes = [nam, var.n]
            prevent_destroy = local_network.other.id == ""
          }
        }
        resource "local_network" "other" { name = "o" }
        "#
    ));
}

#[test]
fn what_uses_an_output_waits_for_all_that_the_output_depends_on() {
    let main = r#"
        module "m" { source = "../m" }
        resource "local_network" "after" { name = module.m.name }
    "#;
    let module = r#"
        resource "local_network" "n" { name = "n" }
        output "name" {
          value      = "fixed"
          depends_on = [local_network.n]
        }
    "#;
    let desired = good(&[("/env/main.hcl", main), ("/m/main.hcl", module)]);
    let dependencies = instance(&desired, "local_network.after").dependencies();
    let names: Vec<_> = dependencies.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["module.m.local_network.n"]);
}
