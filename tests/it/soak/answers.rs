//! What hostile services answer to requests.
//!
//! In: requests · Out: answers of 60 MB, answers without end, refusals, secrets of the client · Thread: the peer's.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use genesys_stream::Moment;
use serde_json::{Value, json};
use tungstenite::Message;

use super::floods::{LISTED, listed};
use super::planted::{channel, client_secret, forms, token};
use super::pouring::{Script, Sent};
use crate::support::peer::{Answer, Asked, Behaviour, Peer, QUEUES, Socket, Wire, notification, permitted, queues};

/// An answer of REST that is as large as the program takes.
const PAGE_BYTES: usize = 60_000_000;

/// Login and channels with the planted secrets; all else as a sound organisation.
pub fn planted(asked: &Asked, peer: &Peer) -> Option<Answer> {
    if asked.is("POST", "/oauth/token") {
        return Some(token_for(peer, json!(86_400)));
    }
    if asked.method == "POST" && asked.path.ends_with("/notifications/channels") {
        return Some(channel_until(peer, "2126-05-05T14:00:00.000Z"));
    }
    None
}

fn token_for(peer: &Peer, expires_in: Value) -> Answer {
    let token = token(peer.next());
    Answer::Json(
        200,
        json!({"access_token": token, "token_type": "bearer", "expires_in": expires_in}),
    )
}

fn channel_until(peer: &Peer, expires: &str) -> Answer {
    let id = channel(peer.next());
    let uri = format!("{}/channels/{id}", peer.socket_url());
    Answer::Json(200, json!({"id": id, "connectUri": uri, "expires": expires}))
}

