//! Analytics queries: conversation details and queue observations.
//!
//! In: a query, a token · Out: the service's answer · Thread: the caller's.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::client::{Method, Request, RestClient};
use super::rate::Purpose;
use crate::base::limits::{PAGE_BYTES, WORD_BYTES, cut_and_count};
use crate::base::percent::percent_encode;
use crate::event::facts::{MediaKind, ObservationFacts, ObservationRow};
use crate::event::stats::{Name, Stats};
use crate::protocol::json::{Field, each_entry};
use crate::{Error, ErrorKind, Id, Moment, Secret};

/// Bytes of the JSON of a row.
const ROW_BYTES: usize = 64 << 10;

/// Queues in one observations query; the service documents no limit, and its other queries take 100 predicates.
pub(crate) const QUEUES_A_CALL: usize = 100;

/// Conversation ids in one call: 37 characters each keep the address under 2 KiB.
pub(crate) const DETAILS_A_CALL: usize = 50;

/// The queue metrics that a dashboard needs at its start.
pub(crate) const QUEUE_METRICS: [&str; 9] = [
    "oWaiting",
    "oInteracting",
    "oAlerting",
    "oOnQueueUsers",
    "oOffQueueUsers",
    "oUserRoutingStatuses",
    "oActiveUsers",
    "oMemberUsers",
    "oLongestWaiting",
];

/// The answer to a details query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DetailsAnswer {
    /// Conversations in this page.
    pub(crate) conversations: usize,
    /// `totalHits`, approximate.
    pub(crate) total_hits: Option<u64>,
    /// The answer as received; the conversations are read from it.
    pub(crate) body: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DetailsBody {
    /// Missing where nothing was found.
    conversations: Option<Vec<serde::de::IgnoredAny>>,
    total_hits: Option<f64>,
}

/// Queries conversation details; `query` is a `ConversationQuery` in JSON.
///
/// # Errors
/// Those of [`RestClient::call`]: [`ErrorKind::Refused`] with the service's message for a query that it refuses.
pub(crate) fn conversation_details(
    client: &RestClient,
    token: &Secret,
    query: &str,
    purpose: Purpose,
) -> Result<DetailsAnswer, Error> {
    let at = "/api/v2/analytics/conversations/details/query";
    let request = Request::new("asking for conversation details", Method::Post, at, token)
        .json(query)
        .purpose(purpose)
        .page();
    let answer = client.call(&request)?;
    let body: DetailsBody = answer.json()?;
    Ok(DetailsAnswer {
        conversations: body.conversations.map_or(0, |list| list.len()),
        // Counts above 2^53 do not occur.
        total_hits: body.total_hits.filter(|hits| *hits >= 0.0).map(|hits| hits as u64),
        body: answer.body,
    })
}

/// Queries these conversations, at most [`DETAILS_A_CALL`]; returns the answer as received. Those that the service does not
/// know are missing from it.
///
/// # Errors
/// Those of [`RestClient::call`].
pub(crate) fn conversations_by_ids(
    client: &RestClient,
    token: &Secret,
    ids: &[Id],
    purpose: Purpose,
) -> Result<Vec<u8>, Error> {
    let ids: Vec<String> = ids.iter().map(|id| percent_encode(&id.to_string())).collect();
    let at = format!("/api/v2/analytics/conversations/details?id={}", ids.join(","));
    let request = Request::new("asking for conversations by their ids", Method::Get, &at, token)
        .purpose(purpose)
        .page();
    Ok(client.call(&request)?.body)
}

#[derive(Serialize)]
struct ObservationsQuery<'a> {
    filter: Filter<'a>,
    metrics: &'a [&'a str],
}

#[derive(Serialize)]
struct Filter<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    predicates: Vec<Predicate<'a>>,
}

#[derive(Serialize)]
struct Predicate<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    dimension: &'a str,
    operator: &'a str,
    value: &'a Id,
}

#[derive(Deserialize)]
struct ObservationsBody<'a> {
    /// Missing where nothing was found.
    #[serde(borrow)]
    results: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Group<'a> {
    #[serde(default)]
    group: GroupKeys,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct GroupKeys {
    queue_id: Field<Id>,
    media_type: Field<MediaKind>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Row<'a> {
    #[serde(borrow)]
    metric: Field<Cow<'a, str>>,
    #[serde(borrow)]
    qualifier: Field<Cow<'a, str>>,
    #[serde(borrow)]
    interval: Field<Cow<'a, str>>,
    stats: BTreeMap<String, Field<f64>>,
}

