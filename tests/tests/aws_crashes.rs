//! kill -9 after every single call that changes something on AWS: of a network with a fleet, from nothing to everything and back
//! to nothing. The next apply goes on: nothing is orphaned, nothing is made twice.

use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::time::Duration;
use tests::aws::{IMAGE, Moto, Options, Proxy};
use tests::{Workbench, wait_until};

/// Every way to find an object again: by token (instances, volumes, route tables), by tag (networks, addresses), by
/// name (a key pair), by what it joins (routes, attachments).
const MAIN: &str = r#"
environment "fleet" {}

# Where nothing takes minutes, nobody has to wait for minutes to be sure that there is nothing.
provider "aws" {
  region          = "eu-central-1"
  settle_seconds  = 1
  timeout_seconds = 2
}

resource "aws_vpc" "main" {
  cidr_block           = "10.0.0.0/16"
  enable_dns_hostnames = true
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_subnet" "this" {
  for_each          = { a = 0, b = 1 }
  vpc_id            = aws_vpc.main.id
  cidr_block        = cidrsubnet(aws_vpc.main.cidr_block, 8, each.value)
  availability_zone = "eu-central-1${each.key}"
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
    fn new() -> Option<Self> {
        let proxy = Proxy::start(Moto::start()?, Options::default());
        let bench = Workbench::of(&MAIN.replace("IMAGE", IMAGE));
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

    fn assert_whole(&self) {
        self.run(&["plan", "env", "--detailed-exitcode"]).exits(0).never_says("does not know");
        let recorded = self.recorded();
        let ledger = self.proxy.ledger();
        ledger.assert_no_duplicates();
        ledger.assert_no_orphans(recorded.iter().map(String::as_str));
        assert_eq!(ledger.alive_of("instance").len(), 4);
    }
}

fn killed_everywhere(is_answered: bool, parallelism: &str) {
    let Some(scene) = Scene::new() else { return };
    let words = |verb| [verb, "env", "--auto-approve", "--parallelism", parallelism];
    let kills = scene.kill_after_every_change(&words("apply"), is_answered);
    assert!(kills >= 20, "{kills} kills: every object takes a call or more");
    scene.assert_whole();
    let kills = scene.kill_after_every_change(&words("destroy"), is_answered);
    assert!(kills >= 15, "{kills} kills");
    let alive: Vec<_> = scene.proxy.ledger().alive().iter().map(|it| it.id.clone()).collect();
    assert_eq!(alive, [""; 0], "nothing is left");
    scene.proxy.finish();
}

#[test]
fn killed_before_the_answer_of_every_single_call() {
    killed_everywhere(false, "16");
}

#[test]
fn killed_after_the_answer_of_every_single_call() {
    killed_everywhere(true, "1");
}
