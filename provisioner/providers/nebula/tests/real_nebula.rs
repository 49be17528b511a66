//! What the provider makes, judged by nebula's own programs: `nebula-cert verify`, `nebula-cert print` and
//! `nebula -test`.
//!
//! The programs are taken from the machine or from its Debian package. Where neither is to be had the
//! tests say so and pass, except in CI (`CI` is set), where they fail.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail by panic and say why on the terminal"
)]

use jiff::Timestamp;
use model::{Address, Type, Value};
use provider::{CreateRequest, Owner, Provider, Silent};
use provider_nebula::{Nebula, OperatingSystem};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, OnceLock};

/// The directory of nebula's programs, or why there is none.
fn programs() -> &'static Result<PathBuf, String> {
    static PROGRAMS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let installed = std::env::split_paths(&path).find(|d| d.join("nebula-cert").is_file());
        installed.map_or_else(unpack_package, Ok)
    })
}

fn unpack_package() -> Result<PathBuf, String> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nebula-package");
    let programs = cache.join("unpacked/usr/bin");
    if programs.join("nebula-cert").is_file() {
        return Ok(programs);
    }
    std::fs::create_dir_all(&cache).map_err(|error| error.to_string())?;
    succeed(Command::new("apt-get").args(["download", "nebula"]).current_dir(&cache))?;
    let files = std::fs::read_dir(&cache).map_err(|error| error.to_string())?;
    let package = files
        .filter_map(|file| Some(file.ok()?.path()))
        .find(|file| file.extension().is_some_and(|extension| extension == "deb"))
        .ok_or("apt-get downloaded no package")?;
    succeed(Command::new("dpkg-deb").arg("-x").arg(package).arg(cache.join("unpacked")))?;
    Ok(programs)
}

fn succeed(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = said + &String::from_utf8_lossy(&output.stdout);
    Err(format!("{command:?}: {said}"))
}

/// The program of this name; `None`, after saying so, where there is none.
fn program(name: &str) -> Option<Command> {
    match programs() {
        Ok(directory) => Some(Command::new(directory.join(name))),
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "no nebula to test with: {why}");
            eprintln!("NOT TESTED against nebula, which is not to be had here: {why}");
            None
        }
    }
}

/// The provider as it was `hours_ago`.
fn nebula(hours_ago: i64) -> Nebula {
    let owner = Owner { environment: "test".to_owned(), lineage: "test".to_owned() };
    let clock = move || Timestamp::now() - jiff::SignedDuration::from_hours(hours_ago);
    let config = Value::object::<&str>([]);
    Nebula::new(&config, owner, Arc::new(clock), Arc::new(OperatingSystem)).unwrap()
}

async fn create(nebula: &Nebula, address: &str, arguments: Value) -> Value {
    let address = Address::parse(address).unwrap();
    let request = CreateRequest {
        address,
        token: "token".to_owned(),
        arguments,
        batch: None,
        progress: Arc::new(Silent),
    };
    nebula.create(request).await.unwrap().attributes
}

async fn create_ca(nebula: &Nebula, groups: &[&str]) -> Value {
    let groups = Value::list(Type::String, groups.iter().map(|group| Value::from(*group)));
    let arguments =
        [("name", "staging mesh".into()), ("duration_hours", 48.into()), ("groups", groups)];
    create(nebula, "nebula_ca.this", Value::object(arguments)).await
}

async fn create_certificate(nebula: &Nebula, ca: &Value, public_key: &str) -> Value {
    let arguments = Value::object([
        ("ca_certificate", ca.get("certificate").unwrap()),
        ("ca_private_key", ca.get("private_key").unwrap()),
        ("name", "edge-local-001".into()),
        ("address", "10.42.0.1/16".into()),
        ("groups", Value::list(Type::String, ["edge".into(), "monitored".into()])),
        ("public_key", public_key.into()),
        ("duration_hours", Value::null(Type::Number)),
    ]);
    create(nebula, "nebula_certificate.this", arguments).await
}

/// A directory with what nebula wants, and the attributes the provider gave.
struct Made {
    directory: tempfile::TempDir,
    ca: Value,
    certificate: Value,
}

