//! Answers that the proxy gives by itself, in the form of each service.

use super::call::Call;
use super::http::Response;
use super::xml::escaped;

/// An error as a service tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// The code that programs look at.
    pub code: String,
    /// The text for people.
    pub message: String,
}

impl Refusal {
    /// With the status 400.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.to_owned(), message: message.into() }
    }

    /// With another status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// What a service says to a call too many.
    pub fn throttled(service: &str) -> Self {
        match service {
            "ec2" => Self::new("RequestLimitExceeded", "Request limit exceeded.").with_status(503),
            "s3" => Self::new("SlowDown", "Please reduce your request rate.").with_status(503),
            _ => Self::new("Throttling", "Rate exceeded"),
        }
    }

    pub(super) fn response(&self, call: &Call) -> Response {
        let (code, message) = (escaped(&self.code), escaped(&self.message));
        let error = format!("<Code>{code}</Code><Message>{message}</Message>");
        let body = match call.service.as_str() {
            "ec2" => format!(
                "<Response><Errors><Error>{error}</Error></Errors><RequestID>proxy</RequestID></Response>"
            ),
            "s3" => format!("<Error>{error}<RequestId>proxy</RequestId></Error>"),
            _ => format!(
                "<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>proxy</RequestId></ErrorResponse>"
            ),
        };
        xml(self.status, &body)
    }
}

/// An answer of EC2: what is in the operation's element.
pub(super) fn ec2(call: &Call, content: &str) -> Response {
    let operation = &call.operation;
    let name = format!("{operation}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"");
    xml(200, &format!("<{name}><requestId>proxy</requestId>{content}</{operation}Response>"))
}

fn xml(status: u16, body: &str) -> Response {
    let headers = [("content-type", "text/xml;charset=UTF-8"), ("x-amzn-requestid", "proxy")];
    Response {
        status,
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        body: format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}").into_bytes(),
    }
}
