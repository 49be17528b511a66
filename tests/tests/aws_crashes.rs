//! kill -9 after every single call that changes something on AWS: of a network with a fleet, and of what is kept beside one, from
//! nothing to everything and back to nothing. The next apply goes on: nothing is orphaned, nothing is made twice.

use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::time::Duration;
use tests::aws::{IMAGE, Moto, Options, Proxy};
use tests::{Workbench, wait_until};

/// Where nothing takes minutes, nobody has to wait for minutes to be sure that there is nothing.
const BEGINNING: &str = r#"
environment "fleet" {}

provider "aws" {
  region            = "eu-central-1"
  settle_seconds    = 1
  timeout_seconds   = 2
  s3_use_path_style = true
}
"#;

/// Every way to find an object again: by token (instances, volumes, route tables), by tag (networks, addresses), by
/// name (a key pair), by what it joins (routes, attachments).
const FLEET: &str = r#"
resource "aws_vpc" "main" {
  cidr_block                       = "10.0.0.0/16"
  enable_dns_hostnames             = true
  assign_generated_ipv6_cidr_block = true
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_subnet" "this" {
  for_each          = { a = 0, b = 1 }
  vpc_id            = aws_vpc.main.id
  cidr_block        = cidrsubnet(aws_vpc.main.cidr_block, 8, each.value)
  availability_zone = "eu-central-1${each.key}"
  ipv6_cidr_block   = cidrsubnet(aws_vpc.main.ipv6_cidr_block, 8, each.value)

  assign_ipv6_address_on_creation = each.key == "a"
}

resource "aws_route_table" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_route" "out" {
  route_table_id         = aws_route_table.main.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.main.id
}

resource "aws_route_table_association" "this" {
  for_each       = aws_subnet.this
  subnet_id      = each.value.id
  route_table_id = aws_route_table.main.id
}

resource "aws_security_group" "nodes" {
  name   = "nodes"
  vpc_id = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "ssh" {
  security_group_id = aws_security_group.nodes.id
  cidr_ipv4         = "10.0.0.0/8"
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
}

resource "aws_key_pair" "nodes" {
  key_name   = "nodes"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJtwR0HF1Y4JB9vFZXTGnXaNNdDD8SBnI5Gs6lVvuxQr nodes"
}

resource "aws_instance" "edge" {
  count                  = 4
  ami                    = "IMAGE"
  instance_type          = "t3.micro"
  subnet_id              = aws_subnet.this["a"].id
  vpc_security_group_ids = [aws_security_group.nodes.id]
  key_name               = aws_key_pair.nodes.key_name
}

resource "aws_ebs_volume" "data" {
  count             = 2
  availability_zone = "eu-central-1a"
  size              = 8
}

resource "aws_volume_attachment" "data" {
  count       = 2
  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.data[count.index].id
  instance_id = aws_instance.edge[count.index].id
}

resource "aws_eip" "main" {
  domain = "vpc"
}
"#;

/// What a fleet stands beside: gateways with addresses, what disks and machines are kept in, buckets and their settings.
const KEPT: &str = r#"
resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_subnet" "main" {
  vpc_id            = aws_vpc.main.id
  cidr_block        = "10.0.1.0/24"
  availability_zone = "eu-central-1a"
}

resource "aws_eip" "this" {
  for_each = toset(["gateway", "machine"])
  domain   = "vpc"
}

resource "aws_nat_gateway" "main" {
  allocation_id = aws_eip.this["gateway"].id
  subnet_id     = aws_subnet.main.id
  depends_on    = [aws_internet_gateway.main]
}

resource "aws_placement_group" "near" {
  name     = "near"
  strategy = "cluster"
}

resource "aws_launch_template" "edge" {
  name          = "edge"
  image_id      = "IMAGE"
  instance_type = "t3.micro"
}

resource "aws_instance" "edge" {
  subnet_id       = aws_subnet.main.id
  placement_group = aws_placement_group.near.name

  launch_template {
    id      = aws_launch_template.edge.id
    version = aws_launch_template.edge.latest_version
  }
}

resource "aws_eip_association" "edge" {
  allocation_id = aws_eip.this["machine"].id
  instance_id   = aws_instance.edge.id
}

resource "aws_ami_from_instance" "edge" {
  name               = "edge"
  source_instance_id = aws_instance.edge.id
}

resource "aws_ebs_volume" "data" {
  availability_zone = "eu-central-1a"
  size              = 8
}

resource "aws_ebs_snapshot" "data" {
  volume_id = aws_ebs_volume.data.id
}

