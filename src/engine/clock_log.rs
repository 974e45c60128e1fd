//! What the log says of this machine's clock.
//!
//! In: steps and differences, at each tick · Out: lines for the log · Thread: any (pure).

/// A smaller difference is not worth a line.
const TOLD_MS: i64 = 10_000;

/// Which difference of the clocks was logged last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClockLog {
    told_ms: i64,
}

impl ClockLog {
    /// The lines for a tick at which our clock was ahead of the service's by so much (negative: behind) and had been
    /// stepped by so much. A difference is told once, and again if it changes by as much or comes back.
    pub(super) fn on_tick(&mut self, ahead_ms: i64, stepped_ms: i64) -> Vec<String> {
        let mut lines = Vec::new();
        if stepped_ms != 0 {
            let (secs, direction) = (secs(stepped_ms), if stepped_ms > 0 { "forward" } else { "back" });
            lines.push(format!(
                "this machine's clock was set {direction} by {secs} s; the difference to the service's clock is measured anew"
            ));
        }
        if ahead_ms.abs() <= TOLD_MS {
            self.told_ms = 0;
        } else if (ahead_ms - self.told_ms).abs() > TOLD_MS {
            self.told_ms = ahead_ms;
            let (secs, where_it_is) = (secs(ahead_ms), if ahead_ms > 0 { "ahead of" } else { "behind" });
            lines.push(format!(
                "this machine's clock is {secs} s {where_it_is} the service's; the numbers go by the service's clock"
            ));
        }
        lines
    }
}

fn secs(ms: i64) -> String {
    format!("{:.1}", ms.unsigned_abs() as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_once_and_again_when_it_changes_or_comes_back() {
        let mut log = ClockLog::default();
        let mut told = |ahead_ms| log.on_tick(ahead_ms, 0).len();
        assert_eq!([9_000, 10_000].map(&mut told), [0, 0]);
        assert_eq!([10_800_000, 10_800_400, 10_799_000].map(&mut told), [1, 0, 0]);
        assert_eq!([10_811_000, 0, -10_800_000].map(&mut told), [1, 0, 1]);
        let lines = log.on_tick(-3_600_000, 7_200_000);
        assert!(lines[0].contains("forward by 7200.0 s"), "{lines:?}");
        assert!(lines[1].contains("3600.0 s behind"), "{lines:?}");
    }
}
