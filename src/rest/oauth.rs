//! Access tokens for client credentials.
//!
//! In: client id and secret · Out: `Token` · Thread: the caller's.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::answer::Answer;
use super::client::{Authorization, Body, Method, Request, RestClient};
use super::rate::{Lane, Purpose};
use crate::{Error, ErrorKind, Moment, Secret};

/// A longer life is cut to this; Genesys' own limit is 48 h.
const LONGEST_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// An access token.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// The text behind `Bearer`.
    pub(crate) secret: Secret,
    /// By this machine's clock, counted from before the request.
    pub(crate) expires_at: Moment,
    /// `expires_in`.
    pub(crate) life: Duration,
}

#[derive(Deserialize)]
struct TokenBody {
    access_token: Option<String>,
    token_type: Option<String>,
    expires_in: Option<f64>,
}

/// Requests a token.
///
/// # Errors
/// [`ErrorKind::Credentials`] for `invalid_client`, 401 and 403, with the hint that a wrong region gives the same answer;
/// [`ErrorKind::Transient`] for 429 (with its pause), 5xx, a broken connection, a malformed answer.
pub(crate) fn token(client: &RestClient, client_id: &str, client_secret: &Secret) -> Result<Token, Error> {
    let pair = Secret::derived(format!("{client_id}:{}", client_secret.reveal()));
    let authorization = Secret::derived(format!("Basic {}", BASE64_STANDARD.encode(pair.reveal())));
    let at = format!("{}/oauth/token", client.hosts().login);
    let asked_at = Moment::now();
    let answer = client.send(&Request {
        doing: "asking for a token",
        method: Method::Post,
        at: &at,
        authorization: Authorization::Basic(&authorization),
        body: Body::Form("grant_type=client_credentials"),
        purpose: Purpose::Essential,
        lane: Lane::Login,
        is_page: false,
    })?;
    if answer.is_success() {
        read_token(&answer, asked_at)
    } else {
        let hint = match [("id", client_id), ("secret", client_secret.reveal())].map(|(name, text)| {
            let is_odd = text.starts_with(is_quote_or_blank) || text.ends_with(is_quote_or_blank);
            is_odd.then_some(name)
        }) {
            [None, None] => String::new(),
            names => format!(
                "The likely cause: the client {} begins or ends with a quote or a blank, which does not belong to it. ",
                names.into_iter().flatten().collect::<Vec<_>>().join(" and the client ")
            ),
        };
        Err(refusal(&answer, &hint, &client.hosts().region, &client.hosts().login))
    }
}

fn is_quote_or_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '\u{ab}' | '\u{bb}' | '\u{2018}'..='\u{201f}')
}

fn read_token(answer: &Answer, asked_at: Moment) -> Result<Token, Error> {
    let body: TokenBody = answer.json()?;
    let text = body.access_token.map(Secret::passing).filter(|token| !token.is_empty());
    let Some(secret) = text else {
        return Err(answer.malformed("no access_token"));
    };
    // It is sent in a header.
    if !secret.reveal().bytes().all(|c| c.is_ascii_graphic()) {
        return Err(answer.malformed("an access_token with characters that no token has"));
    }
    if body.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(answer.malformed("a token_type other than bearer"));
    }
    let Some(secs) = body.expires_in.filter(|secs| *secs >= 1.0) else {
        return Err(answer.malformed("no expires_in of at least 1 s"));
    };
    let life = Duration::from_secs_f64(secs.min(LONGEST_LIFE.as_secs_f64()));
    Ok(Token {
        secret,
        expires_at: asked_at.plus(life),
        life,
    })
}

