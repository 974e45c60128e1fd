//! The calls of one pass: pages of conversations and conversations by their ids, each until it succeeds.
//!
//! In: queues, intervals · Out: facts to the aggregator · Thread: `gs-repair`; every wait ends when the run is stopped.
//!
//! A failure that may pass is met by the same call again, after what the service asked for or a growing pause; so a
//! pass goes on where it was. A refused token is reported, and the next one waited for.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded, select};

use super::access::Access;
use super::counted::Counted;
use super::query::{PAGE_SIZE, QUEUES_A_QUERY, Query};
use super::walk::{Entry, Next, ROUNDS, Walk};
use crate::config::ReconnectConfig;
use crate::engine::{Ask, ControlSender, FoundConversation};
use crate::event::change::Change;
use crate::event::notice::{Notice, PROGRESS};
use crate::model::details::{DetailsPage, RestConversation, read_answer};
use crate::net::backoff::Backoff;
use crate::net::{Cancel, Waited};
use crate::rest::analytics::{self, DETAILS_A_CALL};
use crate::rest::{Purpose, RestClient};
use crate::{Error, ErrorKind, Id, Moment, Secret};

/// Tokens in a row that may be refused before that counts as a refusal for good.
const TOKENS_TRIED: usize = 3;
/// Between two lines on progress.
const PAGES_A_LINE: u64 = 10;
/// Between two lines on a terminal that replace each other.
const BETWEEN_PROGRESS: Duration = Duration::from_secs(1);
/// Calls by ids in a row that may be refused, before they count as not served: one unknown id among
/// [`DETAILS_A_CALL`] takes six.
const REFUSED_IN_A_ROW: u32 = 12;
/// A service that never comes to an end is left there: a million conversations.
const MOST_PAGES: u64 = 10_000;

/// Lengths of intervals to try where a service refuses one that is longer: its documentation of user details states 7 days for
/// queries without filters (seen 2026-08).
const LENGTHS_DAYS: [i64; 2] = [7, 1];

/// Why a pass ended before its end.
#[derive(Debug)]
pub(super) enum Aborted {
    /// The run was stopped.
    Stopped,
    /// The service will not answer this, however often it is asked.
    Refused(Error),
}

/// What came of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// All that was asked for.
    Whole,
    /// The service does not keep to the filter or the order asked for.
    Untrue,
}

/// Where the reading of one query ended.
enum Reached {
    End,
    Untrue,
    /// This page is refused, those before it were not.
    Depth(u64, Error),
    /// The query itself is refused: its span may be longer than the service takes.
    Refused(Error),
}

/// What a pass is after, and what it found.
#[derive(Debug)]
pub(super) struct Findings {
    /// What is open, or ended at this moment or later, enters the numbers. None: only what the model knows.
    pub(super) since: Option<Moment>,
    /// Of those only what is on one of these: a service may ignore the filter.
    queues: HashSet<Id>,
    /// Open in the model and not shown yet.
    pub(super) open: HashSet<Id>,
    pub(super) pages: u64,
    pub(super) conversations: usize,
    said: Instant,
}

impl Findings {
    pub(super) fn new(since: Option<Moment>, queues: &[Id], open: HashSet<Id>) -> Self {
        Self {
            since,
            queues: queues.iter().cloned().collect(),
            open,
            pages: 0,
            conversations: 0,
            said: Instant::now(),
        }
    }

    fn enters(&self, conversation: &RestConversation) -> bool {
        let is_there = self.since.is_some_and(|since| conversation.enters(since));
        let queues = conversation.facts.participants.iter().filter_map(|p| p.queue.as_ref());
        is_there && queues.into_iter().any(|queue| self.queues.contains(&queue.value))
    }

    /// Progress, for the log now and then, for a terminal each second.
    fn say(&mut self, number: u64, total: Option<u64>) {
        let is_line = self.pages.is_multiple_of(PAGES_A_LINE);
        if !is_line && self.said.elapsed() < BETWEEN_PROGRESS {
            return;
        }
        self.said = Instant::now();
        let of = total.map_or(String::new(), |total| {
            format!(" of at most {}", total.div_ceil(PAGE_SIZE).max(number))
        });
        let what = format!("repair: page {number}{of}, {} conversations so far", self.conversations);
        if is_line {
            log::info!("{what}");
        } else {
            log::info!(target: PROGRESS, "{what}");
        }
    }
}

/// Asks.
pub(super) struct Asker {
    pub(super) client: RestClient,
    pub(super) control: ControlSender,
    pub(super) notices: Sender<Notice>,
    pub(super) access: Arc<Access>,
    pub(super) cancel: Cancel,
    pub(super) pauses: ReconnectConfig,
    /// The longest interval that the service takes, as far as is known.
    pub(super) longest_days: Cell<i64>,
    pub(super) counted: RefCell<Counted>,
}

