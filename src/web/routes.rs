//! Which request gets which answer: hosts, methods, login, pages, metrics, health, snapshots.
//!
//! In: requests · Out: replies · Thread: the connection's.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::access::{Access, Hosts, TokenCheck};
use super::board::{Board, Picture, Published};
use super::day;
use super::metrics::{self, Format, ServerState};
use super::pages::{self, Page, with_view};
use super::readiness::{self, Readiness};
use super::viewer;
use crate::base::scrub;
use crate::http_server::{Body, Chunks, Reply, Request, Response, form_pairs};
use crate::output::record;
use crate::{Id, Moment};

/// Answers about more queues are written in chunks: as one text each would take tens of megabytes.
const IN_ONE_PIECE: usize = 1_000;
/// Such an answer must be taken within this time.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// Such answers at one time: each keeps a snapshot in memory.
const MOST_IN_CHUNKS: usize = 4;

/// Connections that are left for other requests than those of viewers, where there are many.
const NOT_FOR_VIEWERS: usize = 32;
/// The event stream of the page's own script.
const PAGE_EVENTS: &str = "/api/page";
/// The windows for the page's chart of the day.
const PAGE_DAY: &str = "/api/page/day";

/// Answers the requests.
pub(super) struct Site {
    board: Arc<Board>,
    hosts: Hosts,
    token_check: Option<TokenCheck>,
    page: Page,
    /// Viewers of the page at one time, and as many of `/api/events`.
    most_viewers: usize,
    /// Held by each answer in chunks.
    in_chunks: Arc<()>,
}

/// A line of text.
fn plain(status: u16, text: &str) -> Response {
    Response::text(status, text)
}

fn html(status: u16, page: &Page) -> Response {
    Response::with_body(status, "text/html; charset=utf-8", page.html.as_bytes())
        .header("Content-Security-Policy", &page.policy)
}

