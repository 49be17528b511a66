//! A real Prometheus, and a real Alertmanager, on loopback in a temporary directory. `tests/setup.sh` fetches them.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, mpsc};
use std::time::Duration;

/// How long a start may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Runs a program until this script's input ends: with the test, however that ends. Only the program holds the standard
/// error, so that its end is seen.
const UNTIL_INPUT_ENDS: &str = r#"
exec 3>&2 2>/dev/null
"$0" "$@" 2>&3 3>&- &
exec 3>&-
cat > /dev/null
kill -9 $!
wait
"#;

/// Debian's Alertmanager reads templates below `/usr/share`, where they are not when the package is not installed.
const WITH_ITS_SHARE: &str = r#"mount --bind "$0" /usr/share && exec "$@""#;

static PROGRAMS: LazyLock<Result<PathBuf, String>> = LazyLock::new(programs);

/// A running server.
pub struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Its base address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.child.stdin.take());
        // It may be gone already.
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts Prometheus with a configuration; its data are in the directory. None, having said why, where it cannot be had and
/// CI is not set.
pub fn prometheus(directory: &Path, configuration: &str) -> Option<Server> {
    prometheus_with(directory, configuration, &[])
}

/// The same with more arguments.
pub fn prometheus_with(directory: &Path, configuration: &str, more: &[String]) -> Option<Server> {
    let program = program("prometheus")?;
    let file = directory.join("prometheus.yml");
    std::fs::write(&file, configuration).expect("the directory is ours");
    let arguments = [
        format!("--config.file={}", file.display()),
        format!("--storage.tsdb.path={}", directory.join("data").display()),
        "--web.listen-address=127.0.0.1:0".to_owned(),
        "--rules.alert.resend-delay=1s".to_owned(),
    ];
    let arguments: Vec<_> = arguments.into_iter().chain(more.iter().cloned()).collect();
    Some(start(&program, &arguments, "Server is ready to receive web requests"))
}

/// Starts Alertmanager. None as for [`prometheus`].
pub fn alertmanager(directory: &Path) -> Option<Server> {
    let program = program("prometheus-alertmanager")?;
    let file = directory.join("alertmanager.yml");
    std::fs::write(&file, "route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n")
        .expect("the directory is ours");
    let arguments = [
        format!("--config.file={}", file.display()),
        format!("--storage.path={}", directory.join("alerts").display()),
        "--web.listen-address=127.0.0.1:0".to_owned(),
        "--cluster.listen-address=".to_owned(),
    ];
    let share = program.parent().expect("it is in a directory").join("../share");
    let words = ["--user", "--map-root-user", "--mount", "sh", "-c", WITH_ITS_SHARE];
    let words = words.map(str::to_owned).into_iter();
    let words = words.chain([share.display().to_string(), program.display().to_string()]);
    let words: Vec<_> = words.chain(arguments).collect();
    Some(start("unshare".as_ref(), &words, "Listening on"))
}

fn start(program: &Path, arguments: &[String], ready: &'static str) -> Server {
    let mut child = Command::new("sh")
        .args(["-c", UNTIL_INPUT_ENDS])
        .arg(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell starts");
    let errors = BufReader::new(child.stderr.take().expect("it is a pipe"));
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut port, mut is_ready, mut said) = (None, false, String::new());
        for line in errors.lines().map_while(Result::ok) {
            // What it says later is read too, or it would stand still.
            is_ready |= line.contains(ready);
            if line.contains("Listening on") {
                let digits = line.split("127.0.0.1:").nth(1).unwrap_or_default();
                let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
                port = digits.parse::<u16>().ok();
            }
            if let (Some(port), true) = (port, is_ready) {
                // Only the first one is waited for.
                let _ = tell.send(Ok(port));
            } else {
                said.push_str(&line);
                said.push('\n');
            }
        }
        let _ = tell.send(Err(said));
    });
    match told.recv_timeout(PATIENCE) {
        Ok(Ok(port)) => Server { child, port },
        Ok(Err(said)) => panic!("{} does not start:\n{said}", program.display()),
        Err(error) => panic!("{} does not say where it listens: {error}", program.display()),
    }
}

fn program(name: &str) -> Option<PathBuf> {
    match &*PROGRAMS {
        Ok(directory) => Some(directory.join(name)),
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "{name} is not tested against: {why}");
            #[expect(clippy::print_stderr, reason = "whoever runs the tests must see it")]
            {
                eprintln!("NOT TESTED against {name}, as it is not to be had here: {why}");
            }
            None
        }
    }
}

/// Asks the script that knows how.
fn programs() -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/setup.sh");
    let output = Command::new(script).arg("prometheus").stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().into())
}
