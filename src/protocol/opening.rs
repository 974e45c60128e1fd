//! How a connection of each protocol is opened: its address, its bearer token and its machine.
//!
//! In: configuration, chosen queues, a channel · Out: address, bearer token, machine · Thread: any (pure).

use super::metrics::{PayloadText, payload};
use super::{Events, Machine, Metrics, Notifications, Options};
use crate::base::percent::percent_encode;
use crate::config::{Config, Protocol};
use crate::{Error, ErrorKind, Id, Secret};

const EVENTS_PATH: &str = "/api/v2/events";
const METRICS_PATH: &str = "/api/v2/analytics/conversations/details/query";

/// What differs between the connections of the three protocols.
#[derive(Clone, Debug)]
pub(crate) enum Opening {
    /// The socket of a notification channel, with its address, which is as secret as a token; its topics are subscribed through
    /// REST.
    Notifications(Secret),
    /// The socket of the first tutorial, with its filter.
    Events {
        event_types: Vec<String>,
        queues: Vec<String>,
    },
    /// The socket of the second tutorial, with its payload.
    Metrics(PayloadText),
}

impl Opening {
    /// The opening for the configured protocol. `queues` are the chosen ones; `None` = no filter. `notifications` needs a
    /// channel's address.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if the payload of `metrics` is too large; [`ErrorKind::Internal`] if `notifications`
    /// has no channel.
    pub(crate) fn new(config: &Config, queues: Option<&[Id]>, connect_uri: Option<Secret>) -> Result<Self, Error> {
        let subscribe = &config.subscribe;
        match config.protocol {
            Protocol::Notifications => connect_uri
                .map(Self::Notifications)
                .ok_or_else(|| Error::new(ErrorKind::Internal, "opening the stream", "there is no channel")),
            Protocol::Events => Ok(Self::Events {
                event_types: subscribe.event_types.clone(),
                queues: queues.unwrap_or_default().iter().map(Id::to_string).collect(),
            }),
            Protocol::Metrics => PayloadText::new(&payload(&subscribe.metrics, queues)).map(Self::Metrics),
        }
    }

    /// The address to connect to. `api` is the configured `https://` address of the API.
    pub(crate) fn address(&self, api: &str, token: &Secret) -> Secret {
        match self {
            Self::Notifications(connect_uri) => connect_uri.clone(),
            Self::Events { .. } => Secret::derived(events_address(api, &percent_encode(token.reveal()))),
            Self::Metrics(_) => Secret::derived(metrics_address(api)),
        }
    }

    /// The address for messages, without the token. `None` for a channel, whose whole address is secret.
    #[cfg(any(test, feature = "cli"))]
    pub(crate) fn shown_address(&self, api: &str) -> Option<String> {
        match self {
            Self::Notifications(_) => None,
            Self::Events { .. } => Some(events_address(api, "<token>")),
            Self::Metrics(_) => Some(metrics_address(api)),
        }
    }

    /// The token for the header `Authorization`, if the protocol needs that header.
    pub(crate) fn bearer(&self, token: &Secret) -> Option<Secret> {
        match self {
            Self::Metrics(_) => Some(token.clone()),
            Self::Notifications(_) | Self::Events { .. } => None,
        }
    }

    /// The machine that subscribes and decodes.
    pub(crate) fn machine(self, options: Options) -> Box<dyn Machine> {
        match self {
            Self::Notifications(_) => Box::new(Notifications::new(options)),
            Self::Events { event_types, queues } => Box::new(Events::new(options, event_types, queues)),
            Self::Metrics(payload) => Box::new(Metrics::new(options, payload)),
        }
    }
}

fn events_address(api: &str, token: &str) -> String {
    format!("{}{EVENTS_PATH}?access_token={token}", websocket_base(api))
}

fn metrics_address(api: &str) -> String {
    format!("{}{METRICS_PATH}", websocket_base(api))
}

/// `https://host` → `wss://host`.
fn websocket_base(api: &str) -> String {
    api.replacen("http", "ws", 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MetricsPayload;

    const API: &str = "https://api.example.org";

    fn opened(opening: &Opening) -> (String, Option<String>, Option<String>) {
        let token = Secret::new("a+b");
        let bearer = opening.bearer(&token).map(|bearer| bearer.reveal().to_owned());
        (
            opening.address(API, &token).reveal().to_owned(),
            bearer,
            opening.shown_address(API),
        )
    }

    #[test]
    fn each_protocol_is_opened_in_its_own_way() {
        let secret = |text: &str| Secret::new(text);
        let channel = Opening::Notifications(secret("wss://streaming.example.org/channels/id"));
        assert_eq!(
            opened(&channel),
            ("wss://streaming.example.org/channels/id".to_owned(), None, None)
        );
        let events = Opening::Events {
            event_types: vec!["conversation:updated".to_owned()],
            queues: vec!["q".to_owned()],
        };
        assert_eq!(
            opened(&events),
            (
                "wss://api.example.org/api/v2/events?access_token=a%2Bb".to_owned(),
                None,
                Some("wss://api.example.org/api/v2/events?access_token=<token>".to_owned())
            )
        );
        let sent = events.machine(Options::new(1)).on_open();
        assert!(
            sent[0].contains("conversation:updated") && sent[0].contains("\"q\""),
            "{sent:?}"
        );
        let payload = PayloadText::new(&MetricsPayload::default()).unwrap();
        let metrics = Opening::Metrics(payload.clone());
        let address = format!("wss://api.example.org{METRICS_PATH}");
        assert_eq!(
            opened(&metrics),
            (address.clone(), Some("a+b".to_owned()), Some(address))
        );
        assert_eq!(metrics.machine(Options::new(1)).on_open(), [payload.as_str()]);
    }
}
