//! The SSH host against a real server in this program, on loopback and on a unix socket.

#![expect(clippy::unwrap_used, reason = "the functions around the tests may panic like the tests")]

#[path = "support/server.rs"]
mod server;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nodes::fake::{DirectoryHost, conformance};
use nodes::host::{Phase, Retry};
use nodes::ssh::{Session, Settings};
use nodes::{Connection, Host, Identity, Pool, Script};
use server::{SshServer, host_key};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, UnixStream};

fn identity() -> Identity {
    Identity::from_seed(&[1; 32], "test")
}

fn pool(connect_limit: Duration) -> Pool {
    Pool::new(identity(), Settings { connect_limit, ..Settings::default() })
}

fn connection(server: &SshServer) -> Connection {
    Connection {
        name: "n1".to_owned(),
        address: "127.0.0.1".to_owned(),
        port: server.port,
        user: "root".to_owned(),
        host_key: server.host_key.clone(),
        socket: None,
    }
}

/// A port that answers `pong` to anyone.
async fn pong() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"pong").await;
        }
    });
    port
}

#[tokio::test]
async fn every_kind_of_host_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let port = pong().await;
    let local = directory.path().join("local");
    std::fs::create_dir(&local).unwrap();
    conformance(&DirectoryHost::new("d1", directory.path()), local.to_str().unwrap(), port).await;

    let server = SshServer::start(directory.path(), &identity().public_line()).await;
    let scratch = directory.path().join("remote");
    std::fs::create_dir(&scratch).unwrap();
    let pool = pool(Duration::from_secs(10));
    conformance(pool.host(&connection(&server)).as_ref(), scratch.to_str().unwrap(), port).await;
    assert_eq!(server.logins.load(Ordering::SeqCst), 1, "one connection for all calls");
}

#[tokio::test]
async fn a_unix_socket_with_a_long_path_will_do() {
    let directory = tempfile::tempdir().unwrap();
    let long = directory.path().join("a".repeat(90)).join("b".repeat(90));
    std::fs::create_dir_all(&long).unwrap();
    let server = SshServer::start(&long, &identity().public_line()).await;
    let mut connection = connection(&server);
    connection.port = 1;
    connection.socket = Some(server.socket.clone());
    let pool = pool(Duration::from_secs(10));
    let completed = pool.host(&connection).run(&Script::new("echo here")).await.unwrap();
    assert_eq!(completed.stdout, "here\n");
}

#[tokio::test]
async fn another_host_key_is_refused_with_both_fingerprints() {
    let directory = tempfile::tempdir().unwrap();
    let server = SshServer::start(directory.path(), &identity().public_line()).await;
    let mut connection = connection(&server);
    connection.host_key = host_key(8).1;
    let error = pool(Duration::from_mins(1)).host(&connection).ready().await.unwrap_err();
    assert_eq!((error.phase, error.retry), (Phase::Connect, Retry::Denied));
    assert_eq!(error.message.matches("SHA256:").count(), 2, "{error}");
    assert!(error.to_string().contains("n1") && error.hint.is_some());
    assert_eq!(server.logins.load(Ordering::SeqCst), 0, "our key was not even shown");
    connection.host_key = "nonsense".to_owned();
    let error = pool(Duration::from_mins(1)).host(&connection).ready().await.unwrap_err();
    assert_eq!(error.retry, Retry::Invalid);
}

#[tokio::test]
async fn a_key_that_the_node_does_not_know_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let server =
        SshServer::start(directory.path(), &Identity::from_seed(&[9; 32], "other").public_line())
            .await;
    let error = pool(Duration::from_mins(1)).host(&connection(&server)).ready().await.unwrap_err();
    assert_eq!((error.phase, error.retry), (Phase::Login, Retry::Denied));
}

/// A port of this machine that nobody listens on.
async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn a_node_that_is_still_booting_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let server = SshServer::start(directory.path(), &identity().public_line()).await;
    let mut connection = connection(&server);
    connection.socket = None;
    "127.0.0.1".clone_into(&mut connection.address);
    connection.port = free_port().await;
    let host = pool(Duration::from_secs(30)).host(&connection);
    let boot = async {
        tokio::task::yield_now().await;
        let listener = TcpListener::bind(("127.0.0.1", connection.port)).await.unwrap();
        let (mut outside, _) = listener.accept().await.unwrap();
        let mut inside = UnixStream::connect(&server.socket).await.unwrap();
        tokio::spawn(async move {
            let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
        });
    };
    let (ready, ()) = tokio::join!(host.ready(), boot);
    ready.unwrap();
}

