//! An HTTP server on loopback that answers as a test says: also wrongly, endlessly, or not at all.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// An answer.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A status and a body.
    Whole(u16, String),
    /// These bytes, and the end.
    Raw(&'static str),
    /// Nothing, for as long as the server lives.
    Silence,
    /// More than anybody wants to read.
    Endless,
}

/// A request: its method and target, its headers, its body.
#[derive(Clone, Debug)]
pub struct Request {
    pub line: String,
    pub headers: String,
    pub body: String,
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

/// A running server.
pub struct Web {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Web {
    /// Starts one.
    pub fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
        let address = listener.local_addr().expect("it has an address");
        let handler: Arc<Handler> = Arc::new(handler);
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        let thread = std::thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.expect("a connection can be taken");
                let (handler, mute) = (Arc::clone(&handler), stream.try_clone());
                // A connection that is answered with silence stays open as long as this is held.
                silent.push(mute.expect("a connection can be shared"));
                std::thread::spawn(move || serve(stream, &*handler));
            }
        });
        Self { address, stopped, thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // One more connection, so that it sees that it is to stop.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn serve(mut stream: TcpStream, handler: &Handler) {
    let Some(request) = read(&stream) else { return };
    let end = match handler(&request) {
        Reply::Silence => return,
        Reply::Raw(bytes) => stream.write_all(bytes.as_bytes()),
        Reply::Whole(status, body) => {
            let head = head(status, body.len());
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()))
        }
        Reply::Endless => {
            let head = head(200, 1 << 30);
            let chunk = vec![b' '; 1 << 16];
            let mut end = stream.write_all(head.as_bytes());
            // Whoever has had enough hangs up, and that ends it.
            while end.is_ok() {
                end = stream.write_all(&chunk);
            }
            end
        }
    };
    // The other side may have hung up.
    let _ = end.and_then(|()| stream.flush());
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

fn head(status: u16, length: usize) -> String {
    format!(
        "HTTP/1.1 {status} Whatever\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    )
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut headers) = (String::new(), String::new());
    reader.read_line(&mut line).ok()?;
    while reader.read_line(&mut headers).ok()? > 2 {}
    let length = headers.lines().find_map(|header| {
        let (name, value) = header.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    Some(Request { line: line.trim().to_owned(), headers, body })
}
