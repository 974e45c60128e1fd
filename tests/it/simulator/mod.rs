//! The simulator over the wire: a raw HTTP client and a WebSocket, nothing of our own client.
//!
//! In: a running simulator · Out: answers for the tests beside · Thread: the test's.

mod control;
mod faults;
mod frames;
mod rest;
mod sockets;
mod traffic;
mod truth;

use genesys_stream::simulator::{Builder, Script, Simulator, TruthQuery};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Error, Message, WebSocket};

use crate::support::{PATIENCE, against_the_clock, eventually, until_true};

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// The error body's code, after checking its form.
    fn code(&self) -> String {
        let body = self.json();
        assert_eq!(body["status"], self.status);
        assert_eq!(body["contextId"].as_str(), self.header("ININ-Correlation-Id"));
        assert!(body["details"].is_array() && body["errors"].is_array());
        body["code"].as_str().unwrap().to_owned()
    }
}

fn http(sim: &Simulator, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(sim.local_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
        sim.local_addr()
    );
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        request += &format!("Content-Length: {}\r\n", body.len());
    }
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .filter_map(|l| l.split_once(": "))
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .collect();
    Answer {
        status,
        headers,
        body: body.to_owned(),
    }
}

/// A client with a token.
struct Client<'a> {
    sim: &'a Simulator,
    token: String,
}

fn log_in(sim: &Simulator) -> Client<'_> {
    // `simulator:simulator` in base64.
    let answer = login(
        sim,
        "Basic c2ltdWxhdG9yOnNpbXVsYXRvcg==",
        "grant_type=client_credentials",
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    let token = answer.json();
    assert_eq!(token["token_type"], "bearer");
    Client {
        sim,
        token: token["access_token"].as_str().unwrap().to_owned(),
    }
}

/// Conversation details, the last to end first and the open ones before them.
pub fn details(sim: &Simulator, most: usize) -> Vec<Value> {
    let client = log_in(sim);
    let mut all = Vec::new();
    for number in 1..=most.div_ceil(100) {
        let now = client.get("/sim/state")["centre_time"].as_str().unwrap().to_owned();
        let query = json!({"interval": format!("{}T00:00:00Z/{now}", &now[..10]), "order": "desc",
            "orderBy": "conversationEnd", "paging": {"pageSize": 100, "pageNumber": number}});
        let answer = client.call("POST", "/api/v2/analytics/conversations/details/query", &query);
        assert_eq!(answer.status, 200, "{}", answer.body);
        all.extend(answer.json()["conversations"].as_array().unwrap().clone());
    }
    all
}

fn login(sim: &Simulator, authorization: &str, form: &str) -> Answer {
    let headers = [
        ("Authorization", authorization),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    http(sim, "POST", "/oauth/token", &headers, form)
}

impl Client<'_> {
    fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        http(
            self.sim,
            method,
            path,
            &[("Authorization", &format!("Bearer {}", self.token))],
            &text,
        )
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path, &Value::Null);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    /// Id and connectUri of a new channel.
    fn channel(&self) -> (String, String) {
        let answer = self.call("POST", "/api/v2/notifications/channels", &Value::Null);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let channel = answer.json();
        (
            channel["id"].as_str().unwrap().to_owned(),
            channel["connectUri"].as_str().unwrap().to_owned(),
        )
    }

    fn subscribe(&self, method: &str, channel: &str, flags: &str, topics: &[String]) -> Answer {
        let body: Vec<Value> = topics.iter().map(|t| json!({"id": t})).collect();
        self.call(
            method,
            &format!("/api/v2/notifications/channels/{channel}/subscriptions{flags}"),
            &json!(body),
        )
    }
}

type Socket = WebSocket<TcpStream>;

fn try_connect(sim: &Simulator, uri: &str, bearer: Option<&str>) -> Result<Socket, u16> {
    let stream = TcpStream::connect(sim.local_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = uri.into_client_request().unwrap();
    if let Some(token) = bearer {
        request
            .headers_mut()
            .insert("Authorization", format!("Bearer {token}").parse().unwrap());
    }
    match tungstenite::client::client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::HandshakeError::Failure(Error::Http(response))) => Err(response.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

fn connect(sim: &Simulator, uri: &str) -> Socket {
    try_connect(sim, uri, None).unwrap_or_else(|status| panic!("refused with {status}"))
}

fn ws_url(sim: &Simulator, path: &str) -> String {
    format!("ws://{}{path}", sim.local_addr())
}

fn say(socket: &mut Socket, message: &Value) {
    socket.send(Message::text(message.to_string())).unwrap();
}

/// A signal came, or the machine was stopped for a while.
fn is_interrupted(error: &Error) -> bool {
    matches!(error, Error::Io(e) if e.kind() == std::io::ErrorKind::Interrupted)
}

/// Reads frames until one gives an answer; a close is a failure.
fn until<T>(socket: &mut Socket, mut found: impl FnMut(&Value) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let message = match socket.read() {
            Err(e) if is_interrupted(&e) => continue,
            other => other.unwrap(),
        };
        if let Message::Text(text) = message {
            let frame: Value = serde_json::from_str(&text).unwrap();
            if let Some(answer) = found(&frame) {
                return answer;
            }
        }
    }
    panic!("not seen within {PATIENCE:?}");
}

/// Reads to the end; the close code if there was a close frame.
fn end(socket: &mut Socket) -> Option<u16> {
    let mut code = None;
    loop {
        match socket.read() {
            Ok(Message::Close(frame)) => code = frame.map(|f| f.code.into()),
            Ok(_) => {}
            Err(e) if is_interrupted(&e) => {}
            Err(Error::Io(e)) if e.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("still open after {PATIENCE:?}")
            }
            Err(_) => return code,
        }
    }
}

fn sim() -> Builder {
    Simulator::builder().seed(7).queues(5).agents(30)
}

fn ids(listing: &Value) -> Vec<String> {
    listing["entities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["id"].as_str().unwrap().to_owned())
        .collect()
}
