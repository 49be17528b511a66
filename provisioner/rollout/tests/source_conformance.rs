//! Every metric source in every situation: the conformance suite, with an HTTP server that answers as asked.

mod support;

use async_trait::async_trait;
use model::rollout::Queries;
use model::rollout::entry::Reading;
use rollout::source::conformance::{Bed, CASES, Case, Class, Placed, run};
use rollout::source::{
    Alertmanager, Ask, Command, Fault, Faulty, Http, Json, Memory, MetricSource, Prometheus,
};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;
use support::ask;
use support::web::{Reply, Request, Web};

/// Long enough for any answer on a loaded machine.
const LONG: Duration = Duration::from_mins(1);
/// For answers that never come.
const SHORT: Duration = Duration::from_millis(300);

const NO_NUMBERS: &str = "it answers yes or no, not with numbers";
const NO_SAMPLES: &str = "it answers of the moment; there are no samples";
const NO_HTTP: &str = "it does not speak HTTP";

/// Servers of the situations, which live as long as the bed.
#[derive(Default)]
struct Servers(Mutex<Vec<Web>>);

impl Servers {
    fn start(&self, handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> String {
        let web = Web::start(handler);
        let url = web.url();
        self.0.lock().expect("no test panics with it").push(web);
        url
    }

    /// A server for the situations that are alike whatever is asked; none for the others.
    fn transport(&self, case: Case) -> Option<String> {
        Some(match case {
            Case::TimeOut => self.start(|_| Reply::Silence),
            Case::Http500 => self.start(|_| Reply::Whole(500, "broken inside".into())),
            Case::Http503 => self.start(|_| Reply::Whole(503, "come back later".into())),
            Case::Garbage => self.start(|_| Reply::Raw("EHLO there\r\n")),
            Case::Endless => self.start(|_| Reply::Endless),
            Case::Refused => {
                // A port where nobody listens any more.
                let web = Web::start(|_| Reply::Silence);
                web.url()
            }
            _ => return None,
        })
    }
}

fn limit(case: Case) -> Duration {
    if case == Case::TimeOut { SHORT } else { LONG }
}

/// What the reason says, where it is the transport's.
fn transport_says(case: Case) -> &'static str {
    match case {
        Case::TimeOut => "within 300 ms",
        Case::Http500 => "500",
        Case::Http503 => "503",
        Case::Refused => "no answer: connection refused",
        Case::Endless => "longer than",
        _ => "",
    }
}

fn asked(case: Case) -> Ask {
    if case == Case::NoNodes { ask(&[], &[], 60_000) } else { ask(&["a", "b"], &["c"], 60_000) }
}

async fn conforms(bed: &dyn Bed, least: usize) {
    let (wrong, run) = run(bed).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(run >= least, "only {run} of {} situations were there", CASES.len());
}

struct PrometheusBed(Servers);

fn success(kind: &str, result: &str) -> Reply {
    let body =
        format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#);
    Reply::Whole(200, body)
}

