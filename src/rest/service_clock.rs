//! What time it is at the service: from the dates of its answers, the times inside its events, and our clock.
//!
//! In: dates and believed times, two clocks of this machine · Out: receipts by both clocks, how far ours is ahead, steps
//! of ours · Thread: any (one mutex, held briefly).
//!
//! Our clock may be stepped while we run (NTP, an administrator). The service's clock does not step with it: a difference
//! between our wall clock and the monotonic one is a step of ours, and is made up for at once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::base::receipt::Receipt;
use crate::event::change::ClockLook;
use crate::{Id, Moment};

/// Clocks that differ by less count as equal: dates are whole seconds, and clocks are usually right to some tenths.
const EQUAL_MS: i64 = 1000;
/// The resolution of a date.
const SECOND_MS: i64 = 1000;
/// A greater change of our wall clock against the monotonic one is a step.
const STEP_MS: i64 = 2000;
/// Where no answer has a date, conversations that must agree on a time that is too far ahead to be believed.
const AGREEING: usize = 3;
/// Their times are at most this far apart.
const AGREED_WITHIN_MS: i64 = 600_000;
/// What is further ahead than this is no difference of clocks.
const PLAUSIBLE_MS: i64 = 7 * 86_400_000;
/// Times that are not believed make the difference be measured anew, at most this often.
const MEASURED_EVERY: Duration = Duration::from_secs(60);

/// The service's clock, shared by all threads of a run.
#[derive(Debug)]
pub(crate) struct ServiceClock {
    /// Zero of the monotonic clock.
    origin: Instant,
    difference: Mutex<Difference>,
}

/// Our wall clock, and the monotonic one in milliseconds, at the same moment.
#[derive(Clone, Copy, Debug)]
struct Reading {
    wall: Moment,
    monotonic_ms: i64,
}

impl Reading {
    /// Wall clock less monotonic clock.
    fn offset_ms(self) -> i64 {
        self.wall.epoch_ms() - self.monotonic_ms
    }
}

/// How far the service's clock is ahead of ours, in milliseconds, from the newest date.
#[derive(Clone, Copy, Debug)]
struct Measured {
    least: i64,
    most: i64,
    /// Within the bounds; never more than it was at the time of the date, so that a gap never begins too late.
    estimate: i64,
}

/// What is known of both clocks.
#[derive(Debug, Default)]
struct Difference {
    /// Wall clock less monotonic clock at the last look.
    offset_ms: i64,
    measured: Option<Measured>,
    /// Without any date: how far the service is ahead, by times inside events and by steps of our clock.
    proven_ms: Option<i64>,
    /// The newest believed time inside events.
    newest: Option<Moment>,
    /// `newest` was later than a date that came after it.
    refuted: bool,
    /// After a step forward, until the next date: the service may be ahead by this much more, if this machine slept.
    unsure_ms: i64,
    wants_measuring: bool,
    /// When times that were not believed asked for a measurement.
    asked_ms: Option<i64>,
    /// Times too far ahead to be believed, each of another conversation.
    doubted: Vec<(Id, Moment)>,
    /// How far the service was ahead at the last look.
    looked_ahead_ms: i64,
}

impl ServiceClock {
    /// Both clocks count as equal until more is known.
    pub(crate) fn new() -> Self {
        let clock = Self {
            origin: Instant::now(),
            difference: Mutex::default(),
        };
        clock.lock().offset_ms = clock.read().offset_ms();
        clock
    }

    /// Now, by both clocks.
    pub(crate) fn receipt(&self) -> Receipt {
        self.lock().receipt(self.read())
    }

    /// Learns from an answer with this date.
    pub(crate) fn learn(&self, date: Moment, asked: Instant, received: Instant) {
        let now = self.read();
        let ago = |then: Instant| ms(self.origin.elapsed()) - ms(then.saturating_duration_since(self.origin));
        self.lock().learn(date, (ago(asked), ago(received)), now);
    }

    /// A believed time inside an event: the service's clock shows at least this.
    pub(crate) fn prove(&self, at: Moment) {
        self.lock().prove(at, self.read());
    }

