//! The HTTP client for login and REST: a time limit for each call, the request budget, errors without secrets.
//!
//! In: requests · Out: answers · Thread: any; a call waits on the caller's thread and ends within 100 ms of a cancel.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::http;

use super::answer::Answer;
use super::rate::{Budget, Lane, Purpose, RateLimits};
use super::service_clock::ServiceClock;
use super::transport::{NetConnector, NoLookup};
use crate::base::scrub::line_of_peer;
use crate::config::{Config, Hosts};
use crate::net::{Cancel, Net, USER_AGENT, Url, stopped};
use crate::{Error, ErrorKind, Moment, Secret};

/// A longer answer is an error.
const BODY_BYTES: u64 = 4 << 20;
/// The same for answers that are read entry by entry: a page of 100 conversations with all their segments has some 2 MiB, and a service that
/// ignores the page size sends everything at once.
const PAGE_BYTES: u64 = 64 << 20;
/// Idle connections are closed after this: well before the 60 s after which load balancers close them.
const IDLE_LIMIT: Duration = Duration::from_secs(10);
/// Size of each of the two buffers of a connection; answers are streamed through them.
const BUFFER_BYTES: usize = 16 * 1024;

/// The limits of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The time that one call may take in all.
    pub(crate) call: Duration,
    /// The longest wait for the request budget before a call; a call that would wait longer fails at once.
    pub(crate) budget_wait: Duration,
    /// The longest answer that is read entry by entry; any other may have [`BODY_BYTES`].
    pub(crate) body_bytes: u64,
    /// Requests a minute.
    pub(crate) rate: RateLimits,
}

impl Limits {
    /// From the configuration: `limits.rest_secs` and the rates.
    pub(crate) fn new(config: &Config) -> Self {
        let rates = RateLimits {
            max_per_min: config.rest_max_requests_per_min,
            backfill_max_per_min: config.backfill.max_requests_per_min,
        };
        Self::with_rates(rates, config.limits.rest)
    }

    /// With these rates, and this time limit of a call from the lookup to the last byte of the answer.
    pub(crate) fn with_rates(rate: RateLimits, call: Duration) -> Self {
        Self {
            call,
            budget_wait: call,
            body_bytes: PAGE_BYTES,
            rate,
        }
    }
}

/// HTTP methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// `GET`.
    Get,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `DELETE`.
    Delete,
}

impl Method {
    fn as_http(self) -> http::Method {
        match self {
            Self::Get => http::Method::GET,
            Self::Post => http::Method::POST,
            Self::Put => http::Method::PUT,
            Self::Delete => http::Method::DELETE,
        }
    }
}

/// What a request carries.
#[derive(Clone, Copy)]
pub(crate) enum Body<'a> {
    /// Nothing (`POST` and `PUT` then send a length of 0).
    None,
    /// JSON text.
    Json(&'a str),
    /// An encoded form.
    Form(&'a str),
}

/// One request.
pub(crate) struct Request<'a> {
    /// What the call does, for messages: "listing queues".
    pub(crate) doing: &'a str,
    pub(crate) method: Method,
    /// A path of the API (`/api/v2/…`) with its query, or an absolute URL.
    pub(crate) at: &'a str,
    pub(crate) authorization: Authorization<'a>,
    pub(crate) body: Body<'a>,
    /// What it may use of the request budget.
    pub(crate) purpose: Purpose,
    /// Which of the service's limits it counts against.
    pub(crate) lane: Lane,
    /// Its answer is read entry by entry and may be long.
    pub(crate) is_page: bool,
}

/// The `Authorization` header.
#[derive(Clone, Copy)]
pub(crate) enum Authorization<'a> {
    /// An access token.
    Bearer(&'a Secret),
    /// The whole value of the header, `Basic …`.
    Basic(&'a Secret),
    /// No header.
    None,
}

impl<'a> Request<'a> {
    /// A request to the API without a body, for [`Purpose::Essential`].
    pub(crate) fn new(doing: &'a str, method: Method, at: &'a str, bearer: &'a Secret) -> Self {
        Self {
            doing,
            method,
            at,
            authorization: Authorization::Bearer(bearer),
            body: Body::None,
            purpose: Purpose::Essential,
            lane: Lane::Api,
            is_page: false,
        }
    }

    /// With an answer that is read entry by entry and may be long.
    pub(crate) fn page(mut self) -> Self {
        self.is_page = true;
        self
    }

    /// With a JSON body.
    pub(crate) fn json(mut self, text: &'a str) -> Self {
        self.body = Body::Json(text);
        self
    }

    /// For another purpose.
    pub(crate) fn purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = purpose;
        self
    }
}