resource "aws_ebs_snapshot_copy" "data" {
  source_snapshot_id = aws_ebs_snapshot.data.id
  source_region      = "eu-central-1"
}

resource "aws_s3_bucket" "logs" {
  bucket = "logs-of-the-fleet"
}

resource "aws_s3_bucket_versioning" "logs" {
  bucket = aws_s3_bucket.logs.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "logs" {
  bucket = aws_s3_bucket.logs.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "logs" {
  bucket              = aws_s3_bucket.logs.id
  block_public_acls   = true
  block_public_policy = true
}

resource "aws_s3_bucket_lifecycle_configuration" "logs" {
  bucket = aws_s3_bucket.logs.id
  rule {
    id     = "old"
    status = "Enabled"
    filter {
      prefix = "logs/"
    }
    expiration {
      days = 30
    }
  }
}
"#;

/// An apply that is held up for longer than this does not go on at all.
const PATIENCE: Duration = Duration::from_mins(2);
/// More kills than there are calls.
const MOST_KILLS: usize = 200;

struct Scene {
    bench: Workbench,
    proxy: Proxy,
}

impl Scene {
    /// None, having said why, where AWS cannot be had.
    fn of(resources: &str) -> Option<Self> {
        let proxy = Proxy::start(Moto::start()?, Options::default());
        let bench = Workbench::of(&format!("{BEGINNING}{}", resources.replace("IMAGE", IMAGE)));
        Some(Self { bench, proxy })
    }

    fn command(&self, words: &[&str]) -> std::process::Command {
        let mut command = self.bench.command(words);
        command.envs(self.proxy.environment());
        command
    }

    fn run(&self, words: &[&str]) -> tests::Finished {
        let output = self.command(words).output().expect("the program starts");
        tests::Finished::new(words.join(" "), &output)
    }

    /// Runs a command again and again, and kills it after every change; how often.
    fn kill_after_every_change(&self, words: &[&str], is_answered: bool) -> usize {
        let mut last = None;
        let mut nth = 1;
        for kills in 0..MOST_KILLS {
            let stop = self.proxy.stop_at_change(nth);
            let mut running = self.bench.start_command(self.command(words));
            wait_until("a change is held, or the run ends", PATIENCE, || {
                stop.held().is_some() || running.has_ended()
            });
            let Some(held) = stop.held() else {
                running.finish().exits(0);
                return kills;
            };
            // What recovery sends again (a deletion, an update) changes nothing more, and is a change all the same: the next
            // kill comes after the one behind it.
            nth = if last.as_ref() == Some(&held) { 2 } else { 1 };
            last = Some(held);
            if is_answered {
                stop.send_answer();
            }
            running.signal(Signal::SIGKILL);
            running.finish();
            stop.resume();
            self.proxy.ledger().assert_no_duplicates();
        }
        panic!(
            "{MOST_KILLS} kills and no end, the last after {last:?}: {:#?}",
            self.proxy.counts()
        );
    }

    /// Ids of all that is recorded.
    fn recorded(&self) -> BTreeSet<String> {
        let state = self.run(&["state", "export", "env"]).exits(0).json();
        let records = state["records"].as_object().expect("records by address").values();
        // An association is recorded under what it joins; Amazon's own id of it changes.
        let ids = records
            .flat_map(|record| [&record["id"], &record["attributes"]["association_id"]])
            .filter_map(|id| id.as_str().map(str::to_owned));
        ids.collect()
    }

    /// What there is in AWS: the kind of each object, in order.
    fn kinds(&self) -> Vec<String> {
        let ledger = self.proxy.ledger();
        let mut kinds: Vec<_> = ledger.alive().iter().map(|it| it.kind.clone()).collect();
        kinds.sort();
        kinds
    }

    fn assert_whole(&self) {
        self.run(&["plan", "env", "--detailed-exitcode"]).exits(0).never_says("does not know");
        let recorded = self.recorded();
        let ledger = self.proxy.ledger();
        ledger.assert_no_duplicates();
        ledger.assert_no_orphans(recorded.iter().map(String::as_str));
    }
}

fn killed_everywhere(resources: &str, is_answered: bool) {
    let Some(scene) = Scene::of(resources) else { return };
    // Many calls are on their way when there is no answer; each stands alone when there is one.
    let parallelism = if is_answered { "1" } else { "16" };
    let words = |verb| [verb, "env", "--auto-approve", "--parallelism", parallelism];
    let kills = scene.kill_after_every_change(&words("apply"), is_answered);
    assert!(kills >= 20, "{kills} kills: every object takes a call or more");
    scene.assert_whole();
    let instances = if resources == FLEET { 4 } else { 1 };
    assert_eq!(scene.proxy.ledger().alive_of("instance").len(), instances);
    let kills = scene.kill_after_every_change(&words("destroy"), is_answered);
    assert!(kills >= 15, "{kills} kills");
    let alive: Vec<_> = scene.proxy.ledger().alive().iter().map(|it| it.id.clone()).collect();
    assert_eq!(alive, [""; 0], "nothing is left");
    scene.proxy.finish();
}

#[test]
fn a_fleet_killed_before_the_answer_of_every_single_call() {
    killed_everywhere(FLEET, false);
}

#[test]
fn a_fleet_killed_after_the_answer_of_every_single_call() {
    killed_everywhere(FLEET, true);
}

#[test]
fn what_is_kept_killed_before_the_answer_of_every_single_call() {
    killed_everywhere(KEPT, false);
}

#[test]
fn what_is_kept_killed_after_the_answer_of_every_single_call() {
    killed_everywhere(KEPT, true);
}

/// What is captured of a fleet: machines with a disk each, and a volume beside them.
const CAPTURED: &str = r#"
resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "main" {
  vpc_id            = aws_vpc.main.id
  cidr_block        = "10.0.1.0/24"
  availability_zone = "eu-central-1a"
}

resource "aws_instance" "edge" {
  count         = 3
  ami           = "IMAGE"
  instance_type = "t3.micro"
  subnet_id     = aws_subnet.main.id
}

resource "aws_ebs_volume" "data" {
  count             = 2
  availability_zone = "eu-central-1a"
  size              = 8
}
"#;

/// The volumes begin with their snapshots, whenever whoever restored them was killed; machines stay.
fn restored(scene: &Scene, parallelism: &str, is_answered: bool) {
    let machines = scene.proxy.ledger().alive_of("instance").len();
    let words = ["restore", "apply", "env", "--from", "p", "--auto-approve"];
    let words = [&words[..], &["--parallelism", parallelism]].concat();
    let kills = scene.kill_after_every_change(&words, is_answered);
    assert!(kills >= 4, "{kills} kills: each volume is deleted and made");
    scene.run(&["plan", "env", "--detailed-exitcode"]).exits(0).never_says("does not know");
    assert_eq!(scene.proxy.ledger().alive_of("instance").len(), machines);
    scene.run(&words).exits(0).says("Begun with it before").says("No changes");
}

fn a_restore_point_killed_everywhere(is_answered: bool) {
    let Some(scene) = Scene::of(CAPTURED) else { return };
    scene.run(&["apply", "env", "--auto-approve"]).exits(0);
    let before = scene.kinds();
    let parallelism = if is_answered { "1" } else { "16" };
    let create = ["backup", "create", "env", "--name", "p", "--parallelism", parallelism];
    let kills = scene.kill_after_every_change(&create, is_answered);
    assert!(kills >= 5, "{kills} kills: every snapshot is a call");
    scene.run(&["backup", "verify", "env"]).exits(0).says("1 restore point, 5 snapshots");
    let shown = scene.run(&["backup", "show", "env", "p", "--json"]).exits(0).json();
    let snapshots = shown["snapshots"].as_array().expect("it has snapshots").iter();
    let captured: Vec<_> = snapshots.filter_map(|it| it["id"].as_str()).collect();
    assert_eq!(captured.len(), 5);
    let ledger = scene.proxy.ledger();
    ledger.assert_no_duplicates();
    let recorded = scene.recorded();
    let known = recorded.iter().map(String::as_str).chain(captured.iter().copied());
    ledger.assert_no_orphans(known);
    // The environment knows nothing of them, and takes none for a stray.
    scene.run(&["plan", "env", "--detailed-exitcode"]).exits(0).never_says("does not know");
    restored(&scene, parallelism, is_answered);
    let delete = ["backup", "delete", "env", "p", "--auto-approve", "--parallelism", parallelism];
    let kills = scene.kill_after_every_change(&delete, is_answered);
    assert!(kills >= 5, "{kills} kills: every snapshot is a call");
    assert_eq!(scene.kinds(), before, "nothing of the restore point is left");
    scene.run(&["destroy", "env", "--auto-approve"]).exits(0);
    scene.proxy.finish();
}

#[test]
fn a_restore_point_killed_before_the_answer_of_every_single_call() {
    a_restore_point_killed_everywhere(false);
}

#[test]
fn a_restore_point_killed_after_the_answer_of_every_single_call() {
    a_restore_point_killed_everywhere(true);
}
