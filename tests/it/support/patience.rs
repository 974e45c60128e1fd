//! Waiting for conditions, and tests whose subject is a time.
//!
//! In: what to look at · Out: what was seen, or a failed test · Thread: the test's.
//!
//! The tests run on machines that do other work at the same time: a thread may get the processor a second late. So no
//! test waits for a fixed time and none fails because something was slow; each waits for a condition. Where the subject
//! is a time limit of the program, the test may be run again: see [`against_the_clock`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// A condition that does not come true within this long fails its test. It only matters to tests that fail.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Between two looks at a condition that nothing announces.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Looks until there is something to return; fails with what was there instead.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(instead) => assert!(Instant::now() < deadline, "not seen: {what}; instead: {instead}"),
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Looks until this holds.
#[track_caller]
pub fn until_true(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(what, || holds().then_some(()).ok_or_else(|| "no".to_owned()));
}

/// Runs a test that a busy machine can make fail, because its subject is a time limit of the program. A run that fails
/// is repeated with two times, then with four times as much time; `factor` says how much. A defect fails every run.
pub fn against_the_clock(run: impl Fn(u32)) {
    for factor in [1, 2] {
        // What a run leaves behind ends with it: each makes its own peers and streams.
        if catch_unwind(AssertUnwindSafe(|| run(factor))).is_ok() {
            return;
        }
        eprintln!("too late with {factor} times the time: once more with twice as much");
    }
    run(4);
}