impl Made {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// `None` where there is no nebula.
async fn make(nebula: &Nebula, groups: &[&str]) -> Option<Made> {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let mut keygen = program("nebula-cert")?;
    keygen.arg("keygen").arg("-out-key").arg(at("host.key")).arg("-out-pub").arg(at("host.pub"));
    succeed(&mut keygen).unwrap();
    let public_key = std::fs::read_to_string(at("host.pub")).unwrap();
    let ca = create_ca(nebula, groups).await;
    let certificate = create_certificate(nebula, &ca, &public_key).await;
    let write = |name: &str, value: Option<Value>| {
        std::fs::write(at(name), value.unwrap().as_str().unwrap()).unwrap();
    };
    write("ca.crt", ca.get("certificate"));
    write("ca.key", ca.get("private_key"));
    write("host.crt", certificate.get("certificate"));
    Some(Made { directory, ca, certificate })
}

fn verify(made: &Made) -> Result<Output, String> {
    let mut verify = program("nebula-cert").unwrap();
    succeed(
        verify
            .arg("verify")
            .arg("-ca")
            .arg(made.path("ca.crt"))
            .arg("-crt")
            .arg(made.path("host.crt")),
    )
}

fn print(made: &Made, name: &str) -> String {
    let mut print = program("nebula-cert").unwrap();
    let output = succeed(print.args(["print", "-json", "-path"]).arg(made.path(name))).unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).unwrap().as_str().unwrap().to_owned()
}

#[tokio::test]
async fn nebula_verifies_what_the_provider_signs() {
    let Some(made) = make(&nebula(0), &[]).await else { return };
    verify(&made).unwrap();
    let printed: serde_json::Value = serde_json::from_str(&print(&made, "host.crt")).unwrap();
    assert_eq!(printed["fingerprint"], text(&made.certificate, "fingerprint"));
    let details = &printed["details"];
    assert_eq!(details["name"], "edge-local-001");
    assert_eq!(details["ips"], serde_json::json!(["10.42.0.1/16"]));
    assert_eq!(details["groups"], serde_json::json!(["edge", "monitored"]));
    assert_eq!(details["isCa"], false);
    assert_eq!(details["issuer"], text(&made.ca, "fingerprint"));
    let expires_at: Timestamp = details["notAfter"].as_str().unwrap().parse().unwrap();
    assert_eq!(expires_at, text(&made.certificate, "expires_at").parse().unwrap());
    assert!(made.ca.get("private_key").unwrap().marks().sensitive);
}

#[tokio::test]
async fn nebula_sees_the_authoritys_limits() {
    let Some(made) = make(&nebula(0), &["edge", "monitored"]).await else { return };
    verify(&made).unwrap();
    let printed: serde_json::Value = serde_json::from_str(&print(&made, "ca.crt")).unwrap();
    assert_eq!(printed["fingerprint"], text(&made.ca, "fingerprint"));
    assert_eq!(printed["details"]["isCa"], true);
    assert_eq!(printed["details"]["groups"], serde_json::json!(["edge", "monitored"]));
}

#[tokio::test]
async fn nebula_refuses_what_has_expired() {
    let Some(made) = make(&nebula(100), &[]).await else { return };
    assert!(verify(&made).is_err());
}

#[tokio::test]
async fn nebula_signs_with_the_providers_authority() {
    let Some(made) = make(&nebula(0), &[]).await else { return };
    let mut sign = program("nebula-cert").unwrap();
    sign.args(["sign", "-name", "by-hand", "-ip", "10.42.0.9/16"]);
    sign.arg("-ca-crt").arg(made.path("ca.crt")).arg("-ca-key").arg(made.path("ca.key"));
    sign.arg("-out-crt").arg(made.path("hand.crt")).arg("-out-key").arg(made.path("hand.key"));
    succeed(&mut sign).unwrap();
}

#[tokio::test]
async fn nebula_starts_with_the_certificates() {
    let Some(made) = make(&nebula(0), &[]).await else { return };
    let path = |name: &str| made.path(name).display().to_string();
    let config = serde_json::json!({
        "pki": { "ca": path("ca.crt"), "cert": path("host.crt"), "key": path("host.key") },
        "listen": { "host": "127.0.0.1", "port": 0 },
        "tun": { "disabled": true },
        "firewall": {
            "outbound": [{ "port": "any", "proto": "any", "host": "any" }],
            "inbound": [{ "port": "any", "proto": "any", "group": "edge" }],
        },
    });
    // JSON is YAML too.
    std::fs::write(made.path("config.yml"), config.to_string()).unwrap();
    let mut nebula = program("nebula").unwrap();
    succeed(nebula.args(["-test", "-config"]).arg(made.path("config.yml"))).unwrap();
}
