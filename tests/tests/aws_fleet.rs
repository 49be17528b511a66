//! A fleet on AWS as people have it: `modules/network/aws` and `modules/node/aws`, services on machines that are real, and the
//! environments of this repository with their nodes on AWS.

use std::time::Duration;
use tests::aws::{Backing, IMAGE, Moto, Options, PORTAL_TOKEN, Proxy, SSH_PORT};
use tests::{Finished, Workbench, wait_until};

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
    let nodes = Some(Backing::processes(env!("CARGO_BIN_EXE_aws-proxy")));
    let proxy = Proxy::start(moto, Options { nodes, ..Options::default() });
    let bench = Workbench::new();
    let main = FLEET.replace("IMAGE", IMAGE).replace("PORT", &SSH_PORT.to_string());
    bench.write("env/main.hcl", &main);
    let greeting = |node: &str| {
        let file = "cat $PROVISIONER_ROOT/opt/provisioner/services/greeter/current/greeting";
        run(&bench, &proxy, &["ssh", "env", node, "--", file]).exits(0).stdout
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

/// What Prometheus on the node that asks says of its targets: instance and health, a line each.
const TARGETS: &str = "import json, urllib.request
answer = json.load(urllib.request.urlopen('http://127.0.0.1:9090/api/v1/targets'))
for target in answer['data']['activeTargets']:
    print(target['labels']['instance'], target['health'])";

/// Machines with a network of their own: they are logged in to at public addresses, and reach each other at private ones only.
#[test]
fn staging_on_aws_has_its_mesh_and_its_monitoring() {
    let Some(moto) = Moto::start() else { return };
    let nodes = Some(Backing::namespaces(env!("CARGO_BIN_EXE_aws-proxy")));
    let proxy = Proxy::start(moto, Options { nodes, ..Options::default() });
    let bench = Workbench::new();
    let staging = "environments/staging";
    let port = format!("public = true, ssh_port = {SSH_PORT}");
    bench.edit(&format!("{staging}/main.hcl"), "public       = true", &port);
    let image = format!("aws_image={IMAGE}");
    let values = ["--var", "cloud=aws", "--var", &image, "--var", "size=3"];
    let with = |words: &[&str]| run(&bench, &proxy, &[words, &values].concat());

    with(&["apply", staging, "--auto-approve"]).exits(0).says("12 of 12 pairs reached");
    with(&["plan", staging, "--detailed-exitcode"]).exits(0);
    let on = |words: &[&str]| {
        run(&bench, &proxy, &[&["ssh", staging, "monitoring-main-001", "--"], words].concat())
    };
    wait_until("all targets are scraped", Duration::from_mins(1), || {
        let told = on(&["python3", "-c", &format!("\"{TARGETS}\"")]).exits(0).stdout;
        told.lines().count() == 5 && told.lines().all(|line| line.ends_with(" up"))
    });
    with(&["destroy", staging, "--auto-approve"]).exits(0);
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
        .says("in eu-central-1 when it was made")
        .says("in eu-west-1 now");
    assert!(proxy.ledger().all().is_empty(), "nothing was made");
    run(&bench, &proxy, &["apply", "saved"]).exits(0);
    assert_eq!(proxy.ledger().alive_of("vpc").len(), 1);
    // Credentials of an account that must not be touched.
    bench.edit(
        "env/main.hcl",
        r#"provider "aws" {}"#,
        r#"provider "aws" { allowed_account_ids = ["999999999999"] }"#,
    );
    bench.edit("env/main.hcl", "10.0.0.0/16", "10.1.0.0/16");
    run(&bench, &proxy, &["plan", "env"]).exits(1).says("allowed_account_ids");
    proxy.finish();
}

/// More objects than may be made at once, each by a call of its own.
const ADDRESSES: &str = r#"
environment "addresses" {}

provider "aws" {
  region = "eu-central-1"
}

resource "aws_eip" "this" {
  count  = 65
  domain = "vpc"
}
"#;

fn refused(proxy: &Proxy) -> usize {
    let is_refused = |code: Option<&str>| code == Some("RequestLimitExceeded");
    proxy.calls().iter().filter(|call| is_refused(call.code.as_deref())).count()
}

#[test]
fn the_published_limits_slow_an_apply_down_and_fail_none() {
    let Some(moto) = Moto::start() else { return };
    let proxy = Proxy::start(moto, Options { throttled: true, ..Options::default() });
    let bench = Workbench::of(ADDRESSES);
    let apply = ["apply", "env", "--auto-approve", "--parallelism", "64"];
    run(&bench, &proxy, &apply).exits(0);
    assert_eq!(proxy.ledger().alive_of("elastic-ip").len(), 65);
    // Each call waits for its turn. The two clocks do not begin at the same moment, so one may come too early.
    assert!(refused(&proxy) <= 2, "{}", refused(&proxy));
    run(&bench, &proxy, &["destroy", "env", "--auto-approve"]).exits(0);
    proxy.finish();
}

#[test]
fn what_is_refused_because_others_use_the_account_is_asked_again() {
    let Some(proxy) = Proxy::start_default() else { return };
    let bench = Workbench::of(&ADDRESSES.replace("65", "8"));
    proxy.throttle_next("AllocateAddress", 5);
    proxy.throttle_next("DescribeAddresses", 3);
    run(&bench, &proxy, &["apply", "env", "--auto-approve"]).exits(0);
    assert_eq!(refused(&proxy), 8);
    assert_eq!(proxy.ledger().all().len(), 8, "and each is made once");
    proxy.ledger().assert_no_duplicates();
    proxy.finish();
}

#[test]
fn credentials_come_from_a_profile_too_and_are_never_told() {
    let Some(proxy) = Proxy::start_default() else { return };
    let bench = Workbench::of(
        r#"
environment "profiles" {}

provider "aws" {
  region  = "eu-central-1"
  profile = "ci"
}

data "aws_caller_identity" "me" {}

output "account" {
  value = data.aws_caller_identity.me.account_id
}
"#,
    );
    let secret = "of-the-profile-and-of-no-use";
    bench.write(
        "credentials",
        &format!(
            "[ci]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = {secret}\n"
        ),
    );
    let with = |profiles: &str, words: &[&str]| {
        let mut command = bench.command(words);
        command.envs(proxy.environment_without_keys()).env("RUST_LOG", "trace");
        command.env("AWS_SHARED_CREDENTIALS_FILE", bench.path(profiles));
        Finished::new(words.join(" "), &command.output().expect("the program starts"))
    };
    let apply = ["apply", "env", "--auto-approve"];
    let missing = with("nothing-there", &apply).exits(1);
    let missing = missing.says("the profile `ci` is in neither").says("nothing-there");
    missing.says("AWS_SHARED_CREDENTIALS_FILE");
    bench.write("others", "[staging]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n[production]\n");
    with("others", &apply).exits(1).says("the profiles there are: production, staging");
    // The one that AWS_PROFILE names is told, too.
    bench.edit("env/main.hcl", "  profile = \"ci\"\n", "");
    let mut command = bench.command(&apply);
    command.envs(proxy.environment()).env_remove("AWS_ACCESS_KEY_ID");
    command.env_remove("AWS_SECRET_ACCESS_KEY").env("AWS_PROFILE", "ci-of-the-environment");
    command.env("AWS_SHARED_CREDENTIALS_FILE", bench.path("others"));
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    let told = Finished::new("apply".to_owned(), &command.output().expect("the program starts"));
    told.exits(1).says("the profile `ci-of-the-environment`, which AWS_PROFILE names,");
    bench.edit("env/main.hcl", "provider \"aws\" {\n", "provider \"aws\" {\n  profile = \"ci\"\n");
    with("credentials", &apply).exits(0).says("123456789012").never_says(secret);
    let state = std::fs::read(bench.path("state/profiles.sqlite")).expect("it is recorded");
    assert!(!state.windows(secret.len()).any(|found| found == secret.as_bytes()));
    proxy.finish();
}

const WHO: &str = r#"
environment "who" {}

provider "aws" {}

data "aws_caller_identity" "me" {}

output "arn" {
  value = data.aws_caller_identity.me.arn
}
"#;

/// What a runner in CI has: a token of somebody whom a role trusts, and no key.
#[test]
fn credentials_come_from_a_web_identity() {
    let Some(proxy) = Proxy::start_default() else { return };
    let bench = Workbench::of(WHO);
    let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ0aGUtcnVubmVyIn0.";
    bench.write("token", token);
    let mut command = bench.command(&["apply", "env", "--auto-approve"]);
    command.envs(proxy.environment_without_keys()).env("RUST_LOG", "trace");
    command.env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/ci");
    command.env("AWS_ROLE_SESSION_NAME", "run-7");
    command.env("AWS_WEB_IDENTITY_TOKEN_FILE", bench.path("token"));
    Finished::new("apply env".to_owned(), &command.output().expect("the program starts"))
        .exits(0)
        .says("arn:aws:sts::123456789012:assumed-role/ci/run-7")
        .never_says(token);
    assert!(proxy.count("AssumeRoleWithWebIdentity") > 0, "{:?}", proxy.counts());
    proxy.finish();
}

/// What a runner on an instance has: the role of the instance, told by its metadata service.
#[test]
fn credentials_come_from_the_instance_that_the_program_runs_on() {
    let Some(proxy) = Proxy::start_default() else { return };
    let bench = Workbench::of(WHO);
    let mut command = bench.command(&["apply", "env", "--auto-approve"]);
    command.envs(proxy.environment_without_keys()).env_remove("AWS_EC2_METADATA_DISABLED");
    command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", proxy.url()).env("RUST_LOG", "trace");
    Finished::new("apply env".to_owned(), &command.output().expect("the program starts"))
        .exits(0)
        .says("123456789012")
        .never_says("test-secret-key")
        .never_says("test-session-token");
    proxy.finish();
}

/// What somebody has who has signed in at the portal of a company: a token there, and no key.
#[test]
fn credentials_come_from_the_portal_where_somebody_has_signed_in() {
    let Some(proxy) = Proxy::start_default() else { return };
    let bench = Workbench::of(&WHO.replace("\"aws\" {}", "\"aws\" {\n  profile = \"team\"\n}"));
    bench.write(
        "config",
        "[profile team]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Admin\nregion = eu-central-1\n\n\
         [sso-session corp]\nsso_region = eu-central-1\nsso_start_url = https://corp.awsapps.com/start\n",
    );
    let signed_in = |token: &str, until: &str| {
        let url = "https://corp.awsapps.com/start";
        let token = serde_json::json!({
            "accessToken": token, "expiresAt": until, "region": "eu-central-1", "startUrl": url,
        });
        // The name of the session, by SHA-1.
        let name = "ee0bfd2552fbd840c02cc48b6e823320543c450f";
        bench.write(&format!("home/.aws/sso/cache/{name}.json"), &token.to_string());
        let mut command = bench.command(&["apply", "env", "--auto-approve"]);
        command.envs(proxy.environment_without_keys()).env("RUST_LOG", "trace");
        command.env("HOME", bench.path("home")).env("AWS_CONFIG_FILE", bench.path("config"));
        Finished::new("apply env".to_owned(), &command.output().expect("the program starts"))
    };
    let again = "aws sso login --profile team";
    let old = signed_in(PORTAL_TOKEN, "2020-01-01T00:00:00Z").exits(1).says(again);
    old.says("cannot be refreshed").never_says(PORTAL_TOKEN);
    assert_eq!(proxy.count("GetRoleCredentials"), 0, "nobody is asked with an old token");
    signed_in("of-somebody-who-has-signed-out", "2100-01-01T00:00:00Z").exits(1).says(again);
    signed_in(PORTAL_TOKEN, "2100-01-01T00:00:00Z")
        .exits(0)
        .says("arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/ada")
        .never_says(PORTAL_TOKEN);
    assert!(proxy.count("GetRoleCredentials") >= 2, "{:?}", proxy.counts());
    proxy.finish();
}
