//! What a run would subscribe, and how many requests it would make: logs in and reads the listing, subscribes nothing.
//!
//! In: a configuration, REST answers · Out: `Planned` · Thread: the caller's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, Protocol};
use crate::net::{Cancel, Net};
use crate::protocol::Options;
use crate::protocol::opening::Opening;
use crate::protocol::topic_plan::{MAX_CHANNELS, MAX_IDS_PER_CHANNEL, TopicPlan, Wish};
use crate::rest::lookup::Queue;
use crate::rest::{Limits, RestClient, analytics, channels, oauth};
use crate::supervisor::choose;
use crate::{Error, Id};

/// Queues per page of the listing.
const QUEUES_A_PAGE: usize = 100;

/// The plan of a run.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) protocol: Protocol,
    /// `None` where no filter is sent.
    pub(crate) queues: Option<Vec<Queue>>,
    pub(crate) users: BTreeMap<Id, Option<String>>,
    /// The topics of each channel (`notifications`).
    pub(crate) channels: Vec<Vec<String>>,
    /// Channels of this OAuth client that exist now; `None` where the service did not say.
    pub(crate) channels_in_use: Option<usize>,
    /// URL and first frame of the socket (`events`, `metrics`).
    pub(crate) socket: Option<(String, String)>,
    pub(crate) requests: Requests,
}

/// Estimated REST calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Requests {
    /// At least, until it streams; the backfill is included.
    pub(crate) at_start: usize,
    /// While it streams without failures.
    pub(crate) per_min: f64,
    /// `rest.max_requests_per_min`.
    pub(crate) max_per_min: u32,
    /// The limit of backfill and repair among these.
    pub(crate) backfill_max_per_min: u32,
}

impl Planned {
    /// Topics that still fit on 20 channels.
    pub(crate) fn topics_left(&self) -> usize {
        let topics: usize = self.channels.iter().map(Vec::len).sum();
        (MAX_CHANNELS * MAX_IDS_PER_CHANNEL).saturating_sub(topics)
    }
}

/// Makes the plan.
///
/// # Errors
/// Those of login and listing; `Configuration` for unknown names and too many topics.
pub(crate) fn plan(config: &Config, cancel: &Cancel) -> Result<Planned, Error> {
    let net = Arc::new(Net::new(config)?);
    let rest = RestClient::new(config.hosts.clone(), net, cancel.clone(), Limits::new(config));
    let token = oauth::token(&rest, &config.client_id, &config.client_secret)?.secret;
    let choice = choose::queues(config, &rest, &token, &[])?;
    if choice.sees_none {
        log::warn!(
            "the client sees no queue (a guess: the permission routing:queue:view is missing, or its divisions)"
        );
    }
    if let Some(error) = &choice.unnamed {
        log::warn!("the names of the queues are unknown: {error}");
    }
    let pages = if choice.listed {
        choice.listing.len().div_ceil(QUEUES_A_PAGE).max(1)
    } else {
        0
    };
    let ids = choice.ids();
    let mut planned = Planned {
        protocol: config.protocol,
        queues: choice.queues,
        users: BTreeMap::new(),
        channels: Vec::new(),
        channels_in_use: None,
        socket: None,
        requests: Requests {
            at_start: 1 + pages,
            per_min: 0.0,
            max_per_min: config.rest_max_requests_per_min,
            backfill_max_per_min: config.backfill.max_requests_per_min,
        },
    };
    match config.protocol {
        Protocol::Notifications => {
            let ids = ids.unwrap_or_default();
            let users = choose::users(config, &rest, &token, &ids)?;
            let user_ids: Vec<Id> = users.names.keys().cloned().collect();
            let wish = Wish {
                queues: &ids,
                users: &user_ids,
                topics: &config.subscribe.topics,
            };
            planned.channels = TopicPlan::new(&wish, &TopicPlan::default())?.channels;
            planned.channels_in_use = channels::list(&rest, &token, channels::Whose::Client)
                .map(|all| all.len())
                .ok();
            planned.requests = of_notifications(config, pages, &planned, &ids, &user_ids);
            planned.users = users.names;
        }
        Protocol::Events | Protocol::Metrics => {
            planned.requests.at_start += usize::from(config.protocol == Protocol::Metrics && config.verify);
            let opening = Opening::new(config, ids.as_deref(), None)?;
            planned.socket = opening
                .shown_address(&config.hosts.api)
                .map(|address| (address, opening.machine(Options::new(1)).on_open().join("\n")));
        }
    }
    Ok(planned)
}

fn of_notifications(config: &Config, pages: usize, planned: &Planned, queues: &[Id], users: &[Id]) -> Requests {
    let subscribe = &config.subscribe;
    let members = if subscribe.users.iter().any(|user| user == "queue-members") {
        queues.len()
    } else {
        0
    };
    let named = usize::from(!users.is_empty() && members == 0);
    // Each channel is created and subscribed.
    let channels = 2 * planned.channels.len();
    // Statistics, and at least one page of conversations.
    let backfill = if config.backfill.enabled && !queues.is_empty() {
        queues.len().div_ceil(analytics::QUEUES_A_CALL) + 1
    } else {
        0
    };
    let relisted = if subscribe.all_queues() && subscribe.refresh > Duration::ZERO {
        (pages + members) as f64 * 60.0 / subscribe.refresh.as_secs_f64()
    } else {
        0.0
    };
    Requests {
        at_start: 1 + pages + members + named + channels + backfill,
        per_min: relisted,
        ..planned.requests
    }
}
