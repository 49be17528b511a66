//! Secrets planted wherever they can come from (variables, files of services, facts of nodes, arguments that a provider
//! refuses) are found nowhere: not in the state, its write-ahead log, plans, exports, events, messages, or
//! what the program leaves anywhere in its home; only where the user asks for one by name, and where it belongs, on the
//! node.

#![expect(clippy::unwrap_used, reason = "what fails in a test's own set-up ends the test")]

use std::path::{Path, PathBuf};
use tests::{Finished, Workbench, unpacked_bodies};

/// From a variable on the command line, in a file, and in the environment of the process.
const BY_OPTION: &str = "canary-option-3f1d";
const BY_FILE: &str = "canary-file-77aa";
const BY_ENVIRONMENT: &str = "canary-environment-90bc";
/// Printed by a command on the node.
const BY_FACT: &str = "canary-fact-51e2";
const CANARIES: [&str; 4] = [BY_OPTION, BY_FILE, BY_ENVIRONMENT, BY_FACT];

const ENVIRONMENT: &str = r#"
environment "secrets" {}

variable "by_option" {
  type      = string
  sensitive = true
}

variable "by_file" {
  type      = string
  sensitive = true
}

variable "by_environment" {
  type      = string
  sensitive = true
}

variable "wrong" {
  type    = bool
  default = false
}

resource "terraform_data" "keeps" {
  input            = { password = var.by_option, plain = "seen" }
  triggers_replace = var.by_file
}

resource "local_volume" "refused" {
  count = var.wrong ? 1 : 0
  name  = "not/${var.by_file}/a-name"
  size  = 1
}

module "network" {
  source = "../modules/network/local"
  name   = "secrets"
  cidr   = "10.91.0.0/24"
}

service "daemon" {
  version = "1"
  facts   = { token = sensitive("cat /etc/hostname >/dev/null; printf 'canary-'; printf 'fact-51e2'") }
  file "config" {
    content = "password = ${var.by_environment}\nfact = ${node.facts.daemon.token}\nwrong = ${var.wrong}\n"
    mode    = "0600"
  }
  command     = ["/bin/sh", "-c", "exec sleep 1000000"]
  environment = { PASSWORD = var.by_option }
  # A check that quotes the file, as some daemons do.
  check = var.wrong ? "cat @release@/config >&2; false" : "true"
}

node_set "edge" {
  pool "main" {
    source = "../modules/node/local"
    size   = 1
    inputs = { network = module.network.id }
  }
  services = [service.daemon]
}

output "password" {
  value     = terraform_data.keeps.output.password
  sensitive = true
}
"#;

struct Scene {
    bench: Workbench,
    said: Vec<Finished>,
}

impl Scene {
    /// Runs the program with all variables given.
    fn run(&mut self, words: &[&str], code: i32) -> &Finished {
        let mut command = self.bench.command(words);
        if matches!(words[0], "plan" | "apply" | "validate" | "graph") && words[1] != "first.plan" {
            command.args(["--var", &format!("by_option={BY_OPTION}")]);
            command.args(["--var-file", "secret.hclvars"]);
        }
        command.env("PROVISIONER_VAR_by_environment", BY_ENVIRONMENT);
        let output = command.output().expect("the program starts");
        let finished = Finished::new(words.join(" "), &output);
        self.said.push(finished.exits(code));
        self.said.last().unwrap()
    }
}

/// Every file below, but for what the test itself wrote.
fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&path, found),
            Ok(kind) if kind.is_file() => found.push(path),
            _ => {}
        }
    }
}

/// What is in a file: its bytes, and of a state file also its bodies, which are packed.
fn content(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut content = std::fs::read(path)?;
    if path.extension().is_some_and(|extension| extension == "sqlite") {
        content.extend(unpacked_bodies(path));
    }
    Ok(content)
}

fn holds(content: &[u8], canary: &str) -> bool {
    content.windows(canary.len()).any(|window| window == canary.as_bytes())
}

