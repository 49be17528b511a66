//! The local cloud for real: namespaces, a bridge, inits, logins.

use crate::support::{Fixture, TestResult, owner, wait_until};
use provider_local::{Attachment, Removal, Status};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

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
    let killed = login.run("kill -TERM $$", b"").await?;
    assert_eq!(killed.signal.as_deref(), Some("TERM"));
    let background = login.run("sleep 600 & echo started", b"").await?;
    assert_eq!((background.output.as_str(), background.code), ("started\n", Some(0)));

    let banner = login.dial(&two.record.address.to_string(), 22).await?;
    assert!(banner.starts_with("SSH-2.0-provisioner"), "{banner}");
    assert!(login.dial("127.0.0.1", 9).await.is_err(), "nobody listens there");
    fixture.end()
}

#[tokio::test]
async fn a_machine_has_its_own_system() -> TestResult {
    let fixture = Fixture::new()?;
    fixture.network("main").await?;
    let one = fixture.machine("one", |_| {}).await?;
    let login = fixture.login(&one).await?;
    let said = login
        .run("cat /proc/1/comm; ls /proc | grep -c '^[0-9]'; ls /sys/class/net | tr '\\n' ' '", b"")
        .await?;
    let words: Vec<&str> = said.output.split_whitespace().collect();
    assert!(words[1].parse::<u32>()? < 8, "sees others' programs: {}", said.output);
    assert_eq!(&words[2..], ["eth0", "lo"]);
    let read_only =
        login.run("touch /usr/x || touch /bin/x || echo 1 > /proc/sys/kernel/panic", b"");
    assert_ne!(read_only.await?.code, Some(0));
    let outside = format!("test -e {}", fixture.directory.path().display());
    assert_eq!(login.run(&outside, b"").await?.code, Some(1));
    let devices = "echo x > /dev/null && head -c 1 /dev/urandom | wc -c && test -c /dev/ptmx";
    assert_eq!(login.run(devices, b"").await?.code, Some(0));
    assert_eq!(login.run("echo $HOME:$PROVISIONER_ROOT:$USER", b"").await?.output, "/root::root\n");
    fixture.end()
}

#[tokio::test]
async fn large_output_and_input_are_whole() -> TestResult {
    let fixture = Fixture::new()?;
    fixture.network("main").await?;
    let one = fixture.machine("one", |_| {}).await?;
    let login = fixture.login(&one).await?;
    let large = vec![b'x'; 8 << 20];
    let counted = login.run("wc -c", &large).await?;
    assert_eq!(counted.output.trim(), large.len().to_string());
    let much = login.run("head -c 9000000 /dev/zero | tr '\\0' y", b"").await?;
    assert_eq!(much.output.len(), 9_000_000);
    fixture.end()
}

#[tokio::test]
async fn a_terminal_is_a_terminal() -> TestResult {
    let fixture = Fixture::new()?;
    fixture.network("main").await?;
    let one = fixture.machine("one", |_| {}).await?;
    let login = fixture.login(&one).await?;
    let said = login.terminal("tty; stty size; exit 3\n").await?;
    assert!(said.output.contains("/dev/pts/"), "{}", said.output);
    assert!(said.output.contains("33 99"), "{}", said.output);
    assert_eq!(said.code, Some(3));
    fixture.end()
}

#[tokio::test]
async fn a_dropped_session_ends_its_command() -> TestResult {
    let fixture = Fixture::new()?;
    fixture.network("main").await?;
    let one = fixture.machine("one", |_| {}).await?;
    let login = fixture.login(&one).await?;
    let channel = login.handle.channel_open_session().await?;
    channel.exec(true, "exec sleep 4242").await?;
    let watcher = fixture.login(&one).await?;
    let runs = async || {
        let said = watcher.run("grep -lx sleep /proc/[0-9]*/comm", b"").await;
        said.is_ok_and(|said| said.code == Some(0))
    };
    wait_until("the command runs", runs).await;
    login.close().await?;
    wait_until("the command has ended", async || !runs().await).await;
    fixture.end()
}

#[tokio::test]
async fn strangers_are_refused() -> TestResult {
    let fixture = Fixture::new()?;
    fixture.network("main").await?;
    let one = fixture.machine("one", |arguments| arguments.authorized_keys.clear()).await?;
    assert!(fixture.login(&one).await.is_err());
    let one = fixture.update("one", |_| {}).await?;
    fixture.login(&one).await?;
    let boot = one.running.as_ref().map(|running| running.boot_id.clone());
    let one = fixture.update("one", |arguments| arguments.authorized_keys.clear()).await?;
    assert!(fixture.login(&one).await.is_err());
    assert_eq!(one.running.map(|running| running.boot_id), boot, "keys change without a reboot");
    fixture.end()
}

