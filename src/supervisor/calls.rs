//! The supervisor's REST calls: each on a thread of its own, so that none delays anything but what waits for it.
//!
//! In: calls, with all they need · Out: a notice for each, and its answer · Thread: `gs-rest-N` for each call; it ends
//! with the call, within the call's limit or 100 ms after the end of the run.
//!
//! Nothing waits for a thread. The state machine bounds how many there are: one call for the token, one for the listings,
//! two for each line (the channel that it needs, and the upkeep of one that it has), and one for each channel that is
//! being left. Calls of lines that ended may add to that; beyond [`MOST_CALLS`] a call fails at once, and is tried again
//! as after any failure.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::acts::{Answer, Call, CallId, Listing};
use super::choose;
use crate::base::error::panic_text;
use crate::config::{Config, Protocol};
use crate::event::notice::Notice;
use crate::event::queue::Queue;
use crate::net::Cancel;
use crate::net::cancel::Never;
use crate::protocol::metrics::payload;
use crate::protocol::topic_plan::MAX_CHANNELS;
use crate::protocol::verification;
use crate::rest::channels::{self, Whose};
use crate::rest::{Limits, Purpose, RestClient, analytics, clock, oauth};
use crate::{Error, ErrorKind, Id, Moment, Secret};

/// Calls at a time: token, listings, two for each line, and as many again for channels that are being left.
const MOST_CALLS: usize = 2 + 4 * MAX_CHANNELS;

/// For the removal of a channel's topics: nothing depends on it but whether the channel can be used again.
const LEAVE_LIMIT: Duration = Duration::from_secs(5);

/// The calls that are under way.
pub(super) struct Calls {
    config: Arc<Config>,
    client: Arc<RestClient>,
    /// For channels that are left.
    leaving: Arc<RestClient>,
    cancel: Cancel,
    notices: Sender<Notice>,
    answers: BTreeMap<CallId, Receiver<Result<Answer, Error>>>,
    /// Held by each thread: `ended` disconnects with the last of them.
    alive: Sender<Never>,
    ended: Receiver<Never>,
}

impl Calls {
    pub(super) fn new(config: &Arc<Config>, rest: &RestClient, notices: Sender<Notice>) -> Self {
        let cancel = Cancel::new();
        let limit = Limits::new(config).call;
        let (alive, ended) = bounded(0);
        Self {
            config: Arc::clone(config),
            client: Arc::new(rest.scoped(cancel.clone(), limit)),
            leaving: Arc::new(rest.scoped(cancel.clone(), limit.min(LEAVE_LIMIT))),
            cancel,
            notices,
            answers: BTreeMap::new(),
            alive,
            ended,
        }
    }

    /// Begins a call. Its end is told by [`Notice::Answered`].
    pub(super) fn begin(&mut self, id: CallId, call: Call) {
        let (tell, answer) = bounded(1);
        let is_full = self.answers.len() >= MOST_CALLS;
        self.answers.insert(id, answer);
        let failed = if is_full {
            Some(format!("{MOST_CALLS} calls are under way already"))
        } else {
            self.spawn(id, call, tell.clone()).err()
        };
        if let Some(what) = failed {
            let error = Error::new(ErrorKind::Transient, "beginning a REST call", what);
            // There is room for one answer, and the receiver is held above.
            let _ = tell.send(Err(error));
            let _ = self.notices.send(Notice::Answered { call: id });
        }
    }

    fn spawn(&self, id: CallId, call: Call, tell: Sender<Result<Answer, Error>>) -> Result<(), String> {
        let client = match call {
            Call::LeaveChannel { .. } => Arc::clone(&self.leaving),
            _ => Arc::clone(&self.client),
        };
        let (config, notices, alive) = (Arc::clone(&self.config), self.notices.clone(), self.alive.clone());
        let spawned = std::thread::Builder::new()
            .name(format!("gs-rest-{}", id % 10_000))
            .spawn(move || {
                let _alive: Sender<Never> = alive;
                let made = catch_unwind(AssertUnwindSafe(|| make(call, &client, &config)));
                let answer = made.unwrap_or_else(|panic| {
                    let what = format!("a defect ended it: {}", panic_text(&*panic));
                    Err(Error::new(ErrorKind::Internal, "making a REST call", what))
                });
                // After the end of the run nobody waits for it.
                let _ = tell.send(answer);
                let _ = notices.send(Notice::Answered { call: id });
            });
        spawned.map(drop).map_err(|error| error.to_string())
    }

