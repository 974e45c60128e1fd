//! The budget of requests per minute that all callers share.
//!
//! In: requests about to start, rate headers and 429 answers · Out: start, or wait until a time · Thread: any (one mutex,
//! held briefly; waiting happens outside it). [`Ledger`] is the pure core.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::net::{Cancel, Waited, stopped};
use crate::{Error, ErrorKind};

/// Length of the window in which requests are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// The longest `inin-ratelimit-reset` that is obeyed: the service's window is a minute.
const LONGEST_RESET: Duration = Duration::from_secs(120);
/// The most requests per minute that repairs leave to login and subscriptions: a tenth of the budget, at least 1.
const LARGEST_RESERVE: u32 = 30;

/// Why a request is made, which decides what it may use of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Login, channels, subscriptions, lookups: without them there is no stream. May use the whole budget.
    Essential,
    /// Repair of gaps: leaves a reserve to essential requests and has a limit of its own.
    Backfill,
}

/// Which of the service's own limits a request counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// `login.`: asking for tokens.
    Login,
    /// `api.`: everything else.
    Api,
}

/// What the configuration allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateLimits {
    /// Requests per minute, all purposes together; at least 1.
    pub(crate) max_per_min: u32,
    /// Requests per minute of [`Purpose::Backfill`]; at least 1.
    pub(crate) backfill_max_per_min: u32,
}

/// `inin-ratelimit-*` of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateHeaders {
    /// Requests counted in the service's window.
    pub(crate) count: u32,
    /// Requests allowed in it.
    pub(crate) allowed: u32,
    /// Time until the window starts anew.
    pub(crate) reset: Duration,
}

/// Whether a request may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It may start, and is counted.
    Go,
    /// Ask again at this time.
    Wait(Instant),
}

/// Counts requests. Pure: the time is an argument, and must not go backwards.
#[derive(Debug)]
pub(crate) struct Ledger {
    limits: RateLimits,
    /// Requests that started within the last window, oldest first.
    started: VecDeque<(Instant, Purpose)>,
    paused_until: [Option<Instant>; 2],
    /// The requests that are left by the service's count, until when this holds, and how many of them repair leaves.
    left: Option<(u32, Instant, u32)>,
}

impl Ledger {
    pub(crate) fn new(limits: RateLimits) -> Self {
        Self {
            limits: RateLimits {
                max_per_min: limits.max_per_min.max(1),
                backfill_max_per_min: limits.backfill_max_per_min.max(1),
            },
            started: VecDeque::new(),
            paused_until: [None; 2],
            left: None,
        }
    }

    /// Counts a request that starts at `now`, or says when to ask again (always later than `now`).
    pub(crate) fn admit(&mut self, now: Instant, lane: Lane, purpose: Purpose) -> Admission {
        while self.started.front().is_some_and(|(at, _)| *at + WINDOW <= now) {
            self.started.pop_front();
        }
        if let Some(until) = self.paused(lane).filter(|until| *until > now) {
            return Admission::Wait(until);
        }
        let max = self.limits.max_per_min;
        let allowed = match purpose {
            Purpose::Essential => max,
            // A budget of one per minute has nothing to reserve.
            Purpose::Backfill => max.saturating_sub(reserve_of(max)).max(1),
        };
        if let Some(until) = self.free_at(allowed, |_| true) {
            return Admission::Wait(until);
        }
        if purpose == Purpose::Backfill {
            let share = self.limits.backfill_max_per_min;
            if let Some(until) = self.free_at(share, |known| known == Purpose::Backfill) {
                return Admission::Wait(until);
            }
        }
        if lane == Lane::Api {
            match &mut self.left {
                Some((_, until, _)) if *until <= now => self.left = None,
                Some((left, until, reserve)) if *left <= reserve_for(purpose, *reserve) => {
                    return Admission::Wait(*until);
                }
                Some((left, ..)) => *left -= 1,
                None => {}
            }
        }
        self.started.push_back((now, purpose));
        Admission::Go
    }

    /// When one of `allowed` places becomes free; `None` if one is free now. Only purposes that `counts` accepts take one.
    fn free_at(&self, allowed: u32, counts: impl Fn(Purpose) -> bool) -> Option<Instant> {
        let counted = self.started.iter().filter(|(_, purpose)| counts(*purpose));
        let over = counted.clone().count().checked_sub(allowed as usize)?;
        counted.map(|(at, _)| *at + WINDOW).nth(over)
    }