    /// An event of this conversation had a time that is too late to be believed.
    pub(crate) fn doubt(&self, conversation: &Id, at: Moment) {
        self.lock().doubt(conversation, at, self.read());
    }

    /// Compares the clocks; called at every tick. A step of ours since the last look is made up for.
    pub(crate) fn look(&self) -> ClockLook {
        self.lock().look(self.read())
    }

    /// Whether a look is due before anything is translated: our clock was stepped, or a date told of another difference.
    pub(crate) fn has_changed(&self) -> bool {
        self.lock().has_changed(self.read())
    }

    /// Whether a call should be made for its date. True once for each reason.
    pub(crate) fn wants_measuring(&self) -> bool {
        std::mem::take(&mut self.lock().wants_measuring)
    }

    /// At `at` of this machine's clock the service's clock showed this at most, even where both clocks count as equal.
    pub(crate) fn surely_by(&self, at: Moment) -> Moment {
        at.plus_ms(self.lock().most_ms())
    }

    /// At `at` of this machine's clock the service's clock showed this at most; equal clocks count as equal.
    pub(crate) fn latest(&self, at: Moment) -> Moment {
        at.plus_ms(self.lock().latest_ms())
    }

    /// This machine's time when the service's clock shows `at`, or a little earlier.
    pub(crate) fn ours(&self, at: Moment) -> Moment {
        at.plus_ms(-self.lock().latest_ms())
    }

