//! The calls of one pass: pages of conversations and conversations by their ids, each until it succeeds.
//!
//! In: queues, intervals · Out: facts to the aggregator · Thread: `gs-repair`; every wait ends when the run is stopped.
//!
//! A failure that may pass is met by the same call again, after what the service asked for or a growing pause; so a
//! pass goes on where it was. A refused token is reported, and the next one waited for.

use std::collections::HashSet;
use std::sync::Arc;

use crossbeam_channel::{Sender, bounded, select};
use serde_json::Value;

use super::access::Access;
use super::query::{self, Interval, PAGE_SIZE, QUEUES_A_QUERY, Which};
use crate::aggregator::{Control, ControlSender, FromRepair, Shown};
use crate::backoff::Backoff;
use crate::config::ReconnectConfig;
use crate::model::details::{DetailsPage, read_answer, read_conversation};
use crate::net::{Cancel, Waited};
use crate::notice::Notice;
use crate::protocol::KeepBody;
use crate::rest::analytics::{self, DETAILS_A_CALL};
use crate::rest::{Purpose, RestClient};
use crate::{Error, ErrorKind, Id, Secret};

/// Tokens in a row that may be refused before that counts as a refusal for good.
const TOKENS_TRIED: usize = 3;
/// Between two lines on progress.
const PAGES_A_LINE: u64 = 10;
/// A service that never comes to an end is left there: a million conversations.
const MOST_PAGES: u64 = 10_000;

/// Why a pass ended before its end.
#[derive(Debug)]
pub(super) enum Over {
    /// The run was stopped.
    Stopped,
    /// The service will not answer this, however often it is asked.
    Refused(Error),
}

/// What a pass found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub(super) pages: u64,
    pub(super) conversations: usize,
}

/// Asks.
pub(super) struct Asker {
    pub(super) client: RestClient,
    pub(super) control: ControlSender,
    pub(super) notices: Sender<Notice>,
    pub(super) access: Arc<Access>,
    pub(super) cancel: Cancel,
    pub(super) pauses: ReconnectConfig,
    /// Whether the conversations are recorded as they came.
    pub(super) raw: KeepBody,
}

impl Asker {
    /// Does one call until it succeeds.
    pub(super) fn call<T>(&self, call: impl Fn(&RestClient, &Secret) -> Result<T, Error>) -> Result<T, Over> {
        let mut backoff = Backoff::new(self.pauses);
        let mut refused_tokens = 0;
        loop {
            let token = self.access.token(&self.cancel).ok_or(Over::Stopped)?;
            let error = match call(&self.client, &token) {
                Ok(answer) => return Ok(answer),
                Err(_) if self.cancel.is_cancelled() => return Err(Over::Stopped),
                Err(error) => error,
            };
            match (error.kind(), error.status()) {
                (ErrorKind::Stopped, _) => return Err(Over::Stopped),
                (_, Some(401)) if refused_tokens + 1 < TOKENS_TRIED => {
                    refused_tokens += 1;
                    if self.access.refuse(&token) {
                        log::info!("repair: the token was refused, waiting for another: {error}");
                        // The supervisor may have ended.
                        let _ = self.notices.send(Notice::TokenRefused);
                    }
                    continue;
                }
                (ErrorKind::Credentials | ErrorKind::Refused, _) => return Err(Over::Refused(error)),
                _ => {}
            }
            let failures = backoff.on_failure(std::time::Instant::now());
            let pause = backoff.pause(fastrand::f64(), error.retry_after());
            let level = if failures == 1 {
                log::Level::Warn
            } else {
                log::Level::Debug
            };
            log::log!(level, "repair: {error}; the same again in {:.1} s", pause.as_secs_f64());
            if self.cancel.wait(pause) == Waited::Cancelled {
                return Err(Over::Stopped);
            }
        }
    }

    /// Asks the aggregator, and waits for its answer.
    pub(super) fn ask<T>(&self, question: impl FnOnce(Sender<T>) -> FromRepair) -> Result<T, Over> {
        let (answer, answered) = bounded(1);
        self.control.send(Control::Repair(question(answer)));
        select! {
            // No answer: the aggregator has ended.
            recv(answered) -> answer => answer.map_err(|_| Over::Stopped),
            recv(self.cancel.receiver()) -> _ => Err(Over::Stopped),
        }
    }

    /// The queues' statistics.
    pub(super) fn observations(&self, queues: &[Id]) -> Result<(), Over> {
        for some in queues.chunks(analytics::QUEUES_A_CALL) {
            let facts = self.call(|client, token| {
                analytics::queue_observations(client, token, some, &analytics::QUEUE_METRICS, Purpose::Backfill)
            })?;
            self.control.send(Control::Observations(facts));
        }
        Ok(())
    }