impl Asker {
    /// Does one call until it succeeds.
    pub(super) fn call<T>(&self, call: impl Fn(&RestClient, &Secret) -> Result<T, Error>) -> Result<T, Aborted> {
        let mut backoff = Backoff::new(self.pauses);
        let mut refused_tokens = 0;
        loop {
            let token = self.access.token(&self.cancel).ok_or(Aborted::Stopped)?;
            let error = match call(&self.client, &token) {
                Ok(answer) => return Ok(answer),
                Err(_) if self.cancel.is_cancelled() => return Err(Aborted::Stopped),
                Err(error) => error,
            };
            match (error.kind(), error.status()) {
                (ErrorKind::Stopped, _) => return Err(Aborted::Stopped),
                (_, Some(401)) if refused_tokens + 1 < TOKENS_TRIED => {
                    refused_tokens += 1;
                    if self.access.refuse(&token) {
                        log::info!("repair: the token was refused, waiting for another: {error}");
                        // The supervisor may have ended.
                        let _ = self.notices.send(Notice::TokenRefused);
                    }
                    continue;
                }
                (ErrorKind::Credentials | ErrorKind::Refused, _) => return Err(Aborted::Refused(error)),
                _ => {}
            }
            let failures = backoff.on_failure(Instant::now());
            let pause = backoff.pause(fastrand::f64(), error.retry_after());
            let level = if failures == 1 {
                log::Level::Warn
            } else {
                log::Level::Debug
            };
            log::log!(level, "repair: {error}; the same again in {:.1} s", pause.as_secs_f64());
            if self.cancel.wait(pause) == Waited::Cancelled {
                return Err(Aborted::Stopped);
            }
        }
    }

    /// Asks the aggregator, and waits for its answer.
    pub(super) fn ask<T>(&self, question: impl FnOnce(Sender<T>) -> Ask) -> Result<T, Aborted> {
        let (answer, answered) = bounded(1);
        self.control.send(question(answer));
        select! {
            // No answer: the aggregator has ended.
            recv(answered) -> answer => answer.map_err(|_| Aborted::Stopped),
            recv(self.cancel.receiver()) -> _ => Err(Aborted::Stopped),
        }
    }

    /// The queues' statistics.
    pub(super) fn observations(&self, queues: &[Id]) -> Result<(), Aborted> {
        for some in queues.chunks(analytics::QUEUES_A_CALL) {
            let (facts, unreadable) = self.call(|client, token| {
                analytics::queue_observations(client, token, some, &analytics::QUEUE_METRICS, Purpose::Backfill)
            })?;
            let more = self.counted.borrow_mut().more(some, unreadable);
            self.count_unreadable(more);
            self.control.send(Change::Observations(facts));
            // Until they are taken: a page that waits for the aggregator may be large.
            self.ask(|done| Ask::Conversations {
                found: Vec::new(),
                done,
            })?;
        }
        Ok(())
    }

    /// All pages of a query, or those up to the end that it names. A service that refuses a deep page is asked in parts.
    pub(super) fn conversations(&self, query: Query<'_>, findings: &mut Findings) -> Result<Read, Aborted> {
        let chunks = query.queues.chunks(QUEUES_A_QUERY).rev();
        let mut parts: Vec<Query<'_>> = chunks.map(|queues| Query { queues, ..query }).collect();
        let before = self.longest_days.get();
        while let Some(part) = parts.pop() {
            let longest = self.longest_days.get();
            if part.length_days() > longest {
                parts.extend(part.in_parts_of(longest).into_iter().rev());
                continue;
            }
            match self.read(part, findings)? {
                Reached::End => {}
                Reached::Untrue => return Ok(Read::Untrue),
                // It may be the interval; if it is not, a single day is refused as well.
                Reached::Refused(error) => {
                    let Some(shorter) = LENGTHS_DAYS.into_iter().find(|days| *days < part.length_days()) else {
                        self.longest_days.set(before);
                        return Err(Aborted::Refused(error));
                    };
                    log::info!("repair: asking for {shorter} days at a time: {error}");
                    self.longest_days.set(shorter);
                    parts.push(part);
                }
                Reached::Depth(number, error) => match part.halves() {
                    Some((one, other)) => {
                        log::info!("repair: page {number} is refused, asking for less at a time: {error}");
                        parts.extend([other, one]);
                    }
                    None => {
                        log::warn!(
                            "repair: one queue has more on a day than the service shows, page {number} is refused"
                        );
                        return Err(Aborted::Refused(error));
                    }
                },
            }
        }
        Ok(Read::Whole)
    }

