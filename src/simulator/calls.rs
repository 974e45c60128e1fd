//! The control calls that exist, with their parameters.
//!
//! In: a call as text · Out: whether it exists · Thread: any (pure).

use crate::http_server::form_pairs;

/// Name, parameters, what it does; `/sim/` lists them.
pub(super) const CALLS: &[(&str, &str, &str)] = &[
    (
        "state",
        "",
        "counts: conversations, channels, sockets, tokens, frames and requests; settled: everything up to the centre's time was handed to the sockets; quiet: that too, and no conversation is open",
    ),
    (
        "truth",
        "granularity=PT1M, service_level_secs=queue, short_abandon_secs=0, as_of, since, queue, keep=60",
        "the true `queues`, `totals` and `all_queues` of a snapshot at `as_of` (ISO 8601, the centre's time; now without it), over all remembered conversations that reached a queue; since limits it to conversations that were open then or began later, queue (ids, joined by commas) to these queues, keep is the number of windows",
    ),
    (
        "pause",
        "on=1",
        "stops the centre and its clock, while the service goes on (`state` says settled when the last events are sent); on=0 resumes",
    ),
    (
        "drain",
        "",
        "stops new arrivals; nobody comes back to a thread either, and callbacks that are not due yet are cancelled; open conversations run to their end, then `state` says quiet (load starts arrivals again)",
    ),
    (
        "load",
        "per_second",
        "sets the mean rate of arrivals, in the centre's time",
    ),
    (
        "flood",
        "events, bytes=3000",
        "sends this many conversation events of about this size as fast as the sockets take them; answers when done",
    ),
    (
        "forbid",
        "topic and/or permission, or clear=1",
        "refuses topics that contain the text, or everything that needs the permission",
    ),
    (
        "unsubscribe",
        "channel, topic, tell=0",
        "removes subscriptions at the service, while the sockets stay open: of the channels whose ids contain the one text, the topics that contain the other (all without them); tell=1 sends v2.subscription.updated to the channels",
    ),
    (
        "topic_missing",
        "topic, on=1",
        "topics that contain the text are left out of answers to subscriptions and of listings, and nothing is sent for them; on=0 ends it for the text, or for all without one",
    ),
    ("close", "code=1001, reason", "closes all sockets with this code"),
    (
        "reset",
        "nth",
        "resets all sockets (TCP RST); with nth only one of them, counted from 1",
    ),
    ("revoke", "", "revokes all tokens; their channels die with them"),
    ("evict", "", "drops all channels as if others had taken their places"),
    (
        "socket_closing",
        "after_secs=60",
        "announces a close to all notification sockets, and closes them then",
    ),
    (
        "429",
        "secs=5, count=1, date=0, path",
        "refuses the next calls (login included) with 429 and Retry-After, in seconds or as an HTTP date; path limits it to paths that contain the text; count=0 ends it",
    ),
    (
        "error",
        "status=503, count=1, secs, date=0, path",
        "refuses the next calls (login included) with this status; with secs also a Retry-After",
    ),
    (
        "outage",
        "secs, rest=0",
        "resets all sockets; for so many seconds of the wall clock (fractions allowed) upgrades are reset, login and REST answer 503 (with rest=1 they go on); the centre works on; secs=0 ends it",
    ),
    (
        "silence",
        "secs=3600",
        "half-open: nothing is written to the sockets open now, pings stay unanswered; queued frames are written afterwards",
    ),
    ("stall", "secs=3600", "as silence, and nothing is read from them either"),
    (
        "dribble",
        "ms",
        "writes one byte each so many milliseconds on all sockets, also later ones; 0 ends it",
    ),
    (
        "no_heartbeat",
        "on=1",
        "notification sockets get no heartbeats; on=0 ends it",
    ),
    (
        "duplicate",
        "percent",
        "sends so many of 100 events twice, on all sockets, also later ones; 0 ends it",
    ),
    (
        "reorder",
        "percent",
        "holds so many of 100 events back until up to five others or a second have passed; 0 ends it",
    ),
    (
        "garbage",
        "count=1, kind=text",
        "sends invalid frames to all sockets: text (in turn: not JSON, cut off, wrong types, empty, very deep), binary, utf8 (not UTF-8), opcode (an unknown one)",
    ),
    (
        "oversize",
        "bytes=67108864",
        "sends one text frame of this size to all sockets",
    ),
    ("error_frame", "message", "sends an error frame to all `events` sockets"),
    (
        "details",
        "ignore, deepest=0",
        "the query of conversation details ignores the listed ones of order, filters, paging, and refuses pages deeper than deepest (0: none); without parameters it works normally again",
    ),
    (
        "refuse_filters",
        "on=1",
        "answers subscriptions with filters on `events` sockets by an error 403",
    ),
];

/// Whether there is such a call with such parameters. Does not check the values.
pub(super) fn known(call: &str) -> Result<(), String> {
    let (name, query) = call.split_once('?').unwrap_or((call, ""));
    let Some((_, parameters, _)) = CALLS.iter().find(|known| known.0 == name) else {
        let names: Vec<&str> = CALLS.iter().map(|c| c.0).collect();
        return Err(format!("unknown call {name}, allowed: {}", names.join(", ")));
    };
    let mut words = parameters.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    match form_pairs(query)
        .into_iter()
        .find(|(key, _)| !words.clone().any(|word| word == key))
    {
        Some((key, _)) if words.all(str::is_empty) => Err(format!("{name}: found the parameter {key}, it has none")),
        Some((key, _)) => Err(format!("{name}: unknown parameter {key}, allowed: {parameters}")),
        None => Ok(()),
    }
}