#[tokio::test]
async fn a_node_that_is_not_there_is_given_up_and_all_who_wait_share_one_attempt() {
    let directory = tempfile::tempdir().unwrap();
    let server = SshServer::start(directory.path(), &identity().public_line()).await;
    let mut connection = connection(&server);
    connection.socket = None;
    "127.0.0.1".clone_into(&mut connection.address);
    connection.port = free_port().await;
    let host = pool(Duration::from_mins(10)).host(&connection);
    let error = host.ready_within(Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(error.retry, Retry::Transient, "{error}");
    assert!(error.message.contains(&connection.port.to_string()), "{error}");
    let host = pool(Duration::from_millis(300)).host(&connection);
    let calls = (0..2000).map(|_| host.ready());
    let failures = futures::future::join_all(calls).await;
    assert!(
        failures.iter().all(Result::is_err),
        "all share one attempt, or this would take ten minutes"
    );
}

#[tokio::test]
async fn a_socket_that_nobody_listens_on_is_a_node_that_is_down() {
    let directory = tempfile::tempdir().unwrap();
    let server = SshServer::start(directory.path(), &identity().public_line()).await;
    let mut connection = connection(&server);
    connection.socket = Some(directory.path().join("never.sock"));
    // However much patience there is, this is known at once: the test would not end otherwise.
    let host = pool(Duration::from_hours(24)).host(&connection);
    let error = host.ready().await.unwrap_err();
    assert_eq!(error.retry, Retry::Transient, "{error}");
    assert!(error.message.contains("never.sock"), "{error}");
}

#[tokio::test]
async fn a_dead_connection_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let server = SshServer::start(directory.path(), &identity().public_line()).await;
    // A door that can be slammed: the connections through it end when its task does.
    let door = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut connection = connection(&server);
    let inside = connection.port;
    connection.port = door.local_addr().unwrap().port();
    let (slam, _) = tokio::sync::broadcast::channel::<()>(1);
    let closing = slam.clone();
    tokio::spawn(async move {
        while let Ok((mut outer, _)) = door.accept().await {
            let mut closed = closing.subscribe();
            tokio::spawn(async move {
                let mut inner =
                    tokio::net::TcpStream::connect(("127.0.0.1", inside)).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut outer, &mut inner) => {}
                    _ = closed.recv() => {}
                }
            });
        }
    });
    let host = pool(Duration::from_secs(10)).host(&connection);
    assert!(host.run(&Script::new("true")).await.unwrap().success());
    slam.send(()).unwrap();
    assert!(host.run(&Script::new("true")).await.unwrap().success());
    assert_eq!(server.logins.load(Ordering::SeqCst), 2);
    let running = async {
        let script = Script::new("echo > \"$PROVISIONER_ROOT/started\"; sleep 5");
        host.run(&script).await
    };
    let slammer = async {
        while !directory.path().join("started").exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        slam.send(()).unwrap();
    };
    let (result, ()) = tokio::join!(running, slammer);
    assert_eq!(result.unwrap_err().retry, Retry::Transient, "a script under way is not run twice");
}

#[tokio::test]
async fn many_scripts_share_one_connection() {
    let directory = tempfile::tempdir().unwrap();
    let server = SshServer::start(directory.path(), &identity().public_line()).await;
    let pool = pool(Duration::from_secs(10));
    let runs = (0..40).map(|number| {
        let host = pool.host(&connection(&server));
        async move { host.run(&Script::new(format!("echo {number}"))).await.unwrap().stdout }
    });
    let outputs = futures::future::join_all(runs).await;
    assert_eq!(outputs[39], "39\n");
    assert_eq!(server.logins.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_session_passes_streams_and_the_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let server = SshServer::start(directory.path(), &identity().public_line()).await;
    let host: Arc<_> = pool(Duration::from_secs(10)).host(&connection(&server));
    let (out, mut out_end) = tokio::io::duplex(1 << 16);
    let (err, mut err_end) = tokio::io::duplex(1 << 16);
    let (_sizes, resizes) = tokio::sync::mpsc::channel(1);
    let session = Session {
        command: Some("cat; echo wrong >&2; exit 41".to_owned()),
        terminal: None,
        stdin: Box::new(std::io::Cursor::new(b"typed".to_vec())),
        stdout: Box::new(out),
        stderr: Box::new(err),
        resizes,
    };
    assert_eq!(host.session(session).await.unwrap(), 41);
    let (mut stdout, mut stderr) = (String::new(), String::new());
    tokio::io::AsyncReadExt::read_to_string(&mut out_end, &mut stdout).await.unwrap();
    tokio::io::AsyncReadExt::read_to_string(&mut err_end, &mut stderr).await.unwrap();
    assert_eq!((stdout.as_str(), stderr.as_str()), ("typed", "wrong\n"));
}
