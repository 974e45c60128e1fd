//! The answer to a call, and the error that it means where it is no success.
//!
//! In: status, headers, body · Out: `Answer`, decoded JSON, or an `Error` by who must act · Thread: none of its own (pure).

use std::time::Duration;

use serde::Deserialize;

use super::rate::RateHeaders;
use super::retry_after::{http_date, retry_after};
use crate::base::scrub::line_of_peer;
use crate::{Error, ErrorKind, Moment};

/// A page shows itself, and its title, in its first bytes.
const PAGE_HEAD_BYTES: usize = 4096;

/// An HTTP answer of any status, with its body.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// `Date`: the service's clock, in whole seconds.
    pub(crate) served_at: Option<Moment>,
    /// `ININ-Correlation-Id`.
    pub(crate) correlation_id: Option<String>,
    /// `Retry-After`, at most an hour.
    pub(crate) retry_after: Option<Duration>,
    /// `inin-ratelimit-*`, if all three are there.
    pub(crate) rate: Option<RateHeaders>,
    /// The body, at most the client's limit.
    pub(crate) body: Vec<u8>,
    /// What the call did, for messages.
    pub(super) did: String,
}

/// The keys of Genesys' error body and of OAuth's; each body has some of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    message: Option<String>,
    code: Option<String>,
    #[serde(rename = "contextId")]
    context_id: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    description: Option<String>,
}

impl Answer {
    pub(super) fn new(
        status: u16,
        header: impl Fn(&str) -> Option<String>,
        body: Vec<u8>,
        now: Moment,
        did: String,
    ) -> Self {
        // By the service's own clock where the answer has it, so that a difference between the clocks does no harm.
        let served_at = header("date").and_then(|date| http_date(&date));
        let now = served_at.unwrap_or(now);
        let number = |name: &str| header(name).and_then(|text| text.trim().parse::<u32>().ok());
        let rate = match (
            number("inin-ratelimit-count"),
            number("inin-ratelimit-allowed"),
            number("inin-ratelimit-reset"),
        ) {
            (Some(count), Some(allowed), Some(reset)) if allowed > 0 => Some(RateHeaders {
                count,
                allowed,
                reset: Duration::from_secs(u64::from(reset)),
            }),
            _ => None,
        };
        Self {
            status,
            served_at,
            correlation_id: header("inin-correlation-id").map(|id| line_of_peer(&id)),
            retry_after: header("retry-after").and_then(|text| retry_after(&text, now)),
            rate,
            body,
            did,
        }
    }

    /// Whether the status is 2xx.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The answer itself if it is a success, else the error that its status means.
    ///
    /// # Errors
    /// 401 and 403 → [`ErrorKind::Credentials`]; 408, 425, 429, 5xx and what answers no call (1xx, 3xx) →
    /// [`ErrorKind::Transient`]; any other 4xx → [`ErrorKind::Refused`].
    pub(crate) fn into_success(self) -> Result<Self, Error> {
        if self.is_success() {
            Ok(self)
        } else {
            Err(self.failure())
        }
    }

    /// The error that a status other than 2xx means.
    pub(crate) fn failure(&self) -> Error {
        let kind = match self.status {
            401 | 403 => ErrorKind::Credentials,
            408 | 425 | 429 => ErrorKind::Transient,
            400..=499 => ErrorKind::Refused,
            _ => ErrorKind::Transient,
        };
        self.error(kind, self.explanation())
    }

    /// An error with this answer's status, correlation id (that of the error body where the header is missing) and pause.
    pub(super) fn error(&self, kind: ErrorKind, came_back: impl Into<String>) -> Error {
        let context_id = || self.error_body().context_id.map(|id| line_of_peer(&id));
        Error::new(kind, self.did.clone(), came_back)
            .with_status(self.status)
            .with_retry_after(self.retry_after)
            .with_correlation_id(self.correlation_id.clone().or_else(context_id))
    }

    /// `403 missing.permissions: You are missing …`: one line without secrets.
    pub(super) fn explanation(&self) -> String {
        let body = self.error_body();
        let mut text = self.status.to_string();
        if let Some(code) = body.code.or(body.error) {
            text.push(' ');
            text.push_str(&line_of_peer(&code));
        }
        if let Some(message) = body.message.or(body.error_description).or(body.description) {
            text.push_str(": ");
            text.push_str(&line_of_peer(&message));
        } else if (300..400).contains(&self.status) {
            text.push_str(": a redirect, which is not followed");
        } else if let Some(page) = self.page() {
            text.push_str(": ");
            text.push_str(&page);
        }
        if let Some(wait) = self.retry_after.filter(|_| !self.is_success()) {
            text.push_str(&format!(" (asked to wait {} s)", wait.as_secs()));
        }
        text
    }

    /// The error body's `code`, or OAuth's `error`.
    pub(super) fn error_code(&self) -> Option<String> {
        let body = self.error_body();
        body.code.or(body.error)
    }

