//! The AWS that the tests use, started by hand: `cargo run -p tests --bin aws-proxy -- --listen 127.0.0.1:5600`.
//!
//! It prints the environment in which a program talks to it, then every call, with what AWS would not know of it. It
//! ends by a signal, and moto with it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a program for people")]

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use tests::aws::{Backing, Fault, LoggedCall, Moto, Options, Proxy, Refusal, Which};

const USAGE: &str = "\
usage: aws-proxy [OPTION]...
  --listen ADDRESS            where it listens (default 127.0.0.1:5600)
  --slow N                    what is made or ended is shown on its way for N descriptions
  --hidden N                  N descriptions do not see a new object
  --hidden-calls N            N other calls that name a new object do not know it
  --nodes                     every instance is a machine of the local cloud, with SSH on port 2222 of its address
  --networked-nodes           the same with a network of their own; SSH is on port 2222 of their public addresses
  --throttled                 the published limits hold
  --fault OPERATION:NTH:WHAT  what happens to the NTH call of an operation (`changing` and `any` are operations too):
                              throttle, lose-answer, lose-request, cut-answer, delay=MILLISECONDS, STATUS=CODE";

/// What the command line asks for.
#[derive(Default)]
struct Asked {
    options: Options,
    faults: Vec<(Which, u32, Fault)>,
}

fn main() -> ExitCode {
    // With nodes, the local cloud's machines are this program, started again.
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some(code) = provider_local::internal_main(&words) {
        return code;
    }
    let asked = match read(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let Some(moto) = Moto::start() else { return ExitCode::FAILURE };
    let proxy = Proxy::start(moto, asked.options);
    for (which, nth, fault) in asked.faults {
        proxy.fail(which, nth, fault);
    }
    println!("# AWS for tests at {}", proxy.url());
    for (name, value) in proxy.environment() {
        println!("export {name}={value}");
    }
    loop {
        std::thread::park();
    }
}

fn read(mut arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked::default();
    asked.options.listen = SocketAddr::from(([127, 0, 0, 1], 5600));
    asked.options.watch = Some(print);
    while let Some(option) = arguments.next() {
        if option == "--nodes" || option == "--networked-nodes" {
            let program = std::env::current_exe().map_err(|error| error.to_string())?;
            let backing =
                if option == "--nodes" { Backing::processes } else { Backing::namespaces };
            asked.options.nodes = Some(backing(program));
            continue;
        }
        if option == "--throttled" {
            asked.options.throttled = true;
            continue;
        }
        let value =
            arguments.next().ok_or_else(|| format!("`{option}` is unknown, or lacks a value"))?;
        let number = || value.parse::<u32>().map_err(|_| format!("`{value}` is no number"));
        let options = &mut asked.options;
        match option.as_str() {
            "--listen" => {
                let address = value.parse();
                options.listen = address.map_err(|_| format!("`{value}` is no address"))?;
            }
            "--slow" => options.slow_describes = number()?,
            "--hidden" => options.hidden_describes = number()?,
            "--hidden-calls" => options.hidden_calls = number()?,
            "--fault" => asked.faults.push(fault(&value)?),
            _ => return Err(format!("`{option}` is unknown")),
        }
    }
    Ok(asked)
}

fn fault(text: &str) -> Result<(Which, u32, Fault), String> {
    let wrong = || format!("`{text}` is no fault");
    let mut parts = text.splitn(3, ':');
    let (Some(operation), Some(nth), Some(what)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong());
    };
    let which = match operation {
        "any" => Which::Any,
        "changing" => Which::Changing,
        _ => operation.into(),
    };
    let fault = match (what, what.split_once('=')) {
        ("throttle", _) => Fault::Throttle,
        ("lose-answer", _) => Fault::LoseAnswer,
        ("lose-request", _) => Fault::LoseRequest,
        ("cut-answer", _) => Fault::CutAnswer,
        (_, Some(("delay", time))) => {
            Fault::Delay(Duration::from_millis(time.parse().map_err(|_| wrong())?))
        }
        (_, Some((status, code))) => {
            let refusal = Refusal::new(code, "Asked for on the command line.");
            Fault::Refuse(refusal.with_status(status.parse().map_err(|_| wrong())?))
        }
        _ => return Err(wrong()),
    };
    Ok((which, nth.parse().map_err(|_| wrong())?, fault))
}

/// One line for a call.
fn print(logged: &LoggedCall) {
    let LoggedCall { call, status, code, fault, .. } = logged;
    let status = status.map_or_else(|| "lost".to_owned(), |status| status.to_string());
    let code = code.as_deref().unwrap_or_default();
    let fault = fault.as_ref().map(|fault| format!(" ({fault:?})")).unwrap_or_default();
    let hidden = |name: &&String| *name != "Version";
    let parameter = |name: &String| format!("{name}={}", call.parameters[name]);
    let parameters: Vec<_> = call.parameters.keys().filter(hidden).map(parameter).collect();
    println!("{status} {} {} {code}{fault} {}", call.region, call.operation, parameters.join(" "));
    for violation in &logged.violations {
        println!("  not a request of AWS: {violation}");
    }
}
