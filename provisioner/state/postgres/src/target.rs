//! Where the database is: a URL as libpq reads it, as far as this store knows its parameters.
//!
//! One thing is stricter than in libpq: without `sslmode`, a host beyond this machine must prove who it is.
//! Refuses to know: how a connection is made.

use crate::tls::Verify;
use state::StateError;
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// Bounds on a connection whose other end does not answer, unless the URL says others.
const CONNECT: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(10);
const PROBE: Duration = Duration::from_secs(5);
const PROBES: u32 = 3;

/// A database, and how it is asked who it is.
#[derive(Clone)]
pub struct Target {
    pub config: Config,
    pub verify: Verify,
    /// Certificates to trust in place of the machine's.
    pub roots: Option<PathBuf>,
    /// Whether what is said may be said to anybody.
    pub unproven: bool,
    /// Host, port and database, without user and password.
    pub shown: String,
}

impl Target {
    /// From a URL; what is wrong with it is told without repeating it, for it may hold a password.
    pub fn parse(url: &str) -> Result<Self, StateError> {
        let scheme = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
        if !scheme {
            return Err(refused("it does not begin with postgresql://"));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut roots, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => roots = Some(unescape(value)?),
                _ => rest.push(pair),
            }
        }
        let parsed = format!("{base}?{}", rest.join("&")).parse::<Config>();
        let mut config = parsed.map_err(|error| {
            let why = std::error::Error::source(&error).map(ToString::to_string);
            refused(&why.unwrap_or_else(|| error.to_string()))
        })?;
        let roots = roots.filter(|roots| roots != "system").map(PathBuf::from);
        let (mode, verify) = match mode {
            Some("disable") => (SslMode::Disable, Verify::Nothing),
            Some("prefer") => (SslMode::Prefer, Verify::Nothing),
            // Whoever names certificates wants them looked at. Source: libpq, "Protection Provided in Different Modes".
            Some("require") if roots.is_some() => (SslMode::Require, Verify::Chain),
            Some("require") => (SslMode::Require, Verify::Nothing),
            Some("verify-ca") => (SslMode::Require, Verify::Chain),
            Some("verify-full") => (SslMode::Require, Verify::ChainAndName),
            Some(_) => {
                let known = "disable, prefer, require, verify-ca, verify-full";
                return Err(refused(&format!("its sslmode is none of {known}")));
            }
            None if config.get_hosts().iter().all(is_here) => (SslMode::Prefer, Verify::Nothing),
            None => (SslMode::Require, Verify::ChainAndName),
        };
        config.ssl_mode(mode);
        bound(&mut config);
        let here = config.get_hosts().iter().all(is_here);
        let (shown, unproven) = (shown(&config), verify == Verify::Nothing && !here);
        Ok(Self { config, verify, roots, unproven, shown })
    }
}

fn bound(config: &mut Config) {
    config.get_connect_timeout().is_none().then(|| config.connect_timeout(CONNECT));
    config.get_tcp_user_timeout().is_none().then(|| config.tcp_user_timeout(IDLE + PROBE));
    config.get_keepalives_interval().is_none().then(|| config.keepalives_interval(PROBE));
    config.get_keepalives_retries().is_none().then(|| config.keepalives_retries(PROBES));
    (config.get_keepalives_idle() > IDLE).then(|| config.keepalives_idle(IDLE));
    config.get_application_name().is_none().then(|| config.application_name("provisioner"));
}

/// Whether what is said to a host stays on this machine.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
    }
}

fn shown(config: &Config) -> String {
    let ports = config.get_ports();
    let host = |(at, host): (usize, &Host)| match host {
        Host::Tcp(name) => {
            let port = ports.get(at).or_else(|| ports.first()).copied().unwrap_or(5432);
            let name = if name.contains(':') { format!("[{name}]") } else { name.clone() };
            format!("{name}:{port}")
        }
        Host::Unix(path) => path.display().to_string(),
    };
    let hosts: Vec<_> = config.get_hosts().iter().enumerate().map(host).collect();
    let database = config.get_dbname().or_else(|| config.get_user()).unwrap_or_default();
    format!("postgresql://{}/{database}", hosts.join(","))
}

/// A parameter with its %-escapes undone.
fn unescape(text: &str) -> Result<String, StateError> {
    let wrong = || refused("a %-escape in it does not read");
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let digits = part.get(..2).ok_or_else(wrong)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        bytes.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

fn refused(why: &str) -> StateError {
    StateError::Unreadable {
        path: "the state's database".to_owned(),
        why: format!("the URL cannot be used: {why}"),
        hint: "write `url = \"postgresql://USER@HOST/DATABASE?sslmode=verify-full\"`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let target = Target::parse("postgresql://ana:s3cret@db.example:6000/state").unwrap();
        assert_eq!(target.shown, "postgresql://db.example:6000/state");
        for wrong in ["postgresql://ana:s3cret@db.example/x?sslmode=maybe", "mysql://ana:s3cret@db"]
        {
            let error = Target::parse(wrong).err().unwrap().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
        let unknown = Target::parse("postgresql://db.example/x?colour=red").err().unwrap();
        assert!(unknown.to_string().contains("colour"), "{unknown}");
    }

    #[test]
    fn modes_are_those_of_libpq_and_strangers_must_prove_who_they_are() {
        let of = |query: &str| {
            let target = Target::parse(&format!("postgresql://{query}")).unwrap();
            (target.config.get_ssl_mode(), target.verify)
        };
        assert_eq!(of("db.example/x"), (SslMode::Require, Verify::ChainAndName));
        assert_eq!(of("localhost/x"), (SslMode::Prefer, Verify::Nothing));
        assert_eq!(of("127.0.0.1,[::1]/x"), (SslMode::Prefer, Verify::Nothing));
        assert_eq!(of("%2Frun%2Fpostgresql/x"), (SslMode::Prefer, Verify::Nothing));
        assert_eq!(of("db.example/x?sslmode=disable"), (SslMode::Disable, Verify::Nothing));
        assert_eq!(of("db.example/x?sslmode=prefer"), (SslMode::Prefer, Verify::Nothing));
        assert_eq!(of("db.example/x?sslmode=require"), (SslMode::Require, Verify::Nothing));
        let named = "db.example/x?sslmode=require&sslrootcert=%2Fetc%2Fca.pem";
        assert_eq!(of(named), (SslMode::Require, Verify::Chain));
        assert_eq!(of("db.example/x?sslmode=verify-ca"), (SslMode::Require, Verify::Chain));
        assert_eq!(of("localhost/x?sslmode=verify-full"), (SslMode::Require, Verify::ChainAndName));
    }
}
