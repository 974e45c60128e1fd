//! The pages, joined from their sources, and the policy that lets a browser run nothing else.
//!
//! In: HTML, CSS and JavaScript of `web/page` and `web/login` · Out: bytes and header values · Thread: any (plain data).
//!
//! The sources are joined as they are, one style and one script in the page: no build step, and what a browser shows as
//! the page's source is what is in the repository.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest;

use crate::http_server::Request;

/// The live page; `{style}` and `{script}` are replaced.
const LIVE: &str = include_str!("page/page.html");
const LIVE_STYLE: &str = concat!(
    include_str!("page/colours.css"),
    "@media (prefers-color-scheme: dark) { :root:not(.light) {\n",
    include_str!("page/dark.css"),
    "} }\n:root.dark {\n",
    include_str!("page/dark.css"),
    "}\n",
    include_str!("page/page.css"),
    include_str!("page/narrow.css"),
    include_str!("page/kiosk.css"),
);
/// One module script: its names are its own, not the window's. A constant stands before what uses it at once.
const LIVE_SCRIPT: &str = concat!(
    include_str!("page/view.js"),
    include_str!("page/dom.js"),
    include_str!("page/format.js"),
    include_str!("page/texts.js"),
    include_str!("page/picture.js"),
    include_str!("page/charts.js"),
    include_str!("page/columns.js"),
    include_str!("page/queues.js"),
    include_str!("page/tiles.js"),
    include_str!("page/users.js"),
    include_str!("page/metrics.js"),
    include_str!("page/health.js"),
    include_str!("page/connection.js"),
    include_str!("page/main.js"),
);
/// The login form; `{style}`, `{message}` and `{action}` are replaced.
const LOGIN: &str = include_str!("login/login.html");
const LOGIN_STYLE: &str = include_str!("login/login.css");

/// How the live page is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Usual,
    /// `/?kiosk`: on a wall.
    Kiosk,
}

impl Mode {
    pub(super) fn of(request: &Request) -> Self {
        match request.parameters().iter().any(|(name, _)| name == "kiosk") {
            true => Self::Kiosk,
            false => Self::Usual,
        }
    }
}

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

/// The login form with a message, which must be HTML. In kiosk mode the wall screen follows the login.
pub(super) fn login(message: &str, mode: Mode) -> Page {
    let action = match mode {
        Mode::Usual => "/login",
        Mode::Kiosk => "/login?kiosk",
    };
    let html = LOGIN
        .replace("{style}", LOGIN_STYLE)
        .replace("{message}", message)
        .replace("{action}", action);
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