#[tokio::test]
async fn a_reboot_keeps_files_and_a_dead_machine_is_mended() -> TestResult {
    let fixture = Fixture::new()?;
    fixture.network("main").await?;
    let one = fixture.machine("one", |_| {}).await?;
    let login = fixture.login(&one).await?;
    login.run("echo kept > /var/lib/kept; echo kept > /opt/kept; sleep 600 &", b"").await?;
    let identity = one.running.clone().ok_or("not running")?.identity;
    std::process::Command::new("kill").args(["-9", &identity.pid.to_string()]).status()?;
    wait_until("the init is dead", async || !identity.is_alive()).await;
    let dead = fixture.blocking(|cloud| cloud.machine("one")).await??;
    assert_eq!(dead.status, Status::Stopped);
    assert_eq!(dead.host_key, one.host_key);

    let mended = fixture.update("one", |_| {}).await?;
    assert_eq!(mended.status, Status::Running);
    assert_eq!(mended.host_key, one.host_key);
    assert_eq!(mended.record.address, one.record.address);
    let login = fixture.login(&mended).await?;
    let said = login.run("cat /var/lib/kept /opt/kept; pidof sleep", b"").await?;
    assert_eq!(said.output, "kept\nkept\n");
    fixture.end()
}

#[tokio::test]
async fn a_dead_network_disconnects_its_machines() -> TestResult {
    let fixture = Fixture::new()?;
    fixture.network("main").await?;
    fixture.machine("one", |_| {}).await?;
    fixture.machine("two", |_| {}).await?;
    let found = fixture.blocking(|cloud| cloud.network("main")).await??;
    let identity = found.running.ok_or("not running")?.identity;
    std::process::Command::new("kill").args(["-9", &identity.pid.to_string()]).status()?;
    wait_until("the holder is dead", async || !identity.is_alive()).await;
    assert!(fixture.blocking(|cloud| cloud.network("main")).await??.running.is_none());
    let one = fixture.blocking(|cloud| cloud.machine("one")).await??;
    assert_eq!(one.status, Status::Disconnected);

    fixture.blocking(|cloud| cloud.mend_network(&owner("main"), "main")).await??;
    let one = fixture.blocking(|cloud| cloud.machine("one")).await??;
    assert_eq!(one.status, Status::Disconnected, "the new bridge does not know it");
    let one = fixture.update("one", |_| {}).await?;
    let two = fixture.update("two", |_| {}).await?;
    let login = fixture.login(&one).await?;
    assert!(login.dial(&two.record.address.to_string(), 22).await?.starts_with("SSH"));
    fixture.end()
}

#[tokio::test]
async fn volumes_come_and_go_while_a_machine_runs() -> TestResult {
    let fixture = Fixture::new()?;
    fixture.network("main").await?;
    let data =
        fixture.blocking(|cloud| cloud.create_volume(&owner("data"), "data", 1, None)).await??;
    let one = fixture.machine("one", |_| {}).await?;
    let attachment = Attachment { volume: "data".into(), path: "/srv/data".into() };
    let with = |arguments: &mut provider_local::MachineArguments| {
        arguments.volumes = vec![attachment.clone()];
    };
    let boot = |machine: &provider_local::Machine| machine.running.clone().map(|it| it.boot_id);

    let attached = fixture.update("one", with).await?;
    assert_eq!(attached.attached, std::slice::from_ref(&attachment));
    assert_eq!(boot(&attached), boot(&one), "attached without a reboot");
    let login = fixture.login(&attached).await?;
    login.run("echo from the machine > /srv/data/file", b"").await?;
    assert_eq!(std::fs::read_to_string(data.path.join("file"))?, "from the machine\n");
    let refused = fixture
        .blocking(|cloud| cloud.delete_volume(&owner("data"), "data", Removal::Deleted))
        .await?;
    assert!(refused.unwrap_err().to_string().contains("attached to machine `one`"));

    let rebooted = fixture.blocking(|cloud| cloud.reboot_machine("one")).await??;
    assert_eq!(rebooted.attached, std::slice::from_ref(&attachment));
    let detached = fixture.update("one", |_| {}).await?;
    assert_eq!(boot(&detached), boot(&rebooted), "detached without a reboot");
    let login = fixture.login(&detached).await?;
    assert_eq!(login.run("ls /srv/data", b"").await?.output, "");

    let busy = fixture.update("one", with).await?;
    let login = fixture.login(&busy).await?;
    login.run("cd /srv/data && sleep 600 >/dev/null 2>&1 &", b"").await?;
    let freed = fixture.update("one", |_| {}).await?;
    assert!(freed.attached.is_empty());
    assert_ne!(boot(&freed), boot(&busy), "a volume in use is detached by a reboot");
    fixture.end()
}

