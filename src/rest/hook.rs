//! Posts to somebody else's receiver: one try, one limit, no address in any message.
//!
//! In: a body, its headers · Out: what came of it · Thread: the caller's, which waits; it ends at once on cancel.

use std::sync::Arc;
use std::time::Duration;

use ureq::http;

use super::answer::one_line;
use super::retry_after::retry_after;
use super::transport::{NetConnector, NoLookup};
use crate::base::digest::hmac_sha256_hex;
use crate::net::{Cancel, Net, USER_AGENT, Url};
use crate::{Error, ErrorKind, Moment, Secret};

/// What a receiver answers is of no interest; so much is read, so that the connection can be used again.
const ANSWER_LIMIT_BYTES: u64 = 64 << 10;
/// An idle connection is kept for the next post.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// Where to post.
pub(crate) struct HookClient {
    url: Secret,
    /// Scheme and host only: a path or query may hold a secret.
    shown: String,
    key: Option<Secret>,
    net: Arc<Net>,
    limit: Duration,
    agent: Option<(Cancel, ureq::Agent)>,
}

/// One body.
pub(crate) struct Letter<'a> {
    /// Header `X-Genesys-Stream-Revision`.
    pub(crate) revision: u64,
    /// Header `Content-Type`.
    pub(crate) content_type: &'static str,
    /// The raw bytes, which the signature covers.
    pub(crate) body: &'a [u8],
}

/// Why it was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotTaken {
    /// In a line, without the address but its host.
    pub(crate) why: String,
    /// The receiver refused this very body: the same again is no use.
    pub(crate) refused: bool,
    /// How long it asks us to wait.
    pub(crate) retry_after: Option<Duration>,
}

impl HookClient {
    /// For this address; nothing is connected yet. `limit` is that of one post in all.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for an address or a proxy that cannot be used.
    pub(crate) fn new(url: &str, key: Option<Secret>, limit: Duration, net: Arc<Net>) -> Result<Self, Error> {
        let parsed = Url::parse(url).map_err(|wrong| {
            Error::new(
                ErrorKind::Configuration,
                "preparing the webhook",
                format!("its address {wrong}"),
            )
        })?;
        net.check_route(&parsed.target)?;
        Ok(Self {
            url: Secret::new(url),
            shown: format!("{}://{}", parsed.scheme, parsed.target.host_header()),
            key,
            net,
            limit,
            agent: None,
        })
    }

    /// Posts once. `cancel` ends it in every state.
    pub(crate) fn post(&mut self, letter: &Letter<'_>, cancel: &Cancel) -> Result<(), NotTaken> {
        let shown = self.shown.clone();
        let lost = |what: String| NotTaken {
            why: format!("posting to {shown}: {what}"),
            refused: false,
            retry_after: None,
        };
        let request = self.request(letter).map_err(|_| lost("no HTTP request".to_owned()))?;
        let limit = self.limit;
        let response = self.agent(cancel).run(request);
        let mut response = response.map_err(|error| lost(explain(error, limit)))?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(http::header::RETRY_AFTER)
            .and_then(|value| retry_after(value.to_str().ok()?, Moment::now()));
        // Whatever is wrong with the rest of the answer: the status said it all.
        let _ = response
            .body_mut()
            .with_config()
            .limit(ANSWER_LIMIT_BYTES)
            .read_to_vec();
        match status {
            200..=299 => Ok(()),
            _ => Err(NotTaken {
                refused: matches!(status, 400 | 413 | 415 | 422),
                retry_after,
                ..lost(match status {
                    300..=399 => format!("answered {status}: redirects are not followed, give the final address"),
                    _ => format!("answered {status}"),
                })
            }),
        }
    }

    fn agent(&mut self, cancel: &Cancel) -> &ureq::Agent {
        // The connections of an agent end with its signal: after one was given, another begins anew.
        let (net, limit) = (Arc::clone(&self.net), self.limit);
        if self.agent.as_ref().is_some_and(|(old, _)| old.is_cancelled()) {
            self.agent = None;
        }
        let (_, agent) = self.agent.get_or_insert_with(|| {
            let config = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                // Proxies are the connector's.
                .proxy(None)
                .user_agent(USER_AGENT)
                .timeout_global(Some(limit))
                .max_idle_connections(1)
                .max_idle_age(IDLE_LIMIT)
                .build();
            let connector = NetConnector {
                net,
                cancel: cancel.clone(),
                limit,
            };
            (cancel.clone(), ureq::Agent::with_parts(config, connector, NoLookup))
        });
        agent
    }

    fn request<'a>(&self, letter: &Letter<'a>) -> Result<http::Request<&'a [u8]>, http::Error> {
        let mut built = http::Request::post(self.url.reveal())
            .header(http::header::CONTENT_TYPE, letter.content_type)
            .header("X-Genesys-Stream-Revision", letter.revision);
        if let Some(key) = &self.key {
            let signature = hmac_sha256_hex(key, letter.body);
            built = built.header("X-Genesys-Stream-Signature", format!("sha256={signature}"));
        }
        built.body(letter.body)
    }
}

fn explain(error: ureq::Error, limit: Duration) -> String {
    match error {
        ureq::Error::Other(inner) => one_line(&inner.to_string()),
        ureq::Error::Timeout(_) => format!("no answer within {} s", limit.as_secs()),
        ureq::Error::Io(error) => one_line(&error.to_string()),
        // Its text may hold the address.
        ureq::Error::BadUri(_) => "the address is no URL".to_owned(),
        other => one_line(&other.to_string()),
    }
}