    /// The body as `T`.
    ///
    /// # Errors
    /// [`ErrorKind::Transient`]: a malformed answer to a successful call is the service's mistake and may pass.
    pub(crate) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        if let Some(page) = self.page() {
            return Err(self.malformed(&page));
        }
        let Ok(text) = std::str::from_utf8(&self.body) else {
            return Err(self.malformed("no UTF-8"));
        };
        serde_json::from_str(text).map_err(|error| {
            // serde's message may repeat values of the body, such as a token.
            let what = match error.classify() {
                serde_json::error::Category::Data => "JSON of another shape than expected",
                _ => "no complete JSON",
            };
            self.malformed(&format!("{what} at line {} column {}", error.line(), error.column()))
        })
    }

    pub(super) fn malformed(&self, what: &str) -> Error {
        self.error(
            ErrorKind::Transient,
            format!("a malformed {} answer: {what}", self.status),
        )
    }

    /// Says so where the body is a page for people, which the service never answers, with the page's title.
    #[inline(never)]
    fn page(&self) -> Option<String> {
        let start = &self.body[..self.body.len().min(PAGE_HEAD_BYTES)];
        let start = String::from_utf8_lossy(start);
        let head = start.to_ascii_lowercase();
        if !head.trim_start_matches('\u{feff}').trim_start().starts_with('<') || !head.contains("<html") {
            return None;
        }
        // The same bytes as in `start`: letters of ASCII keep their places.
        let title = head.find("<title").and_then(|at| {
            let from = at + head[at..].find('>')? + 1;
            let title = start[from..from + head[from..].find('<')?].trim();
            (!title.is_empty()).then(|| format!(", titled \"{}\"", line_of_peer(title)))
        });
        let title = title.unwrap_or_default();
        // Load balancers of the service itself answer 5xx with a page.
        let by = match self.status {
            500.. => "a proxy or load balancer",
            _ => "a block page of a proxy, or the login page (portal) of this network,",
        };
        Some(format!(
            "an HTML page instead of JSON{title}: {by} answered in place of the service"
        ))
    }

    fn error_body(&self) -> ErrorBody {
        let text = std::str::from_utf8(&self.body).unwrap_or_default();
        serde_json::from_str(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let find = |name: &str| {
            let found = headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
            found.map(|(_, value)| (*value).to_owned())
        };
        let now = Moment::parse("2026-05-04T14:00:00Z").unwrap();
        Answer::new(status, find, body.as_bytes().to_vec(), now, "doing it".to_owned())
    }

    #[test]
    fn the_status_decides_who_must_act() {
        for (status, kind) in [
            (302, ErrorKind::Transient),
            (400, ErrorKind::Refused),
            (401, ErrorKind::Credentials),
            (403, ErrorKind::Credentials),
            (404, ErrorKind::Refused),
            (408, ErrorKind::Transient),
            (429, ErrorKind::Transient),
            (500, ErrorKind::Transient),
            (503, ErrorKind::Transient),
        ] {
            let error = answer(status, &[], "<html>").into_success().unwrap_err();
            assert_eq!((error.kind(), error.status()), (kind, Some(status)));
        }
        assert!(answer(204, &[], "").into_success().is_ok());
    }

    #[test]
    fn error_bodies_are_read_and_cleaned() {
        let body = r#"{"message":"You miss: a:b:view\nfor streaming-5-abc","code":"missing.permissions","status":403,
            "contextId":"52446572"}"#;
        let _channel = Secret::channel("streaming-5-abc");
        let refused = answer(403, &[], body);
        assert_eq!(
            refused.failure().to_string(),
            "doing it: 403 missing.permissions: You miss: a:b:view for <channel> (correlation id 52446572)"
        );
        let by_header = answer(404, &[("ININ-Correlation-Id", "abc")], body).failure();
        assert_eq!(by_header.correlation_id(), Some("abc"));
        let odd = answer(400, &[], r#"{"message":7}"#).failure();
        assert_eq!(odd.to_string(), "doing it: 400");
    }

    #[test]
    fn a_page_in_place_of_json_is_named_with_its_title() {
        let page = "\u{feff}\r\n<!DOCTYPE html><HTML><head><Title>\n Access denied\u{7}(Ä) </title></head>";
        for (status, by) in [
            (200, "a block page of a proxy"),
            (403, "portal"),
            (503, "load balancer"),
        ] {
            let answer = answer(status, &[], page);
            let error = match status {
                200 => answer.json::<Vec<u8>>().unwrap_err(),
                _ => answer.failure(),
            };
            let text = error.to_string();
            assert!(
                text.contains("an HTML page instead of JSON, titled \"Access denied (Ä)\"") && text.contains(by),
                "{text}"
            );
        }
        let untitled = answer(403, &[], "<html><title").failure().to_string();
        assert!(untitled.contains("instead of JSON: a block page"), "{untitled}");
        for body in ["<?xml version=\"1.0\"?><Error/>", "", "{\"message\":\"<html\"}"] {
            assert!(!answer(403, &[], body).failure().to_string().contains("HTML"), "{body}");
        }
    }

    #[test]
    fn pauses_go_by_the_services_clock() {
        let seconds = answer(429, &[("Retry-After", "42")], "{}").failure();
        assert_eq!(seconds.retry_after(), Some(Duration::from_secs(42)));
        let dated = answer(
            429,
            &[
                ("Date", "Mon, 04 May 2026 13:00:00 GMT"),
                ("retry-after", "Mon, 04 May 2026 13:00:07 GMT"),
            ],
            "{}",
        );
        assert_eq!(dated.failure().retry_after(), Some(Duration::from_secs(7)));
    }

    #[test]
    fn malformed_success_is_transient_and_repeats_nothing() {
        let error = answer(200, &[], r#"{"access_token":"geheim"}"#)
            .json::<Vec<u8>>()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transient);
        assert!(!error.to_string().contains("geheim"), "{error}");
    }

    #[test]
    fn rate_headers_need_all_three() {
        let full = [
            ("inin-ratelimit-count", "1"),
            ("inin-ratelimit-allowed", "180"),
            ("inin-ratelimit-reset", "61"),
        ];
        assert_eq!(
            answer(200, &full, "").rate,
            Some(RateHeaders {
                count: 1,
                allowed: 180,
                reset: Duration::from_secs(61)
            })
        );
        assert_eq!(answer(200, &full[..2], "").rate, None);
    }
}