/// Queries the observations of these queues, [`QUEUES_A_CALL`] per call.
///
/// Returns one entry for each queue asked for. An absent metric is zero, so an entry may have no rows. Also gives the count of
/// what cannot be read or is over a limit.
///
/// # Errors
/// Those of [`RestClient::call`].
pub(crate) fn queue_observations(
    client: &RestClient,
    token: &Secret,
    queues: &[Id],
    metrics: &[&str],
    purpose: Purpose,
) -> Result<(Vec<ObservationFacts>, u32), Error> {
    let doing = "asking for queue observations";
    let at = "/api/v2/analytics/queues/observations/query";
    let (mut facts, mut unreadable) = (Vec::new(), 0);
    for some in queues.chunks(QUEUES_A_CALL) {
        let query = serde_json::to_string(&query_of(some, metrics))
            .map_err(|error| Error::new(ErrorKind::Internal, doing, error.to_string()))?;
        let request = Request::new(doing, Method::Post, at, token)
            .json(&query)
            .purpose(purpose)
            .page();
        let answer = client.call(&request)?;
        let body: ObservationsBody<'_> = answer.json()?;
        let Some(of_some) = by_queue(some, body, &mut unreadable) else {
            return Err(answer.malformed("results is no list"));
        };
        facts.extend(of_some);
    }
    Ok((facts, unreadable))
}

fn query_of<'a>(queues: &'a [Id], metrics: &'a [&'a str]) -> ObservationsQuery<'a> {
    let matches = |value| Predicate {
        kind: "dimension",
        dimension: "queueId",
        operator: "matches",
        value,
    };
    ObservationsQuery {
        filter: Filter {
            kind: "or",
            predicates: queues.iter().map(matches).collect(),
        },
        metrics,
    }
}

/// `None` where the results are no list.
fn by_queue(asked: &[Id], body: ObservationsBody<'_>, unreadable: &mut u32) -> Option<Vec<ObservationFacts>> {
    let mut facts: Vec<ObservationFacts> = asked
        .iter()
        .map(|queue| ObservationFacts {
            queue: queue.clone(),
            rows: Vec::new(),
        })
        .collect();
    let Some(results) = body.results else {
        return Some(facts);
    };
    let mut room = PAGE_BYTES;
    let is_list = each_entry(results, &mut |entry| {
        let Ok(group) = serde_json::from_str::<Group<'_>>(entry) else {
            *unreadable = unreadable.saturating_add(1);
            return;
        };
        let queue = group.group.queue_id.as_some();
        let of_queue = facts.iter_mut().find(|facts| Some(&facts.queue) == queue);
        let (Some(of_queue), Some(data)) = (of_queue, group.data) else {
            return;
        };
        let media = group.group.media_type.copied();
        let are_rows = each_entry(data, &mut |entry| {
            let read = (entry.len() <= ROW_BYTES && room > 0).then(|| serde_json::from_str::<Row<'_>>(entry));
            match read {
                Some(Ok(row)) => {
                    let row = read_row(row, media, unreadable);
                    room = room.saturating_sub(row.as_ref().map_or(0, ObservationRow::bytes));
                    of_queue.rows.extend(row);
                }
                _ => *unreadable = unreadable.saturating_add(1),
            }
        });
        *unreadable = unreadable.saturating_add(u32::from(!are_rows));
    });
    is_list.then_some(facts)
}

