//! Serving: what each path answers, how long it takes, and whether it fails.

use crate::http::Connection;
use crate::metrics::Metrics;
use crate::{Serve, chance, load};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// Kinds of draws.
const FAILS: u64 = 1;
const TAKES: u64 = 2;

struct Service {
    how: Serve,
    metrics: Mutex<Metrics>,
    requests: AtomicU64,
}

/// Serves until it is killed.
pub async fn run(how: Serve) -> io::Result<()> {
    let listener = TcpListener::bind(how.listen).await?;
    let address = listener.local_addr()?;
    println!("version {} listens on {address}", how.version);
    if how.load > 0 {
        let itself = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
        // The load ends with the program, and what came of it is in the metrics.
        drop(load::start(&[itself.to_string()], how.load));
    }
    serve(listener, how).await
}

async fn serve(listener: TcpListener, how: Serve) -> io::Result<()> {
    let service = Arc::new(Service { how, metrics: Mutex::default(), requests: AtomicU64::new(0) });
    loop {
        let (stream, _) = listener.accept().await?;
        let (service, mut connection) = (Arc::clone(&service), Connection::new(stream)?);
        tokio::spawn(async move {
            // A connection that breaks is the other side's matter.
            while let Ok(Some(path)) = connection.request().await {
                if service.answer(&path, &mut connection).await.is_err() {
                    return;
                }
            }
        });
    }
}

impl Service {
    async fn answer(&self, path: &str, connection: &mut Connection) -> io::Result<()> {
        match path {
            "/" => self.work(connection).await,
            "/healthz" if self.how.unhealthy => connection.answer(503, "not well\n").await,
            "/healthz" => connection.answer(200, "well\n").await,
            "/version" => connection.answer(200, &format!("{}\n", self.how.version)).await,
            "/metrics" => {
                let page = {
                    let metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
                    metrics.page(&self.how.version)
                };
                connection.answer(200, &page).await
            }
            _ => connection.answer(404, "no such path\n").await,
        }
    }

    async fn work(&self, connection: &mut Connection) -> io::Result<()> {
        let began = Instant::now();
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.takes(number)).await;
        let is_good = chance::unit(self.how.seed, FAILS, number) >= self.how.error_rate;
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner).count(is_good, began.elapsed());
        if is_good {
            connection.answer(200, "done\n").await
        } else {
            connection.answer(500, "failed\n").await
        }
    }

    fn takes(&self, number: u64) -> Duration {
        let factor = 0.8 + 0.4 * chance::unit(self.how.seed, TAKES, number);
        Duration::from_secs_f64(f64::from(self.how.latency_ms) / 1000.0 * factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpStream;

    async fn started(how: Serve) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
        let address = listener.local_addr().expect("it has an address");
        tokio::spawn(serve(listener, how));
        let stream = TcpStream::connect(address).await.expect("it listens");
        Connection::new(stream).expect("a stream is a connection")
    }

    fn how(error_rate: f64) -> Serve {
        Serve {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            version: "2".to_owned(),
            error_rate,
            latency_ms: 0,
            unhealthy: error_rate > 0.0,
            load: 0,
            seed: 3,
        }
    }

    #[tokio::test]
    async fn a_share_of_the_requests_fails() {
        let mut connection = started(how(0.05)).await;
        let mut failed = 0;
        for _ in 0..1_000 {
            failed += u32::from(connection.get("/").await.expect("it answers") == 500);
        }
        assert!((25..80).contains(&failed), "{failed}");
        assert_eq!(connection.get("/healthz").await.expect("it answers"), 503);
    }

    #[tokio::test]
    async fn all_paths_answer() {
        let mut connection = started(how(0.0)).await;
        for path in ["/", "/?x=1", "/healthz", "/version", "/metrics"] {
            assert_eq!(connection.get(path).await.expect("it answers"), 200, "{path}");
        }
        assert_eq!(connection.get("/nowhere").await.expect("it answers"), 404);
    }

    #[test]
    fn requests_take_what_is_asked_for() {
        let how = Serve { latency_ms: 180, ..how(0.0) };
        let service = Service { how, metrics: Mutex::default(), requests: AtomicU64::new(0) };
        let takes: Vec<_> = (0..1_000).map(|number| service.takes(number)).collect();
        let (low, high) = (Duration::from_millis(144), Duration::from_millis(216));
        assert!(takes.iter().all(|time| (low..=high).contains(time)));
        let slow = takes.iter().filter(|time| **time > Duration::from_millis(150)).count();
        assert!(slow > 850, "{slow}");
    }
}
