//! The pages, joined from their sources, and the policy that lets a browser run nothing else.
//!
//! In: HTML, CSS and JavaScript of `web/page` and `web/login` · Out: bytes and header values · Thread: any (plain data).
//!
//! The sources are joined, one style and one script in the page, without a build step: what a browser shows as the page's
//! source is what is in the repository, but for indentation and comments, which are left out while the program is compiled.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest;

use crate::http_server::Request;

/// A source file as it is served, see [`slimmed`].
macro_rules! slim {
    ($source:expr) => {{
        const SOURCE: &[u8] = $source.as_bytes();
        const BYTES: usize = slimmed::<0>(SOURCE).1;
        const SLIM: [u8; BYTES] = slimmed::<BYTES>(SOURCE).0;
        match std::str::from_utf8(&SLIM) {
            Ok(text) => text,
            // Cannot be, since lines are cut at ASCII bytes only; a test would find the page empty.
            Err(_) => "",
        }
    }};
}

/// The first `N` bytes of CSS, JavaScript or HTML without indentation, empty lines and lines of comments, and how many bytes
/// there are in all. A comment begins its line and ends one; no text over several lines depends on its indentation.
const fn slimmed<const N: usize>(source: &[u8]) -> ([u8; N], usize) {
    let mut slim = [0; N];
    let mut bytes = 0;
    let mut at = 0;
    let mut in_comment = false;
    while at < source.len() {
        while at < source.len() && source[at] == b' ' {
            at += 1;
        }
        let begins = at;
        while at < source.len() && source[at] != b'\n' {
            at += 1;
        }
        let is_slash = at - begins >= 2 && source[begins] == b'/';
        in_comment = in_comment || (is_slash && source[begins + 1] == b'*');
        if !in_comment && at > begins && !(is_slash && source[begins + 1] == b'/') {
            let mut from = begins;
            // With the end of the line.
            while from <= at && from < source.len() {
                if bytes < N {
                    slim[bytes] = source[from];
                }
                bytes += 1;
                from += 1;
            }
        }
        if in_comment && at - begins >= 2 && source[at - 2] == b'*' && source[at - 1] == b'/' {
            in_comment = false;
        }
        at += 1;
    }
    (slim, bytes)
}

/// The live page; `{style}` and `{script}` are replaced.
const LIVE: &str = slim!(include_str!("page/page.html"));
const LIVE_STYLE: &str = slim!(concat!(
    include_str!("page/colours.css"),
    "@media (prefers-color-scheme: dark) { :root:not(.light) {\n",
    include_str!("page/dark.css"),
    "} }\n:root.dark {\n",
    include_str!("page/dark.css"),
    "}\n",
    include_str!("page/page.css"),
    include_str!("page/table.css"),
    include_str!("page/panel.css"),
    include_str!("page/lists.css"),
    include_str!("page/narrow.css"),
    include_str!("page/kiosk.css"),
));
/// One module script: its names are its own, not the window's. A constant stands before what uses it at once.
const LIVE_SCRIPT: &str = slim!(concat!(
    include_str!("page/view.js"),
    include_str!("page/dom.js"),
    include_str!("page/english.js"),
    include_str!("page/german.js"),
    include_str!("page/texts.js"),
    include_str!("page/format.js"),
    include_str!("page/picture.js"),
    include_str!("page/charts.js"),
    include_str!("page/columns.js"),
    include_str!("page/alerts.js"),
    include_str!("page/queues.js"),
    include_str!("page/tiles.js"),
    include_str!("page/day.js"),
    include_str!("page/users.js"),
    include_str!("page/metrics.js"),
    include_str!("page/changes.js"),
    include_str!("page/health.js"),
    include_str!("page/connection.js"),
    include_str!("page/panel.js"),
    include_str!("page/main.js"),
));
/// The login form; `{style}`, `{message}` and `{action}` are replaced.
const LOGIN: &str = include_str!("login/login.html");
const LOGIN_STYLE: &str = include_str!("login/login.css");

/// A page and its `Content-Security-Policy`.
pub(super) struct Page {
    pub(super) html: String,
    pub(super) policy: String,
}

/// The live page.
pub(super) fn live() -> Page {
    let html = LIVE.replace("{style}", LIVE_STYLE).replace("{script}", LIVE_SCRIPT);
    Page {
        policy: format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; connect-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
            hash(LIVE_SCRIPT),
            hash(LIVE_STYLE)
        ),
        html,
    }
}

/// `path` with the query of a request, which is the viewer's view of the page, so that it outlives the login.
pub(super) fn with_view(path: &str, request: &Request) -> String {
    // Browsers send no other bytes in a query.
    match request.query.bytes().all(|byte| byte.is_ascii_graphic()) && !request.query.is_empty() {
        true => format!("{path}?{}", request.query),
        false => path.to_owned(),
    }
}

/// The login form with a message, which must be HTML; it is sent to `action`, a path with or without a query.
pub(super) fn login(message: &str, action: &str) -> Page {
    let action = action.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let html = LOGIN
        .replace("{style}", LOGIN_STYLE)
        .replace("{message}", message)
        .replace("{action}", &action);
    Page {
        policy: format!(
            "default-src 'none'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors \
             'none'",
            hash(LOGIN_STYLE)
        ),
        html,
    }
}

/// The source expression by which a policy allows an inline element.
fn hash(inside: &str) -> String {
    format!(
        "sha256-{}",
        STANDARD.encode(digest::digest(&digest::SHA256, inside.as_bytes()))
    )
}

#[cfg(test)]
#[path = "pages_tests.rs"]
mod tests;