/// What a Prometheus answers at second 100 000, with the answer to the gate's own query.
fn of_prometheus(request: &Request, age_s: u32, answer: &Reply) -> Reply {
    let fresh = |node: &str| {
        let at = 100_000 - age_s;
        format!(r#"{{"metric":{{"node":"{node}"}},"value":[100000,"{at}"]}}"#)
    };
    if request.body.contains("query=time") {
        return success("scalar", r#"[100000,"100000"]"#);
    }
    if request.body.contains("timestamp") {
        return success("vector", &format!("[{},{}]", fresh("a"), fresh("b")));
    }
    answer.clone()
}

fn prometheus_answer(case: Case) -> Reply {
    let sample = |labels: &str| format!(r#"{{"metric":{{{labels}}},"value":[100000,"3"]}}"#);
    match case {
        Case::Nan => success("vector", r#"[{"metric":{},"value":[100000,"NaN"]}]"#),
        Case::Empty => success("vector", "[]"),
        Case::Several => {
            let series = [sample(r#""code":"500","job":"x""#), sample(r#""code":"502","job":"x""#)];
            success("vector", &format!("[{}]", series.join(",")))
        }
        Case::Partial => {
            let result = sample("");
            Reply::Whole(
                200,
                format!(
                    r#"{{"status":"success","warnings":["store b is away"],"data":{{"resultType":"vector","result":[{result}]}}}}"#
                ),
            )
        }
        Case::BadData => Reply::Whole(
            400,
            r#"{"status":"error","errorType":"bad_data","error":"1:2: parse error: oh no"}"#.into(),
        ),
        _ => success("vector", &format!("[{}]", sample(""))),
    }
}

#[async_trait]
impl Bed for PrometheusBed {
    async fn place(&self, case: Case) -> Result<Placed, &'static str> {
        if case == Case::Bad {
            return Err("it answers with numbers; what is bad is the gate's to say");
        }
        let url = self.0.transport(case).unwrap_or_else(|| {
            let answer = prometheus_answer(case);
            let age_s = if case == Case::Stale { 500 } else { 1 };
            self.0.start(move |request| of_prometheus(request, age_s, &answer))
        });
        let value = "sum(x{$candidate})".to_owned();
        let queries = Queries::Value { value, control: None, load: None };
        let source = Box::new(Prometheus::new(&url, queries, 60_000, limit(case)));
        let says = match case {
            Case::Several => "code=\"500\"",
            Case::Stale => "a (500.0 s old), b (500.0 s old)",
            Case::Partial => "store b is away",
            Case::BadData => "parse error: oh no",
            Case::NoNodes => "no node",
            case => transport_says(case),
        };
        Ok(Placed { source, ask: asked(case), says })
    }
}

#[tokio::test]
async fn prometheus_conforms() {
    conforms(&PrometheusBed(Servers::default()), CASES.len() - 1).await;
}

#[tokio::test]
async fn garbage_of_a_prometheus_is_an_error() {
    let bodies = [
        "",
        "<html>hello</html>",
        "[]",
        "{}",
        r#"{"status":"success"}"#,
        r#"{"status":"success","data":7}"#,
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":["x"]}]}}"#,
        r#"{"status":"success","data":{"resultType":"scalar","result":[1,"three"]}}"#,
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}"#,
        r#"{"status":"success","data":{"resultType":"string","result":[1,"three"]}}"#,
        r#"{"status":"error","errorType":"timeout","error":"too slow"}"#,
    ];
    for body in bodies {
        let web = Web::start(move |request| {
            of_prometheus(request, 1, &Reply::Whole(200, body.to_owned()))
        });
        let queries = Queries::Value { value: "x".into(), control: None, load: None };
        let source = Prometheus::new(&web.url(), queries, 60_000, LONG);
        let reading = source.measure(&asked(Case::Garbage)).await;
        assert!(matches!(reading, Reading::Error { .. }), "{body}: {reading:?}");
    }
}

struct JsonBed(Servers);

#[async_trait]
impl Bed for JsonBed {
    async fn place(&self, case: Case) -> Result<Placed, &'static str> {
        let (path, says) = match case {
            Case::Several => ("$.series[*].value", "leads to 2 values"),
            Case::Empty => ("$.series[7].value", "leads to nothing"),
            Case::Nan => ("$.nan", "NaN"),
            Case::BadData => ("$.[", "is no JSONPath"),
            Case::NoNodes => ("$.series[0].value", "no node"),
            Case::Bad => return Err("it answers with numbers; what is bad is the gate's to say"),
            Case::Stale | Case::Partial => return Err("its answers do not say so"),
            case => ("$.series[0].value", transport_says(case)),
        };
        let body = r#"{"nan": "NaN", "series": [{"value": 1.5}, {"value": 2.5}]}"#;
        let url = self.0.transport(case);
        let url = url.unwrap_or_else(|| self.0.start(|_| Reply::Whole(200, body.to_owned())));
        let queries = Queries::Value { value: path.into(), control: None, load: None };
        let url = format!("{url}/query?of=$candidate&from=$from");
        let source = Box::new(Json::new(&url, BTreeMap::new(), queries, limit(case)));
        Ok(Placed { source, ask: asked(case), says })
    }
}

#[tokio::test]
async fn json_conforms() {
    conforms(&JsonBed(Servers::default()), CASES.len() - 3).await;
}

#[tokio::test]
async fn json_is_asked_once_with_headers_for_all_its_numbers() {
    let web = Web::start(|request| {
        let is_asked_well = request.headers.contains("secret-key")
            && request
                .line
                .starts_with("GET /q?of=node%3D~%22a%7Cb%22&from=1699999940&to=1700000000 ");
        let body = r#"{"bad": 3, "all": [[1, 4], [2, "1000"]], "load": 1e3}"#;
        if is_asked_well {
            Reply::Whole(200, body.into())
        } else {
            Reply::Whole(418, String::new())
        }
    });
    let headers = BTreeMap::from([("x-api-key".to_owned(), "secret-key".to_owned())]);
    let queries = Queries::Counts {
        bad: "$.bad".into(),
        total: "$.all[-1][1]".into(),
        control: Some(("$.bad".into(), "$.load".into())),
    };
    let url = format!("{}/q?of=$candidate&from=$from&to=$to", web.url());
    let source = Json::new(&url, headers, queries, LONG);
    let asked = asked(Case::Well);
    let want = Reading::Counts { bad: 3.0, total: 1000.0, control: Some((3.0, 1000.0)) };
    assert_eq!(source.measure(&asked).await, want);
    assert!(!format!("{source:?}{:?}", source.queries(&asked)).contains("secret"));
    assert_eq!(source.check_syntax(&asked).await, Some(vec![]));
    let queries = Queries::Value { value: "$.a[".into(), control: None, load: None };
    let source = Json::new(&url, BTreeMap::new(), queries, LONG);
    let problems = source.check_syntax(&asked).await.expect("nobody is asked");
    assert_eq!(problems[0].text, "value");
    assert!(problems[0].at.is_some_and(|at| at <= 4), "{problems:?}");
}

struct HttpBed(Servers);

#[async_trait]
impl Bed for HttpBed {
    async fn place(&self, case: Case) -> Result<Placed, &'static str> {
        let status = match case {
            Case::Nan | Case::Empty | Case::Several => return Err(NO_NUMBERS),
            Case::Stale | Case::Partial => return Err(NO_SAMPLES),
            Case::Bad => 404,
            Case::BadData => 400,
            _ => 302,
        };
        let url = self.0.transport(case);
        let url =
            url.unwrap_or_else(|| self.0.start(move |_| Reply::Whole(status, "so it is".into())));
        let says = match case {
            Case::Bad => "it answers 404: so it is",
            Case::NoNodes => "no node",
            case => transport_says(case),
        };
        let source = Box::new(Http::new(&format!("{url}/ok?$candidate"), limit(case)));
        Ok(Placed { source, ask: asked(case), says })
    }

    fn differs(&self, case: Case) -> Option<(Class, &'static str)> {
        match case {
            Case::Http500 | Case::Http503 | Case::BadData => {
                Some((Class::No, "an answer of 400 or above is what it says no with"))
            }
            _ => None,
        }
    }
}

#[tokio::test]
async fn http_conforms() {
    conforms(&HttpBed(Servers::default()), CASES.len() - 5).await;
}

struct AlertmanagerBed(Servers);

#[async_trait]
impl Bed for AlertmanagerBed {
    async fn place(&self, case: Case) -> Result<Placed, &'static str> {
        if matches!(case, Case::Nan | Case::Several) {
            return Err(NO_NUMBERS);
        }
        if case == Case::Partial {
            return Err("its answers do not say so");
        }
        let url = self.0.transport(case).unwrap_or_else(|| {
            self.0.start(move |request| {
                let is_watchdog = request.line.contains("alertname%3D%22Watchdog%22");
                let alerts = match (case, is_watchdog) {
                    (Case::BadData, _) => {
                        return Reply::Whole(400, "\"bad matcher format: x\"".into());
                    }
                    (Case::Bad, false) => r#"[{"labels":{"alertname":"Fire","node":"a"}}]"#,
                    // Nobody reports any more: not even that all is well.
                    (Case::Empty | Case::Stale, _) | (_, false) => "[]",
                    (_, true) => r#"[{"labels":{"alertname":"Watchdog"}}]"#,
                };
                Reply::Whole(200, alerts.to_owned())
            })
        });
        let matchers = vec!["severity=\"critical\"".to_owned(), "$candidate".to_owned()];
        let source = Box::new(Alertmanager::new(&url, matchers, limit(case)));
        let says = match case {
            Case::Bad => "firing: Fire on a",
            Case::Empty | Case::Stale => "Watchdog",
            Case::BadData => "bad matcher format: x",
            Case::NoNodes => "no node",
            case => transport_says(case),
        };
        Ok(Placed { source, ask: asked(case), says })
    }
}

#[tokio::test]
async fn alertmanager_conforms() {
    conforms(&AlertmanagerBed(Servers::default()), CASES.len() - 3).await;
}

struct CommandBed;

#[async_trait]
impl Bed for CommandBed {
    async fn place(&self, case: Case) -> Result<Placed, &'static str> {
        let (script, says) = match case {
            Case::Nan | Case::Empty | Case::Several => return Err(NO_NUMBERS),
            Case::Stale | Case::Partial => return Err(NO_SAMPLES),
            Case::Http500 | Case::Http503 => return Err(NO_HTTP),
            Case::Well => (r#"test "$1" = 'node=~"a|b"'"#, ""),
            Case::Bad => ("echo too many; echo errors >&2; exit 1", "errors"),
            Case::NoNodes => ("exit 0", "no node"),
            Case::TimeOut => ("sleep 1000", "within 300 ms"),
            Case::BadData => ("echo usage >&2; exit 2", "exits with 2: usage"),
            Case::Garbage => ("kill -9 $$", "ends by a signal"),
            Case::Refused => ("", "does not start"),
            Case::Endless => ("head -c 10000000 /dev/zero; exit 3", "exits with 3"),
        };
        let program = if case == Case::Refused { "/nowhere/program" } else { "sh" };
        let words = [program, "-c", script, "sh", "$candidate"];
        let source = Command::new(words.map(str::to_owned).to_vec(), limit(case));
        Ok(Placed { source: Box::new(source), ask: asked(case), says })
    }
}

#[tokio::test]
async fn commands_conform() {
    conforms(&CommandBed, CASES.len() - 7).await;
}

#[tokio::test]
async fn a_command_is_killed_with_all_that_it_started() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let pipe = directory.path().join("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).expect("the directory is ours");
    let script = format!("(exec sleep 1000 > '{}') & wait", pipe.display());
    let words = ["sh", "-c", &script].map(str::to_owned).to_vec();
    let measured =
        tokio::spawn(async move { Command::new(words, LONG).measure(&asked(Case::TimeOut)).await });
    // The pipe opens when the grandchild is there, and ends with it.
    let (tell, opened) = tokio::sync::oneshot::channel();
    let read = tokio::task::spawn_blocking(move || {
        let file = std::fs::File::open(pipe);
        let _ = tell.send(());
        file.and_then(std::io::read_to_string)
    });
    opened.await.expect("the grandchild starts");
    // Nobody waits for the answer any more, as when the time limit is over.
    measured.abort();
    let read = tokio::time::timeout(LONG, read).await.expect("the grandchild is gone");
    assert_eq!(read.expect("it is read").expect("it is text"), "");
}

struct MemoryBed;

fn in_memory(case: Case) -> Reading {
    let why = "so it is".to_owned();
    match case.class() {
        Class::Data => Reading::Yes,
        Class::No => Reading::No { why },
        Class::Missing => Reading::Missing { why },
        Class::Error => Reading::Error { why },
    }
}

#[async_trait]
impl Bed for MemoryBed {
    async fn place(&self, case: Case) -> Result<Placed, &'static str> {
        let inner = Memory::new(move |_, _| in_memory(case));
        let source: Box<dyn MetricSource> = match case {
            // The wrapper makes these of a source that is well.
            Case::Refused => Box::new(Faulty::new(well(), |_| Some(Fault::Error))),
            Case::Partial => Box::new(Faulty::new(well(), |_| Some(Fault::Missing))),
            _ => Box::new(Faulty::new(inner, |_| None)),
        };
        Ok(Placed { source, ask: asked(case), says: "" })
    }
}

fn well() -> Memory {
    Memory::script([Reading::Yes, Reading::Yes])
}

#[tokio::test]
async fn memory_conforms_and_remembers() {
    conforms(&MemoryBed, CASES.len()).await;
    let memory = well();
    let asked = asked(Case::Well);
    for want in [true, true, false] {
        assert_eq!(memory.measure(&asked).await == Reading::Yes, want);
    }
    assert_eq!(memory.asked(), [asked.clone(), asked.clone(), asked]);
}
