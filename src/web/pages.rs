//! The pages and the policy that lets a browser run nothing but what is in them.
//!
//! In: HTML of the source tree · Out: bytes and header values · Thread: any (plain data).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest;

use crate::http_server::Request;

/// The live page: one file, no outside request.
const PAGE: &str = include_str!("page.html");
/// The login form; `{message}` and `{action}` are replaced.
const LOGIN: &str = include_str!("login.html");

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
    let html = PAGE.to_owned();
    let script = hash_between(&html, "<script>", "</script>");
    let style = hash_between(&html, "<style>", "</style>");
    Page {
        policy: format!(
            "default-src 'none'; script-src '{script}'; style-src '{style}'; img-src data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        html,
    }
}

/// The login form with a message (ours: it is not escaped). In kiosk mode the page comes back in it.
pub(super) fn login(message: &str, mode: Mode) -> Page {
    let action = match mode {
        Mode::Usual => "/login",
        Mode::Kiosk => "/login?kiosk",
    };
    let html = LOGIN.replace("{message}", message).replace("{action}", action);
    let style = hash_between(&html, "<style>", "</style>");
    Page {
        policy: format!(
            "default-src 'none'; style-src '{style}'; img-src data:; base-uri 'none'; form-action 'self'; \
             frame-ancestors 'none'"
        ),
        html,
    }
}

/// The source expression of the first inline element between two tags.
fn hash_between(html: &str, open: &str, close: &str) -> String {
    let inside = html
        .split_once(open)
        .and_then(|(_, rest)| rest.split_once(close))
        .map_or("", |(inside, _)| inside);
    format!(
        "sha256-{}",
        STANDARD.encode(digest::digest(&digest::SHA256, inside.as_bytes()))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_has_one_script_and_style_and_asks_for_nothing() {
        for (page, scripts) in [(live(), 1), (login("Wrong.", Mode::Kiosk), 0)] {
            let html = &page.html;
            assert_eq!(html.matches("<script").count(), scripts);
            assert_eq!(html.matches("<style").count(), 1);
            // Attributes would need a hash each, and an address would be a request.
            for forbidden in [
                " style=\"",
                " onclick",
                "src=\"",
                "@import",
                "url(",
                "//cdn",
                "https://",
                "innerHTML",
            ] {
                assert!(!html.replace("url(#", "").contains(forbidden), "{forbidden}");
            }
            assert!(page.policy.starts_with("default-src 'none'; ") && !page.policy.contains("unsafe"));
            assert!(html.len() <= 40_000, "{} bytes", html.len());
        }
    }
}
