//! Notification channels and their subscriptions.
//!
//! In: a token, topics · Out: channels, one answer per topic · Thread: the caller's.

use serde::{Deserialize, Serialize};

use super::client::{Method, Request, RestClient};
use crate::base::percent::percent_encode;
use crate::base::plural::counted;
use crate::base::url::Scheme;
use crate::config::Hosts;
use crate::net::Url;
use crate::protocol::topic_plan::Entity;
use crate::{Error, ErrorKind, Moment, Secret};

const CHANNELS: &str = "/api/v2/notifications/channels";

/// Channels of one OAuth client (Genesys' limit, seen 2026-08): one more ends another.
pub(crate) const CHANNELS_A_CLIENT: usize = 20;
/// A warning is given if at least this many channels exist at the start.
pub(crate) const MANY_CHANNELS: usize = 15;

/// Channels of a listing whose ids are read; a token has 20 at most.
const MOST_IDS: usize = 64;

/// A notification channel. Its id and its URL are secrets: who has them can read the stream.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    pub(crate) id: Secret,
    /// The URL of its socket; checked against the configured hosts.
    pub(crate) connect_uri: Secret,
    /// When it expires by this machine's clock; a subscription extends it.
    pub(crate) expires: Option<Moment>,
}

#[derive(Deserialize)]
struct Listing<T> {
    entities: Vec<T>,
}

/// A channel as the listing shows it.
#[derive(Debug)]
pub(crate) struct Listed {
    /// `None` for the channels of other tokens, and in a listing that is too long.
    pub(crate) id: Option<Secret>,
    /// When it expires by this machine's clock.
    pub(crate) expires: Option<Moment>,
}

/// Which channels are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those of this token.
    Token,
    /// Those of the OAuth client, including other programs' channels.
    Client,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChannelBody {
    id: Option<String>,
    connect_uri: Option<String>,
    expires: Option<String>,
}

#[derive(Serialize)]
struct TopicBody<'a> {
    id: &'a str,
}

/// Creates a channel.
///
/// # Errors
/// Those of [`RestClient::call`]; [`ErrorKind::Refused`] where its URL does not lead to the configured streaming host.
pub(crate) fn create(client: &RestClient, token: &Secret) -> Result<Channel, Error> {
    let answer = client.call(&Request::new("creating a channel", Method::Post, CHANNELS, token))?;
    let body: ChannelBody = answer.json()?;
    let (Some(id), Some(connect_uri)) = (body.id.filter(|id| !id.is_empty()), body.connect_uri) else {
        return Err(answer.malformed("no id or no connectUri"));
    };
    check_connect_uri(&connect_uri, client.hosts())
        .map_err(|error| error.with_correlation_id(answer.correlation_id.clone()))?;
    Ok(Channel {
        id: Secret::channel(id),
        connect_uri: Secret::passing(connect_uri),
        // The service's clock may differ.
        expires: (body.expires.as_deref().and_then(Moment::parse)).map(|at| client.clock().ours(at)),
    })
}

/// Lists channels.
///
/// # Errors
/// Those of [`RestClient::call`].
pub(crate) fn list(client: &RestClient, token: &Secret, whose: Whose) -> Result<Vec<Listed>, Error> {
    let whose = match whose {
        Whose::Token => "token",
        Whose::Client => "oauthclient",
    };
    let at = format!("{CHANNELS}?includechannels={whose}");
    let answer = client.call(&Request::new("listing channels", Method::Get, &at, token))?;
    let listing: Listing<ChannelBody> = answer.json()?;
    let listed = listing.entities.into_iter().enumerate().map(|(n, body)| Listed {
        id: body.id.filter(|_| n < MOST_IDS).map(Secret::channel),
        expires: (body.expires.as_deref().and_then(Moment::parse)).map(|at| client.clock().ours(at)),
    });
    Ok(listed.collect())
}

/// Replaces the list of subscribed topics in one call. Each topic is accepted or refused on its own (`ignoreErrors=true`), so
/// every answer must be read.
///
/// # Errors
/// Those of [`RestClient::call`]: [`ErrorKind::Refused`] for 400, and for 404 where the channel is gone.
pub(crate) fn subscribe(
    client: &RestClient,
    token: &Secret,
    id: &Secret,
    topics: &[String],
) -> Result<Vec<Entity>, Error> {
    let body: Vec<TopicBody<'_>> = topics.iter().map(|id| TopicBody { id }).collect();
    let doing = format!("subscribing {}", counted(topics.len(), "topic"));
    let body = serde_json::to_string(&body)
        .map_err(|error| Error::new(ErrorKind::Internal, doing.clone(), error.to_string()))?;
    let at = Secret::derived(format!("{}?ignoreErrors=true", subscriptions(id)));
    let request = Request::new(&doing, Method::Put, at.reveal(), token).json(&body);
    let answer = client.call(&request)?;
    let listing: Listing<Entity> = answer.json()?;
    Ok(listing.entities)
}