/// The answer to a GET or HEAD request whose body `write` writes, in chunks. `place` is given back with the answer's end.
fn in_chunks(
    request: &Request,
    place: Option<Arc<()>>,
    head: Response,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Reply {
    let Some(place) = place else {
        return plain(503, "too many large answers at one time")
            .header("Retry-After", "5")
            .into();
    };
    let (is_head, are_chunks) = (request.method == "HEAD", request.takes_chunks);
    let body = move |stream: Arc<TcpStream>, _| {
        let mut chunks = Chunks::new(viewer::Within::new(&stream, ANSWER_TIME), are_chunks);
        if !is_head && record::without_secrets(&mut chunks, write).is_ok() {
            let _ = chunks.end();
        }
        drop(place);
    };
    let head = match are_chunks {
        true => head.header("Transfer-Encoding", "chunked"),
        false => head,
    };
    Reply::TakeOver(head.header("Connection", "close"), Box::new(body))
}

/// Adds the fields that every response has, and removes secrets that a peer repeated.
fn with_common_fields(mut response: Response) -> Response {
    // Shared bytes are a snapshot, which was searched when it was written.
    if let Body::Own(bytes) = &mut response.body {
        scrub::bytes(bytes, 0);
    }
    let has = |name: &str| response.headers.iter().any(|(field, _)| field == name);
    let policy = (!has("Content-Security-Policy")).then_some("default-src 'none'; frame-ancestors 'none'");
    let caching = (!has("Cache-Control")).then_some("no-store");
    for (name, value) in [
        ("Content-Security-Policy", policy),
        ("Cache-Control", caching),
        ("X-Content-Type-Options", Some("nosniff")),
        ("X-Frame-Options", Some("DENY")),
        // With `no-referrer` browsers send the login form with `Origin: null`.
        ("Referrer-Policy", Some("same-origin")),
        ("Cross-Origin-Opener-Policy", Some("same-origin")),
        ("Cross-Origin-Resource-Policy", Some("same-origin")),
    ] {
        if let Some(value) = value {
            response = response.header(name, value);
        }
    }
    response
}

impl Site {
    /// `connections` is how many there are at one time.
    pub(super) fn new(board: Arc<Board>, hosts: Hosts, token_check: Option<TokenCheck>, connections: usize) -> Self {
        let others = (connections / 4).min(NOT_FOR_VIEWERS);
        Self {
            most_viewers: ((connections - others) / 2).max(1),
            board,
            hosts,
            token_check,
            page: pages::live(),
            in_chunks: Arc::default(),
        }
    }

    pub(super) fn answer(&self, request: &Request) -> Reply {
        match self.reply(request) {
            Reply::Response(response) => Reply::Response(with_common_fields(response)),
            Reply::TakeOver(response, take_over) => Reply::TakeOver(with_common_fields(response), take_over),
            #[cfg(feature = "simulator")]
            Reply::Drop => Reply::Drop,
        }
    }

    fn reply(&self, request: &Request) -> Reply {
        if !self.hosts.admit(request) {
            let advice = "unknown Host: use the listen address, or add this name to http.allowed_hosts";
            return plain(421, advice).into();
        }
        let path = request.path.as_str();
        let is_public = matches!(path, "/healthz" | "/readyz" | "/login" | "/logout");
        let needs_token = matches!(
            path,
            "/" | "/metrics" | "/api/snapshot" | "/api/events" | PAGE_EVENTS | PAGE_DAY
        );
        if !is_public && !needs_token {
            return plain(
                404,
                "not found; there are / /metrics /healthz /readyz /api/snapshot /api/events",
            )
            .into();
        }
        match request.method.as_str() {
            "GET" | "HEAD" => {}
            "POST" if path == "/login" => return self.log_in(request).into(),
            "POST" if path == "/logout" => return self.log_out(request).into(),
            _ => {
                let allowed = if path == "/login" || path == "/logout" {
                    "GET, HEAD, POST"
                } else {
                    "GET, HEAD"
                };
                return plain(405, "this method is not allowed").header("Allow", allowed).into();
            }
        }
        let mut cookie = None;
        if let (true, Some(check)) = (needs_token, &self.token_check) {
            match check.check(request, Moment::now(), Instant::now()) {
                Access::ByToken => {}
                Access::ByCookie => cookie = Some(check.cookie(Moment::now())),
                Access::TooMany(secs) => return too_many(secs).into(),
                Access::Missing | Access::Wrong => return unauthorized(request).into(),
            }
        }
        match path {
            "/" => {
                let response = html(200, &self.page);
                // Each visit makes the login last longer, so a wall screen stays logged in.
                match cookie {
                    Some(cookie) => response.header("Set-Cookie", cookie).into(),
                    None => response.into(),
                }
            }
            "/healthz" => plain(200, "ok").into(),
            "/readyz" => match self.readiness(self.board.current().as_deref()) {
                Readiness::Ready => plain(200, "ready").into(),
                Readiness::Degraded(why) => plain(200, &format!("degraded: {why}")).into(),
                Readiness::NotReady(why) => plain(503, &format!("not ready: {why}")).into(),
            },
            "/login" if self.token_check.is_some() => html(200, &login_form("", request)).into(),
            "/login" => to_page(request).into(),
            // The form for it is there.
            "/logout" => Response::new(303).header("Location", "/login").into(),
            "/metrics" => self.metrics(request),
            "/api/snapshot" => self.snapshot(request),
            "/api/events" => self.events(request),
            PAGE_DAY => self.day(request).into(),
            _ => self.pictures(request),
        }
    }

    /// The windows of each `queue` of the query together, of all queues without any.
    fn day(&self, request: &Request) -> Response {
        let Some(newest) = self.board.snapshots.newest() else {
            return nothing_yet();
        };
        let parameters = request.parameters().into_iter();
        let queues: Vec<Id> = parameters
            .filter(|(name, _)| name == "queue")
            .map(|(_, id)| Id::new(&id))
            .collect();
        Response::with_body(200, "application/json", day::json(&newest.snapshot, &queues))
    }

    fn readiness(&self, current: Option<&Published>) -> Readiness {
        match current {
            Some(current) => readiness::of(&current.snapshot, Moment::now(), &self.board.settings),
            None => Readiness::NotReady("no snapshot yet".to_owned()),
        }
    }

    fn metrics(&self, request: &Request) -> Reply {
        let Some(current) = self.board.current() else {
            return nothing_yet().into();
        };
        let format = Format::of_accept(request.header("accept"));
        let server = ServerState {
            ready: !matches!(self.readiness(Some(&current)), Readiness::NotReady(_)),
            viewers: self.board.pictures.viewers() + self.board.snapshots.viewers(),
        };
        let is_one_piece = current.snapshot.queues.len() <= IN_ONE_PIECE;
        let write = move |out: &mut dyn Write| metrics::write(out, &current.snapshot, &server, format);
        if is_one_piece {
            let mut text = Vec::new();
            // Nothing fails when it is written to memory.
            let _ = write(&mut text);
            return Response::with_body(200, format.media_type(), text).into();
        }
        in_chunks(
            request,
            self.place_in_chunks(),
            Response::with_body(200, format.media_type(), ""),
            write,
        )
    }

    fn place_in_chunks(&self) -> Option<Arc<()>> {
        let place = Arc::clone(&self.in_chunks);
        // Without the server's own and this one.
        (Arc::strong_count(&place) <= MOST_IN_CHUNKS + 1).then_some(place)
    }

    fn snapshot(&self, request: &Request) -> Reply {
        let Some(newest) = self.board.current() else {
            return nothing_yet().into();
        };
        let tag = newest.tag();
        let known = request
            .headers
            .iter()
            .filter(|(name, _)| name == "if-none-match")
            .flat_map(|(_, tags)| tags.split(','))
            .map(str::trim)
            .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag);
        let with_fields = |response: Response| response.header("ETag", tag).header("Cache-Control", "no-cache");
        if known {
            return with_fields(Response::new(304)).into();
        }
        if newest.snapshot.queues.len() <= IN_ONE_PIECE {
            let (bytes, part) = newest.json();
            return with_fields(Response::with_part(200, "application/json", bytes, part)).into();
        }
        let head = with_fields(Response::with_body(200, "application/json", ""));
        in_chunks(request, self.place_in_chunks(), head, move |out| {
            record::snapshot_to(out, &newest.snapshot)
        })
    }

    fn events(&self, request: &Request) -> Reply {
        if request.method == "HEAD" {
            return event_stream().into();
        }
        match self.board.snapshots.enter(self.most_viewers) {
            Some(place) => Reply::TakeOver(
                event_stream().header("Connection", "close"),
                Box::new(move |stream, _| viewer::serve(&stream, &place, |newest, _| newest.event())),
            ),
            None => full().into(),
        }
    }

    fn pictures(&self, request: &Request) -> Reply {
        if request.method == "HEAD" {
            return event_stream().into();
        }
        match self.board.pictures.enter(self.most_viewers) {
            Some(place) => Reply::TakeOver(
                event_stream().header("Connection", "close"),
                Box::new(move |stream, _| viewer::serve(&stream, &place, Picture::event)),
            ),
            None => full().into(),
        }
    }

    fn log_out(&self, request: &Request) -> Response {
        if is_from_elsewhere(request) {
            return plain(403, "this was sent by a page of another site");
        }
        let response = Response::new(303).header("Location", "/login");
        match &self.token_check {
            Some(check) => response.header("Set-Cookie", check.no_cookie()),
            None => response,
        }
    }

    fn log_in(&self, request: &Request) -> Response {
        let Some(check) = &self.token_check else {
            return to_page(request);
        };
        if is_from_elsewhere(request) {
            return plain(403, "this login was sent by a page of another site");
        }
        let form = form_pairs(&String::from_utf8_lossy(&request.body));
        let typed = form
            .iter()
            .find(|(name, _)| name == "token")
            .map_or("", |(_, value)| value);
        match check.log_in(typed.trim(), request.peer, Instant::now()) {
            Access::ByToken => to_page(request).header("Set-Cookie", check.cookie(Moment::now())),
            Access::TooMany(secs) => html(429, &login_form("Too many wrong attempts: wait a minute.", request))
                .header("Retry-After", secs.to_string()),
            Access::ByCookie | Access::Missing | Access::Wrong => {
                html(401, &login_form("This is not the token.", request)).header("WWW-Authenticate", CHALLENGE)
            }
        }
    }
}

