//! The directory, user and homes in which a test runs the program.

use crate::run::{Finished, Running};
use crate::traces::Traces;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The user that tests run the program as when they are run by root.
const ORDINARY_USER: u32 = 61_234;

/// A project of its own, with the real binary.
///
/// With `PROVISIONER_TEST_KEEP` set, a test that fails leaves it as it is, to be looked at.
#[derive(Debug)]
pub struct Workbench {
    directory: TempDir,
    binary: PathBuf,
    artifacts: PathBuf,
    variables: Vec<(String, String)>,
}

impl Workbench {
    /// A workbench with the repository's `modules/` and `environments/`.
    pub fn new() -> Self {
        let bench = Self::empty();
        for name in ["modules", "environments"] {
            copy_tree(&repository().join(name), &bench.path(name));
        }
        std::fs::create_dir(bench.path("state")).expect("the directory is ours");
        bench.give_to_user();
        bench
    }

    /// A workbench with nothing in it.
    pub fn empty() -> Self {
        let directory = TempDir::with_prefix("pv-").expect("a temporary directory");
        let artifacts = std::env::temp_dir().join("provisioner-test-artifacts");
        std::fs::create_dir_all(&artifacts).expect("the temporary directory is writable");
        let binary = directory.path().join("provisioner");
        std::fs::copy(built_binary(), &binary).expect("the binary can be copied");
        let bench = Self { directory, binary, artifacts, variables: Vec::new() };
        bench.give_to_user();
        bench
    }

    /// A workbench with one environment, `env`, of one file.
    pub fn of(main: &str) -> Self {
        let bench = Self::empty();
        std::fs::create_dir(bench.path("state")).expect("the directory is ours");
        bench.write("env/main.hcl", main);
        bench
    }

    /// A path inside the workbench.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.directory.path().join(relative)
    }

    /// Writes a file, making its directories.
    pub fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        let parent = path.parent().expect("a file has a directory");
        std::fs::create_dir_all(parent).expect("the directory is ours");
        std::fs::write(path, text).expect("the file is ours");
        self.give_to_user();
    }

    /// Sets a variable of the environment for every command from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Copies a directory of the repository to a place in the workbench.
    pub fn add(&self, from: &str, to: &str) {
        copy_tree(&repository().join(from), &self.path(to));
        self.give_to_user();
    }

    /// Copies a program that `cargo test --workspace` built beside the one that is tested.
    pub fn add_program(&self, name: &str) {
        let program = built(name);
        std::fs::copy(program, self.path(name)).expect("the program can be copied");
        self.give_to_user();
    }

    /// Changes text in a file; panics when `from` is not in it.
    #[track_caller]
    pub fn edit(&self, relative: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(relative)).expect("the file is there");
        assert!(text.contains(from), "`{from}` is not in {relative}");
        self.write(relative, &text.replace(from, to));
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        let output = self.command(arguments).output().expect("the program starts");
        Finished::new(arguments.join(" "), &output)
    }

    /// Starts the program in a process group of its own.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.start_command(self.command(arguments))
    }

    /// The same with a command line of the caller's.
    pub fn start_command(&self, mut command: Command) -> Running {
        use std::os::unix::process::CommandExt as _;
        // Both go to one file, which can be read while the program runs and is never full.
        let log = tempfile::NamedTempFile::new().expect("a temporary file");
        let stream = || Stdio::from(log.as_file().try_clone().expect("a file can be shared"));
        command.stdout(stream()).stderr(stream()).process_group(0);
        let child = command.spawn().expect("the program starts");
        let words = command.get_args().map(|word| word.to_string_lossy()).collect::<Vec<_>>();
        Running { command: words.join(" "), child, log }
    }

    /// What the program has left on this machine.
    pub fn traces(&self) -> Traces {
        Traces::of(self.directory.path())
    }

    /// Runs a shell script to its end, with the program as `$0` and a mount namespace of its own.
    pub fn script(&self, script: &str) -> Finished {
        let mut command = self.any_command("unshare".as_ref());
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
        let output = command.arg(&self.binary).output().expect("a shell starts");
        Finished::new(script.to_owned(), &output)
    }

    /// A command line of the program on a host of another name, where root starts the tests; else on this one.
    pub fn command_on(&self, host: &str, arguments: &[&str]) -> Command {
        if !is_root() {
            return self.command(arguments);
        }
        // The name is given before the program becomes an ordinary user, who may not give any.
        let (named, user) = ("hostname \"$0\" && exec \"$@\"", as_ordinary_user(&self.binary));
        let mut command = Command::new("unshare");
        command.args(["--uts", "sh", "-c", named, host]);
        command.arg(user.get_program()).args(user.get_args()).args(arguments);
        self.at_home(command)
    }

    /// A command line of the program.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.any_command(&self.binary);
        command.args(arguments);
        command
    }

    /// Any other command line as an ordinary user, in the workbench, with private homes.
    pub fn any_command(&self, program: &Path) -> Command {
        self.at_home(as_ordinary_user(program))
    }

    /// A command line in the workbench, with private homes.
    fn at_home(&self, mut command: Command) -> Command {
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PROVISIONER_")) {
            command.env_remove(name);
        }
        command
            .env("HOME", self.path("home"))
            .env("XDG_CONFIG_HOME", self.path("home/config"))
            .env("XDG_DATA_HOME", self.path("home/data"))
            .env("XDG_STATE_HOME", self.path("home/state"))
            .env("XDG_CACHE_HOME", &self.artifacts)
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .envs(self.variables.iter().cloned());
        command
    }

    /// Hands everything in the workbench to the ordinary user.
    pub fn give_to_user(&self) {
        std::fs::create_dir_all(self.path("home")).expect("the directory is ours");
        if is_root() {
            open_tunnels();
            hand_over(self.directory.path());
            hand_over(&self.artifacts);
        }
    }
}