    /// Makes a call for the date of its answer, from which the client learns the service's time.
    pub(super) fn ask_the_time(&self) {
        let (client, alive) = (Arc::clone(&self.client), self.alive.clone());
        let spawned = std::thread::Builder::new()
            .name("gs-rest-time".to_owned())
            .spawn(move || {
                let _alive: Sender<Never> = alive;
                if let Err(error) = clock::skew(&client) {
                    log::debug!("{error}");
                }
            });
        if let Err(error) = spawned {
            log::debug!("asking for the time: no thread: {error}");
        }
    }

    /// The answer to a call, once its end was told.
    pub(super) fn take(&mut self, id: CallId) -> Option<Result<Answer, Error>> {
        self.answers.remove(&id)?.try_recv().ok()
    }

    /// Ends all calls.
    pub(super) fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Waits for the ends of all threads. Returns whether they came by `deadline`.
    pub(super) fn end_by(self, deadline: Instant) -> bool {
        drop(self.alive);
        !matches!(self.ended.recv_deadline(deadline), Err(RecvTimeoutError::Timeout))
    }
}

fn make(call: Call, client: &RestClient, config: &Config) -> Result<Answer, Error> {
    match call {
        Call::Token => oauth::token(client, &config.client_id, &config.client_secret).map(Answer::Token),
        Call::Listing {
            token,
            known,
            verify,
            count_channels,
        } => {
            let mut listing = listing(&token, &known, client, config)?;
            if verify {
                let queues = listing.choice.ids();
                self::verify(&token, queues.as_deref(), client, config)?;
            }
            if count_channels {
                // A failure to count the channels does not hold up the stream.
                let counted = channels::list(client, &token, Whose::Client);
                listing.channels = Some(counted.map(|list| list.len()));
            }
            Ok(Answer::Listing(Box::new(listing)))
        }
        Call::CreateChannel { token, token_number } => {
            let channel = channels::create(client, &token)?;
            Ok(Answer::Channel { channel, token_number })
        }
        Call::Subscribe { token, channel, topics } => {
            channels::subscribe(client, &token, &channel, &topics).map(Answer::Subscribed)
        }
        Call::RenewChannel { token, channel, topics } => {
            let entities = channels::subscribe(client, &token, &channel, &topics)?;
            let own = channels::list(client, &token, Whose::Token)?;
            let it = own
                .into_iter()
                .find(|own| own.id.as_ref().is_some_and(|id| *id == channel));
            Ok(Answer::Renewed(entities, it.and_then(|own| own.expires)))
        }
        Call::ReadBack { token, channel } => channels::subscribed(client, &token, &channel).map(Answer::ReadBack),
        Call::LeaveChannel { token, channel } => channels::unsubscribe_all(client, &token, &channel).map(Answer::Left),
    }
}

fn listing(token: &Secret, known: &[Queue], client: &RestClient, config: &Config) -> Result<Listing, Error> {
    let choice = choose::queues(config, client, token, known)?;
    let users = match config.protocol {
        Protocol::Notifications => choose::users(config, client, token, &choice.ids().unwrap_or_default())?,
        Protocol::Events | Protocol::Metrics => choose::Users::default(),
    };
    Ok(Listing {
        choice,
        users,
        channels: None,
    })
}

/// `metrics`: proves that there is data for the payload before the socket is opened.
fn verify(token: &Secret, queues: Option<&[Id]>, client: &RestClient, config: &Config) -> Result<(), Error> {
    let query = verification::query(&payload(&config.subscribe.metrics, queues), Moment::now())?;
    let answer = analytics::conversation_details(client, token, &query, Purpose::Essential).map_err(|error| {
        match error.status() {
            // The payload is the user's: with it as it is, no attempt can succeed.
            Some(400) => error.with_kind(ErrorKind::Configuration),
            _ => error,
        }
    })?;
    if answer.conversations > 0 {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::NoData,
        "verifying the metrics with POST /api/v2/analytics/conversations/details/query",
        "no conversations in the widest time window: check the time windows and filters, or go on with --no-verify",
    ))
}

#[cfg(test)]
mod tests;
