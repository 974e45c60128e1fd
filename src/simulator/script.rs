//! A script: control calls at given times, read from a text.
//!
//! In: text, one call a line in time order · Out: [`Script`] · Thread: any (pure).
//!
//! ```text
//! # minute by minute
//! 10s    429?secs=2&count=3
//! 1m     outage?secs=20
//! 2m30s  socket_closing?after_secs=60
//! 5m     loop
//! ```
//! Times count from the start, by the wall clock, like the seconds in the calls. `loop`, on the last line, restarts the
//! script.

use std::time::Duration;

use super::calls;

/// The longest time in a script: a year.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// One control call of a [`Script`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// Time since the start of the script, or since it was restarted.
    pub(super) at: Duration,
    /// Number of its line, from 1.
    pub(super) line: usize,
    /// The call without `/sim/`: `outage?secs=20`.
    pub(super) call: String,
}

/// Control calls in time order; see [`super::Options::script`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    pub(super) steps: Vec<Step>,
    /// After this time the script starts again.
    pub(super) loop_after: Option<Duration>,
}

impl Script {
    /// Reads a script: on each line a time (`90s`, `1m30s`, `2h`, `0.5s`) and a control call without its `/sim/`. Empty
    /// lines and those that begin with `#` are comments.
    ///
    /// # Errors
    /// All mistakes with the numbers of their lines: invalid times, times in the wrong order, unknown calls and parameters.
    /// Values are checked when the call is made; a call that is refused then is logged as a warning.
    pub fn read(text: &str) -> Result<Script, String> {
        let mut script = Script::default();
        let mut problems = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Err(problem) = script.add(number, line) {
                problems.push(format!("line {number}: {problem}"));
            }
        }
        if problems.is_empty() {
            Ok(script)
        } else {
            Err(problems.join("\n"))
        }
    }

    fn add(&mut self, line: usize, text: &str) -> Result<(), String> {
        let (time, call) = text
            .split_once(char::is_whitespace)
            .ok_or_else(|| format!("found {text:?}, expected a time and a call, such as 1m30s outage?secs=20"))?;
        let at = read_time(time)
            .ok_or_else(|| format!("found the time {time:?}, allowed are 90s, 1m30s, 2h, 0.5s and so on"))?;
        if self.loop_after.is_some() {
            return Err("nothing can follow a loop".to_owned());
        }
        if let Some(before) = self.steps.last().filter(|before| before.at > at) {
            let earlier = before.line;
            return Err(format!("found the time {time}, which is before that of line {earlier}"));
        }
        let call = call.trim().trim_start_matches("/sim/");
        if call == "loop" {
            if at.is_zero() {
                return Err("a loop must take longer than 0 s".to_owned());
            }
            self.loop_after = Some(at);
            return Ok(());
        }
        calls::known(call)?;
        self.steps.push(Step {
            at,
            line,
            call: call.to_owned(),
        });
        Ok(())
    }
}

/// Reads `1h2m3.5s`: each part at most once, in this order.
fn read_time(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut secs = 0.0;
    for (unit, factor) in [('d', 86_400.0), ('h', 3600.0), ('m', 60.0), ('s', 1.0)] {
        let Some((number, after)) = rest.split_once(unit) else {
            continue;
        };
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return None;
        }
        secs += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    let is_time = rest.is_empty() && !text.is_empty() && secs <= LONGEST.as_secs_f64();
    is_time.then(|| Duration::from_secs_f64(secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let secs = |text| read_time(text).map(|at| at.as_secs_f64());
        assert_eq!(secs("90s"), Some(90.0));
        assert_eq!(secs("1m30s"), Some(90.0));
        assert_eq!(secs("2h"), Some(7200.0));
        assert_eq!(secs("1d0.5s"), Some(86_400.5));
        for wrong in ["", "5", "s", "s5", "5s1m", "-1s", "1e9s", "1..5s", "367d", "5 s", "5ms"] {
            assert_eq!(secs(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_script_is_read_in_order() {
        let script = Script::read("# dawn\n\n 0s drain\n1m  /sim/outage?secs=20&rest=1\n1m reset\n2m loop\n").unwrap();
        let steps: Vec<_> = script
            .steps
            .iter()
            .map(|s| (s.at.as_secs(), s.line, s.call.as_str()))
            .collect();
        assert_eq!(
            steps,
            [(0, 3, "drain"), (60, 4, "outage?secs=20&rest=1"), (60, 5, "reset")]
        );
        assert_eq!(script.loop_after, Some(Duration::from_secs(120)));
        assert_eq!(Script::read(""), Ok(Script::default()));
    }

    #[test]
    fn all_mistakes_are_reported_at_once_with_their_lines() {
        let wrong = "2m reset\n1m reset\nsoon reset\n3m resett\n3m outage?seconds=1\n3m\n0s loop\n4m loop\n5m reset";
        let told = Script::read(wrong).unwrap_err();
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 7, "{told}");
        let begins = [
            "line 2: found the time 1m, which is before that of line 1",
            "line 3: found the time \"soon\"",
            "line 4: unknown call resett",
            "line 5: outage: unknown parameter seconds",
            "line 6: found \"3m\"",
            "line 7: found the time 0s",
            "line 9: nothing can follow a loop",
        ];
        for (line, begin) in lines.iter().zip(begins) {
            assert!(line.starts_with(begin), "{line}");
        }
    }
}
