//! Login with client credentials, and information about a token.
//!
//! In: `POST /oauth/token`, `…/tokens/me` · Out: tokens · Thread: the connection's.

use super::{Answer, Call, Outcome, refused_call};
use crate::http_server::{Request, Response};
use crate::simulator::channels::end_of;
use crate::simulator::json::Object;
use crate::simulator::shared::Shared;
use crate::simulator::stream::notifications;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::sync::Arc;

fn refusal(status: u16, error: &str, description: &str, correlation: &str) -> Response {
    let body = json!({"error": error, "description": description, "error_description": description});
    Response::with_body(status, "application/json", body.to_string()).header("ININ-Correlation-Id", correlation)
}

pub(super) fn token(shared: &Arc<Shared>, request: &Request, correlation: &str) -> Response {
    if let Some(problem) = refused_call(shared, &request.path) {
        return problem.response(correlation);
    }
    if request.method != "POST" {
        return refusal(405, "invalid_request", "the token endpoint takes POST", correlation).header("Allow", "POST");
    }
    let form = crate::http_server::form_pairs(&String::from_utf8_lossy(&request.body));
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let basic = request.header("authorization").and_then(credentials);
    let Some((id, secret)) = basic.or_else(|| field("client_id").zip(field("client_secret"))) else {
        return refusal(401, "invalid_client", "client credentials are missing", correlation);
    };
    let known = shared
        .options
        .credentials
        .iter()
        .any(|c| c.client_id == id && c.client_secret == secret);
    if !known {
        return refusal(401, "invalid_client", "authentication failed", correlation);
    }
    match field("grant_type").as_deref() {
        Some("client_credentials") => {}
        Some(_) => {
            return refusal(
                400,
                "unsupported_grant_type",
                "only client_credentials is simulated",
                correlation,
            );
        }
        None => return refusal(400, "invalid_request", "grant_type is missing", correlation),
    }
    let token = shared.random_text(64);
    let expires = end_of(&shared.clock, shared.options.token_life);
    shared.registry().tokens.add(&id, token.clone(), expires);
    // Whole seconds, rounded down as the service does, but never 0.
    let secs = ((expires - shared.clock.wall()) / 1000).max(1);
    let body = json!({"access_token": token, "token_type": "bearer", "expires_in": secs});
    Response::with_body(200, "application/json", body.to_string())
        .header("ININ-Correlation-Id", correlation)
        .header("Cache-Control", "no-store")
}

fn credentials(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    text.split_once(':')
        .map(|(id, secret)| (id.to_owned(), secret.to_owned()))
}

pub(super) fn token_info(call: &Call<'_>) -> Outcome {
    let expires = call
        .shared
        .registry()
        .tokens
        .valid(&call.token, call.shared.clock.wall())
        .map(|t| call.shared.clock.to_centre(t.expires));
    let organization = json!({"id": call.shared.world.organization.to_string(), "name": "Simulated Organization"});
    let client = json!({
        "id": call.shared.world.oauth_client.to_string(),
        "name": call.client_id,
        "authorizedGrantType": "CLIENT-CREDENTIALS",
        "state": "active",
        "organization": organization,
    });
    let info = Object::new()
        .set("organization", organization.clone())
        .set("homeOrganization", organization)
        .set("authorizedScope", json!([]))
        .maybe_time("dateTokenIdles", expires)
        .set("OAuthClient", client);
    Ok(Answer::Json(Value::from(info)))
}

pub(super) fn log_out(call: &Call<'_>) -> Outcome {
    let gone = call.shared.registry().log_out(&call.token);
    for (_, socket) in gone {
        notifications::close_as_gone(&socket);
    }
    Ok(Answer::Empty(200))
}
