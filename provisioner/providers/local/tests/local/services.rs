//! What `ctl` does on a node: services and dead-man timers, over real logins.

use crate::support::{Fixture, Login, TestResult, wait_until};

const CTL: &str = "\"$PROVISIONER_ROOT/run/provisioner/ctl\"";

async fn define(login: &Login, name: &str, rest: &str) -> TestResult {
    let file = format!("\"$PROVISIONER_ROOT/etc/provisioner/services/{name}.json\"");
    let definition = format!("{{\"name\":\"{name}\",{rest}}}");
    let command = format!("cat > {file} && {CTL} service reload {name}");
    let said = login.run(&command, definition.as_bytes()).await?;
    assert_eq!((said.code, said.errors.as_str()), (Some(0), ""));
    Ok(())
}

async fn ctl(login: &Login, words: &str) -> TestResult<(u32, String)> {
    let said = login.run(&format!("{CTL} {words}"), b"").await?;
    Ok((said.code.ok_or("no code")?, format!("{}{}", said.output, said.errors)))
}

async fn status(login: &Login, name: &str) -> TestResult<serde_json::Value> {
    let (_, text) = ctl(login, &format!("service status {name}")).await?;
    Ok(serde_json::from_str(&text)?)
}

async fn started(fixture: &Fixture) -> TestResult<Login> {
    fixture.network("main").await?;
    let machine = fixture.machine("one", |_| {}).await?;
    fixture.login(&machine).await
}

async fn supervise(fixture: Fixture) -> TestResult {
    let login = started(&fixture).await?;
    let (code, text) = ctl(&login, "service status sleeper").await?;
    assert!(code == 3 && text.contains("\"unknown\""), "{code} {text}");
    let (code, text) = ctl(&login, "service start sleeper").await?;
    assert!(code == 1 && text.contains("has no definition"), "{code} {text}");

    define(&login, "sleeper", "\"command\":[\"/bin/sh\",\"-c\",\"echo $GREETING; exec sleep 600\"],\"environment\":{\"GREETING\":\"hello\"}").await?;
    assert_eq!(ctl(&login, "service start sleeper").await?.0, 0);
    let first = status(&login, "sleeper").await?;
    assert_eq!(first["state"], "running");
    let log = async || {
        let said = login.run("cat $PROVISIONER_ROOT/var/log/provisioner/sleeper.log", b"").await;
        said.is_ok_and(|said| said.output.contains("hello"))
    };
    wait_until("the log has the output", log).await;

    login.run(&format!("kill -9 {}", first["pid"]), b"").await?;
    let again = async || {
        let now = status(&login, "sleeper").await.unwrap_or_default();
        now["state"] == "running" && now["pid"] != first["pid"]
    };
    wait_until("it was started again", again).await;
    assert_eq!(status(&login, "sleeper").await?["restarts"], 1);

    assert_eq!(ctl(&login, "service stop sleeper").await?.0, 0);
    assert_eq!(status(&login, "sleeper").await?["state"], "stopped");
    assert_eq!(ctl(&login, "service restart sleeper").await?.0, 0);

    define(&login, "once", "\"command\":[\"false\"],\"restart\":\"never\"").await?;
    ctl(&login, "service start once").await?;
    let failed = async || {
        status(&login, "once")
            .await
            .is_ok_and(|now| now["state"] == "failed" && now["exit_code"] == 1)
    };
    wait_until("it has failed", failed).await;
    define(&login, "missing", "\"command\":[\"/opt/no/such\"]").await?;
    let (code, text) = ctl(&login, "service start missing").await?;
    assert!(code == 1 && text.contains("no such program"), "{code} {text}");
    ctl(&login, "service remove once").await?;
    ctl(&login, "service remove missing").await?;
    login.close().await?;

    let machine = fixture.blocking(|cloud| cloud.reboot_machine("one")).await??;
    let login = fixture.login(&machine).await?;
    let booted =
        async || status(&login, "sleeper").await.is_ok_and(|now| now["state"] == "running");
    wait_until("it was started at boot", booted).await;
    assert_eq!(status(&login, "once").await?["state"], "unknown");
    assert_eq!(ctl(&login, "service remove sleeper").await?.0, 0);
    assert_eq!(status(&login, "sleeper").await?["state"], "unknown");
    fixture.end()
}

async fn revert(fixture: Fixture) -> TestResult {
    let login = started(&fixture).await?;
    let undo = "--revert 'echo $0 undone >> $PROVISIONER_ROOT/opt/undone'";
    let undone = async |login: &Login| {
        let said = login.run("cat $PROVISIONER_ROOT/opt/undone", b"").await;
        said.map_or(0, |said| said.output.lines().count())
    };
    assert_eq!(ctl(&login, &format!("deadman arm kept --timeout-s 3600 {undo}")).await?.0, 0);
    assert_eq!(ctl(&login, "deadman status kept").await?.0, 0);
    assert_eq!(ctl(&login, "deadman disarm kept").await?.0, 0);
    assert_eq!(ctl(&login, "deadman status kept").await?.0, 3);

    assert_eq!(ctl(&login, &format!("deadman arm late --timeout-s 0 {undo}")).await?.0, 0);
    wait_until("time is over", async || undone(&login).await == 1).await;
    let gone = async || ctl(&login, "deadman status late").await.is_ok_and(|(code, _)| code == 3);
    wait_until("the timer is gone", gone).await;

    assert_eq!(ctl(&login, &format!("deadman arm boot --timeout-s 3600 {undo}")).await?.0, 0);
    login.close().await?;
    let machine = fixture.blocking(|cloud| cloud.reboot_machine("one")).await??;
    let login = fixture.login(&machine).await?;
    wait_until("the boot undid it", async || undone(&login).await == 2).await;
    let (code, text) = ctl(&login, "deadman arm x --timeout-s soon --revert true").await?;
    assert!(code == 2 && text.contains("usage"), "{code} {text}");
    fixture.end()
}

#[tokio::test]
async fn services_are_supervised() -> TestResult {
    supervise(Fixture::new()?).await
}

#[tokio::test]
async fn unconfirmed_changes_are_undone() -> TestResult {
    revert(Fixture::new()?).await
}

#[tokio::test]
async fn services_are_supervised_without_namespaces() -> TestResult {
    supervise(Fixture::without_namespaces()?).await
}

#[tokio::test]
async fn unconfirmed_changes_are_undone_without_namespaces() -> TestResult {
    revert(Fixture::without_namespaces()?).await
}