impl Default for Workbench {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Workbench {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("PROVISIONER_TEST_KEEP").is_some() {
            self.directory.disable_cleanup(true);
            return;
        }
        self.traces().kill_all();
    }
}

/// Whether the tests are run by root; then the program is run as [`ORDINARY_USER`].
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn as_ordinary_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    let user = ORDINARY_USER.to_string();
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--"]).arg(program);
    command
}

/// Lets ordinary users make tunnels, as udev does; a machine without udev does not.
fn open_tunnels() {
    use std::os::unix::fs::PermissionsExt as _;
    let device = Path::new("/dev/net/tun");
    let is_open = |found: std::fs::Metadata| found.permissions().mode() & 0o666 == 0o666;
    if device.metadata().is_ok_and(|found| !is_open(found)) {
        let opened = std::fs::set_permissions(device, std::fs::Permissions::from_mode(0o666));
        assert!(opened.is_ok(), "{} cannot be opened to all: {opened:?}", device.display());
    }
}

fn hand_over(directory: &Path) {
    let status = Command::new("chown")
        .args(["-R", "-h", &format!("{ORDINARY_USER}:{ORDINARY_USER}")])
        .arg(directory)
        .status();
    // A file may vanish while `chown` walks over a live environment; what matters is checked by use.
    assert!(status.is_ok(), "chown is on every machine");
}

/// The repository's root.
pub(crate) fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests/ is in the repository").to_owned()
}

/// The program as `cargo test --workspace` built it, beside this very test.
fn built_binary() -> PathBuf {
    built("provisioner")
}

fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its file");
    let deps = test.parent().expect("a test is in target/*/deps");
    let binary = deps.parent().expect("deps is in target/*").join(name);
    assert!(
        binary.exists(),
        "{} is not there: `cargo test --workspace` builds it, or `cargo build -p` with the same profile",
        binary.display()
    );
    binary
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the directory is ours");
    for entry in std::fs::read_dir(from).expect("the repository is readable") {
        let entry = entry.expect("the repository is readable");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("the file can be copied");
        }
    }
}
