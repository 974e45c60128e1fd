//! Asks the service for its time: for `check`, and where a run is not sure of it.
//!
//! In: a client · Out: the difference between the clocks · Thread: the caller's.

use super::client::{Authorization, Body, Method, Request, RestClient};
use super::rate::{Lane, Purpose};
use crate::{Error, Moment};

/// The difference between this machine's clock and the service's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skew {
    /// Milliseconds; positive where this machine's clock is ahead.
    pub(crate) ms: i64,
    /// The difference may be wrong by this much: the service sends whole seconds, and the answer took some time.
    pub(crate) within_ms: i64,
}

impl Skew {
    /// From the service's time, asked for and received at these times.
    fn new(asked: Moment, served: Moment, received: Moment) -> Self {
        let round_trip_ms = received.millis_since(asked).max(0);
        Self {
            // On average half of the second has passed.
            ms: asked.millis_since(served) + round_trip_ms / 2 - 500,
            within_ms: 500 + round_trip_ms / 2,
        }
    }
}

/// Asks without a token, because every answer has a `Date`; `None` where this one has not.
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
        is_page: false,
    })?;
    let received = Moment::now();
    Ok(answer.served_at.map(|served| Skew::new(asked, served, received)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skew_is_exact_to_half_a_second_and_half_the_round_trip() {
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
