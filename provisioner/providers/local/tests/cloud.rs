//! The local cloud for real: namespaces, a bridge, inits, logins.

mod support;

use support::{Fixture, TestResult};

#[tokio::test]
async fn two_machines_reach_each_other() -> TestResult {
    let fixture = Fixture::new()?;
    fixture.network("main").await?;
    let one = fixture.machine("one", |_| {}).await?;
    let two = fixture.machine("two", |_| {}).await?;
    assert_ne!(one.record.address, two.record.address);

    let login = fixture.login(&one).await?;
    let said = login.run("hostname; id -u; echo out; echo err >&2; exit 7", b"").await?;
    assert_eq!(said.output, "one\n0\nout\n");
    assert_eq!(said.errors, "err\n");
    assert_eq!(said.code, Some(7));
    let echoed = login.run("cat", b"through standard input").await?;
    assert_eq!(echoed.output, "through standard input");

    let banner = login.dial(&two.record.address.to_string(), 22).await?;
    assert!(banner.starts_with("SSH-2.0-provisioner"), "{banner}");
    fixture.end()
}
