//! The program itself: it serves, tells of itself, and loads itself and others.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_workload");

struct Served {
    child: Child,
    address: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(arguments: &[&str]) -> Served {
    let mut child = Command::new(PROGRAM)
        .args(["serve", "--listen=127.0.0.1:0"])
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
    let address = line.trim().rsplit(' ').next().expect("a line has words").to_owned();
    Served { child, address }
}

fn get(served: &Served, path: &str) -> String {
    let mut stream = TcpStream::connect(&served.address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\n\r\n").expect("it reads");
    stream.shutdown(std::net::Shutdown::Write).expect("it is open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

/// What a series of `/metrics` says.
fn metric(page: &str, series: &str) -> f64 {
    let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let value = value.unwrap_or_else(|| panic!("{series} is not in\n{page}"));
    value.parse().expect("it is a number")
}

#[test]
fn load_comes_out_in_the_metrics() {
    let served = serve(&["--version=2", "--error-rate=0.5", "--latency-ms=1", "--seed=4"]);
    assert!(get(&served, "/version").ends_with("\r\n\r\n2\n"));
    let load = Command::new(PROGRAM)
        .args(["load", "--rate=100", "--seconds=3", "--targets", &served.address])
        .output()
        .expect("it starts");
    assert!(load.status.success(), "{load:?}");
    let said = String::from_utf8(load.stdout).expect("it is text");
    let last = said.lines().last().expect("it says something");
    let last: serde_json::Value = serde_json::from_str(last).expect("it is JSON");
    let told = |what: &str| last["targets"][&served.address][what].as_f64().expect("a number");
    assert!(told("good") > 0.0 && told("bad") > 0.0, "{last}");
    let page = get(&served, "/metrics");
    let good = metric(&page, r#"http_requests_total{code="200"}"#);
    let bad = metric(&page, r#"http_requests_total{code="500"}"#);
    assert!(good >= told("good") && bad >= told("bad"), "{last}\n{page}");
    assert!((metric(&page, "http_request_duration_seconds_count") - good - bad).abs() < 0.5);
}

#[test]
fn it_refuses_what_makes_no_sense() {
    for arguments in
        [["serve", "--error-rate=1.5"], ["serve", "--error-rate=much"], ["load", "--rate=1"]]
    {
        let output = Command::new(PROGRAM).args(arguments).output().expect("it starts");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}
