//! The calls of the REST API with answers from memory, for `fuzz/`.
//!
//! In: bytes of answers · Out: what the calls make of them · Thread: any.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};

use super::analytics::{QUEUE_METRICS, conversation_details, conversations_by_ids, queue_observations};
use super::channels::{self, Whose};
use super::rate::RateLimits;
use super::transport::NoLookup;
use super::{Limits, Purpose, RestClient, lookup, oauth, retry_after};
use crate::config::Hosts;
use crate::net::{Cancel, Net};
use crate::{Error, Id, Moment, Secret};

/// What the calls keep secret: in every message about an answer that repeats it, something else stands there.
pub const SECRETS: [&str; 3] = ["fuzz-secret-5b1d", "fuzz-token-93ac", "fuzz-channel-77e0"];

/// What a call gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Answered {
    /// Ids with names: queues, users.
    Named(Vec<(String, Option<String>)>),
    /// Queues with their numbers of rows.
    Rows(Vec<(String, usize)>),
    /// How many conversations were found.
    Conversations(usize),
    /// A token and its life.
    Token(String, Duration),
    /// A channel and its address.
    Channel(String, String),
    /// Topics, or channels, with their states.
    Listed(Vec<String>),
}

thread_local! {
    /// The answers to the next calls; each comes on a connection of its own, and ends it.
    static ANSWERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug)]
struct Memory;

struct FromMemory {
    answer: Vec<u8>,
    at: usize,
    buffers: LazyBuffers,
}

impl std::fmt::Debug for FromMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FromMemory")
    }
}

impl Connector<()> for Memory {
    type Out = FromMemory;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<FromMemory>, ureq::Error> {
        let answer = ANSWERS.with_borrow_mut(|answers| (!answers.is_empty()).then(|| answers.remove(0)));
        Ok(Some(FromMemory {
            answer: answer.unwrap_or_default(),
            at: 0,
            buffers: LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size()),
        }))
    }
}

impl Transport for FromMemory {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        let to = self.buffers.input_append_buf();
        let from = &self.answer[self.at..];
        let amount = from.len().min(to.len());
        to[..amount].copy_from_slice(&from[..amount]);
        self.at += amount;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        false
    }

    fn is_tls(&self) -> bool {
        true
    }
}

fn client() -> RestClient {
    static NET: OnceLock<Arc<Net>> = OnceLock::new();
    let net = NET.get_or_init(|| Arc::new(Net::with(None, None, |_| None).expect("without settings nothing fails")));
    let https = |name: &str| format!("https://{name}.example");
    let hosts = Hosts {
        region: "example".to_owned(),
        login: https("login"),
        api: https("api"),
        streaming: "wss://streaming.example".to_owned(),
    };
    let rates = RateLimits {
        max_per_min: 100_000,
        backfill_max_per_min: 100_000,
    };
    let limits = Limits {
        budget_wait: Duration::ZERO,
        ..Limits::with_rates(rates, Duration::from_secs(10))
    };
    RestClient::new(hosts, Arc::clone(net), Cancel::new(), limits)
        .connecting(|config| ureq::Agent::with_parts(config, Memory, NoLookup))
}

/// Makes one of the calls, by its number; it gets these answers, byte by byte as a server would send them.
///
/// # Errors
/// Those of the call.
pub fn rest_call(call: u8, answers: Vec<Vec<u8>>) -> Result<Answered, Error> {
    ANSWERS.set(answers);
    let client = client();
    let [secret, token, channel] = SECRETS.map(Secret::new);
    let asked = [Id::new("q1"), Id::new("q2")];
    let named = |all: Vec<(Id, Option<String>)>| {
        Answered::Named(all.into_iter().map(|(id, name)| (id.to_string(), name)).collect())
    };
    let of_users =
        |users: lookup::Listed<lookup::User>| named(users.all.into_iter().map(|user| (user.id, user.name)).collect());
    let states = |all: Vec<_>| Answered::Listed(all.into_iter().map(|entity| format!("{entity:?}")).collect());
    Ok(match call % 12 {
        0 => {
            let queues = lookup::queues(&client, &token)?;
            named(queues.all.into_iter().map(|queue| (queue.id, queue.name)).collect())
        }
        1 => of_users(lookup::queue_members(&client, &token, &asked[0])?),
        2 => of_users(lookup::users(&client, &token, &asked)?),
        3 => {
            let found = queue_observations(&client, &token, &asked, &QUEUE_METRICS, Purpose::Essential)?;
            Answered::Rows(
                found
                    .0
                    .into_iter()
                    .map(|of| (of.queue.to_string(), of.rows.len()))
                    .collect(),
            )
        }
        4 => Answered::Conversations(conversation_details(&client, &token, "{}", Purpose::Essential)?.conversations),
        5 => Answered::Conversations(conversations_by_ids(&client, &token, &asked, Purpose::Essential)?.len()),
        6 => {
            let token = oauth::token(&client, "fuzz", &secret)?;
            Answered::Token(token.secret.reveal().to_owned(), token.life)
        }
        7 => {
            let channel = channels::create(&client, &token)?;
            Answered::Channel(channel.id.reveal().to_owned(), channel.connect_uri.reveal().to_owned())
        }
        8 => {
            let listed = channels::list(&client, &token, Whose::Client)?;
            Answered::Listed(listed.into_iter().map(|one| format!("{one:?}")).collect())
        }
        9 => states(channels::subscribe(&client, &token, &channel, &["v2.a".to_owned()])?),
        10 => states(channels::subscribed(&client, &token, &channel)?),
        _ => Answered::Listed(vec![channels::unsubscribe_all(&client, &token, &channel)?.to_string()]),
    })
}

/// The pause that a header `Retry-After` asks for at a time.
#[must_use]
pub fn pause(header: &str, now: Moment) -> Option<Duration> {
    retry_after(header, now)
}

/// An HTTP date in one of its three forms.
#[must_use]
pub fn http_date(header: &str) -> Option<Moment> {
    super::retry_after::http_date(header)
}
