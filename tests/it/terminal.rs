//! The live screen on a terminal: keys, job control, and the terminal's settings afterwards.
//!
//! In: the built program on a pseudo-terminal of the test's own · Out: verdicts · Thread: the test's; one reads the screen.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::support::process::{command, signal};
use crate::support::{PATIENCE, until_true};

const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
/// A screen begins.
const BEGIN: &str = "\x1b[?2026h";

/// The program on a terminal; killed when dropped.
struct OnTerminal {
    child: Child,
    keyboard: File,
    /// Keeps the terminal open when the program has ended, for its settings.
    terminal: File,
    before: Termios,
    output: Arc<(Mutex<String>, Condvar)>,
}

impl OnTerminal {
    fn start(flags: &[&str], stdin: Option<Stdio>) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&keyboard).expect("granted");
        unlockpt(&keyboard).expect("unlocked");
        let path = ptsname(&keyboard, Vec::new()).expect("a name");
        let terminal = File::options()
            .read(true)
            .write(true)
            .open(path.to_str().expect("ASCII"))
            .expect("a terminal");
        let size = Winsize {
            ws_row: 24,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&terminal, size).expect("a size");
        let before = tcgetattr(&terminal).expect("settings");
        let clone = || Stdio::from(terminal.try_clone().expect("a clone"));
        let child = command(flags, &[("TERM", "xterm")])
            .stdin(stdin.unwrap_or_else(clone))
            .stdout(clone())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let keyboard = File::from(keyboard);
        let output = Arc::<(Mutex<String>, Condvar)>::default();
        let (mut screen, filled) = (keyboard.try_clone().expect("a clone"), Arc::clone(&output));
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut piece) {
                bytes.extend_from_slice(&piece[..count]);
                *filled.0.lock().expect("unpoisoned") = String::from_utf8_lossy(&bytes).into_owned();
                filled.1.notify_all();
            }
        });
        Self {
            child,
            keyboard,
            terminal,
            before,
            output,
        }
    }

    fn demo() -> Self {
        Self::start(&["demo", "--seed", "1", "--interval-ms", "200"], None)
    }

    /// Waits until this holds for all that was written.
    #[track_caller]
    fn until(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let (output, filled) = &*self.output;
        let output = output.lock().expect("unpoisoned");
        let (output, late) = filled
            .wait_timeout_while(output, PATIENCE, |output| !holds(output))
            .expect("unpoisoned");
        assert!(!late.timed_out(), "no {what}: {:?}", last_screen(&output));
        output.clone()
    }

    /// Waits for a screen of which this holds.
    #[track_caller]
    fn screen(&self, what: &str, holds: impl Fn(&str) -> bool) {
        self.until(what, |output| {
            output.contains(BEGIN) && !output.ends_with(LEAVE) && holds(&last_screen(output))
        });
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("keys");
    }

    fn modes(&self) -> LocalModes {
        tcgetattr(&self.terminal).expect("settings").local_modes
    }

    /// Waits for its end with exit code 0, and checks that it leaves the terminal as it was and a summary on it.
    #[track_caller]
    fn ends_well(mut self) {
        let output = self.until("summary", |output| {
            let after = output.rsplit(LEAVE).next().unwrap_or_default();
            after.contains("snapshot ") && after.contains("losses:")
        });
        let status = self.child.wait().expect("a status");
        assert_eq!(status.code(), Some(0));
        assert_eq!(output.matches(ENTER).count(), output.matches(LEAVE).count());
        assert_eq!(self.modes(), self.before.local_modes);
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of the last screen that is whole.
fn last_screen(output: &str) -> String {
    let end = output.rfind("\x1b[?2026l").unwrap_or(output.len());
    output[..end].rsplit(BEGIN).next().unwrap_or_default().to_owned()
}

#[test]
fn keys_are_answered_and_q_ends_it() {
    let mut program = OnTerminal::demo();
    program.screen("table", |screen| screen.contains("Sales") && screen.contains("? help"));
    let modes = program.modes();
    assert!(!modes.intersects(LocalModes::ICANON | LocalModes::ECHO), "{modes:?}");
    assert!(modes.contains(LocalModes::ISIG), "Ctrl-C stays a signal");
    program.press("?");
    program.screen("help", |screen| screen.contains("end the program"));
    program.press("\x1b");
    program.screen("table", |screen| screen.contains("Billing") && screen.contains("Sales"));
    program.press("/sal");
    program.screen("filter", |screen| {
        screen.contains("/sal") && screen.contains("Sales") && !screen.contains("Billing")
    });
    program.press("\r\r");
    program.screen("queue", |screen| {
        screen.contains("medium") && screen.contains("Esc back")
    });
    program.press("e");
    program.screen("changes", |screen| {
        screen.contains("last changes") && !screen.contains("medium")
    });
    program.press("q");
    program.ends_well();
}

#[test]
fn a_signal_restores_the_settings() {
    let program = OnTerminal::demo();
    program.screen("table", |screen| screen.contains("Sales"));
    assert!(!program.modes().contains(LocalModes::ECHO));
    signal(&program.child, "TERM");
    program.ends_well();
}

/// Ctrl-Z gives the shell its terminal back, and `fg` draws the screen anew.
#[test]
fn a_stopped_program_leaves_the_terminal_and_comes_back() {
    let mut program = OnTerminal::demo();
    for round in 1..=2 {
        program.screen("table", |screen| screen.contains("Sales"));
        signal(&program.child, "TSTP");
        let output = program.until("end of the screen", |output| output.ends_with(LEAVE));
        assert_eq!(output.matches(ENTER).count(), round);
        until_stopped(&program.child);
        assert_eq!(program.modes(), program.before.local_modes);
        signal(&program.child, "CONT");
        program.until("new screen", |output| output.matches(ENTER).count() == round + 1);
    }
    program.screen("table", |screen| screen.contains("Sales"));
    assert!(!program.modes().contains(LocalModes::ECHO));
    program.press("q");
    program.ends_well();
}

/// Waits until a child is stopped.
#[track_caller]
fn until_stopped(child: &Child) {
    until_true("a stopped program", || {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        let status = waitid(WaitId::Pid(Pid::from_child(child)), options);
        status.ok().flatten().is_some_and(|status| status.stopped())
    });
}

#[test]
fn without_a_keyboard_it_is_a_screen_without_keys() {
    let program = OnTerminal::start(&["demo", "--interval-ms", "200"], Some(Stdio::null()));
    program.screen("table", |screen| {
        screen.contains("Sales") && screen.contains("Ctrl-C ends")
    });
    assert_eq!(program.modes(), program.before.local_modes);
    signal(&program.child, "INT");
    program.ends_well();
}