#[tokio::test]
async fn a_lost_volume_is_seen() -> TestResult {
    let fixture = Fixture::new()?;
    fixture.network("main").await?;
    let data =
        fixture.blocking(|cloud| cloud.create_volume(&owner("data"), "data", 1, None)).await??;
    let attachment = Attachment { volume: "data".into(), path: "/srv/data".into() };
    let with = |arguments: &mut provider_local::MachineArguments| {
        arguments.volumes = vec![attachment.clone()];
    };
    fixture.machine("one", with).await?;
    std::fs::remove_dir_all(data.path.parent().ok_or("no parent")?)?;
    assert!(fixture.blocking(|cloud| cloud.find_volume("data")).await??.is_none());
    assert!(fixture.blocking(|cloud| cloud.machine("one")).await??.attached.is_empty());
    fixture.blocking(|cloud| cloud.create_volume(&owner("data"), "data", 1, None)).await??;
    let mended = fixture.update("one", with).await?;
    assert_eq!(mended.attached, [attachment]);
    let login = fixture.login(&mended).await?;
    login.run("echo again > /srv/data/file", b"").await?;
    assert_eq!(std::fs::read_to_string(data.path.join("file"))?, "again\n");
    fixture.end()
}

#[tokio::test]
async fn published_ports_reach_the_node() -> TestResult {
    let fixture = Fixture::new()?;
    fixture.network("main").await?;
    let free = TcpListener::bind("127.0.0.1:0")?;
    let port = free.local_addr()?.port();
    let taken = fixture
        .machine("one", |arguments| {
            arguments.publish.insert(22, port);
        })
        .await;
    let error = taken.unwrap_err();
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
    drop(free);
    let publish = |arguments: &mut provider_local::MachineArguments| {
        arguments.publish.insert(22, port);
    };
    fixture.machine("one", publish).await?;
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    let mut start = [0_u8; 7];
    stream.read_exact(&mut start)?;
    assert_eq!(&start, b"SSH-2.0");
    stream.write_all(b"x")?;
    drop(stream);
    fixture.update("one", |_| {}).await?;
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    fixture.end()
}

#[tokio::test]
async fn strangers_objects_are_left_alone() -> TestResult {
    let fixture = Fixture::new()?;
    fixture.network("main").await?;
    let mut stranger = owner("main");
    stranger.lineage = "other".into();
    let (mine, other) = (owner("main"), stranger.clone());
    let made =
        fixture.blocking(move |cloud| cloud.create_network(&other, "main", "10.1.0.0/24")).await?;
    assert!(made.unwrap_err().to_string().contains("belongs to local.main of environment `test`"));
    assert!(
        fixture
            .blocking(move |cloud| cloud.delete_network(&stranger, "main", Removal::Deleted))
            .await?
            .is_err()
    );
    // The same operation again gives the same object.
    fixture.blocking(move |cloud| cloud.create_network(&mine, "main", "10.77.0.0/24")).await??;
    fixture.machine("one", |_| {}).await?;
    let full = fixture
        .blocking(|cloud| cloud.delete_network(&owner("main"), "main", Removal::Deleted))
        .await?;
    assert!(full.unwrap_err().to_string().contains("machine(s)"));
    fixture.end()
}

#[tokio::test]
async fn many_machines_start_at_once() -> TestResult {
    let fixture = Fixture::new()?;
    fixture.network("main").await?;
    let names: Vec<String> = (0..24).map(|number| format!("node-{number:02}")).collect();
    let starts = names.iter().map(|name| fixture.machine(name, |_| {}));
    let machines = futures::future::try_join_all(starts).await?;
    let addresses: std::collections::BTreeSet<_> =
        machines.iter().map(|machine| machine.record.address).collect();
    assert_eq!(addresses.len(), 24);
    let login = fixture.login(&machines[0]).await?;
    for machine in &machines {
        let banner = login.dial(&machine.record.address.to_string(), 22).await?;
        assert!(banner.starts_with("SSH"), "{}", machine.record.address);
    }
    let ends = names.iter().cloned().map(|name| {
        fixture.blocking(move |cloud| cloud.delete_machine(&owner(&name), &name, Removal::Deleted))
    });
    for ended in futures::future::try_join_all(ends).await? {
        ended?;
    }
    fixture.end()
}
