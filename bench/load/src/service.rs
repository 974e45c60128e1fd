//! Plays the service: token, queues, channel, subscriptions, empty analytics, and the upgrade to a WebSocket.
//!
//! In: one connection · Out: an answer, or an upgraded connection · Thread: one for each connection.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::Mutex;

use serde_json::{Value, json};
use tungstenite::handshake::derive_accept_key;

use crate::text::queue_id;

/// The most queues on a page of the listing.
const PAGE: usize = 500;

/// What the service knows.
pub struct Service {
    pub port: u16,
    pub queues: usize,
    pub is_tls: bool,
    /// The topics of each channel.
    pub channels: Mutex<HashMap<String, Vec<String>>>,
}

struct Request {
    method: String,
    path: String,
    query: String,
    upgrade_key: Option<String>,
    body: Vec<u8>,
}

impl Service {
    /// Answers one request. The path, if it asked for a WebSocket and was upgraded.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn serve(&self, connection: &mut (impl Read + Write)) -> io::Result<Option<String>> {
        let request = read_request(connection)?;
        if let Some(key) = &request.upgrade_key {
            let accept = derive_accept_key(key.as_bytes());
            write!(
                connection,
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            )?;
            connection.flush()?;
            return Ok(Some(request.path));
        }
        let body = self.answer(&request).to_string();
        write!(
            connection,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )?;
        connection.flush()?;
        Ok(None)
    }

    fn answer(&self, request: &Request) -> Value {
        let mut channels = self
            .channels
            .lock()
            .expect("no thread panics while it holds the channels");
        let steps: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        match (request.method.as_str(), steps.as_slice()) {
            ("POST", ["oauth", "token"]) => {
                json!({"access_token": "bench", "token_type": "bearer", "expires_in": 86400})
            }
            ("GET", ["api", "v2", "routing", "queues"]) => self.listing(&request.query),
            ("GET", ["api", "v2", "notifications", "channels"]) => {
                let entities: Vec<Value> = channels.keys().map(|id| self.channel(id)).collect();
                json!({"entities": entities})
            }
            ("POST", ["api", "v2", "notifications", "channels"]) => {
                let id = format!("bench{}", channels.len());
                channels.insert(id.clone(), Vec::new());
                self.channel(&id)
            }
            (method, ["api", "v2", "notifications", "channels", id, "subscriptions"]) => {
                let topics = channels.entry((*id).to_owned()).or_default();
                if method == "DELETE" || method == "PUT" {
                    topics.clear();
                }
                let wanted: Vec<Value> = serde_json::from_slice(&request.body).unwrap_or_default();
                topics.extend(
                    wanted
                        .iter()
                        .filter_map(|topic| topic["id"].as_str())
                        .map(str::to_owned),
                );
                let entities: Vec<Value> = topics
                    .iter()
                    .map(|topic| json!({"id": topic, "state": "Permitted"}))
                    .collect();
                json!({"entities": entities})
            }
            _ => json!({}),
        }
    }

    fn channel(&self, id: &str) -> Value {
        let (scheme, port) = (if self.is_tls { "wss" } else { "ws" }, self.port);
        json!({"id": id, "connectUri": format!("{scheme}://127.0.0.1:{port}/channels/{id}")})
    }

    fn listing(&self, query: &str) -> Value {
        let asked = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .filter(|(key, _)| *key == name)
                .find_map(|(_, value)| value.parse::<usize>().ok())
        };
        let size = asked("pageSize").unwrap_or(25).clamp(1, PAGE);
        let page = asked("pageNumber").unwrap_or(1).max(1);
        let entities: Vec<Value> = (0..self.queues)
            .skip((page - 1) * size)
            .take(size)
            .map(|queue| json!({"id": queue_id(queue), "name": format!("Queue {queue}")}))
            .collect();
        json!({
            "entities": entities, "pageSize": size, "pageNumber": page,
            "total": self.queues, "pageCount": self.queues.div_ceil(size)
        })
    }
}

fn read_request(connection: &mut impl Read) -> io::Result<Request> {
    let mut bytes = Vec::new();
    let mut some = [0; 16 * 1024];
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let header = |name: &str| {
                let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
                fields
                    .find(|(field, _)| field.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.trim().to_owned())
            };
            let length = header("content-length")
                .and_then(|length| length.parse().ok())
                .unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let mut words = head.split(' ');
                let method = words.next().unwrap_or_default().to_owned();
                let target = words.next().unwrap_or_default();
                let (path, query) = target.split_once('?').unwrap_or((target, ""));
                return Ok(Request {
                    method,
                    path: path.to_owned(),
                    query: query.to_owned(),
                    upgrade_key: header("sec-websocket-key"),
                    body: bytes.split_off(end + 4),
                });
            }
        }
        match connection.read(&mut some)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => bytes.extend_from_slice(&some[..count]),
        }
    }
}
