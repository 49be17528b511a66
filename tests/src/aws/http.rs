//! As much of HTTP/1.1 as the proxy needs: requests in, answers out, and one request to moto.
//!
//! Invariant: a body is whole when it is here; chunks are put together. Refuses to know what the requests mean.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read as _, Result, Write as _};
use std::net::TcpStream;

/// Bytes of a body at most, and of a line.
const LONGEST_BODY: u64 = 256 << 20;
const LONGEST_LINE: u64 = 64 << 10;

/// Header lines in order.
pub(super) type Headers = Vec<(String, String)>;

/// A request, whole.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query, as sent.
    pub(super) target: String,
    pub(super) headers: Headers,
    pub(super) body: Vec<u8>,
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// The next request of a connection; none when the client closed it in between.
    pub(super) fn read(connection: &mut BufReader<TcpStream>) -> Result<Option<Self>> {
        let Some(first) = line(connection)? else { return Ok(None) };
        let mut words = first.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(malformed("the request line"));
        };
        let (method, target) = (method.to_owned(), target.to_owned());
        let headers = headers(connection)?;
        if header(&headers, "expect").is_some() {
            connection.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = body(connection, &headers, false)?;
        Ok(Some(Self { method, target, headers, body }))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The path, without the query.
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The query's pairs, decoded.
    pub(super) fn query(&self) -> Vec<(String, String)> {
        self.target.split_once('?').map(|(_, query)| pairs(query)).unwrap_or_default()
    }

    /// Sends it to a server on a connection of its own.
    pub(super) fn send(&self, port: u16) -> Result<Response> {
        let mut connection = TcpStream::connect(("127.0.0.1", port))?;
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        write_headers(&mut text, &self.headers, self.body.len());
        connection.write_all(text.as_bytes())?;
        connection.write_all(&self.body)?;
        Response::read(&mut BufReader::new(connection), self.method == "HEAD")
    }
}

impl Response {
    fn read(connection: &mut BufReader<TcpStream>, to_head: bool) -> Result<Self> {
        let first = line(connection)?.ok_or_else(|| malformed("an answer without a byte"))?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| malformed("the status line"))?;
        let headers = headers(connection)?;
        let has_body = !to_head && status != 204 && status != 304;
        let body = if has_body { body(connection, &headers, true)? } else { Vec::new() };
        Ok(Self { status, headers, body })
    }

    /// The answer as it goes over the wire. That to HEAD tells the length that a body would have.
    pub(super) fn bytes(&self, to_head: bool) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} -\r\n", self.status);
        let told = if to_head { header(&self.headers, "content-length") } else { None };
        let length = told.and_then(|length| length.parse().ok()).unwrap_or(self.body.len());
        write_headers(&mut text, &self.headers, length);
        let mut bytes = text.into_bytes();
        if !to_head {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

/// A form's or query's pairs, decoded.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// Pairs as a form.
pub(super) fn form<'p>(pairs: impl IntoIterator<Item = (&'p String, &'p String)>) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes()
}

/// A part of a path, decoded.
pub(super) fn decoded(part: &str) -> String {
    percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned()
}

fn header<'h>(headers: &'h Headers, name: &str) -> Option<&'h str> {
    let found = headers.iter().find(|(one, _)| one.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

/// Header lines, with a length of our own: what frames a message on one connection does not on the next.
fn write_headers(text: &mut String, headers: &Headers, length: usize) {
    use std::fmt::Write as _;
    let ours = ["content-length", "transfer-encoding", "connection", "expect", "keep-alive"];
    let theirs =
        headers.iter().filter(|(name, _)| !ours.iter().any(|o| name.eq_ignore_ascii_case(o)));
    for (name, value) in theirs {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    let _ = write!(text, "content-length: {length}\r\n\r\n");
}

fn line(connection: &mut BufReader<TcpStream>) -> Result<Option<String>> {
    let mut line = Vec::new();
    connection.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    let line = String::from_utf8(line).map_err(|_| malformed("a header line"))?;
    Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
}

fn headers(connection: &mut BufReader<TcpStream>) -> Result<Headers> {
    let mut headers = Vec::new();
    loop {
        let line = line(connection)?.ok_or_else(|| malformed("headers that end early"))?;
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("a header line"))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn body(
    connection: &mut BufReader<TcpStream>,
    headers: &Headers,
    until_end: bool,
) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    if header(headers, "transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        return chunks(connection);
    }
    match header(headers, "content-length").map(str::parse::<u64>) {
        Some(Ok(length)) if length <= LONGEST_BODY => {
            body.resize(usize::try_from(length).map_err(|_| malformed("the length"))?, 0);
            connection.read_exact(&mut body)?;
        }
        Some(_) => return Err(malformed("the length")),
        None if until_end => {
            connection.by_ref().take(LONGEST_BODY).read_to_end(&mut body)?;
        }
        None => {}
    }
    Ok(body)
}

fn chunks(connection: &mut BufReader<TcpStream>) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = line(connection)?.ok_or_else(|| malformed("chunks that end early"))?;
        let size = line.split(';').next().and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.ok_or_else(|| malformed("the size of a chunk"))?;
        if size == 0 {
            headers_end(connection)?;
            return Ok(body);
        }
        let from = body.len();
        if (from + size) as u64 > LONGEST_BODY {
            return Err(malformed("the length"));
        }
        body.resize(from + size, 0);
        connection.read_exact(&mut body[from..])?;
        line_end(connection)?;
    }
}

fn headers_end(connection: &mut BufReader<TcpStream>) -> Result<()> {
    headers(connection).map(drop)
}

fn line_end(connection: &mut BufReader<TcpStream>) -> Result<()> {
    line(connection).map(drop)
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("not HTTP as the proxy knows it: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_and_written() {
        let read = pairs("Action=RunInstances&Filter.1.Value.1=a%20b%2Fc+d&Empty=&Flag");
        let given = |index: usize| (read[index].0.as_str(), read[index].1.as_str());
        assert_eq!(given(1), ("Filter.1.Value.1", "a b/c d"));
        assert_eq!((given(2), given(3)), (("Empty", ""), ("Flag", "")));
        let written = form([(&"Key".to_owned(), &"ü/ +".to_owned())]);
        assert_eq!(written, b"Key=%C3%BC%2F+%2B");
        assert_eq!(decoded("a%2Fb+100%"), "a/b+100%");
    }
}
