//! What time it is at the service.
//!
//! In: a client · Out: the difference of the clocks · Thread: the caller's.

use super::client::{Authorization, Body, Method, Request, RestClient};
use super::rate::{Lane, Purpose};
use crate::{Error, Moment};

/// This machine's clock minus the service's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skew {
    /// Milliseconds; positive where this machine's clock is ahead.
    pub(crate) ms: i64,
    /// It may be wrong by this much: the service tells whole seconds, and the way took its time.
    pub(crate) within_ms: i64,
}

impl Skew {
    /// From what the service told, asked and received at these times.
    fn new(asked: Moment, served: Moment, received: Moment) -> Self {
        let way_ms = received.millis_since(asked).max(0);
        Self {
            // The told second is half over on average.
            ms: asked.millis_since(served) + way_ms / 2 - 500,
            within_ms: 500 + way_ms / 2,
        }
    }
}

/// Asks without a token: whatever the answer is, it carries the time. `None` where it does not.
///
/// # Errors
/// Those of [`RestClient::send`].
pub(crate) fn skew(client: &RestClient) -> Result<Option<Skew>, Error> {
    let asked = Moment::now();
    let answer = client.send(&Request {
        doing: "asking for the time",
        method: Method::Get,
        at: "/api/v2/tokens/me",
        authorization: Authorization::None,
        body: Body::None,
        purpose: Purpose::Essential,
        lane: Lane::Api,
        channel: None,
    })?;
    let received = Moment::now();
    Ok(answer.served_at.map(|served| Skew::new(asked, served, received)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skew_is_known_to_half_a_second_and_half_the_way() {
        let at = |text| Moment::parse(text).unwrap();
        let skew = Skew::new(
            at("2026-05-04T14:00:10.000Z"),
            at("2026-05-04T14:00:00Z"),
            at("2026-05-04T14:00:10.200Z"),
        );
        assert_eq!((skew.ms, skew.within_ms), (9600, 600));
        let behind = Skew::new(
            at("2026-05-04T14:00:00.000Z"),
            at("2026-05-04T14:05:00Z"),
            at("2026-05-04T14:00:00.000Z"),
        );
        assert_eq!(behind.ms, -300_500);
    }
}