fn refusal(answer: &Answer, hint: &str, region: &str, login: &str) -> Error {
    let code = answer.error_code();
    let about_client = matches!(
        code.as_deref(),
        Some("invalid_client" | "unauthorized_client" | "invalid_grant")
    );
    if matches!(answer.status, 401 | 403) || (answer.status == 400 && about_client) {
        return answer.error(
            ErrorKind::Credentials,
            format!(
                "{}. {hint}Client id or secret is wrong, the client is disabled or not of the grant type \"client \
                 credentials\", or the region is wrong, which gives the same answer (region {region}, login at {login})",
                answer.explanation()
            ),
        );
    }
    answer.failure()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::scripted::{Reply, Server};
    use crate::rest::client_tests::client_of;

    fn login(reply: Reply) -> (Result<Token, Error>, Vec<crate::net::scripted::Seen>) {
        let server = Server::http(move |_| reply.clone());
        let outcome = token(&client_of(&server), "the-id", &Secret::new("the-secret"));
        (outcome, server.seen())
    }

    #[test]
    fn asks_as_the_service_wants_it() {
        let body = include_str!("../../tests/fixtures/oauth-token-response.json");
        let (outcome, seen) = login(Reply::json(200, body));
        let token = outcome.unwrap();
        assert_eq!(token.life, Duration::from_secs(86_399));
        assert_eq!(token.secret.reveal(), "EXAMPLE-not-a-real-token");
        assert!(token.expires_at > Moment::now());
        let request = &seen[0];
        assert_eq!(request.line, "POST /oauth/token HTTP/1.1");
        assert_eq!(request.body, "grant_type=client_credentials");
        assert_eq!(
            request.header("content-type").as_deref(),
            Some("application/x-www-form-urlencoded")
        );
        let expected = format!("Basic {}", BASE64_STANDARD.encode("the-id:the-secret"));
        assert_eq!(request.header("authorization"), Some(expected));
        assert_eq!(request.header("user-agent").as_deref(), Some(crate::net::USER_AGENT));
    }

    #[test]
    fn refusals_name_region_and_login() {
        let invalid = include_str!("../../tests/fixtures/oauth-token-error.json");
        for (status, body) in [(400, invalid), (401, invalid), (401, ""), (403, "")] {
            let error = login(Reply::json(status, body)).0.unwrap_err();
            assert_eq!((error.kind(), error.status()), (ErrorKind::Credentials, Some(status)));
            let text = error.to_string();
            assert!(
                text.contains("region here") && text.contains("login at http://127.0.0.1:"),
                "{text}"
            );
            assert!(!text.contains("the-secret"), "{text}");
        }
        let odd = login(Reply::json(400, r#"{"error":"invalid_request"}"#)).0.unwrap_err();
        assert_eq!(odd.kind(), ErrorKind::Refused);
    }

    #[test]
    fn quotes_and_blanks_are_named_as_the_likely_cause() {
        let server = Server::http(move |_| Reply::json(401, ""));
        let told = |secret: &str| {
            let error = token(&client_of(&server), "the-id", &Secret::new(secret)).unwrap_err();
            error.to_string()
        };
        for secret in ["\"hunter2\"", "'hunter2'", " hunter2", "hunter2\t", "“hunter2”"] {
            let text = told(secret);
            assert!(
                text.contains("likely cause: the client secret begins or ends with a quote"),
                "{text}"
            );
            assert!(!text.contains("hunter2"), "{text}");
        }
        assert!(!told("hun'ter 2").contains("likely cause"));
    }

    #[test]
    fn a_429_carries_its_pause() {
        let error = login(Reply::json(429, "{}").header("Retry-After", "7")).0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transient);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(login(Reply::json(503, "")).0.unwrap_err().kind(), ErrorKind::Transient);
    }

    #[test]
    fn malformed_answers_are_transient() {
        for body in [
            "",
            "not json",
            "[]",
            r#"{"token_type":"bearer","expires_in":300}"#,
            r#"{"access_token":"","expires_in":300}"#,
            r#"{"access_token":"geheim"}"#,
            r#"{"access_token":"geheim","expires_in":0}"#,
            r#"{"access_token":"geheim","expires_in":-1}"#,
            r#"{"access_token":"geheim","expires_in":"300"}"#,
            r#"{"access_token":"geheim","expires_in":300,"token_type":"mac"}"#,
            r#"{"access_token":"geheim\n","expires_in":300}"#,
        ] {
            let error = login(Reply::json(200, body)).0.unwrap_err();
            assert_eq!(
                (error.kind(), error.status()),
                (ErrorKind::Transient, Some(200)),
                "{body}"
            );
            assert!(!error.to_string().contains("geheim"), "{error}");
        }
        let long = r#"{"access_token":"t","token_type":"BEARER","expires_in":1e300}"#;
        assert_eq!(login(Reply::json(200, long)).0.unwrap().life, LONGEST_LIFE);
    }
}
