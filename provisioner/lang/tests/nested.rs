//! Nested blocks: what they may hold, and how many there may be.

mod support;

use model::{Type, Value};
use support::{Nothing, good, instance, plan, render, run, schemas};

fn said(text: &str) -> String {
    let run = plan(&[("/env/main.hcl", text)]);
    render(&run.diagnostics, &run.sources)
}

#[test]
fn as_many_blocks_as_the_schema_allows() {
    let desired = good(&[(
        "/env/main.hcl",
        r#"
        resource "local_balancer" "written" {
          listener { port = 80 }
          listener {
            port = "443"
            rule { path = "/" }
            rule { path = "/b" }
          }
          target { host = "a" }
          target { host = "b" }
          log {}
        }
        resource "local_balancer" "made" {
          dynamic "listener" {
            for_each = [80, 443]
            content {
              port = listener.value
              dynamic "rule" {
                for_each = ["/", "/${listener.key}"]
                content { path = rule.value }
              }
            }
          }
          target { host = "a" }
          dynamic "target" {
            for_each = ["b"]
            content { host = target.value }
          }
          dynamic "log" {
            for_each = []
            content {}
          }
        }
        resource "local_balancer" "as_arguments" {
          listener = [{ port = 80 }]
          target   = [{ host = "a" }, { host = "b" }]
          log      = []
        }
        "#,
    )]);
    let json = |name: &str| {
        let instance = instance(&desired, &format!("local_balancer.{name}"));
        instance.arguments.to_plain_json().unwrap()
    };
    let targets = serde_json::json!([{ "host": "a" }, { "host": "b" }]);
    let written = json("written");
    assert_eq!(
        written["listener"],
        serde_json::json!([
            { "port": 80, "protocol": null, "rule": null },
            { "port": 443, "protocol": null, "rule": [{ "path": "/" }, { "path": "/b" }] },
        ])
    );
    assert_eq!(
        (&written["target"], &written["log"]),
        (&targets, &serde_json::json!([{ "file": null }]))
    );
    let made = json("made");
    assert_eq!(made["listener"][1]["rule"], serde_json::json!([{ "path": "/" }, { "path": "/1" }]));
    assert_eq!((&made["target"], &made["log"]), (&targets, &serde_json::json!([])));
    assert_eq!(json("as_arguments")["listener"][0]["port"], 80);
}

#[test]
fn a_block_is_an_element_of_a_list() {
    let desired = good(&[(
        "/env/main.hcl",
        r#"
        resource "local_machine" "given" {
          name = "m"
          root_disk { size = 10 }
        }
        resource "local_machine" "chosen" { name = "c" }
        output "given"  { value = local_machine.given.root_disk[0].size }
        output "kind"   { value = local_machine.given.root_disk[0].kind }
        output "all"    { value = local_machine.given.root_disk[*].size }
        output "one"    { value = one(local_machine.given.root_disk).size }
        output "chosen" { value = local_machine.chosen.root_disk[0].size }
        "#,
    )]);
    let output = |name: &str| desired.outputs[name].value.without_marks();
    assert_eq!(output("given"), 10.into());
    assert_eq!(output("kind"), Value::null(Type::String));
    assert_eq!(output("all"), Value::list(Type::Number, [10.into()]));
    assert_eq!(output("one"), 10.into());
    assert!(output("chosen").is_unknown());
    assert_eq!(output("chosen").ty(), Type::Number);
}

#[test]
fn too_few_and_too_many() {
    insta::assert_snapshot!(said(
        r#"
        resource "local_balancer" "few" {
          target { host = "a" }
        }
        resource "local_balancer" "many" {
          count = 0
          listener { port = 80 }
          target { host = "a" }
          log {}
          target { host = "b" }
          target { host = "c" }
          log {}
          target { host = "d" }
        }
        resource "local_balancer" "misspelt" {
          listner { port = 80 }
          target { host = "a" }
          target { host = "b" }
        }
        resource "local_balancer" "arguments" {
          listener = []
          target   = [{ host = "a" }]
          log      = [{}, {}]
        }
        resource "local_balancer" "nulls" {
          listener = null
          target   = null
        }
        "#
    ));
}

