//! Error responses in the service's format.
//!
//! In: status, code, message · Out: a response whose `contextId` is the correlation id · Thread: any.

use crate::http_server::Response;
use serde_json::json;

/// Why a REST call fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulator) struct Problem {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
    /// The `Retry-After` field.
    pub retry_after: Option<String>,
}

impl Problem {
    pub(in crate::simulator) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Problem {
            status,
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    pub(in crate::simulator) fn bad_request(message: impl Into<String>) -> Self {
        Problem::new(400, "bad.request", message)
    }

    pub(in crate::simulator) fn not_found() -> Self {
        Problem::new(404, "not.found", "The requested resource was not found.")
    }

    pub(in crate::simulator) fn no_token() -> Self {
        Problem::new(
            401,
            "authentication.required",
            "No authentication bearer token specified in authorization header.",
        )
    }

    pub(in crate::simulator) fn bad_credentials() -> Self {
        Problem::new(401, "bad.credentials", "Invalid login credentials.")
    }

    pub(in crate::simulator) fn too_many_requests(secs: u64) -> Self {
        Problem {
            retry_after: Some(secs.to_string()),
            ..Problem::new(
                429,
                "too.many.requests.retry.after",
                format!("Rate limit exceeded the maximum. Retry the request in [{secs}] seconds"),
            )
        }
    }

    pub(in crate::simulator) fn missing_permission(permission: &str) -> Self {
        let message = format!(
            "Unable to perform the requested action. You are missing the following permission(s): {permission}"
        );
        Problem::new(403, "missing.permissions", message)
    }

    /// The problem for a status that a control call asked for.
    pub(in crate::simulator) fn of_status(status: u16) -> Self {
        match status {
            400 => Problem::bad_request("The request could not be understood by the server due to malformed syntax."),
            401 => Problem::bad_credentials(),
            403 => Problem::new(
                403,
                "not.authorized",
                "You are not authorized to perform the requested action.",
            ),
            404 => Problem::not_found(),
            429 => Problem::too_many_requests(1),
            503 => Problem::new(
                503,
                "service.unavailable",
                "Service Unavailable - The server is currently unavailable.",
            ),
            504 => Problem::new(504, "gateway.timeout", "The request timed out."),
            other => Problem::new(
                other,
                "internal.server.error",
                "The server encountered an unexpected condition.",
            ),
        }
    }

    pub(in crate::simulator) fn response(&self, correlation: &str) -> Response {
        let body = json!({
            "message": self.message,
            "code": self.code,
            "status": self.status,
            "contextId": correlation,
            "details": [],
            "errors": [],
        });
        let response = Response::with_body(self.status, "application/json", body.to_string())
            .header("ININ-Correlation-Id", correlation);
        match &self.retry_after {
            Some(when) => response.header("Retry-After", when),
            None => response,
        }
    }
}