const CHALLENGE: &str = "Bearer realm=\"genesys-stream\"";

/// The login form, which leads back to the view that was asked for.
fn login_form(message: &str, request: &Request) -> Page {
    pages::login(message, &with_view("/login", request))
}

/// To the page, in the view of the login's address.
fn to_page(request: &Request) -> Response {
    Response::new(303).header("Location", with_view("/", request))
}

fn unauthorized(request: &Request) -> Response {
    let response = match request.path.as_str() {
        "/" => html(401, &login_form("", request)),
        _ => plain(
            401,
            "a token is needed: Authorization: Bearer TOKEN, or log in at /login",
        ),
    };
    response.header("WWW-Authenticate", CHALLENGE)
}

fn too_many(secs: u64) -> Response {
    plain(429, "too many wrong tokens from this address").header("Retry-After", secs.to_string())
}

fn nothing_yet() -> Response {
    plain(503, "no snapshot yet").header("Retry-After", "1")
}

fn full() -> Response {
    plain(503, "too many viewers").header("Retry-After", "5")
}

fn event_stream() -> Response {
    Response::with_body(200, "text/event-stream", "retry: 2000\n\n").header("X-Accel-Buffering", "no")
}

/// Whether the browser says that a page of another site sent this request.
fn is_from_elsewhere(request: &Request) -> bool {
    let site = request.header("sec-fetch-site");
    let is_ours = |origin: &str| {
        // `null` is the origin of a page that does not tell its own, for instance a sandboxed frame.
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.is_some() && authority == request.header("host")
    };
    site.is_some_and(|site| !matches!(site, "same-origin" | "none"))
        || request.header("origin").is_some_and(|origin| !is_ours(origin))
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
