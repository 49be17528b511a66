//! As much of HTTP/1.1 as this needs: GET requests without a body, over connections that are kept.
//!
//! Invariant: no head and no body is longer than a bound.

use std::io;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

const HEAD_LIMIT: u64 = 16 << 10;
const BODY_LIMIT: usize = 1 << 20;

/// One side of a connection.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Takes over a stream.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// The path of the next request; none at the end of the connection.
    pub async fn request(&mut self) -> io::Result<Option<String>> {
        let head = self.head().await?;
        let Some(line) = head.lines().next() else { return Ok(None) };
        let mut words = line.split(' ');
        match (words.next(), words.next()) {
            (Some("GET"), Some(target)) => {
                Ok(Some(target.split('?').next().unwrap_or_default().to_owned()))
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "no GET request")),
        }
    }

    /// Answers.
    pub async fn answer(&mut self, status: u16, body: &str) -> io::Result<()> {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} {}\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {length}\r\n\r\n",
            if status < 400 { "OK" } else { "Not OK" }
        );
        self.0.get_mut().write_all((head + body).as_bytes()).await
    }

    /// Sends a request and gives the status of its answer.
    pub async fn get(&mut self, path: &str) -> io::Result<u16> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: workload\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).await?;
        let head = self.head().await?;
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, "no answer of HTTP");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        let length: usize = length.filter(|length| *length <= BODY_LIMIT).ok_or_else(invalid)?;
        self.0.read_exact(&mut vec![0; length]).await?;
        status.ok_or_else(invalid)
    }

    /// A request's or an answer's head; empty at the end of the connection.
    async fn head(&mut self) -> io::Result<String> {
        let mut head = String::new();
        let mut limited = (&mut self.0).take(HEAD_LIMIT);
        loop {
            match limited.read_line(&mut head).await? {
                0 if head.is_empty() => return Ok(head),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                1 | 2 if head.ends_with("\r\n\r\n") || head.ends_with("\n\n") => return Ok(head),
                _ => {}
            }
        }
    }
}
