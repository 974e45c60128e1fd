//! The REST service: login, permissions, rate limit, routes.
//!
//! In: HTTP requests · Out: responses in the published shapes, sockets handed over · Thread: the connection's.

mod analytics;
mod filters;
mod listing;
mod notifications;
mod oauth;
mod organization;
pub(super) mod problem;

use super::control;
use super::shared::{RefusedCalls, RestAccess, RetryAfter, Shared};
use super::stream;
use super::tokens::Allowance;
use super::tokens::bearer;
use super::when::{Ms, http_date};
use crate::http_server::{Reply, Request, Response};
use problem::Problem;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// One authenticated REST call.
pub(super) struct Call<'a> {
    pub shared: &'a Arc<Shared>,
    pub request: &'a Request,
    pub parameters: Vec<(String, String)>,
    pub token: String,
    pub client_id: String,
}

/// The successful answer of a route.
pub(super) enum Answer {
    Json(Value),
    Empty(u16),
}

type Outcome = Result<Answer, Problem>;

impl Call<'_> {
    /// The first value of a query parameter.
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// All values of a parameter that may be repeated or joined by commas.
    fn list(&self, name: &str) -> Vec<String> {
        let values = self.parameters.iter().filter(|(key, _)| key == name);
        values
            .flat_map(|(_, value)| value.split(','))
            .filter(|v| !v.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn json(&self) -> Result<Value, Problem> {
        let text = std::str::from_utf8(&self.request.body)
            .map_err(|e| Problem::bad_request(format!("The request body is not UTF-8: {e}")))?;
        serde_json::from_str(text).map_err(|e| Problem::bad_request(format!("The request body is not JSON: {e}")))
    }

    /// The host and port that the client connected to.
    fn host(&self) -> String {
        match self.request.header("host") {
            Some(host) if !host.is_empty() => host.to_owned(),
            _ => super::shared::lock(&self.shared.local_addr).clone(),
        }
    }

    /// Fails if the OAuth client lacks this permission ([`super::Options::missing_permissions`]).
    fn need(&self, permission: &str) -> Result<(), Problem> {
        let missing = self
            .shared
            .faults()
            .rules
            .missing_permissions
            .iter()
            .any(|p| p == permission);
        if missing {
            Err(Problem::missing_permission(permission))
        } else {
            Ok(())
        }
    }
}

/// Answers any request to the simulator.
pub(super) fn handle(shared: &Arc<Shared>, request: &Request) -> Reply {
    shared.counters.requests.fetch_add(1, Ordering::Relaxed);
    let correlation = shared.random_id().to_string();
    let reply = match request.path.as_str() {
        path if !is_control(path)
            && let Some(refusal) = outage_reply(shared, request, &correlation) =>
        {
            refusal
        }
        "/" => Response::text(200, "genesys-stream simulator; see /sim/").into(),
        "/oauth/token" => oauth::token(shared, request, &correlation).into(),
        path if is_control(path) => control::handle(shared, request).into(),
        path if path.starts_with("/channels/") => {
            let id = path.trim_start_matches("/channels/").to_owned();
            stream::notifications::open(shared, request, &id, &correlation)
        }
        "/api/v2/events" if request.method == "GET" => stream::events::open(shared, request, &correlation),
        "/api/v2/analytics/conversations/details/query" if request.method == "GET" => {
            stream::metrics::open(shared, request, &correlation)
        }
        path if path.starts_with("/api/") => rest(shared, request, &correlation).into(),
        _ => Problem::not_found().response(&correlation).into(),
    };
    match reply {
        Reply::Response(response) => response.header("Date", http_date(shared.clock.centre())).into(),
        taken => taken,
    }
}

fn is_control(path: &str) -> bool {
    path == "/sim" || path.starts_with("/sim/")
}

/// The answer in an outage: upgrades are reset; login and REST get 503, unless the outage lets them work.
fn outage_reply(shared: &Shared, request: &Request, correlation: &str) -> Option<Reply> {
    let outage = shared.outage()?;
    if stream::wants_upgrade(request) {
        Some(Reply::Drop)
    } else if outage.rest == RestAccess::Refused {
        Some(Problem::of_status(503).response(correlation).into())
    } else {
        None
    }
}

/// The refusal of this path that a control call asked for, if there is one left.
pub(super) fn refused_call(shared: &Shared, path: &str) -> Option<Problem> {
    let mut faults = shared.faults();
    let refused = faults.refused_calls.as_mut()?;
    if refused.path.as_ref().is_some_and(|part| !path.contains(part)) {
        return None;
    }
    let RefusedCalls {
        status, retry_after, ..
    } = *refused;
    refused.count = refused.count.saturating_sub(1);
    if refused.count == 0 {
        faults.refused_calls = None;
    }
    let secs = retry_after.map(|r| match r {
        RetryAfter::Secs(secs) | RetryAfter::Date(secs) => secs,
    });
    let mut problem = match (status, secs) {
        (429, Some(secs)) => Problem::too_many_requests(secs),
        _ => Problem::of_status(status),
    };
    problem.retry_after = retry_after.map(|r| match r {
        RetryAfter::Secs(secs) => secs.to_string(),
        RetryAfter::Date(secs) => http_date(shared.clock.centre() + secs as Ms * 1000),
    });
    Some(problem)
}

fn rest(shared: &Arc<Shared>, request: &Request, correlation: &str) -> Response {
    if let Some(problem) = refused_call(shared, &request.path) {
        return problem.response(correlation);
    }
    let Some(token) = request.header("authorization").and_then(bearer) else {
        return Problem::no_token().response(correlation);
    };
    let now = shared.clock.wall();
    let client = shared.registry().tokens.valid(token, now).map(|t| t.client_id.clone());
    let Some(client_id) = client else {
        return Problem::bad_credentials().response(correlation);
    };
    let allowance = shared.registry().tokens.count_request(token, now, &shared.options);
    let call = Call {
        shared,
        request,
        parameters: request.parameters(),
        token: token.to_owned(),
        client_id,
    };
    let outcome = match allowance {
        Some(Allowance {
            refused: true,
            reset_secs,
            ..
        }) => Err(Problem::too_many_requests(reset_secs.max(1) as u64)),
        _ => route(&call),
    };
    let response = match outcome {
        Ok(Answer::Json(value)) => {
            Response::with_body(200, "application/json", value.to_string()).header("ININ-Correlation-Id", correlation)
        }
        Ok(Answer::Empty(status)) => Response::new(status).header("ININ-Correlation-Id", correlation),
        Err(problem) => problem.response(correlation),
    };
    match allowance {
        Some(a) if a.allowed > 0 => response
            .header("inin-ratelimit-count", a.count.to_string())
            .header("inin-ratelimit-allowed", a.allowed.to_string())
            .header("inin-ratelimit-reset", a.reset_secs.to_string()),
        _ => response,
    }
}

fn route(call: &Call<'_>) -> Outcome {
    let path: Vec<&str> = call
        .request
        .path
        .trim_start_matches("/api/v2/")
        .trim_end_matches('/')
        .split('/')
        .collect();
    // A HEAD is answered as its GET; the HTTP server leaves the body out.
    let method = if call.request.method == "HEAD" {
        "GET"
    } else {
        call.request.method.as_str()
    };
    match (method, path.as_slice()) {
        ("GET", ["tokens", "me"]) => oauth::token_info(call),
        ("DELETE", ["tokens", "me"]) => oauth::log_out(call),
        ("GET", ["notifications", "channels"]) => notifications::list(call),
        ("POST", ["notifications", "channels"]) => notifications::create(call),
        ("GET", ["notifications", "channels", id]) => notifications::exists(call, id),
        ("GET", ["notifications", "channels", id, "subscriptions"]) => notifications::subscriptions(call, id),
        ("POST" | "PUT", ["notifications", "channels", id, "subscriptions"]) => notifications::subscribe(call, id),
        ("DELETE", ["notifications", "channels", id, "subscriptions"]) => notifications::unsubscribe(call, id),
        ("GET", ["notifications", "availabletopics"]) => notifications::available(call),
        ("GET", ["routing", "queues"] | ["routing", "queues", "divisionviews"]) => organization::queues(call),
        ("GET", ["routing", "queues", id]) => organization::queue(call, id),
        ("GET", ["routing", "queues", id, "members"]) => organization::members(call, id),
        ("GET", ["routing", "queues", id, "estimatedwaittime"]) => organization::estimated_wait(call, id),
        ("GET", ["routing", "wrapupcodes"]) => organization::wrapup_codes(call),
        ("GET", ["users"]) => organization::users(call),
        ("GET", ["users", id]) => organization::user(call, id),
        ("GET", ["users", id, "presences", "purecloud"]) => organization::presence(call, id),
        ("GET", ["users", id, "routingstatus"]) => organization::routing_status(call, id),
        ("GET", ["presence", "definitions"]) => organization::presence_definitions(call),
        ("GET", ["presencedefinitions"]) => organization::organization_presences(call),
        ("GET", ["conversations"]) => organization::no_conversations(call),
        ("GET", ["conversations", id]) => organization::conversation(call, id),
        ("POST", ["analytics", "queues", "observations", "query"]) => analytics::observations(call),
        ("POST", ["analytics", "conversations", "details", "query"]) => analytics::details_query(call),
        ("GET", ["analytics", "conversations", "details"]) => analytics::details_by_ids(call),
        ("GET", ["analytics", "conversations", id, "details"]) => analytics::details_by_id(call, id),
        _ => Err(Problem::not_found()),
    }
}