/// Reads back what is subscribed on a channel.
///
/// # Errors
/// Those of [`RestClient::call`]: [`ErrorKind::Refused`] for 404, which a service that lacks this call answers, too.
pub(crate) fn subscribed(client: &RestClient, token: &Secret, id: &Secret) -> Result<Vec<Entity>, Error> {
    let at = Secret::derived(subscriptions(id));
    let request = Request::new("reading the subscriptions back", Method::Get, at.reveal(), token);
    let listing: Listing<Entity> = client.call(&request)?.json()?;
    Ok(listing.entities)
}

/// Removes all subscriptions of a channel, since channels cannot be deleted. Returns whether it still exists.
///
/// # Errors
/// Those of [`RestClient::call`] except 404.
pub(crate) fn unsubscribe_all(client: &RestClient, token: &Secret, id: &Secret) -> Result<bool, Error> {
    let at = Secret::derived(subscriptions(id));
    let request = Request::new("removing subscriptions", Method::Delete, at.reveal(), token);
    let answer = client.send(&request)?;
    if answer.status == 404 {
        return Ok(false);
    }
    answer.into_success().map(|_| true)
}

fn subscriptions(id: &Secret) -> String {
    format!("{CHANNELS}/{}/subscriptions", percent_encode(id.reveal()))
}