    /// All pages of a query; of the newest first only those that reach into the interval. What they show is taken out of `open`, and enters the numbers if it was open within
    /// `intervals`.
    pub(super) fn conversations(
        &self,
        asked: (Interval, &[Id], Which),
        intervals: &[Interval],
        open: &mut HashSet<Id>,
        found: &mut Found,
    ) -> Result<(), Over> {
        let (span, queues, which) = asked;
        for some in queues.chunks(QUEUES_A_QUERY) {
            let mut before = Vec::new();
            for number in 1..=MOST_PAGES {
                let query = query::details(span, some, which, number);
                let (page, count, total) = self.call(|client, token| {
                    let answer = analytics::conversation_details(client, token, &query, Purpose::Backfill)?;
                    let page = self.read_page(&answer.body)?;
                    Ok((page, answer.conversations, answer.total_hits))
                })?;
                found.pages += 1;
                let conversations = &page.0.conversations;
                let ids: Vec<Id> = conversations.iter().map(|c| c.facts.id.clone()).collect();
                // A service that ignores the number of the page gives the same for ever.
                let is_older = which == Which::Newest && conversations.iter().all(|c| c.start < Some(span.0));
                let stands_still = count > 0 && ids == before;
                self.take(page, intervals, open, found)?;
                if found.pages.is_multiple_of(PAGES_A_LINE) {
                    let of = total.map_or(String::new(), |total| {
                        format!(" of about {}", total.div_ceil(PAGE_SIZE))
                    });
                    log::info!(
                        "repair: page {number}{of}, {} conversations so far",
                        found.conversations
                    );
                }
                if stands_still || is_older || query::is_last(number, count, total) {
                    break;
                }
                before = ids;
            }
        }
        Ok(())
    }

    /// These conversations, whatever became of them.
    pub(super) fn by_ids(&self, ids: Vec<Id>, intervals: &[Interval], found: &mut Found) -> Result<(), Over> {
        for some in ids.chunks(DETAILS_A_CALL) {
            let page = self.call(|client, token| {
                self.read_page(&analytics::conversations_by_ids(
                    client,
                    token,
                    some,
                    Purpose::Backfill,
                )?)
            });
            match page {
                Ok(page) => self.take(page, intervals, &mut HashSet::new(), found)?,
                // One of them may be unknown there; what is known of them from the stream stands.
                Err(Over::Refused(error)) if matches!(error.status(), Some(400 | 404)) => {
                    log::info!(
                        "repair: {} open conversations could not be asked for: {error}",
                        some.len()
                    );
                }
                Err(over) => return Err(over),
            }
        }
        Ok(())
    }

    /// A malformed answer is the peer's, and may pass.
    fn read_page(&self, body: &[u8]) -> Result<(DetailsPage, Vec<Value>), Error> {
        let page =
            read_answer(body).map_err(|what| Error::new(ErrorKind::Transient, "reading conversation details", what))?;
        let raw = match self.raw {
            KeepBody::Verbatim => raw_conversations(body),
            KeepBody::Drop => Vec::new(),
        };
        Ok((page, raw))
    }

    fn take(
        &self,
        (page, raw): (DetailsPage, Vec<Value>),
        intervals: &[Interval],
        open: &mut HashSet<Id>,
        found: &mut Found,
    ) -> Result<(), Over> {
        if page.unreadable > 0 {
            log::warn!("repair: {} entries of an answer are no conversations", page.unreadable);
        }
        found.conversations += page.conversations.len();
        let mut shown = Vec::with_capacity(page.conversations.len());
        let mut raw = raw.into_iter();
        for conversation in page.conversations {
            open.remove(&conversation.facts.id);
            shown.push(Shown {
                enters: conversation.enters(intervals),
                facts: conversation.facts,
                raw: raw.next(),
            });
        }
        self.ask(|done| FromRepair::Conversations { shown, done })
    }
}

/// The conversations of an answer as they came: those that can be read, in their order.
fn raw_conversations(body: &[u8]) -> Vec<Value> {
    let Ok(mut answer) = serde_json::from_slice::<Value>(body) else {
        return Vec::new();
    };
    let Some(Value::Array(list)) = answer.get_mut("conversations").map(Value::take) else {
        return Vec::new();
    };
    let is_readable = |raw: &Value| read_conversation(&raw.to_string()).is_ok();
    list.into_iter().filter(is_readable).collect()
}
