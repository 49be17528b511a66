//! Node sets, pools and services: what they expand to.

mod support;

use model::graph::{Desired, Instance, Present, Projection};
use model::{Address, Diagnostic, Value};
use support::{Everything, Nothing, Run, good, instance, render, run, schemas};

const MACHINE: &str = r#"
variable "node" { type = any }
variable "network" {
  type    = string
  default = "none"
}
resource "local_volume" "data" {
  name = "${var.node.name}-data"
  size = 1
}
resource "local_machine" "this" {
  name            = var.node.name
  network         = var.network
  domain          = var.node.domain
  authorized_keys = [var.node.login_key]
  volumes         = [{ volume = local_volume.data.id, path = "/data" }]
}
output "machine" {
  value = local_machine.this
}
"#;

const MESH: &str = r#"
variable "node_sets" { type = any }
variable "release" { default = "1.0" }
locals {
  members = merge([for nodes in var.node_sets : { for node in nodes : node.name => node }]...)
}
resource "nebula_certificate" "node" {
  for_each       = local.members
  name           = each.key
  address        = "10.0.${each.value.ordinal}"
  public_key     = each.value.facts.mesh.public_key
  ca_certificate = "ca"
  ca_private_key = "key"
}
service "mesh" {
  version = var.release
  artifact {
    file   = "mesh.tar"
    sha256 = "7a87a0ef1217215afbba9bb891cccc5c1bc22bd496913e9f47adb4073eec6a06"
  }
  facts = { public_key = "cat key" }
  file "cert" {
    content = nebula_certificate.node[node.name].certificate
    mode    = "0600"
  }
  file "peers" {
    content = join("\n", [for name, member in local.members : "${name} ${member.address}"])
  }
  command     = ["@artifact@/bin/mesh", "--name", node.name]
  environment = { DOMAIN = node.domain, PORT = 5 }
  probe "up" {
    http { port = 80 }
    from = "node"
  }
  probe "peer" {
    tcp {
      host = "10.0.${node.ordinal}"
      port = 22
    }
    from        = "peer"
    deadline_ms = 1000
  }
  reachability {
    address = "10.0.${node.ordinal}"
    port    = 22
  }
  max_parallel = 2
  dead_man_s   = 30
}
output "service" { value = service.mesh }
"#;

const MAIN: &str = r#"
variable "size" { default = 3 }
environment "test" {}
resource "local_network" "n" { name = "n" }
module "mesh" {
  source    = "./mesh"
  node_sets = [node_set.edge.nodes, node_set.core.nodes]
}
node_set "edge" {
  pool "west" {
    source  = "./machine"
    size    = var.size
    domains = ["a", "b"]
    inputs  = { network = local_network.n.id }
  }
  pool "east" {
    source = "./machine"
    size   = 1
    inputs = { network = "east" }
  }
  services = [module.mesh.service, service.agent]
}
node_set "core" {
  pool "west" {
    source = "./machine"
    size   = 1
  }
  services = [module.mesh.service]
}
service "agent" {
  version = "2"
  artifact {
    url    = "https://example.org/agent.tar"
    sha256 = "7a87a0ef1217215afbba9bb891cccc5c1bc22bd496913e9f47adb4073eec6a06"
  }
  command = ["agent", local_network.n.cidr == null ? "none" : "some"]
}
output "names" { value = node_set.edge.nodes[*].name }
output "one" { value = try(node_set.edge.node["edge-west-002"].domain, "none") }
output "size" { value = node_set.edge.size + length(node_set.core.node) }
output "ordinals" { value = [for node in node_set.edge.nodes : node.ordinal] }
output "revisions" { value = [for node in concat(node_set.edge.nodes, node_set.core.nodes) : node.revision] }
output "key" { value = "${environment.name} ${environment.login_key}" }
"#;

const FILES: [(&str, &str); 3] =
    [("/env/main.hcl", MAIN), ("/env/machine/main.hcl", MACHINE), ("/env/mesh/main.hcl", MESH)];

fn dependencies(desired: &Desired, address: &str) -> Vec<String> {
    instance(desired, address).dependencies().iter().map(Address::to_string).collect()
}

fn output(desired: &Desired, name: &str) -> String {
    desired.outputs[name].value.to_plain_json().expect("wholly known").to_string()
}