/// The client. Its stop signal ends all its connections.
#[derive(Debug)]
pub(crate) struct RestClient {
    hosts: Hosts,
    net: Arc<Net>,
    agent: ureq::Agent,
    cancel: Cancel,
    limits: Limits,
    budget: Arc<Budget>,
    clock: Arc<ServiceClock>,
}

impl RestClient {
    /// A client for these hosts; nothing is connected yet.
    pub(crate) fn new(hosts: Hosts, net: Arc<Net>, cancel: Cancel, limits: Limits) -> Self {
        let budget = Arc::new(Budget::new(limits.rate));
        Self::sharing(hosts, net, cancel, limits, (budget, Arc::default()))
    }

    /// The same client with another stop signal and time limit of a call, for calls that go on when the run has been stopped
    /// (removing subscriptions) or must end sooner. Budget and clock are shared.
    pub(crate) fn scoped(&self, cancel: Cancel, call: Duration) -> Self {
        let limits = Limits {
            call,
            budget_wait: call.min(self.limits.budget_wait),
            ..self.limits
        };
        let (hosts, net) = (self.hosts.clone(), Arc::clone(&self.net));
        let shared = (Arc::clone(&self.budget), Arc::clone(&self.clock));
        Self::sharing(hosts, net, cancel, limits, shared)
    }

    fn sharing(
        hosts: Hosts,
        net: Arc<Net>,
        cancel: Cancel,
        limits: Limits,
        (budget, clock): (Arc<Budget>, Arc<ServiceClock>),
    ) -> Self {
        let config = agent_config(limits);
        let connector = NetConnector {
            net: Arc::clone(&net),
            cancel: cancel.clone(),
            limit: limits.call,
        };
        Self {
            hosts,
            net,
            agent: ureq::Agent::with_parts(config, connector, NoLookup),
            cancel,
            limits,
            budget,
            clock,
        }
    }

    /// The same client with another way of connecting.
    #[cfg(feature = "fuzzing")]
    pub(super) fn connecting(mut self, agent: impl FnOnce(ureq::config::Config) -> ureq::Agent) -> Self {
        self.agent = agent(agent_config(self.limits));
        self
    }

    /// The URLs of login, API and sockets.
    pub(crate) fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// The difference between the service's clock and this machine's.
    pub(crate) fn clock(&self) -> &Arc<ServiceClock> {
        &self.clock
    }

    /// The budget that all callers share.
    #[cfg(test)]
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Makes a call; any status but 2xx is an error.
    ///
    /// # Errors
    /// As [`RestClient::send`] and [`Answer::into_success`].
    pub(crate) fn call(&self, request: &Request<'_>) -> Result<Answer, Error> {
        self.send(request)?.into_success()
    }

    /// Makes a call; any status is an answer.
    ///
    /// Waits for the budget first, and reports a 429 and the rate headers of the answer to it.
    ///
    /// # Errors
    /// [`ErrorKind::Stopped`] on cancel, the errors of [`crate::net::open`], [`ErrorKind::Transient`] where the
    /// connection broke, the limit passed, or the answer is no HTTP or too long.
    pub(crate) fn send(&self, request: &Request<'_>) -> Result<Answer, Error> {
        let url = if request.at.starts_with('/') {
            format!("{}{}", self.hosts.api, request.at)
        } else {
            request.at.to_owned()
        };
        let did = describe(request, &url);
        if self.cancel.is_cancelled() {
            return Err(stopped(did));
        }
        let wait_until = Instant::now() + self.limits.budget_wait;
        self.budget
            .acquire(request.lane, request.purpose, &self.cancel, wait_until)
            .map_err(|error| error.while_doing(request.doing))?;
        let answer = self.exchange(request, &url, &did);
        if self.cancel.is_cancelled() {
            // Any other error is a consequence of the signal.
            return Err(stopped(did));
        }
        let answer = answer?;
        if let Some(rate) = answer.rate.filter(|_| request.lane == Lane::Api) {
            self.budget.learn(rate);
        }
        if let Some(wait) = answer.retry_after.filter(|_| answer.status == 429) {
            self.budget.pause(request.lane, wait);
        }
        log::debug!("{did}: {}", answer.status);
        Ok(answer)
    }

