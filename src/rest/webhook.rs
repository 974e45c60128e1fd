//! Posts to a webhook: one attempt, one time limit, no path or query of the URL in any message.
//!
//! In: a body, its headers · Out: success or why not · Thread: the caller's, which waits; it ends at once on cancel.

use std::sync::Arc;
use std::time::Duration;

use ureq::http;

use super::retry_after::retry_after;
use super::transport::{NetConnector, NoLookup};
use crate::base::digest::hmac_sha256_hex;
use crate::base::scrub::line_of_peer;
use crate::net::{Cancel, Net, USER_AGENT, Url};
use crate::{Error, ErrorKind, Moment, Secret};

/// The receiver's answer is not used; it is read up to this size, so that the connection can be used again.
const ANSWER_LIMIT_BYTES: u64 = 64 << 10;
/// An idle connection is kept this long for the next post.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// A client for one webhook.
pub(crate) struct WebhookClient {
    url: Secret,
    /// Scheme and host, for messages: path and query may hold a secret.
    shown: String,
    key: Option<Secret>,
    net: Arc<Net>,
    limit: Duration,
    agent: Option<(Cancel, ureq::Agent)>,
}

/// One body with its headers.
pub(crate) struct Post<'a> {
    /// The header `X-Genesys-Stream-Revision`.
    pub(crate) revision: u64,
    /// The header `Content-Type`.
    pub(crate) content_type: &'static str,
    /// The bytes that are sent and signed.
    pub(crate) body: &'a [u8],
}

/// Why a post failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PostError {
    /// One line, with scheme and host of the URL.
    pub(crate) why: String,
    /// The receiver refuses this body: posting it again is useless.
    pub(crate) refused: bool,
    /// The pause that the receiver asks for.
    pub(crate) retry_after: Option<Duration>,
}

impl WebhookClient {
    /// A client for this URL; nothing is connected yet. `limit` is the time that one post may take in all.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for a URL or a proxy that cannot be used.
    pub(crate) fn new(url: &str, key: Option<Secret>, limit: Duration, net: Arc<Net>) -> Result<Self, Error> {
        let parsed = Url::parse(url).map_err(|wrong| {
            Error::new(
                ErrorKind::Configuration,
                "preparing the webhook",
                format!("its URL {wrong}"),
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

    /// Posts once; `cancel` ends it at any time.
    ///
    /// # Errors
    /// Any answer but a 2xx, and a connection that failed.
    pub(crate) fn post(&mut self, post: &Post<'_>, cancel: &Cancel) -> Result<(), PostError> {
        let shown = self.shown.clone();
        let failed = |what: String| PostError {
            why: format!("posting to {shown}: {what}"),
            refused: false,
            retry_after: None,
        };
        let request = self
            .request(post)
            .map_err(|_| failed("the request cannot be written as HTTP".to_owned()))?;
        let limit = self.limit;
        let response = self.agent(cancel).run(request);
        let mut response = response.map_err(|error| failed(explain(error, limit)))?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(http::header::RETRY_AFTER)
            .and_then(|value| retry_after(value.to_str().ok()?, Moment::now()));
        // The status decides; an error in the rest of the answer changes nothing.
        let _ = response
            .body_mut()
            .with_config()
            .limit(ANSWER_LIMIT_BYTES)
            .read_to_vec();
        match status {
            200..=299 => Ok(()),
            _ => Err(PostError {
                refused: matches!(status, 400 | 413 | 415 | 422),
                retry_after,
                ..failed(match status {
                    300..=399 => format!("answered {status}: redirects are not followed, give the final URL"),
                    _ => format!("answered {status}"),
                })
            }),
        }
    }

    fn agent(&mut self, cancel: &Cancel) -> &ureq::Agent {
        // An agent's connections are shut down by its stop signal, so that a new signal needs a new agent.
        let (net, limit) = (Arc::clone(&self.net), self.limit);
        if self.agent.as_ref().is_some_and(|(old, _)| old.is_cancelled()) {
            self.agent = None;
        }
        let (_, agent) = self.agent.get_or_insert_with(|| {
            let config = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                // The connector chooses the proxy.
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

    fn request<'a>(&self, post: &Post<'a>) -> Result<http::Request<&'a [u8]>, http::Error> {
        let mut built = http::Request::post(self.url.reveal())
            .header(http::header::CONTENT_TYPE, post.content_type)
            .header("X-Genesys-Stream-Revision", post.revision);
        if let Some(key) = &self.key {
            let signature = hmac_sha256_hex(key, post.body);
            built = built.header("X-Genesys-Stream-Signature", format!("sha256={signature}"));
        }
        built.body(post.body)
    }
}

fn explain(error: ureq::Error, limit: Duration) -> String {
    match error {
        ureq::Error::Other(inner) => line_of_peer(&inner.to_string()),
        ureq::Error::Timeout(_) => format!("no answer within {} s", limit.as_secs()),
        ureq::Error::Io(error) => line_of_peer(&error.to_string()),
        // Its text may hold the URL.
        ureq::Error::BadUri(_) => "the URL is not valid".to_owned(),
        other => line_of_peer(&other.to_string()),
    }
}