#[test]
fn nodes_have_stable_names_numbers_and_domains() {
    let desired = good(&FILES);
    assert_eq!(
        output(&desired, "names"),
        r#"["edge-west-001","edge-west-002","edge-west-003","edge-east-001"]"#
    );
    assert_eq!(output(&desired, "one"), r#""b""#);
    assert_eq!(output(&desired, "size"), "5");
    assert_eq!(output(&desired, "ordinals"), "[0,1,2,1024]");
    assert_eq!(output(&desired, "key"), r#""test ssh-ed25519 AAAA""#);
    let nodes = &desired.node_sets["edge"].nodes;
    assert_eq!(
        nodes.iter().map(|node| node.domain.as_str()).collect::<Vec<_>>(),
        ["a", "b", "a", "east"]
    );
    assert_eq!(nodes[3].pool, "east");
    assert_eq!(desired.node_sets["edge"].services, ["mesh", "agent"]);
    let machine =
        &instance(&desired, "node_set.edge.node[\"edge-east-001\"].local_machine.this").arguments;
    assert_eq!(machine.get("network").unwrap().as_str(), Some("east"));
}

#[test]
fn a_service_that_is_not_enabled_is_null_and_on_no_node() {
    let main = MAIN.replace("service \"agent\" {", "service \"agent\" {\n  enabled = var.size > 3")
        + "output \"agent\" { value = service.agent == null }\n";
    let files =
        FILES.map(|(path, text)| (path, if path == "/env/main.hcl" { &main } else { text }));
    let of_size = |size: &str| -> Desired {
        let run: Run = run(&files, &[("size", size)], &Nothing(schemas()));
        assert!(run.diagnostics.is_empty(), "{}", render(&run.diagnostics, &run.sources));
        run.desired
    };
    let (off, on) = (of_size("3"), of_size("4"));
    assert_eq!((output(&off, "agent"), output(&on, "agent")), ("true".into(), "false".into()));
    assert_eq!(off.node_sets["edge"].services, ["mesh"]);
    assert_eq!(on.node_sets["edge"].services, ["mesh", "agent"]);
    let agents = |desired: &Desired| {
        let instances = desired.instances.iter().map(|instance| instance.address.to_string());
        instances.filter(|address| address.ends_with("service.agent")).count()
    };
    assert_eq!((agents(&off), agents(&on)), (0, 5));
}

#[test]
fn services_have_dynamic_files_and_probes() {
    let blocks = r#"
      dynamic "file" {
        for_each = node.index == 0 ? { a = "first" } : { a = "A", b = "B" }
        labels   = ["${file.key}.conf"]
        content { content = "${file.value} ${node.name}" }
      }
      dynamic "probe" {
        for_each = [80, 443]
        iterator = port
        labels   = ["port-${port.value}"]
        content {
          tcp { port = port.value }
        }
      }
    "#;
    let main = MAIN.replace("service \"agent\" {", &format!("service \"agent\" {{\n{blocks}"));
    let files =
        FILES.map(|(path, text)| (path, if path == "/env/main.hcl" { &main } else { text }));
    let desired = good(&files);
    let part = |node: &str, name: &str| {
        let address = format!("node_set.edge.node[\"{node}\"].service.agent");
        let value = instance(&desired, &address).arguments.get(name).unwrap();
        value.to_plain_json().unwrap()
    };
    assert_eq!(part("edge-west-001", "files").as_object().unwrap().len(), 1);
    assert_eq!(part("edge-west-002", "files")["b.conf"]["content"], "B edge-west-002");
    let probes = part("edge-west-001", "probes");
    assert_eq!((&probes[0]["name"], &probes[1]["tcp"]["port"]), (&"port-80".into(), &443.into()));

    let bad = main.replace("[\"${file.key}.conf\"]", "[]").replace("\"probe\"", "\"prob\"");
    let files = FILES.map(|(path, text)| (path, if path == "/env/main.hcl" { &bad } else { text }));
    let run: Run = run(&files, &[], &Nothing(schemas()));
    let told = render(&run.diagnostics, &run.sources);
    assert!(told.contains("a `dynamic` block makes no `prob` here"), "{told}");
    assert!(told.contains("`labels` is a list of one text"), "{told}");
}

#[test]
fn another_size_touches_no_other_node() {
    let of_size = |size: &str| -> Desired {
        let run: Run = run(&FILES, &[("size", size)], &Nothing(schemas()));
        assert!(run.diagnostics.is_empty(), "{}", render(&run.diagnostics, &run.sources));
        run.desired
    };
    let (small, large) = (of_size("3"), of_size("4"));
    let shared = |instance: &&model::graph::Instance| {
        instance.address.node().is_some() && instance.address.kind() != "service"
    };
    for before in small.instances.iter().filter(shared) {
        let after = instance(&large, &before.address.to_string());
        assert_eq!(before.arguments, after.arguments, "{}", before.address);
    }
    assert_eq!(large.instances.len(), small.instances.len() + 6);
}

#[test]
fn revisions_do_not_depend_on_what_is_known_and_change_with_a_version() {
    let revisions = |run: &Run| output(&run.desired, "revisions");
    let planned = run(&FILES, &[], &Nothing(schemas()));
    let applied = run(&FILES, &[], &Everything(schemas()));
    assert!(applied.diagnostics.is_empty(), "{}", render(&applied.diagnostics, &applied.sources));
    assert_eq!(revisions(&planned), revisions(&applied));
    let mesh = MESH.replace("default = \"1.0\"", "default = \"1.1\"");
    let changed =
        run(&[FILES[0], FILES[1], ("/env/mesh/main.hcl", &mesh)], &[], &Nothing(schemas()));
    let (before, after) = (
        planned.desired.outputs["revisions"].value.clone(),
        changed.desired.outputs["revisions"].value.clone(),
    );
    let pairs = before.as_items().unwrap().iter().zip(after.as_items().unwrap());
    assert!(pairs.into_iter().all(|(before, after)| before != after));
    assert_eq!(before.as_items().unwrap()[0].as_str().unwrap().len(), 12);
}

#[test]
fn a_service_is_one_instance_on_every_node_that_lists_it() {
    let desired = good(&FILES);
    let address = "node_set.edge.node[\"edge-west-002\"].service.mesh";
    let service = instance(&desired, address);
    let get = |name: &str| service.arguments.get(name).unwrap();
    assert_eq!(service.provider, "node");
    assert_eq!(get("command").as_items().unwrap()[2].as_str(), Some("edge-west-002"));
    assert_eq!(get("environment").get("PORT").unwrap().as_str(), Some("5"));
    assert_eq!(get("environment").get("DOMAIN").unwrap().as_str(), Some("b"));
    assert_eq!(get("dead_man_s"), 30.into());
    assert_eq!(get("restart").as_str(), Some("always"));
    assert_eq!(get("artifact").get("file").unwrap().as_str(), Some("/env/mesh/mesh.tar"));
    assert_eq!(get("files").get("cert").unwrap().get("mode").unwrap().as_str(), Some("0600"));
    let probes = get("probes");
    let probes = probes.as_items().unwrap();
    assert_eq!(probes[0].get("name").unwrap().as_str(), Some("up"));
    assert_eq!(probes[1].get("tcp").unwrap().get("host").unwrap().as_str(), Some("10.0.1"));
    assert!(probes[1].get("http").unwrap().is_null());
    let sequence = service.sequence.as_ref().unwrap();
    assert_eq!((sequence.group.as_str(), sequence.max_parallel), ("module.mesh.service.mesh", 2));
    assert!(
        instance(&desired, "node_set.edge.node[\"edge-west-001\"].service.agent")
            .sequence
            .is_none()
    );
    let agents =
        desired.instances.iter().filter(|instance| instance.address.name() == "agent").count();
    assert_eq!(agents, 4);
}

#[test]
fn services_wait_for_what_their_content_comes_from() {
    let desired = good(&FILES);
    let own = "node_set.core.node[\"core-west-001\"]";
    let facts = format!("{own}.facts.mesh");
    assert_eq!(
        dependencies(&desired, &facts),
        [format!("{own}.local_machine.this"), format!("{own}.local_volume.data")]
    );
    assert_eq!(
        dependencies(&desired, "module.mesh.nebula_certificate.node[\"core-west-001\"]"),
        std::slice::from_ref(&facts)
    );
    let service = dependencies(&desired, &format!("{own}.service.mesh"));
    assert!(service.contains(&facts));
    assert!(service.contains(&"module.mesh.nebula_certificate.node[\"core-west-001\"]".to_owned()));
    assert!(
        !service.contains(&"module.mesh.nebula_certificate.node[\"edge-west-001\"]".to_owned())
    );
    // `peers` holds every node's address.
    assert!(
        service.contains(&"node_set.edge.node[\"edge-west-001\"].local_machine.this".to_owned())
    );
}

#[test]
fn reachability_is_one_instance_over_all_sets() {
    let desired = good(&FILES);
    let reach = instance(&desired, "reachability.mesh");
    let members = reach.arguments.get("members").unwrap();
    let members: Vec<_> =
        members.as_items().unwrap().iter().map(|member| member.get("address").unwrap()).collect();
    assert_eq!(members.len(), 5);
    assert_eq!(members[3].as_str(), Some("10.0.1024"));
    assert_eq!(reach.arguments.get("port"), Some(Value::from(22)));
    let services = reach.depends_on.iter().filter(|address| address.kind() == "service").count();
    assert_eq!(services, 5);
}

#[test]
fn facts_exist_only_where_a_service_asks_for_them() {
    let desired = good(&FILES);
    let facts: Vec<_> =
        desired.instances.iter().filter(|instance| instance.address.kind() == "facts").collect();
    assert_eq!(facts.len(), 5);
    assert!(facts.iter().all(|instance| instance.address.name() == "mesh"));
    let connection = facts[0].arguments.get("connection").unwrap();
    assert_eq!(connection.get("name").unwrap().as_str(), Some("edge-west-001"));
    assert!(connection.get("host_key").unwrap().is_unknown());
}

#[test]
fn an_empty_set_is_a_set() {
    let desired = run(&FILES, &[("size", "0")], &Nothing(schemas()));
    assert!(desired.diagnostics.is_empty(), "{}", render(&desired.diagnostics, &desired.sources));
    assert_eq!(desired.desired.node_sets["edge"].nodes.len(), 1);
}

/// Of the set `edge` other nodes are there than the configuration asks for.
struct There(Everything);

impl Projection for There {
    fn attributes(&self, instance: &Instance) -> Result<Value, Vec<Diagnostic>> {
        self.0.attributes(instance)
    }

    fn present(&self, node_set: &str, pool: &str) -> Option<Vec<Present>> {
        let there = |index, revision: &str| Present { index, revision: revision.to_owned() };
        let is_edge = (node_set, pool) == ("edge", "main");
        is_edge.then(|| vec![there(0, "before"), there(4, "")])
    }
}

#[test]
fn a_set_may_have_the_nodes_that_are_there_instead_of_those_it_asks_for() {
    const MAIN: &str = r#"
environment "e" {}
node_set "edge" {
  pool "main" {
    source = "./node"
    size   = 2
  }
  services = []
}
output "nodes" { value = [for node in node_set.edge.nodes : "${node.name} ${node.ordinal}"] }
output "revisions" { value = node_set.edge.nodes[*].revision }
"#;
    let files = [("/env/main.hcl", MAIN), ("/env/node/main.hcl", MACHINE)];
    let asked = run(&files, &[], &Everything(schemas())).desired;
    assert_eq!(asked.node_sets["edge"].nodes.len(), 2);
    let configured = asked.node_sets["edge"].nodes[0].revision.clone();
    let there = run(&files, &[], &There(Everything(schemas())));
    assert!(there.diagnostics.is_empty(), "{}", render(&there.diagnostics, &there.sources));
    let there = there.desired;
    let nodes = &there.node_sets["edge"].nodes;
    let told: Vec<_> = nodes.iter().map(|it| (it.name.as_str(), it.revision.as_str())).collect();
    assert_eq!(told, [("edge-main-001", "before"), ("edge-main-005", configured.as_str())]);
    let output = |name: &str| {
        let items = there.outputs[name].value.as_items().unwrap_or_default().to_vec();
        items.iter().map(|it| it.as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(output("nodes"), ["edge-main-001 0", "edge-main-005 4"]);
    assert_eq!(output("revisions"), ["before", configured.as_str()]);
}