    fn read(&self) -> Reading {
        Reading {
            wall: Moment::now(),
            monotonic_ms: ms(self.origin.elapsed()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Difference> {
        self.difference.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ServiceClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Difference {
    fn receipt(&self, now: Reading) -> Receipt {
        let service = self.service(now);
        let mut receipt = Receipt::new(now.wall, service);
        receipt.trusted_until = receipt.trusted_until.plus_ms(self.unsure_ms.max(self.step_ms(now)));
        receipt
    }

    fn learn(&mut self, date: Moment, (asked_ago_ms, received_ago_ms): (i64, i64), now: Reading) {
        let wall = self.steady_wall(now);
        let least = date.millis_since(wall.plus_ms(-received_ago_ms));
        let most = date.millis_since(wall.plus_ms(-asked_ago_ms)) + SECOND_MS;
        let known = self.measured.map(|measured| measured.estimate).or(self.proven_ms);
        let estimate = known.filter(|known| (least..=most).contains(known)).unwrap_or(least);
        self.measured = Some(Measured { least, most, estimate });
        self.proven_ms = None;
        self.doubted.clear();
        self.unsure_ms = 0;
        self.wants_measuring = false;
        if self.newest.is_some_and(|newest| newest > wall.plus_ms(most)) {
            self.newest = None;
            self.refuted = true;
        }
    }

    fn prove(&mut self, at: Moment, now: Reading) {
        self.newest = self.newest.max(Some(at));
        let ahead = at.millis_since(self.steady_wall(now));
        match &mut self.measured {
            Some(measured) if ahead <= measured.most => measured.estimate = measured.estimate.max(ahead),
            // Later than the date allows: a clock that runs faster than ours, or a wrong time.
            Some(_) => {}
            None if ahead > self.proven_ms.unwrap_or(0) => self.proven_ms = Some(ahead),
            None => {}
        }
    }

    fn doubt(&mut self, conversation: &Id, at: Moment, now: Reading) {
        if self.measured.is_some() {
            let is_due = |asked: i64| now.monotonic_ms - asked >= ms(MEASURED_EVERY);
            if self.asked_ms.is_none_or(is_due) {
                self.asked_ms = Some(now.monotonic_ms);
                self.wants_measuring = true;
            }
            return;
        }
        let wall = self.steady_wall(now);
        if at.millis_since(wall) > PLAUSIBLE_MS {
            return;
        }
        self.doubted
            .retain(|(id, other)| id != conversation && other.millis_since(at).abs() <= AGREED_WITHIN_MS);
        self.doubted.push((conversation.clone(), at));
        if self.doubted.len() >= AGREEING
            && let Some(agreed) = self.doubted.drain(..).map(|(_, at)| at).min()
        {
            self.prove(agreed, now);
        }
    }

    fn look(&mut self, now: Reading) -> ClockLook {
        let step = self.step_ms(now);
        if step != 0 {
            match &mut self.measured {
                Some(measured) => {
                    measured.least -= step;
                    measured.most -= step;
                    measured.estimate -= step;
                }
                None => self.proven_ms = Some(self.proven_ms.unwrap_or(0) - step),
            }
            self.unsure_ms = step.max(0);
            self.wants_measuring = true;
        }
        self.offset_ms = now.offset_ms();
        self.looked_ahead_ms = self.ahead_ms();
        ClockLook {
            clock_ahead_ms: -self.looked_ahead_ms,
            stepped_ms: step,
            refuted: std::mem::take(&mut self.refuted),
        }
    }

    fn has_changed(&self, now: Reading) -> bool {
        self.step_ms(now) != 0 || (self.ahead_ms() - self.looked_ahead_ms).abs() > EQUAL_MS
    }

    /// The step of our wall clock since the last look; 0 where the clocks only drifted.
    fn step_ms(&self, now: Reading) -> i64 {
        let step = now.offset_ms() - self.offset_ms;
        if step.abs() > STEP_MS { step } else { 0 }
    }

    /// Our wall clock as if it had not been stepped since the last look.
    fn steady_wall(&self, now: Reading) -> Moment {
        now.wall.plus_ms(-self.step_ms(now))
    }

    fn service(&self, now: Reading) -> Moment {
        let dated = self.steady_wall(now).plus_ms(self.ahead_ms());
        self.newest.map_or(dated, |newest| newest.max(dated))
    }

    /// How far the service is ahead of our steady clock, in milliseconds.
    fn ahead_ms(&self) -> i64 {
        match self.measured {
            Some(measured) if measured.is_equal() => 0,
            Some(measured) => measured.estimate,
            None => self.proven_ms.filter(|proven| proven.abs() >= EQUAL_MS).unwrap_or(0),
        }
    }

    fn latest_ms(&self) -> i64 {
        match self.measured {
            Some(measured) if !measured.is_equal() => measured.most,
            _ => self.ahead_ms(),
        }
    }

    fn most_ms(&self) -> i64 {
        self.measured.map_or(self.ahead_ms(), |measured| measured.most)
    }
}

impl Measured {
    /// Whether the clocks may differ by so little that they count as equal.
    fn is_equal(self) -> bool {
        self.least <= EQUAL_MS && self.most >= -EQUAL_MS
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    const MINUTE_MS: i64 = 60_000;
    /// What the service's clock shows at the start.
    const START_MS: i64 = 1_777_900_000_000;

    /// A run: our clock is ahead of the service's by so much, which steps change.
    struct Run {
        difference: Difference,
        passed_ms: i64,
        ours_ahead_ms: i64,
    }

    impl Run {
        fn new(ours_ahead_ms: i64) -> Self {
            let mut run = Self {
                difference: Difference::default(),
                passed_ms: 0,
                ours_ahead_ms,
            };
            run.difference.offset_ms = run.reading().offset_ms();
            run
        }

        fn service(&self) -> Moment {
            Moment::from_epoch_ms(START_MS + self.passed_ms)
        }

        fn reading(&self) -> Reading {
            Reading {
                wall: self.service().plus_ms(self.ours_ahead_ms),
                monotonic_ms: self.passed_ms,
            }
        }

        fn pass(&mut self, ms: i64) {
            self.passed_ms += ms;
        }

        fn step(&mut self, by_ms: i64) {
            self.ours_ahead_ms += by_ms;
        }

        /// An answer that took 200 ms; the service's part of it is over after half of that.
        fn answer(&mut self) {
            self.pass(100);
            let date = Moment::from_epoch_ms(self.service().epoch_ms() / SECOND_MS * SECOND_MS);
            self.pass(100);
            let now = self.reading();
            self.difference.learn(date, (200, 0), now);
        }

        fn look(&mut self) -> ClockLook {
            let now = self.reading();
            self.difference.look(now)
        }

        fn receipt(&self) -> Receipt {
            self.difference.receipt(self.reading())
        }

        /// How far the service's time as we know it is behind what it is.
        fn behind_ms(&self) -> i64 {
            self.service().millis_since(self.receipt().service)
        }

        fn prove(&mut self, at: Moment) {
            let now = self.reading();
            self.difference.prove(at, now);
        }

        fn doubt(&mut self, id: &str, at: Moment) {
            let now = self.reading();
            self.difference.doubt(&Id::new(id), at, now);
        }
    }

    #[test]
    fn a_difference_is_known_to_a_second_and_events_make_it_exact() {
        for ahead_ms in [10 * MINUTE_MS, -10 * MINUTE_MS, 3 * HOUR_MS, -3 * HOUR_MS, 2600, -2600] {
            let mut run = Run::new(ahead_ms);
            assert_eq!(run.look().clock_ahead_ms, 0, "not known yet");
            run.pass(630);
            run.answer();
            assert!((0..=1200).contains(&run.behind_ms()), "{ahead_ms}: {}", run.behind_ms());
            run.prove(run.service().plus_ms(-20));
            run.pass(5000);
            assert_eq!(run.behind_ms(), 20, "{ahead_ms}");
            assert!(run.difference.has_changed(run.reading()), "a look is due at once");
            assert_eq!(run.look().clock_ahead_ms, ahead_ms + 20);
            assert!(!run.difference.has_changed(run.reading()));
            // Later answers do not move it.
            for _ in 0..10 {
                run.pass(730);
                run.answer();
                assert_eq!(run.behind_ms(), 20, "{ahead_ms}");
            }
        }
    }

    #[test]
    fn less_than_a_second_is_no_difference() {
        for ahead_ms in [0, 900, -900] {
            let mut run = Run::new(ahead_ms);
            run.pass(400);
            run.answer();
            assert_eq!((run.look().clock_ahead_ms, run.behind_ms()), (0, -ahead_ms));
        }
    }

    #[test]
    fn moments_of_ours_are_bounded_for_the_repair() {
        let mut run = Run::new(-3 * HOUR_MS);
        run.answer();
        let now = run.reading().wall;
        let most = run.difference.latest_ms();
        assert!(now.plus_ms(most) >= run.service() && most == run.difference.most_ms());
        let mut run = Run::new(0);
        run.answer();
        assert_eq!(run.difference.latest_ms(), 0);
        assert!(run.difference.most_ms() > 0);
    }

    #[test]
    fn a_step_of_our_clock_moves_nothing_and_asks_for_a_date() {
        for (ahead_ms, by_ms) in [
            (0, 2 * HOUR_MS),
            (0, -2 * HOUR_MS),
            (3 * HOUR_MS, -2 * HOUR_MS),
            (-10 * MINUTE_MS, 2100),
        ] {
            let mut run = Run::new(ahead_ms);
            run.answer();
            run.look();
            let behind_ms = run.behind_ms();
            run.pass(300);
            run.step(by_ms);
            assert_eq!(run.behind_ms(), behind_ms, "at once");
            assert_eq!(run.look().stepped_ms, by_ms);
            assert!(run.difference.wants_measuring);
            assert_eq!(run.look().stepped_ms, 0, "once");
            assert!((run.behind_ms() - behind_ms).abs() <= 1200, "{}", run.behind_ms());
            run.answer();
            assert!((run.behind_ms() - behind_ms).abs() <= 1200 && !run.difference.wants_measuring);
            let ahead_ms = ahead_ms + by_ms;
            assert!((run.look().clock_ahead_ms - ahead_ms).abs() <= 1300);
        }
    }

    #[test]
    fn drift_is_no_step() {
        let mut run = Run::new(0);
        run.answer();
        for _ in 0..10 {
            run.step(1900);
            assert_eq!(run.look().stepped_ms, 0);
        }
    }

    #[test]
    fn a_machine_that_slept_believes_what_came_meanwhile() {
        let mut run = Run::new(0);
        run.answer();
        run.look();
        // The monotonic clock stood still for two hours.
        let mut slept = run.reading();
        slept.wall = slept.wall.plus_ms(2 * HOUR_MS);
        assert!(run.difference.receipt(slept).trusted_until > slept.wall);
        run.difference.look(slept);
        assert!(run.difference.receipt(slept).trusted_until > slept.wall);
        run.difference.learn(slept.wall, (200, 0), slept);
        let receipt = run.difference.receipt(slept);
        assert_eq!(
            (receipt.service, receipt.trusted_until),
            (slept.wall, slept.wall.plus(Duration::from_secs(600)))
        );
    }

    #[test]
    fn trust_reaches_ten_minutes_beyond_the_service_s_clock() {
        let mut run = Run::new(3 * HOUR_MS);
        run.answer();
        let receipt = run.receipt();
        let trusted_ms = receipt.trusted_until.millis_since(run.service());
        assert!(
            (10 * MINUTE_MS - 1200..=10 * MINUTE_MS).contains(&trusted_ms),
            "{trusted_ms}"
        );
    }

    #[test]
    fn a_clock_that_runs_faster_is_followed_in_steps() {
        let mut run = Run::new(0);
        run.answer();
        for n in 1..100 {
            let at = run.service().plus_ms(n * 9 * MINUTE_MS);
            assert!(at <= run.receipt().trusted_until, "{n}");
            run.prove(at);
            assert_eq!(run.receipt().service, at);
        }
    }

    #[test]
    fn a_date_refutes_a_time_that_was_too_late() {
        let mut run = Run::new(0);
        run.answer();
        run.prove(run.service().plus_ms(9 * MINUTE_MS));
        assert_eq!(run.behind_ms(), -9 * MINUTE_MS);
        run.answer();
        assert_eq!(run.behind_ms(), 0);
        assert!(run.look().refuted && !run.look().refuted);
    }

    #[test]
    fn wrong_times_move_no_clock_that_is_known_and_ask_for_a_date_now_and_then() {
        let mut run = Run::new(0);
        run.answer();
        for id in ["a", "b", "c", "d"] {
            run.doubt(id, run.service().plus_ms(HOUR_MS));
        }
        assert_eq!(run.behind_ms(), 0);
        assert!(std::mem::take(&mut run.difference.wants_measuring));
        run.doubt("e", run.service().plus_ms(HOUR_MS));
        assert!(!run.difference.wants_measuring);
        run.pass(MINUTE_MS);
        run.doubt("e", run.service().plus_ms(HOUR_MS));
        assert!(run.difference.wants_measuring);
    }

    #[test]
    fn without_dates_three_conversations_that_agree_move_a_clock_that_is_behind() {
        let mut run = Run::new(-3 * HOUR_MS);
        let never = Moment::parse("9999-12-31T00:00:00Z").unwrap();
        for id in ["a", "b", "c", "d"] {
            run.doubt(id, never);
        }
        assert_eq!(run.behind_ms(), 3 * HOUR_MS, "no difference of clocks");
        run.doubt("a", run.service());
        run.doubt("a", run.service());
        run.doubt("b", run.service().plus_ms(40 * MINUTE_MS));
        assert_eq!(run.behind_ms(), 3 * HOUR_MS, "they do not agree");
        for id in ["a", "b", "c"] {
            run.pass(1000);
            run.doubt(id, run.service());
        }
        assert!((0..=3000).contains(&run.behind_ms()), "{}", run.behind_ms());
        run.pass(HOUR_MS);
        assert!((0..=3000).contains(&run.behind_ms()), "an hour of silence later");
        let behind_ms = run.behind_ms();
        run.step(2 * HOUR_MS);
        assert_eq!(run.look().stepped_ms, 2 * HOUR_MS);
        assert_eq!(run.behind_ms(), behind_ms);
    }
}