    fn exchange(&self, request: &Request<'_>, url: &str, did: &str) -> Result<Answer, Error> {
        let failed = |error: ureq::Error| self.explain(error, did);
        let asked = Instant::now();
        let built = build(request, url)
            .map_err(|_| Error::new(ErrorKind::Internal, did, "the request cannot be written as HTTP"))?;
        let response = match request.body {
            Body::None if matches!(request.method, Method::Get | Method::Delete) => self.agent.run(built),
            Body::None => self.agent.run(built.map(|()| "")),
            Body::Json(text) | Body::Form(text) => self.agent.run(built.map(|()| text)),
        };
        let mut response = response.map_err(failed)?;
        let received = Instant::now();
        let most = match request.is_page {
            true => self.limits.body_bytes,
            false => self.limits.body_bytes.min(BODY_BYTES),
        };
        let limited = response.body_mut().with_config().limit(most);
        let body = limited.read_to_vec().map_err(failed)?;
        let headers = response.headers();
        let header = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
        let answer = Answer::new(response.status().as_u16(), header, body, Moment::now(), did.to_owned());
        if let Some(served_at) = answer.served_at {
            self.clock.learn(served_at, asked, received);
        }
        Ok(answer)
    }

    fn explain(&self, error: ureq::Error, did: &str) -> Error {
        let transient = |what: String| Error::new(ErrorKind::Transient, did, what);
        match error {
            ureq::Error::Other(inner) => match inner.downcast::<Error>() {
                Ok(ours) => ours.while_doing(did),
                Err(other) => transient(line_of_peer(&other.to_string())),
            },
            ureq::Error::Timeout(_) => transient(format!(
                "no complete answer within {} s",
                self.limits.call.as_secs_f64()
            )),
            ureq::Error::BodyExceedsLimit(limit) => transient(format!("an answer of more than {limit} bytes")),
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                transient("the connection was closed before the answer was complete".to_owned())
            }
            ureq::Error::Io(error) => transient(line_of_peer(&error.to_string())).with_source(error),
            // Its text may hold the URL with a channel id.
            ureq::Error::BadUri(_) => Error::new(ErrorKind::Internal, did, "the URL is not valid"),
            other => transient(line_of_peer(&other.to_string())),
        }
    }
}

fn agent_config(limits: Limits) -> ureq::config::Config {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        // A redirect could carry the token elsewhere; the API has none.
        .max_redirects(0)
        .max_redirects_will_error(false)
        // The connector chooses the proxy.
        .proxy(None)
        .user_agent(USER_AGENT)
        .accept("application/json")
        .timeout_global(Some(limits.call))
        .max_idle_connections(2)
        .max_idle_age(IDLE_LIMIT)
        .input_buffer_size(BUFFER_BYTES)
        .output_buffer_size(BUFFER_BYTES)
        .build()
}

fn build(request: &Request<'_>, url: &str) -> Result<http::Request<()>, http::Error> {
    let mut built = http::Request::builder().method(request.method.as_http()).uri(url);
    match request.authorization {
        Authorization::Bearer(token) => {
            let header = Secret::derived(format!("Bearer {}", token.reveal()));
            built = built.header(http::header::AUTHORIZATION, sensitive(&header)?);
        }
        Authorization::Basic(header) => {
            built = built.header(http::header::AUTHORIZATION, sensitive(header)?);
        }
        Authorization::None => {}
    }
    match request.body {
        Body::None => {}
        Body::Json(_) => built = built.header(http::header::CONTENT_TYPE, "application/json"),
        Body::Form(_) => built = built.header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded"),
    }
    built.body(())
}

fn sensitive(text: &Secret) -> Result<http::HeaderValue, http::Error> {
    let mut value = http::HeaderValue::from_str(text.reveal())?;
    value.set_sensitive(true);
    Ok(value)
}

/// `listing queues (GET https://api.example/api/v2/routing/queues)`: without query; a channel id in it is replaced as every secret.
fn describe(request: &Request<'_>, url: &str) -> String {
    let method = request.method.as_http();
    let place = match Url::parse(url) {
        Ok(url) => format!("{}://{}{}", url.scheme, url.target.host_header(), url.path),
        Err(wrong) => format!("a URL that {wrong}"),
    };
    format!("{} ({method} {place})", request.doing)
}
