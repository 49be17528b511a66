//! Nodes without namespaces: the same things, kept apart by directories and loopback addresses.

use crate::support::{Fixture, TestResult, owner, programs_about, wait_until};
use provider_local::{Attachment, Status};

#[tokio::test]
async fn nodes_are_directories_with_addresses() -> TestResult {
    let fixture = Fixture::without_namespaces()?;
    fixture.network("main").await?;
    let one = fixture.machine("one", |_| {}).await?;
    let two = fixture.machine("two", |_| {}).await?;
    assert!(one.record.address.is_loopback());
    assert_ne!(one.record.address, two.record.address);
    assert_eq!(one.isolation().as_str(), "processes");
    let login = fixture.login(&one).await?;
    let said = login.run("test -d \"$PROVISIONER_ROOT/etc\" && cd && pwd && exit 5", b"").await?;
    assert!(said.output.ends_with("/machines/one/root/root\n"), "{}", said.output);
    assert_eq!(said.code, Some(5));
    let banner = login.dial(&two.record.address.to_string(), 2222).await?;
    assert!(banner.starts_with("SSH-2.0-provisioner"), "{banner}");
    fixture.end()
}

#[tokio::test]
async fn nothing_survives_its_init() -> TestResult {
    let fixture = Fixture::without_namespaces()?;
    fixture.network("main").await?;
    let one = fixture.machine("one", |_| {}).await?;
    let login = fixture.login(&one).await?;
    login.run("echo kept > ../opt/kept; setsid sleep 4243 >/dev/null 2>&1 &", b"").await?;
    let identity = one.running.clone().ok_or("not running")?.identity;
    std::process::Command::new("kill").args(["-9", &identity.pid.to_string()]).status()?;
    wait_until("the init is dead", async || !identity.is_alive()).await;
    let dead = fixture.blocking(|cloud| cloud.machine("one")).await??;
    assert_eq!(dead.status, Status::Stopped);

    let mended = fixture.update("one", |_| {}).await?;
    assert_eq!(mended.status, Status::Running);
    let left: Vec<String> = programs_about(fixture.cloud.layout().root())
        .into_iter()
        .filter(|line| line.contains("4243"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
    let login = fixture.login(&mended).await?;
    assert_eq!(login.run("cat ../opt/kept", b"").await?.output, "kept\n");
    fixture.end()
}

#[tokio::test]
async fn volumes_are_links() -> TestResult {
    let fixture = Fixture::without_namespaces()?;
    fixture.network("main").await?;
    let data =
        fixture.blocking(|cloud| cloud.create_volume(&owner("data"), "data", 1, None)).await??;
    let attachment = Attachment { volume: "data".into(), path: "/srv/data".into() };
    let with = |arguments: &mut provider_local::MachineArguments| {
        arguments.volumes = vec![attachment.clone()];
    };
    let one = fixture.machine("one", with).await?;
    assert_eq!(one.attached, std::slice::from_ref(&attachment));
    let login = fixture.login(&one).await?;
    login.run("echo x > ../srv/data/file", b"").await?;
    assert_eq!(std::fs::read_to_string(data.path.join("file"))?, "x\n");
    let one = fixture.update("one", |_| {}).await?;
    assert!(one.attached.is_empty());
    let one = fixture.update("one", with).await?;
    assert_eq!(one.attached, std::slice::from_ref(&attachment));
    fixture.end()
}