/// Pages of 60 MB, for every listing and query; of each entry something is to be kept.
pub fn large_pages(sent: &Sent) -> Script {
    let page = |before: &str, entry: &dyn Fn(usize) -> String, after: &str| {
        let mut text = before.to_owned();
        for number in 0.. {
            let comma = if number == 0 { "" } else { "," };
            text.push_str(comma);
            text.push_str(&entry(number));
            if text.len() > PAGE_BYTES {
                break;
            }
        }
        Arc::new(text + after)
    };
    let now = Moment::now();
    let fat = "f".repeat(900);
    let listing = page(
        r#"{"entities":["#,
        &|n| format!(r#"{{"id":"{n:08}-0000-4000-8000-000000000000","name":"{fat}{n}"}}"#),
        r#"],"pageCount":100000,"pageNumber":1,"total":1}"#,
    );
    let observations = page(
        r#"{"results":["#,
        &|n| {
            let queue = QUEUES[n % 2].0;
            format!(
                r#"{{"group":{{"queueId":"{queue}","mediaType":"medium{n}"}},"data":[{{"metric":"m{n}","qualifier":"q{n}","stats":{{"count":{n}}}}}]}}"#
            )
        },
        "]}",
    );
    let details = page(
        r#"{"conversations":["#,
        &|n| {
            let queue = QUEUES[n % 2].0;
            let segment = format!(r#"{{"segmentStart":"{now}","segmentType":"interact","queueId":"{queue}"}}"#);
            let session = format!(r#"{{"sessionId":"s{n}","mediaType":"voice","segments":[{segment}]}}"#);
            format!(
                r#"{{"conversationId":"{n:08}-0000-4000-8000-000000000001","conversationStart":"{now}","participants":[{{"participantId":"p{n}","purpose":"acd","sessions":[{session}]}}]}}"#
            )
        },
        "]}",
    );
    let (sent, next) = (Arc::clone(sent), AtomicU64::new(0));
    Box::new(move |asked, _| {
        let text = match () {
            // Without a sound listing now and then there would be no stream.
            () if asked.is("GET", "/routing/queues") && next.fetch_add(1, Ordering::Relaxed) % 2 == 0 => &listing,
            () if asked.is("GET", "/users") => &listing,
            () if asked.is("POST", "/observations/query") => &observations,
            () if asked.is("POST", "/details/query") => &details,
            () if asked.is("GET", "/subscriptions") => &listing,
            () => return None,
        };
        sent.fetch_add(text.len() as u64, Ordering::Relaxed);
        Some(Answer::Text(200, text.to_string()))
    })
}

/// A listing of very many queues.
pub fn many_queues() -> Script {
    let names: Vec<(String, String)> = (0..LISTED).map(|n| (listed(n), format!("queue {n}"))).collect();
    Box::new(move |asked, _| {
        let is_first = asked.path.contains("pageNumber=1&") || asked.path.ends_with("pageNumber=1");
        asked.is("GET", "/routing/queues").then(|| match is_first {
            true => {
                let all: Vec<(&str, &str)> = names.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect();
                queues(&all)
            }
            false => queues(&[]),
        })
    })
}

/// Nothing stays: tokens of no life, channels that are over, sockets that end in every way, years of `Retry-After`.
pub fn flapping(sent: &Sent) -> Script {
    let (sent, next) = (Arc::clone(sent), AtomicU64::new(0));
    Box::new(move |asked, peer| {
        // About the size of an answer.
        sent.fetch_add(200, Ordering::Relaxed);
        let number = next.fetch_add(1, Ordering::Relaxed);
        if asked.is("POST", "/oauth/token") {
            let life = [
                json!(0),
                json!(-1),
                json!(1),
                json!(1e300),
                json!("soon"),
                json!(31_536_000_000_000_u64),
            ];
            return Some(token_for(peer, life[number as usize % 6].clone()));
        }
        if asked.method == "POST" && asked.path.ends_with("/notifications/channels") {
            let expires = ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "never", ""];
            return Some(channel_until(peer, expires[number as usize % 4]));
        }
        if !asked.is_upgrade() {
            return None;
        }
        let no = json!({"message": "no", "status": 429});
        Some(match number % 7 {
            0 => Answer::Socket(Behaviour::Drop),
            1 => Answer::Socket(Behaviour::Reset),
            2 => Answer::Socket(Behaviour::Close(Vec::new(), 1011)),
            3 => Answer::WithHeader(429, ("Retry-After", "31536000".to_owned()), no),
            4 => Answer::WithHeader(302, ("Location", format!("{}/elsewhere", peer.url())), no),
            5 => Answer::Socket(Behaviour::Well(vec![notification(
                "v2.system.token_revoked",
                &json!({}),
            )])),
            _ => Answer::Raw(Box::new(|wire| {
                let _ = wire.write_all(b"HTTP/1.1 101 Swit");
            })),
        })
    })
}

/// The same bytes for ever, after these, on every socket.
pub fn endless_frames(sent: &Sent, first: &'static [u8], again: &'static [u8]) -> Script {
    let sent = Arc::clone(sent);
    Box::new(move |asked, _| {
        let sent = Arc::clone(&sent);
        let talk = move |socket: &mut Socket| repeat(socket.get_mut(), first, again, &sent);
        asked
            .is_upgrade()
            .then(|| Answer::Socket(Behaviour::Custom(Box::new(talk))))
    })
}

/// The same bytes for ever, after these, as the answer to every upgrade.
pub fn endless_upgrade(sent: &Sent, first: &'static [u8], again: &'static [u8]) -> Script {
    let sent = Arc::clone(sent);
    Box::new(move |asked, _| {
        let sent = Arc::clone(&sent);
        asked
            .is_upgrade()
            .then(|| Answer::Raw(Box::new(move |wire| repeat(wire, first, again, &sent))))
    })
}

/// An endless answer to every request but the login.
pub fn endless_answers(sent: &Sent) -> Script {
    let (sent, next) = (Arc::clone(sent), AtomicU64::new(0));
    const FIRST: [&[u8]; 3] = [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"entities\":[",
    ];
    const AGAIN: [&[u8]; 3] = [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"8\r\n        \r\n",
        b"{\"id\":\"a\",\"name\":\"b\"},",
    ];
    Box::new(move |asked, _| {
        // A stream comes up now and then, so that repairs and read-backs are asked for.
        let number = next.fetch_add(1, Ordering::Relaxed) as usize;
        if asked.is("POST", "/oauth/token") || asked.is_upgrade() || number.is_multiple_of(3) {
            return None;
        }
        let (sent, which) = (Arc::clone(&sent), number % 3);
        Some(Answer::Raw(Box::new(move |wire| {
            repeat(wire, FIRST[which], AGAIN[number / 3 % 3], &sent);
        })))
    })
}

fn repeat(wire: &mut Wire, first: &[u8], again: &[u8], sent: &AtomicU64) {
    let block = again.repeat((64 << 10) / again.len());
    if wire.write_all(first).is_err() {
        return;
    }
    while wire.write_all(&block).is_ok() {
        sent.fetch_add(block.len() as u64, Ordering::Relaxed);
    }
}

/// The client's secrets come back in everything that has room for a text.
pub fn echoes(sent: &Sent) -> Script {
    let (sent, next) = (Arc::clone(sent), Arc::new(AtomicU64::new(0)));
    Box::new(move |asked, peer| {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let said = echo(asked, number);
        let refusal = || {
            let body = json!({"message": said, "code": said, "status": 500, "contextId": said, "error": "server_error",
                "error_description": said, "details": [{"errorCode": said}]});
            let header = ["ININ-Correlation-Id", "Retry-After", "Location"][number as usize % 3];
            Some(Answer::WithHeader(500, (header, said.clone()), body))
        };
        if asked.is_upgrade() {
            let (sent, next) = (Arc::clone(&sent), Arc::clone(&next));
            let asked = asked.clone();
            return match number % 3 {
                0 => refusal(),
                _ => Some(Answer::Socket(Behaviour::Custom(Box::new(move |socket| {
                    say(socket, &asked, &next, &sent);
                })))),
            };
        }
        match () {
            () if asked.is("GET", "/routing/queues") && number % 4 != 0 => {
                let ids = [QUEUES[0].0, QUEUES[1].0, said.as_str()];
                Some(queues(&ids.map(|id| (id, said.as_str()))))
            }
            () if (asked.is("PUT", "/subscriptions") || asked.is("POST", "/subscriptions")) && number % 4 != 0 => {
                let Answer::Json(status, mut body) = permitted(asked, |topic| !topic.contains("observations")) else {
                    return None;
                };
                for entity in body["entities"].as_array_mut().into_iter().flatten() {
                    entity["rejectionReason"] = json!(said);
                    entity["missingPermissions"] = json!([said]);
                }
                Some(Answer::Json(status, body))
            }
            () if number % 2 == 0 => refusal(),
            () => planted(asked, peer),
        }
    })
}

/// A secret that the client sent, or that it got, in one of its forms.
fn echo(asked: &Asked, number: u64) -> String {
    let bearer = asked
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "));
    let id = asked.path.split('/').find(|part| part.starts_with("streaming-5-"));
    let id = id.map(|id| id.split('?').next().unwrap_or(id));
    let mut known = vec![client_secret()];
    known.extend(bearer.or(id).map(str::to_owned));
    let forms: Vec<String> = known.iter().flat_map(|secret| forms(secret)).collect();
    let form = &forms[number as usize % forms.len()];
    match number / 3 % 3 {
        0 => form.clone(),
        1 => format!("before {form} behind"),
        _ => format!("?access_token={form}&x={form}"),
    }
}

fn say(socket: &mut Socket, asked: &Asked, next: &AtomicU64, sent: &AtomicU64) {
    for _ in 0..600 {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let said = echo(asked, number);
        let (now, queue) = (Moment::now().to_string(), QUEUES[0].0);
        let text = match number % 8 {
            0 => json!({"result": 500, "message": said}).to_string(),
            1 => json!({"message": said}).to_string(),
            2 => notification(&format!("v2.things.{said}"), &json!({"said": said})),
            3 => notification(
                &format!("v2.routing.queues.{queue}.conversations"),
                &json!({"id": said, "participants": [{"id": said, "purpose": "customer", "name": said, "queueId": said,
                    "connectedTime": now, "calls": [{"id": said, "state": said, "disconnectType": said}]},
                    {"id": format!("{said}2"), "purpose": "acd", "queueId": queue, "connectedTime": now}]}),
            ),
            4 => notification(
                &format!("v2.analytics.queues.{queue}.observations"),
                &json!({"group": {"queueId": queue, "mediaType": said}, "data": [{"interval": said,
                    "metrics": [{"metric": said, "qualifier": said, "stats": {"count": 1}}]}]}),
            ),
            5 => notification(
                &format!("v2.users.{said}.presence"),
                &json!({"presenceDefinition": {"id": said, "systemPresence": said}, "modifiedDate": now}),
            ),
            6 => format!("{{{said}"),
            _ => json!({"type": "error", "message": said, "status": 500}).to_string(),
        };
        sent.fetch_add(text.len() as u64, Ordering::Relaxed);
        if socket.send(Message::text(text)).is_err() {
            return;
        }
        // The pace of the attack: everything is to be written down, nothing left out.
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let number = next.fetch_add(1, Ordering::Relaxed);
    let said = echo(asked, number);
    if number.is_multiple_of(3) {
        let text = notification(
            "v2.system.no_longer_subscribed",
            &json!({"reason": said, "message": said}),
        );
        let _ = socket.send(Message::text(text));
    }
    let reason: String = said.chars().take(100).collect();
    let _ = socket.close(Some(tungstenite::protocol::frame::CloseFrame {
        code: 1011.into(),
        reason: reason.into(),
    }));
    let _ = socket.flush();
}