#[test]
fn no_secret_is_left_anywhere() {
    let bench = Workbench::new();
    bench.write("env/main.hcl", ENVIRONMENT);
    bench.write("secret.hclvars", &format!("by_file = \"{BY_FILE}\"\n"));
    let mut scene = Scene { bench, said: Vec::new() };
    scene.run(&["validate", "env"], 0);
    scene.run(&["plan", "env", "-o", "first.plan"], 0);
    scene.run(&["show", "first.plan", "--json"], 0);
    scene.run(&["apply", "first.plan"], 0);
    scene.run(&["plan", "env", "--json", "--detailed-exitcode"], 0);
    scene.run(&["apply", "env", "--auto-approve", "--json"], 0);
    // Two things go wrong, and each error wants to quote a secret: a provider refuses a name, a node a configuration.
    let refused = scene.run(&["plan", "env", "--var", "wrong=true"], 1);
    assert!(refused.stderr.contains("(sensitive)"), "the error had something to hide: {refused}");
    scene.bench.edit("env/main.hcl", "count = var.wrong ? 1 : 0", "count = 0");
    let failed = scene.run(&["apply", "env", "--auto-approve", "--var", "wrong=true"], 1);
    assert!(failed.stderr.contains("(sensitive)"), "the error had something to hide: {failed}");
    scene.run(&["apply", "env", "--auto-approve", "--json"], 0);
    for words in [
        &["show", "env"][..],
        &["show", "env", "--json"],
        &["output", "env"],
        &["state", "show", "env", "terraform_data.keeps"],
        &["state", "show", "env", "terraform_data.keeps", "--json"],
        &["state", "history", "env", "--entries", "--json"],
        &["state", "export", "env"],
        &["state", "export", "env", "-o", "export.json"],
        &["state", "check", "env"],
        &["state", "leases", "env", "--json"],
        &["graph", "env"],
    ] {
        scene.run(words, 0);
    }
    let asked = scene.bench.run(&["output", "env", "password", "--raw"]).exits(0);
    assert_eq!(asked.stdout.trim(), BY_OPTION, "asked for by name, it is there");
    for said in &scene.said {
        for canary in CANARIES {
            let shown = said.stdout.contains(canary) || said.stderr.contains(canary);
            assert!(!shown, "{canary} was shown: {said}");
        }
    }
    let mut found = Vec::new();
    files(&scene.bench.path(""), &mut found);
    let ours = |path: &PathBuf| path.ends_with("secret.hclvars") || path.ends_with("env/main.hcl");
    // The nodes' own disks are where the service's files belong.
    let on_a_node = |path: &PathBuf| path.components().any(|part| part.as_os_str() == "machines");
    let (mut looked, mut readable, mut wrong) = (0, false, Vec::new());
    for path in found.iter().filter(|path| !ours(path) && !on_a_node(path)) {
        let Ok(content) = content(path) else { continue };
        looked += 1;
        readable |= path.ends_with("secrets.sqlite") && holds(&content, r#""plain":"seen""#);
        wrong.extend(CANARIES.iter().filter(|c| holds(&content, c)).map(|c| (path, c)));
    }
    assert!(wrong.is_empty(), "secrets in clear: {wrong:#?}");
    assert!(readable && looked > 20, "{looked}: what is no secret is in the state for all to read");
    let on_nodes =
        found.iter().filter(|path| on_a_node(path)).filter_map(|p| std::fs::read(p).ok());
    let written: Vec<_> = on_nodes.filter(|content| holds(content, BY_ENVIRONMENT)).collect();
    assert!(!written.is_empty(), "the node has its configuration, so there was something to find");
    scene.bench.run(&["destroy", "env", "--auto-approve"]).exits(0);
}

#[test]
fn a_crash_leaves_no_secret() {
    let bench = Workbench::empty();
    std::fs::create_dir(bench.path("state")).unwrap();
    let text = "variable \"s\" {\n  type = string\n  sensitive = true\n}\n\
         resource \"terraform_data\" \"x\" {\n  count = 50\n  input = \"${var.s}-${count.index}\"\n}\n";
    bench.write("env/main.hcl", text);
    let variable = format!("s={BY_OPTION}");
    let mut command = bench.any_command("strace".as_ref());
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64"]);
    command.args(["-e", "inject=pwrite64:signal=SIGABRT:when=12"]);
    command.arg(bench.path("provisioner"));
    command.args(["apply", "env", "--auto-approve", "--var", &variable]);
    let output = command.output().expect("strace starts");
    let finished = Finished::new("apply, aborted at its 12th write".to_owned(), &output);
    assert!(finished.code > 128, "{finished}");
    let finished = finished.never_says(BY_OPTION);
    let mut found = Vec::new();
    files(&bench.path(""), &mut found);
    let holding: Vec<_> = found
        .iter()
        .filter(|path| content(path).is_ok_and(|content| holds(&content, BY_OPTION)))
        .collect();
    assert!(holding.is_empty(), "{holding:#?} after {finished}");
}

#[test]
fn keys_change_and_everything_still_opens() {
    let bench = Workbench::empty();
    std::fs::create_dir(bench.path("state")).unwrap();
    let text = "variable \"s\" {\n  type = string\n  sensitive = true\n  default = \"canary-option-3f1d\"\n}\n\
         resource \"terraform_data\" \"x\" {\n  input = var.s\n}\n\
         output \"s\" {\n  value = terraform_data.x.output\n  sensitive = true\n}\n";
    bench.write("env/main.hcl", text);
    bench.run(&["apply", "env", "--auto-approve"]).exits(0);
    let with = |words: &[&str], variables: &[(&str, &str)]| {
        let output = bench.command(words).envs(variables.iter().copied()).output().unwrap();
        Finished::new(words.join(" "), &output)
    };
    let new = [("PROVISIONER_NEW_PASSPHRASE", "correct horse battery")];
    let passphrase = [("PROVISIONER_PASSPHRASE", "correct horse battery")];
    let yes = "--auto-approve";
    with(&["state", "keys", "add", "env", "--passphrase", yes], &new).exits(0);
    bench.run(&["state", "keys", "show", "env"]).exits(0).says("passphrase").says("key file");
    with(&["state", "keys", "remove", "env", "--key-file", yes], &passphrase).exits(0);
    with(&["state", "keys", "rotate", "env", yes], &passphrase).exits(0);
    let locked = bench.run(&["output", "env", "s", "--raw"]).exits(1);
    locked.says("PROVISIONER_PASSPHRASE").never_says(BY_OPTION);
    let wrong = [("PROVISIONER_PASSPHRASE", "wrong horse battery")];
    with(&["output", "env", "s", "--raw"], &wrong).exits(1);
    let opened = with(&["output", "env", "s", "--raw"], &passphrase).exits(0);
    assert_eq!(opened.stdout.trim(), BY_OPTION);
    with(&["plan", "env", "--detailed-exitcode"], &passphrase).exits(0);
    let history = with(&["state", "history", "env", "--json"], &passphrase).exits(0).json();
    let first = history[0]["version"].to_string();
    with(&["state", "show", "env", "terraform_data.x", "--at", &first], &passphrase).exits(0);
    with(&["state", "check", "env"], &passphrase).exits(0).says("all sound");
    let keys = with(&["state", "keys", "show", "env", "--json"], &passphrase).exits(0).json();
    assert_eq!(keys["current"], "k2", "{keys}");
}