    /// Records an answer's rate headers.
    pub(crate) fn learn(&mut self, now: Instant, headers: RateHeaders) {
        let left = headers.allowed.saturating_sub(headers.count);
        let until = now + headers.reset.min(LONGEST_RESET);
        self.left = Some((left, until, reserve_of(headers.allowed)));
    }

    /// Records a 429 that asked for a pause.
    pub(crate) fn pause(&mut self, now: Instant, lane: Lane, wait: Duration) {
        let until = now + wait;
        let paused = &mut self.paused_until[lane as usize];
        *paused = Some(paused.map_or(until, |known| known.max(until)));
    }

    fn paused(&self, lane: Lane) -> Option<Instant> {
        self.paused_until[lane as usize]
    }
}

/// The requests of a budget that repair leaves, so that a login or a subscription never waits for it.
fn reserve_of(budget: u32) -> u32 {
    (budget / 10).clamp(1, LARGEST_RESERVE)
}

fn reserve_for(purpose: Purpose, reserve: u32) -> u32 {
    match purpose {
        Purpose::Essential => 0,
        Purpose::Backfill => reserve,
    }
}

/// The ledger, shared by all threads that make requests.
#[derive(Debug)]
pub(crate) struct Budget(Mutex<Ledger>);

impl Budget {
    pub(crate) fn new(limits: RateLimits) -> Self {
        Self(Mutex::new(Ledger::new(limits)))
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a request may start.
    ///
    /// # Errors
    /// [`ErrorKind::Stopped`] on cancel. [`ErrorKind::Transient`] with the time to wait, at once, where the budget
    /// allows nothing before `deadline`.
    pub(crate) fn acquire(
        &self,
        lane: Lane,
        purpose: Purpose,
        cancel: &Cancel,
        deadline: Instant,
    ) -> Result<(), Error> {
        loop {
            let now = Instant::now();
            let admission = self.ledger().admit(now, lane, purpose);
            let until = match admission {
                Admission::Go => return Ok(()),
                Admission::Wait(until) => until,
            };
            let wait = until.saturating_duration_since(now);
            if until > deadline {
                let what = format!("the request budget is used up for {} s", wait.as_secs_f64().ceil());
                return Err(
                    Error::new(ErrorKind::Transient, "waiting for the rate limit", what).with_retry_after(Some(wait))
                );
            }
            log::debug!("rate limit: waiting {wait:?}");
            if cancel.wait(wait) == Waited::Cancelled {
                return Err(stopped("waiting for the rate limit"));
            }
        }
    }

    /// Records an answer's rate headers.
    pub(crate) fn learn(&self, headers: RateHeaders) {
        self.ledger().learn(Instant::now(), headers);
    }

    /// Records a 429 that asked for a pause of this lane.
    pub(crate) fn pause(&self, lane: Lane, wait: Duration) {
        self.ledger().pause(Instant::now(), lane, wait);
    }

    /// The end of this lane's pause, if there is one.
    #[cfg(test)]
    pub(crate) fn paused_until(&self, lane: Lane) -> Option<Instant> {
        self.ledger().paused(lane).filter(|until| *until > Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEC: Duration = Duration::from_secs(1);

    fn ledger(max_per_min: u32, backfill_max_per_min: u32) -> Ledger {
        Ledger::new(RateLimits {
            max_per_min,
            backfill_max_per_min,
        })
    }

    #[test]
    fn the_window_slides() {
        let start = Instant::now();
        let mut ledger = ledger(2, 2);
        let mut ask = |at: u32| ledger.admit(start + SEC * at, Lane::Api, Purpose::Essential);
        assert_eq!(ask(0), Admission::Go);
        assert_eq!(ask(10), Admission::Go);
        assert_eq!(ask(20), Admission::Wait(start + SEC * 60));
        assert_eq!(ask(60), Admission::Go);
        assert_eq!(ask(61), Admission::Wait(start + SEC * 70));
    }

    #[test]
    fn backfill_leaves_a_reserve_and_has_a_share() {
        let start = Instant::now();
        let mut wide = ledger(20, 100);
        let mut asked = 0;
        while wide.admit(start, Lane::Api, Purpose::Backfill) == Admission::Go {
            asked += 1;
        }
        assert_eq!(asked, 18);
        assert_eq!(wide.admit(start, Lane::Login, Purpose::Essential), Admission::Go);
        assert_eq!(wide.admit(start, Lane::Api, Purpose::Essential), Admission::Go);
        assert!(matches!(
            wide.admit(start, Lane::Api, Purpose::Essential),
            Admission::Wait(_)
        ));
        let mut narrow = ledger(100, 1);
        assert_eq!(narrow.admit(start, Lane::Api, Purpose::Backfill), Admission::Go);
        assert_eq!(
            narrow.admit(start + SEC, Lane::Api, Purpose::Backfill),
            Admission::Wait(start + WINDOW)
        );
        assert_eq!(ledger(1, 1).admit(start, Lane::Api, Purpose::Backfill), Admission::Go);
    }

    #[test]
    fn a_429_pauses_its_lane_only() {
        let start = Instant::now();
        let mut ledger = ledger(100, 100);
        ledger.pause(start, Lane::Api, SEC * 42);
        ledger.pause(start, Lane::Api, SEC * 2);
        let until = Admission::Wait(start + SEC * 42);
        assert_eq!(ledger.admit(start + SEC * 41, Lane::Api, Purpose::Essential), until);
        assert_eq!(ledger.admit(start, Lane::Login, Purpose::Essential), Admission::Go);
        assert_eq!(
            ledger.admit(start + SEC * 42, Lane::Api, Purpose::Essential),
            Admission::Go
        );
    }

    #[test]
    fn what_the_service_says_is_left_counts() {
        let start = Instant::now();
        let mut ledger = ledger(100, 100);
        let headers = RateHeaders {
            count: 161,
            allowed: 180,
            reset: SEC * 30,
        };
        ledger.learn(start, headers);
        assert_eq!(ledger.admit(start, Lane::Api, Purpose::Backfill), Admission::Go);
        let until = Admission::Wait(start + SEC * 30);
        // A tenth is left to essential requests.
        assert_eq!(ledger.admit(start, Lane::Api, Purpose::Backfill), until);
        for _ in 0..18 {
            assert_eq!(ledger.admit(start, Lane::Api, Purpose::Essential), Admission::Go);
        }
        assert_eq!(ledger.admit(start, Lane::Api, Purpose::Essential), until);
        assert_eq!(ledger.admit(start, Lane::Login, Purpose::Essential), Admission::Go);
        assert_eq!(
            ledger.admit(start + SEC * 30, Lane::Api, Purpose::Backfill),
            Admission::Go
        );
    }

    #[test]
    fn waiting_ends_on_cancel_and_is_refused_beyond_the_deadline() {
        let budget = Budget::new(RateLimits {
            max_per_min: 1,
            backfill_max_per_min: 1,
        });
        let cancel = Cancel::new();
        let soon = Instant::now() + SEC;
        budget.acquire(Lane::Api, Purpose::Essential, &cancel, soon).unwrap();
        let error = budget
            .acquire(Lane::Api, Purpose::Essential, &cancel, soon)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transient);
        assert!(error.retry_after().unwrap() > SEC * 50);
        let late = Instant::now() + WINDOW * 2;
        let other = cancel.clone();
        let waiter = std::thread::spawn(move || budget.acquire(Lane::Api, Purpose::Essential, &other, late));
        cancel.cancel();
        assert_eq!(waiter.join().unwrap().unwrap_err().kind(), ErrorKind::Stopped);
    }

    proptest! {
        /// No window of a minute ever holds more than the limit, and a wait always ends in the future.
        #[test]
        fn the_limit_holds(steps in proptest::collection::vec((0_u32..20, any::<bool>()), 1..200), max in 1_u32..20) {
            let start = Instant::now();
            let mut ledger = ledger(max, 5);
            let (mut now, mut went) = (start, Vec::new());
            for (pause, backfill) in steps {
                now += SEC * pause;
                let purpose = if backfill { Purpose::Backfill } else { Purpose::Essential };
                match ledger.admit(now, Lane::Api, purpose) {
                    Admission::Go => went.push(now),
                    Admission::Wait(until) => prop_assert!(until > now),
                }
                let recent = went.iter().filter(|at| **at + WINDOW > now).count();
                prop_assert!(recent <= max as usize);
            }
        }
    }
}
