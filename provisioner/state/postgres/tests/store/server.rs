//! A real PostgreSQL in a temporary directory, as an ordinary user, with a socket, a loopback port and TLS.
//!
//! It ends, and its directory goes, when this program does, however that happens.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio_postgres::{Client, NoTls};

/// The certificates of a server: one for `localhost`, and the authority that signed it.
pub struct Certificates {
    pub authority: PathBuf,
    /// Of another authority, which signed nothing here.
    pub stranger: PathBuf,
}

pub struct Server {
    directory: PathBuf,
    pub port: u16,
    pub certificates: Certificates,
    /// Waits until its input ends, and then tidies up.
    _caretaker: Child,
}

/// The server that the tests share; those that stop one have their own.
pub fn shared() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let start =
        || Server::start(free_port()).expect("a server, or the test says why there is none");
    SERVER.get_or_init(start)
}

/// A port that is free, and that the kernel gives to nobody who does not ask for it: it hands out those from 32768 on.
fn free_port() -> Option<u16> {
    let from = 16_000 + u16::try_from(std::process::id() % 8_000).expect("it is below 8000");
    (from..32_000).find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
}

/// Where PostgreSQL's programs are; says what to install if they are nowhere.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<_> = std::env::split_paths(&path).collect();
    // Debian keeps them here, by version.
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        let mut versions: Vec<_> = versions.flatten().map(|entry| entry.path()).collect();
        versions.sort();
        found.splice(0..0, versions.into_iter().rev().map(|version| version.join("bin")));
    }
    let complete =
        |at: &PathBuf| ["initdb", "pg_ctl", "postgres"].iter().all(|name| at.join(name).exists());
    found.into_iter().find(complete).unwrap_or_else(|| {
        panic!("initdb, pg_ctl and postgres are not installed: `apt-get install postgresql`")
    })
}

/// The user and group that the server runs as when the tests are run by root, whom PostgreSQL refuses. It wants one with a name.
fn ordinary_user() -> Option<(u32, u32)> {
    let named = |name| nix::unistd::User::from_name(name).ok().flatten();
    let root = nix::unistd::geteuid().is_root();
    let user = root.then(|| named("postgres").or_else(|| named("nobody")).expect("one of them is"));
    user.map(|user| (user.uid.as_raw(), user.gid.as_raw()))
}

fn as_ordinary_user(program: &Path) -> Command {
    let Some((user, group)) = ordinary_user() else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={user}"), format!("--regid={group}")]);
    command.args(["--clear-groups", "--"]).arg(program);
    command
}

fn run(mut command: Command) {
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{command:?} failed: {}", said.concat());
}

impl Server {
    /// A server of one's own, which may be stopped. It has a socket only.
    pub fn of_ones_own() -> std::io::Result<Self> {
        Self::start(None)
    }

    fn start(port: Option<u16>) -> std::io::Result<Self> {
        let directory = tempfile::TempDir::with_prefix("pv-pg-")?.keep();
        let certificates = certificates(&directory)?;
        if let Some((user, group)) = ordinary_user() {
            let mut chown = Command::new("chown");
            chown.args(["-R", &format!("{user}:{group}")]).arg(&directory);
            run(chown);
        }
        let mut caretaker = as_ordinary_user("sh".as_ref());
        let script = "cat > /dev/null; \"$1\" -D \"$0/data\" stop -m immediate; rm -rf \"$0\"";
        caretaker.args(["-c", script]).arg(&directory).arg(programs().join("pg_ctl"));
        caretaker.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let caretaker = caretaker.spawn()?;
        let server =
            Self { directory, port: port.unwrap_or(5432), certificates, _caretaker: caretaker };
        let mut initdb = as_ordinary_user(&programs().join("initdb"));
        initdb.args(["--auth=trust", "--username=owner", "--encoding=UTF8", "--locale=C", "-D"]);
        initdb.arg(server.data());
        run(initdb);
        server.configure(port.is_some())?;
        server.resume();
        Ok(server)
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn configure(&self, listens: bool) -> std::io::Result<()> {
        let (at, address) = (self.directory.display(), if listens { "127.0.0.1" } else { "" });
        let settings = format!(
            "port = {}\nlisten_addresses = '{address}'\nunix_socket_directories = '{at}'\nfsync = on\n\
             ssl = on\nssl_cert_file = '{at}/server.pem'\nssl_key_file = '{at}/server.key'\n",
            self.port
        );
        std::fs::write(self.data().join("postgresql.auto.conf"), settings)?;
        let hosts = "host all secretive 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n\
                     local all all trust\n";
        std::fs::write(self.data().join("pg_hba.conf"), hosts)
    }

    /// Starts the server again after [`Server::stop`].
    pub fn resume(&self) {
        let mut start = as_ordinary_user(&programs().join("pg_ctl"));
        start.args(["start", "-w", "-t", "60", "-s", "-l"]).arg(self.directory.join("log"));
        start.arg("-D").arg(self.data()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = start.stdin(Stdio::null()).status().expect("pg_ctl starts");
        let log = || std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        assert!(status.success(), "the server does not start: {}", log());
    }

    /// Kills the server: no transaction is ended, no page is written.
    pub fn stop(&self) {
        let mut stop = as_ordinary_user(&programs().join("pg_ctl"));
        stop.args(["stop", "-w", "-s", "-m", "immediate", "-D"]).arg(self.data());
        run(stop);
    }

    /// A new database, by the URL of its socket.
    pub async fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("db{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let client = self.client("postgres").await;
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        name
    }

    /// The URL of a database by the socket.
    pub fn by_socket(&self, database: &str) -> String {
        let socket = self.directory.display().to_string().replace('/', "%2F");
        format!("postgresql://owner@{socket}:{}/{database}", self.port)
    }

    /// The URL of a database by the loopback port.
    pub fn by_port(&self, database: &str) -> String {
        format!("postgresql://owner@127.0.0.1:{}/{database}", self.port)
    }

    /// A connection that no store knows of.
    pub async fn client(&self, database: &str) -> Client {
        let url = self.by_socket(database);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

fn certificates(directory: &Path) -> std::io::Result<Certificates> {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use std::os::unix::fs::PermissionsExt as _;
    let authority = || {
        let mut of = CertificateParams::new(Vec::new()).unwrap();
        of.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(of, KeyPair::generate().unwrap()).unwrap()
    };
    let (ours, stranger, key) = (authority(), authority(), KeyPair::generate().unwrap());
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let server = server.signed_by(&key, &ours).unwrap();
    let write = |name: &str, text: String| {
        let path = directory.join(name);
        std::fs::write(&path, text).map(|()| path)
    };
    write("server.pem", server.pem())?;
    let private = write("server.key", key.serialize_pem())?;
    std::fs::set_permissions(private, std::fs::Permissions::from_mode(0o600))?;
    Ok(Certificates {
        authority: write("authority.pem", ours.pem())?,
        stranger: write("stranger.pem", stranger.pem())?,
    })
}
