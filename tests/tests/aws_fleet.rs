//! A fleet on AWS as people have it: `modules/network/aws` and `modules/node/aws`, services on machines that are real, and the
//! environments of this repository with their nodes on AWS.

use std::path::PathBuf;
use tests::aws::{IMAGE, Moto, Options, Proxy, SSH_PORT};
use tests::{Finished, Workbench};

const FLEET: &str = r#"
environment "fleet" {}

provider "aws" {
  region = "eu-central-1"
}

variable "size" {
  type    = number
  default = 3
}

variable "greeting" {
  type    = string
  default = "hello"
}

module "network" {
  source = "../modules/network/aws"
  name   = "fleet"
  zones  = ["eu-central-1a"]
}

resource "tls_private_key" "edge" {
  algorithm = "ED25519"
}

service "greeter" {
  version = "1"
  command = ["/bin/sh", "-c", "while :; do sleep 1; done"]

  file "greeting" {
    content = "${var.greeting} from ${node.name}"
  }
}

node_set "edge" {
  pool "aws" {
    source  = "../modules/node/aws"
    size    = var.size
    domains = ["eu-central-1a"]
    inputs = {
      network  = module.network.id
      image    = "IMAGE"
      host_key = tls_private_key.edge
      ssh_port = PORT
    }
  }
  services = [service.greeter]
}
"#;

fn run(bench: &Workbench, proxy: &Proxy, words: &[&str]) -> Finished {
    let mut command = bench.command(words);
    let output = command.envs(proxy.environment()).output().expect("the program starts");
    Finished::new(words.join(" "), &output)
}

#[test]
fn services_are_installed_on_machines_of_one_launch() {
    let Some(moto) = Moto::start() else { return };
    let nodes = Some(PathBuf::from(env!("CARGO_BIN_EXE_aws-proxy")));
    let proxy = Proxy::start(moto, Options { nodes, ..Options::default() });
    let bench = Workbench::new();
    let main = FLEET.replace("IMAGE", IMAGE).replace("PORT", &SSH_PORT.to_string());
    bench.write("env/main.hcl", &main);
    let greeting = |node: &str| {
        let file = "cat $PROVISIONER_ROOT/opt/provisioner/services/greeter/current/greeting";
        run(&bench, &proxy, &["ssh", "env", node, file]).exits(0).stdout
    };

    run(&bench, &proxy, &["apply", "env", "--auto-approve"]).exits(0);
    assert_eq!(proxy.count("RunInstances"), 1, "alike, so launched together");
    assert_eq!(greeting("edge-aws-003"), "hello from edge-aws-003");
    run(&bench, &proxy, &["plan", "env", "--detailed-exitcode"]).exits(0);

    // Another one, and another text on all.
    let changed = ["--var", "size=4", "--var", "greeting=good day"];
    run(&bench, &proxy, &[&["apply", "env", "--auto-approve"], &changed[..]].concat()).exits(0);
    assert_eq!(greeting("edge-aws-001"), "good day from edge-aws-001");
    assert_eq!(greeting("edge-aws-004"), "good day from edge-aws-004");
    assert_eq!(proxy.ledger().alive_of("instance").len(), 4);

    run(&bench, &proxy, &["destroy", "env", "--auto-approve"]).exits(0);
    assert!(proxy.ledger().alive().is_empty(), "{:#?}", proxy.ledger().alive());
    proxy.finish();
}

#[test]
fn the_environments_can_have_their_nodes_on_aws() {
    let Some(proxy) = Proxy::start_default() else { return };
    let bench = Workbench::new();
    for (environment, nodes) in [("environments/staging", 7), ("environments/production", 25)] {
        let image = format!("aws_image={IMAGE}");
        let words = ["plan", environment, "--json", "--var", "cloud=aws", "--var", &image];
        let plan = run(&bench, &proxy, &words).exits(0).json();
        let operations = plan["operations"].as_array().expect("a list");
        let machines = operations.iter().filter(|operation| {
            operation["address"].as_str().is_some_and(|it| it.contains(".aws_instance."))
        });
        assert_eq!(machines.count(), nodes, "{environment}");
        assert_eq!(plan["identities"]["aws"]["account"], "account 123456789012");
        let without = ["plan", environment, "--var", "cloud=aws"];
        run(&bench, &proxy, &without).exits(1).says("Nodes on AWS need an image");
    }
    proxy.finish();
}

#[test]
fn a_plan_for_another_account_or_region_is_refused() {
    let Some(proxy) = Proxy::start_default() else { return };
    let bench = Workbench::of(
        r#"
environment "bound" {}

provider "aws" {}

resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}
"#,
    );
    run(&bench, &proxy, &["plan", "env", "--out", "saved"])
        .exits(0)
        .says("account 123456789012 in eu-central-1");
    let mut elsewhere = bench.command(&["apply", "saved"]);
    let output = elsewhere.envs(proxy.environment()).env("AWS_REGION", "eu-west-1").output();
    Finished::new("apply saved".to_owned(), &output.expect("the program starts"))
        .exits(1)
        .says("eu-central-1 when it was made and is account 123456789012 in eu-west-1 now");
    assert!(proxy.ledger().all().is_empty(), "nothing was made");
    run(&bench, &proxy, &["apply", "saved"]).exits(0);
    assert_eq!(proxy.ledger().alive_of("vpc").len(), 1);
    // Credentials of an account that must not be touched.
    bench.edit(
        "env/main.hcl",
        r#"provider "aws" {}"#,
        r#"provider "aws" { allowed_account_ids = ["999999999999"] }"#,
    );
    run(&bench, &proxy, &["plan", "env"]).exits(1).says("allowed_account_ids");
    proxy.finish();
}