fn read_row(row: Row<'_>, media: Option<MediaKind>, unreadable: &mut u32) -> Option<ObservationRow> {
    let mut word = |text: &str| Name::from(cut_and_count(text, WORD_BYTES, unreadable));
    let metric = word(row.metric.as_some()?);
    let qualifier = row
        .qualifier
        .as_some()
        .filter(|text| !text.is_empty())
        .map(|text| word(text));
    let mut stats = Stats::default();
    for (name, value) in &row.stats {
        if let Some(value) = value.copied()
            && !stats.set_named(cut_and_count(name, WORD_BYTES, unreadable), value)
        {
            *unreadable = unreadable.saturating_add(1);
        }
    }
    Some(ObservationRow {
        media,
        interval: row.interval.as_some().and_then(|text| {
            let (start, end) = text.split_once('/')?;
            Some((Moment::parse(start)?, Moment::parse(end)?))
        }),
        metric,
        qualifier,
        stats,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::scripted::{Reply, Server};
    use crate::rest::client_tests::client_of;

    const QUEUE: &str = "509f5a7f-cb31-5a43-ac00-8041a8ba3690";

    #[test]
    fn observations_become_facts() {
        let body = include_str!("../../tests/fixtures/rest-queue-observations-response.json");
        let server = Server::http(move |_| Reply::json(200, body));
        let asked = [Id::new(QUEUE), Id::new("quiet")];
        let (facts, unreadable) = queue_observations(
            &client_of(&server),
            &Secret::new("t"),
            &asked,
            &QUEUE_METRICS,
            Purpose::Essential,
        )
        .unwrap();
        assert_eq!((facts.len(), unreadable), (2, 0));
        assert!(facts[1].rows.is_empty());
        let row = |metric: &str, qualifier: Option<&str>| {
            let is = |row: &&ObservationRow| &*row.metric == metric && row.qualifier.as_deref() == qualifier;
            facts[0].rows.iter().find(is).unwrap()
        };
        assert_eq!(row("oActiveUsers", None).stats.get("count"), Some(9.0));
        assert_eq!(row("oOnQueueUsers", Some("IDLE")).stats.get("count"), Some(4.0));
        let longest = row("oLongestWaiting", None);
        assert_eq!(longest.media, Some(MediaKind::Voice));
        assert_eq!(longest.stats.get("calculatedMetricValue"), Some(48_211.0));
        assert_eq!(facts[0].rows.len(), 9);
    }

    #[test]
    fn what_is_over_a_limit_is_cut_or_left_out_and_counted() {
        let long = "x".repeat(129);
        let stats: Vec<String> = (0..40).map(|n| format!(r#""s{n}":1"#)).collect();
        let rows = [
            r#"{"metric":"oWaiting","stats":{"count":2}}"#.to_owned(),
            format!(r#"{{"metric":"{long}","qualifier":"{long}","stats":{{"{long}":1}}}}"#),
            format!(r#"{{"metric":"oWaiting","stats":{{{}}}}}"#, stats.join(",")),
            format!(r#"{{"metric":"oWaiting","note":"{}"}}"#, "y".repeat(100_000)),
            "7".to_owned(),
        ];
        let body = format!(
            r#"{{"results":[{{"group":{{"queueId":"q"}},"data":[{}]}},{{"group":{{"queueId":"{}"}},"data":[]}}]}}"#,
            rows.join(","),
            "q".repeat(300),
        );
        let server = Server::http(move |_| Reply::json(200, &body));
        let (facts, unreadable) = queue_observations(
            &client_of(&server),
            &Secret::new("t"),
            &[Id::new("q")],
            &QUEUE_METRICS,
            Purpose::Essential,
        )
        .unwrap();
        let rows = &facts[0].rows;
        assert_eq!(rows.len(), 3);
        assert_eq!(
            (rows[1].metric.len(), rows[1].qualifier.as_ref().unwrap().len()),
            (128, 128)
        );
        assert_eq!(rows[2].stats.iter().count(), 32);
        assert_eq!(unreadable, 3 + 8 + 1 + 1);
    }

    #[test]
    fn rows_of_an_answer_are_bounded_in_bytes() {
        let stats: Vec<String> = (0..32).map(|n| format!(r#""{}{n}":1"#, "s".repeat(120))).collect();
        let row = format!(r#"{{"metric":"m","stats":{{{}}}}}"#, stats.join(","));
        let rows = vec![row; 10_000].join(",");
        let body = format!(r#"{{"results":[{{"group":{{"queueId":"q"}},"data":[{rows}]}}]}}"#);
        let server = Server::http(move |_| Reply::json(200, &body));
        let (client, token) = (client_of(&server), Secret::new("t"));
        let asked = [Id::new("q")];
        let (facts, unreadable) =
            queue_observations(&client, &token, &asked, &QUEUE_METRICS, Purpose::Essential).unwrap();
        let bytes: usize = facts[0].rows.iter().map(ObservationRow::bytes).sum();
        assert!((PAGE_BYTES..PAGE_BYTES + (1 << 16)).contains(&bytes), "{bytes}");
        assert_eq!(facts[0].rows.len() + unreadable as usize, 10_000);
    }

    #[test]
    fn the_query_is_the_documented_one_and_split() {
        let queues: Vec<Id> = (0..=QUEUES_A_CALL).map(|n| Id::new(&format!("q{n}"))).collect();
        let server = Server::http(|_| Reply::json(200, "{}"));
        let (facts, _) = queue_observations(
            &client_of(&server),
            &Secret::new("t"),
            &queues,
            &["oWaiting"],
            Purpose::Backfill,
        )
        .unwrap();
        assert_eq!(facts.len(), queues.len());
        let seen = server.seen();
        assert_eq!(seen.len(), 2);
        assert_eq!(
            seen[1].body,
            concat!(
                r#"{"filter":{"type":"or","predicates":[{"type":"dimension","dimension":"queueId","#,
                r#""operator":"matches","value":"q100"}]},"metrics":["oWaiting"]}"#
            )
        );
    }

    #[test]
    fn details_are_counted() {
        let body = include_str!("../../tests/fixtures/rest-conversation-details-response.json");
        let server = Server::http(move |seen| match seen.body.as_str() {
            "found" => Reply::json(200, body),
            "bad" => Reply::json(400, r#"{"message":"bad interval","code":"bad.request"}"#),
            _ => Reply::json(200, "{}"),
        });
        let client = client_of(&server);
        let ask = |query: &str| conversation_details(&client, &Secret::new("t"), query, Purpose::Essential);
        let found = ask("found").unwrap();
        assert_eq!(found.conversations, 1);
        assert_eq!(found.body, body.as_bytes());
        assert_eq!(ask("nothing").unwrap().conversations, 0);
        let error = ask("bad").unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Refused, Some(400)));
        assert!(error.to_string().contains("bad interval"));
    }
}