#[test]
fn dynamic_blocks_are_counted() {
    insta::assert_snapshot!(said(
        r#"
        resource "local_network" "n" { name = "n" }
        resource "local_balancer" "made" {
          dynamic "listener" {
            for_each = []
            content { port = 80 }
          }
          target { host = "a" }
          dynamic "target" {
            for_each = ["b", "c"]
            content { host = target.value }
          }
          dynamic "target" {
            for_each = ["d", "e"]
            content { host = target.value }
          }
          dynamic "log" {
            for_each = sensitive([1, 2])
            content {}
          }
        }
        resource "local_balancer" "later" {
          listener { port = 80 }
          log {}
          log {}
          dynamic "log" {
            for_each = split(",", local_network.n.id)
            content {}
          }
          dynamic "target" {
            for_each = split(",", local_network.n.id)
            content {}
          }
        }
        resource "local_machine" "m" {
          for_each = toset(["a", "b"])
          name     = each.key
          dynamic "root_disk" {
            for_each = each.key == "a" ? [1] : [1, 2]
            content { size = root_disk.value }
          }
        }
        "#
    ));
}

#[test]
fn what_a_block_lacks_and_what_it_does_not_take() {
    insta::assert_snapshot!(said(
        r#"
        resource "local_machine" "m" {
          count = 0
          name  = "m"
          volumes {
            volume = "a"
            path   = "/a"
          }
          volumes {
            volume = "b"
          }
          volumes {
            volum = "c"
            path  = "/c"
            other {}
          }
        }
        resource "local_balancer" "b" {
          listener {
            port = "x"
            rule {}
            rule { path = null }
          }
          listener {
            port = 80
            rule = []
            rule { path = "/" }
          }
          dynamic "target" {
            for_each = [1, 2]
            content { hots = target.value }
          }
        }
        "#
    ));
}

#[test]
fn pools_are_written_out() {
    insta::assert_snapshot!(said(
        r#"
        variable "pools" { default = ["a", "b"] }
        node_set "edge" {
          dynamic "pool" {
            for_each = var.pools
            content {
              source = "./m"
              size   = 1
            }
          }
        }
        "#
    ));
}

#[test]
fn a_secret_number_of_blocks_makes_the_argument_a_secret() {
    let desired = good(&[(
        "/env/main.hcl",
        r#"
        resource "local_machine" "m" {
          name = "m"
          dynamic "volumes" {
            for_each = sensitive(["a", "b"])
            content {
              volume = volumes.value
              path   = "/fixed"
            }
          }
        }
        resource "local_machine" "none" {
          name = "none"
          dynamic "volumes" {
            for_each = sensitive([])
            content {
              volume = "a"
              path   = "/fixed"
            }
          }
        }
        "#,
    )]);
    for name in ["local_machine.m", "local_machine.none"] {
        let volumes = instance(&desired, name).arguments.get("volumes").unwrap();
        assert!(volumes.marks().sensitive, "{name}");
    }
}

#[test]
fn blocks_that_depend_on_an_instance_wait_for_it_even_where_there_are_none() {
    let text = r#"
        resource "local_network" "n" { name = "n" }
        resource "local_machine" "m" {
          name = "m"
          dynamic "volumes" {
            for_each = local_network.n.name == "n" ? [] : ["a"]
            content {
              volume = volumes.value
              path   = "/"
            }
          }
        }
    "#;
    let run = run(&[("/env/main.hcl", text)], &[], &Nothing(schemas()));
    assert!(run.diagnostics.is_empty());
    let dependencies = run.instance("local_machine.m").dependencies();
    let names: Vec<_> = dependencies.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["local_network.n"]);
}
