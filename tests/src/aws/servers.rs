//! One Python of a test program that has loaded moto, which takes it two seconds of work, and forks a server for whoever wants one.
//!
//! Invariants: a server has nothing of another one, as if it had been started by itself; what is loaded has been reset. It ends when
//! the line to it is closed, and so with the test program if that is killed. Refuses to know: what servers are asked.

use super::moto::Said;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

/// How long a start may take.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

/// What loads moto, asks it once what every test asks it, and then reads paths of sockets, one a line: for each a server that
/// has its input and its outputs there. Each line that a server reads is a script, which leaves its answer in `answer`.
///
/// For the tags of one object it looks at that object's: by itself moto looks through those of all, for each object that it
/// describes.
const SERVE: &str = "
import json, os, signal, socket, sys, threading, traceback
from moto.ec2.models.tags import TagBackend
from moto.moto_api._internal import mock_random
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.server import main
from werkzeug.test import Client

look_through_all = TagBackend.describe_tags
def describe_tags(self, filters=None):
    if filters is None or list(filters) != ['resource-id']:
        return look_through_all(self, filters)
    few = TagBackend()
    few.tags.update((id, self.tags[id]) for id in filters['resource-id'] if id in self.tags)
    return look_through_all(few, filters)
TagBackend.describe_tags = describe_tags

def load():
    client = Client(DomainDispatcherApplication(create_backend_app))
    def ask(service, **asked):
        scope = 'AKIAIOSFODNN7EXAMPLE/20260101/eu-central-1/%s/aws4_request' % service
        signed = 'AWS4-HMAC-SHA256 Credential=%s, SignedHeaders=host, Signature=00' % scope
        answer = client.open('/', headers={'Authorization': signed}, **asked)
        assert answer.status_code == 200, answer.data
    form = {'method': 'POST', 'content_type': 'application/x-www-form-urlencoded; charset=utf-8'}
    ask('sts', data='Action=GetCallerIdentity&Version=2011-06-15', **form)
    ask('ec2', data='Action=DescribeVpcs&Version=2016-11-15', **form)
    ask('iam', data='Action=ListRoles&Version=2010-05-08', **form)
    ask('s3')
    client.post('/moto-api/reset')

def listen():
    for line in sys.stdin:
        names = {'answer': None}
        try:
            exec(json.loads(line), names)
            told = {'answer': names['answer']}
        except Exception:
            told = {'error': traceback.format_exc()}
        print('told ' + json.dumps(told), flush=True)
    os._exit(0)

def serve(path):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    line = socket.socket(socket.AF_UNIX)
    line.connect(path)
    for number in (0, 1, 2):
        os.dup2(line.fileno(), number)
    line.close()
    mock_random.seed()
    threading.Thread(target=listen, daemon=True).start()
    main(['-H', '127.0.0.1', '-p', '0'])

load()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print('ready', flush=True)
for line in sys.stdin:
    if os.fork() == 0:
        serve(line.strip())
        os._exit(0)
";

/// What makes servers.
#[derive(Debug)]
struct Servers {
    stdin: ChildStdin,
    said: Said,
    _child: Child,
}

static SERVERS: Mutex<Option<Servers>> = Mutex::new(None);

/// The line to a new server: what it says, and what it is to run.
pub(super) fn start(python: &Path, images: &str) -> UnixStream {
    let mut servers = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
    let servers = servers.get_or_insert_with(|| load(python, images));
    let place = tempfile::tempdir().expect("a directory can be made");
    let path = place.path().join("line");
    let listener = UnixListener::bind(&path).expect("a socket can be made");
    writeln!(servers.stdin, "{}", path.display()).expect("moto listens");
    let (found, line) = mpsc::channel();
    std::thread::spawn(move || {
        // Whoever has waited too long does not hear of it.
        let _ = found.send(listener.accept());
    });
    match line.recv_timeout(PATIENCE) {
        Ok(accepted) => accepted.expect("a server can be heard").0,
        Err(error) => panic!("moto makes no server: {error}\n{}", servers.said.first()),
    }
}

fn load(python: &Path, images: &str) -> Servers {
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    std::fs::write(file.path(), images).expect("a file can be written");
    let mut child = Command::new(python)
        .args(["-u", "-c", SERVE])
        .env("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        .env("MOTO_AMIS_PATH", file.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("moto starts");
    let said = Said::default();
    let errors = BufReader::new(child.stderr.take().expect("it is a pipe"));
    let heard = said.clone();
    std::thread::spawn(move || {
        for line in errors.lines().map_while(Result::ok) {
            heard.push(&line);
        }
    });
    let mut stdout = BufReader::new(child.stdout.take().expect("it is a pipe"));
    let (ready, is_ready) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        // It says nothing where it has ended, which is as bad as another word.
        let _ = stdout.read_line(&mut line);
        let _ = ready.send(line == "ready\n");
    });
    let is_ready = is_ready.recv_timeout(PATIENCE);
    assert!(is_ready == Ok(true), "moto does not start ({is_ready:?}):\n{}", said.first());
    let stdin = child.stdin.take().expect("it is a pipe");
    Servers { stdin, said, _child: child }
}