/// Checks that a `connectUri` leads to the streaming host (docs/configuration.md): with a foreign one, somebody else could
/// read the stream.
///
/// # Errors
/// [`ErrorKind::Refused`], naming the host but never the path.
pub(crate) fn check_connect_uri(connect_uri: &str, hosts: &Hosts) -> Result<(), Error> {
    let error = |kind, what: String| Error::new(kind, "checking the channel's connectUri", what);
    let refused = |what: String| error(ErrorKind::Refused, what);
    let uri = Url::parse(connect_uri).map_err(|wrong| refused(format!("it {wrong}")))?;
    let expected = Url::parse(&hosts.streaming)
        .map_err(|wrong| error(ErrorKind::Configuration, format!("the streaming URL {wrong}")))?;
    if !matches!(uri.scheme, Scheme::Ws | Scheme::Wss) {
        return Err(refused(format!("{}:// where ws:// or wss:// is expected", uri.scheme)));
    }
    if uri.target.host != expected.target.host || uri.target.port != expected.target.port {
        return Err(refused(format!(
            "it leads to {}, which is not the streaming host {} (another one is set with --streaming-url)",
            uri.target, expected.target
        )));
    }
    let api_is_secure = hosts.api.to_ascii_lowercase().starts_with("https:");
    if uri.scheme == Scheme::Ws && (api_is_secure || expected.scheme == Scheme::Wss) {
        return Err(refused("ws:// where the service is https://".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::scripted::{Reply, Server};
    use crate::rest::client_tests::client_of;

    const CREATED: &str = include_str!("../../tests/fixtures/rest-channel-created.json");

    fn region() -> Hosts {
        Hosts {
            region: "us-west-2".to_owned(),
            login: "https://login.usw2.pure.cloud".to_owned(),
            api: "https://api.usw2.pure.cloud".to_owned(),
            streaming: "wss://streaming.usw2.pure.cloud".to_owned(),
        }
    }

    #[test]
    fn a_connect_uri_must_lead_to_the_streaming_host() {
        check_connect_uri("wss://streaming.usw2.pure.cloud/channels/geheim", &region()).unwrap();
        check_connect_uri("wss://STREAMING.usw2.pure.cloud:443/channels/geheim", &region()).unwrap();
        for foreign in [
            "ws://streaming.usw2.pure.cloud/channels/geheim",
            "ws://streaming.usw2.pure.cloud:443/channels/geheim",
            "https://streaming.usw2.pure.cloud/channels/geheim",
            "wss://streaming.usw2.pure.cloud.evil.example/channels/geheim",
            "wss://streaming.usw2.pure.cloud@evil.example/channels/geheim",
            "wss://geheim@streaming.usw2.pure.cloud/channels/geheim",
            "wss://streaming.usw2.pure.cloud:8443/channels/geheim",
            "wss://127.0.0.1/channels/geheim",
            "//streaming.usw2.pure.cloud/channels/geheim",
            "",
        ] {
            let error = check_connect_uri(foreign, &region()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused, "{foreign}");
            assert!(!error.to_string().contains("geheim"), "{error}");
        }
        let base = Hosts {
            api: "http://127.0.0.1:8080".to_owned(),
            streaming: "ws://127.0.0.1:8080".to_owned(),
            ..region()
        };
        check_connect_uri("ws://127.0.0.1:8080/channels/x", &base).unwrap();
        assert!(check_connect_uri("ws://127.0.0.1:8081/channels/x", &base).is_err());
    }

    #[test]
    fn creates_and_checks() {
        let server = Server::http_knowing_itself(|_, port| {
            let host = format!("ws://127.0.0.1:{port}");
            Reply::json(200, &CREATED.replace("wss://streaming.usw2.pure.cloud", &host))
        });
        let token = Secret::new("the-token");
        let channel = create(&client_of(&server), &token).unwrap();
        assert_eq!(channel.expires, Moment::parse("2026-05-05T14:00:00.000Z"));
        assert!(!format!("{channel:?}").contains("streaming-5"));
        let seen = &server.seen()[0];
        assert_eq!(seen.line, "POST /api/v2/notifications/channels HTTP/1.1");
        assert_eq!(seen.header("authorization").as_deref(), Some("Bearer the-token"));
        assert_eq!(seen.header("content-length").as_deref(), Some("0"));

        let foreign = Server::http(|_| Reply::json(200, CREATED));
        let error = create(&client_of(&foreign), &token).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(!error.to_string().contains("streaming-5"), "{error}");
    }

    #[test]
    fn lists_channels_of_token_and_client() {
        let server = Server::http(|seen| {
            let own = r#"{"id":"streaming-5-own","connectUri":"wss://x/","expires":"2026-05-05T14:00:00.000Z"}"#;
            Reply::json(
                200,
                &match seen.line.contains("includechannels=oauthclient") {
                    true => format!(r#"{{"entities":[{own},{{"expires":"2026-05-05T15:00:00.000Z"}}]}}"#),
                    false => format!(r#"{{"entities":[{own}]}}"#),
                },
            )
        });
        let (client, token) = (client_of(&server), Secret::new("t"));
        let own = list(&client, &token, Whose::Token).unwrap();
        assert_eq!(own.len(), 1);
        assert_eq!(own[0].expires, Moment::parse("2026-05-05T14:00:00.000Z"));
        assert!(!format!("{own:?}").contains("streaming-5"), "{own:?}");
        let all = list(&client, &token, Whose::Client).unwrap();
        assert_eq!(
            all.iter().map(|listed| listed.id.is_some()).collect::<Vec<_>>(),
            [true, false]
        );
        let lines: Vec<String> = server.seen().iter().map(|seen| seen.line.clone()).collect();
        assert_eq!(
            lines[0],
            "GET /api/v2/notifications/channels?includechannels=token HTTP/1.1"
        );
    }

    #[test]
    fn subscribes_and_reads_every_answer() {
        let body = include_str!("../../tests/fixtures/rest-subscriptions-response-partial.json");
        let server = Server::http(move |_| Reply::json(200, body));
        let topics = vec!["v2.users.a?presence&conversations".to_owned()];
        let answers = subscribe(&client_of(&server), &Secret::new("t"), &Secret::new("chan"), &topics).unwrap();
        assert_eq!(answers[0].state, "Permitted");
        assert_eq!(answers[1].state, "Rejected");
        assert_eq!(answers[1].missing_permissions, ["conversation:communication:view"]);
        let seen = &server.seen()[0];
        assert_eq!(
            seen.line,
            "PUT /api/v2/notifications/channels/chan/subscriptions?ignoreErrors=true HTTP/1.1"
        );
        assert_eq!(seen.body, r#"[{"id":"v2.users.a?presence&conversations"}]"#);
    }

    #[test]
    fn errors_never_show_the_channel() {
        let server = Server::http(|seen| {
            if seen.line.starts_with("HEAD") {
                Reply::json(404, "")
            } else if seen.line.starts_with("DELETE") {
                Reply::empty(204)
            } else {
                Reply::json(
                    400,
                    r#"{"message":"no channel streaming-5-abc for token tok","code":"bad"}"#,
                )
            }
        });
        let client = client_of(&server);
        let (token, id) = (Secret::new("tok"), Secret::channel("streaming-5-abc"));
        assert!(unsubscribe_all(&client, &token, &id).unwrap());
        let error = subscribe(&client, &token, &id, &[]).unwrap_err();
        let text = error.to_string();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Refused, Some(400)));
        assert!(text.contains("channels/<channel>/subscriptions"), "{text}");
        assert!(
            !text.contains("streaming-5") && !text.contains("ignoreErrors"),
            "{text}"
        );
    }
}
