//! Debian packages for real: apt of this machine, an ordinary or root user, a cache of our own.
//!
//! Where apt is not there the tests say so and pass, unless `CI` is set: there they must run.

#![expect(clippy::unwrap_used, reason = "the functions around the tests may panic like the tests")]
#![expect(clippy::print_stderr, reason = "a test that did not run must say so")]

use nodes::artifact::{Artifact, Cache, Cause, Selection, Source};

fn apt_is_here() -> bool {
    let here = std::path::Path::new("/usr/bin/apt-get").exists();
    assert!(here || std::env::var_os("CI").is_none(), "CI must have apt-get");
    if !here {
        eprintln!("not run: this machine has no apt-get");
    }
    here
}

fn hello(version: &str) -> Artifact {
    Artifact {
        source: Source::Deb {
            package: "hello".to_owned(),
            version: version.to_owned(),
            architecture: None,
        },
        sha256: String::new(),
        paths: vec![Selection::new("usr/bin/hello", "bin/hello")],
        declared_at: Some("main.hcl:3".to_owned()),
    }
}

/// The version and digest that this machine's apt offers, so that the test follows the mirror.
fn offered() -> (String, String) {
    let show = std::process::Command::new("apt-cache").args(["show", "hello"]).output().unwrap();
    let text = String::from_utf8(show.stdout).unwrap();
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    };
    (field("Version:").unwrap_or_else(|| "2.10-3".to_owned()), field("SHA256:").unwrap_or_default())
}

#[tokio::test]
async fn a_package_becomes_a_bundle_once_for_many_nodes() {
    if !apt_is_here() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::new(directory.path());
    let (version, sha256) = offered();
    let mut artifact = hello(&version);
    if sha256.is_empty() {
        // Without package lists the digest is learned from the refusal.
        artifact.sha256 = "0".repeat(64);
        let error = cache.fetch(&artifact).await.unwrap_err();
        let Cause::WrongDigest { found, .. } = *error.cause else { panic!("{error}") };
        artifact.sha256 = found;
    } else {
        artifact.sha256 = sha256;
    }
    let bundles = futures::future::join_all((0..24).map(|_| cache.bundle(&artifact))).await;
    let first = bundles[0].as_ref().unwrap();
    assert!(bundles.iter().all(|bundle| bundle.as_ref().unwrap() == first));
    let elsewhere = tempfile::tempdir().unwrap();
    let again = Cache::new(elsewhere.path()).bundle(&artifact).await.unwrap();
    assert_eq!(again.sha256, first.sha256, "the same artifact gives the same bytes");
}

#[tokio::test]
async fn a_missing_version_names_those_that_exist() {
    if !apt_is_here() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut artifact = hello("0.0.1-1");
    artifact.sha256 = "0".repeat(64);
    let error = Cache::new(directory.path()).bundle(&artifact).await.unwrap_err();
    let Cause::NoVersion { candidates, .. } = &*error.cause else { panic!("{error}") };
    assert!(!candidates.is_empty(), "{error}");
    assert!(
        error.to_string().starts_with("main.hcl:3: Debian package hello 0.0.1-1: version 0.0.1-1"),
        "{error}"
    );
}

#[tokio::test]
async fn a_wrong_digest_is_refused_and_leaves_nothing() {
    if !apt_is_here() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut artifact = hello(&offered().0);
    artifact.sha256 = "0".repeat(64);
    let error = Cache::new(directory.path()).bundle(&artifact).await.unwrap_err();
    assert!(matches!(&*error.cause, Cause::WrongDigest { .. }), "{error}");
    assert_eq!(std::fs::read_dir(directory.path().join("blobs")).unwrap().count(), 0);
}