    fn read(&self, query: Query<'_>, findings: &mut Findings) -> Result<Reached, Aborted> {
        let mut number = 0;
        let mut round = 1;
        let mut walk = Walk::new(query.which);
        let mut is_complete = false;
        while number < MOST_PAGES {
            number += 1;
            let body = query.page(number);
            let asked = self.call(|client, token| {
                let answer = analytics::conversation_details(client, token, &body, Purpose::Backfill)?;
                Ok((
                    read_page(client, &answer.body)?,
                    answer.conversations,
                    answer.total_hits,
                ))
            });
            let (page, shown, total) = match asked {
                // What would show that nothing is left lies deeper than the service shows.
                Err(Aborted::Refused(error)) if is_complete && error.status() == Some(400) => {
                    log::debug!("repair: page {number}, behind a short one, is refused: {error}");
                    return Ok(Reached::End);
                }
                Err(Aborted::Refused(error)) if number > 1 && error.status() == Some(400) => {
                    return Ok(Reached::Depth(number, error));
                }
                Err(Aborted::Refused(error)) if error.status() == Some(400) => return Ok(Reached::Refused(error)),
                asked => asked?,
            };
            let entries: Vec<Entry> = page.conversations.iter().map(entry).collect();
            self.take(page, findings)?;
            findings.say(number, total);
            is_complete = (shown as u64) < PAGE_SIZE && total.is_some_and(|total| walk.seen() + shown as u64 >= total);
            match walk.page(&entries, shown, total) {
                Next::Page => {}
                Next::Untrue => return Ok(Reached::Untrue),
                Next::Short if round < ROUNDS => {
                    (number, round, walk) = (0, round + 1, Walk::new(query.which));
                }
                Next::Short | Next::Done => return Ok(Reached::End),
            }
        }
        log::warn!("repair: no end after {MOST_PAGES} pages, what is behind them stays unknown");
        Ok(Reached::End)
    }

    /// These conversations, open or ended. Returns those that the service answered for: each was shown, or is not known.
    pub(super) fn by_ids(&self, mut ids: Vec<Id>, findings: &mut Findings) -> Result<Vec<Id>, Aborted> {
        let mut refused = 0;
        let mut answered = Vec::new();
        ids.sort_unstable();
        let mut parts: Vec<&[Id]> = ids.chunks(DETAILS_A_CALL).rev().collect();
        while let Some(some) = parts.pop() {
            let page = self.call(|client, token| {
                let body = analytics::conversations_by_ids(client, token, some, Purpose::Backfill)?;
                read_page(client, &body)
            });
            match page {
                Ok(page) => {
                    refused = 0;
                    if page.unreadable == 0 {
                        answered.extend_from_slice(some);
                    }
                    self.take(page, findings)?;
                }
                // One of them may be unknown there; what is known of it from the stream stands.
                Err(Aborted::Refused(error)) if matches!(error.status(), Some(400 | 404)) => {
                    refused += 1;
                    if refused == REFUSED_IN_A_ROW {
                        log::info!("repair: open conversations cannot be asked for by their ids: {error}");
                        return Ok(answered);
                    }
                    if some.len() > 1 {
                        let (one, other) = some.split_at(some.len() / 2);
                        parts.extend([other, one]);
                    } else if error.status() == Some(404) {
                        answered.extend_from_slice(some);
                    }
                }
                Err(aborted) => return Err(aborted),
            }
        }
        Ok(answered)
    }

    fn count_unreadable(&self, count: u32) {
        if count > 0 {
            log::warn!(
                "repair: {count} texts, times or entries of an answer cannot be read or believed, or are over a limit"
            );
            self.control.send(Change::Unreadable { count });
        }
    }

    fn take(&self, page: DetailsPage, findings: &mut Findings) -> Result<(), Aborted> {
        let entries = u32::try_from(page.unreadable).unwrap_or(u32::MAX);
        let mut counted = self.counted.borrow_mut();
        let mut more = counted.more(&page.first_unreadable, entries);
        for conversation in &page.conversations {
            let of_one = counted.more(&conversation.facts.id, conversation.unreadable);
            more = more.saturating_add(of_one);
        }
        drop(counted);
        self.count_unreadable(more);
        findings.pages += 1;
        findings.conversations += page.conversations.len();
        let mut found = Vec::with_capacity(page.conversations.len());
        for conversation in page.conversations {
            findings.open.remove(&conversation.facts.id);
            found.push(FoundConversation {
                enters: findings.enters(&conversation),
                facts: conversation.facts,
            });
        }
        self.ask(|done| Ask::Conversations { found, done })
    }
}

fn entry(conversation: &RestConversation) -> Entry {
    Entry {
        id: conversation.facts.id.clone(),
        start: conversation.start,
        end: conversation.end,
        wraps_up: conversation.wraps_up(),
    }
}

/// A malformed answer is the peer's, and may pass.
fn read_page(client: &RestClient, body: &[u8]) -> Result<DetailsPage, Error> {
    read_answer(body, client.clock().receipt().trusted_until)
        .map_err(|what| Error::new(ErrorKind::Transient, "reading conversation details", what))
}
