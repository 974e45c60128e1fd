//! SIGINT, SIGTERM and SIGHUP: the first one stops the program, the second one ends the process at once.
//!
//! In: signals of the operating system · Out: calls of the actions, or the end of the process · Thread: its own
//! (`gs-signals`).
//!
//! A signal that was ignored when the program was started (nohup, `&` in a script) stays ignored, where the system tells
//! (Linux). SIGHUP reopens the log file instead of stopping, where there is one.

use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::{Error, ErrorKind};

type Action = Box<dyn FnOnce() + Send>;

/// A write beyond the limit of file sizes fails like one to a full disk from now on, instead of ending the process.
pub fn survive_file_size_limit() {
    #[cfg(unix)]
    {
        // A handler is needed because the default is to end; what it sets is not read. Where it is refused, the default stays.
        let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
    }
}

/// Receives signals from its start on; what they do can be set later.
#[derive(Clone)]
pub struct SignalWatch(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Signals received.
    received: u32,
    stop: Option<Action>,
    before_exit: Option<Action>,
    hangup: Hangup,
}

/// What SIGHUP does.
#[derive(Default)]
enum Hangup {
    #[default]
    Stops,
    /// It tells of a log file that was moved, unless a terminal that was there is gone.
    GoesOn { had_terminal: bool },
}

/// What a signal does.
enum Reaction {
    Go,
    Stop(Option<Action>),
    Exit(Option<Action>),
}

impl SignalWatch {
    /// Starts the thread that receives signals.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] where the operating system refuses the handlers or the thread.
    pub fn start() -> Result<Self, Error> {
        let error = |e: std::io::Error| Error::caused_by(ErrorKind::Local, "installing signal handlers", e);
        let ignored = ignored_at_start();
        let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter();
        let mut signals = Signals::new(wanted.filter(|signal| ignored >> (signal - 1) & 1 == 0)).map_err(error)?;
        let watch = Self(Arc::default());
        let listener = watch.clone();
        std::thread::Builder::new()
            .name("gs-signals".to_owned())
            .spawn(move || {
                for signal in signals.forever() {
                    listener.on_signal(signal);
                }
            })
            .map_err(error)?;
        Ok(watch)
    }

    /// Sets what the first signal does. If it has been received already, `stop` runs now, on the caller's thread.
    pub fn on_stop(&self, stop: impl FnOnce() + Send + 'static) {
        let stop: Action = Box::new(stop);
        let now = {
            let mut state = self.state();
            if state.received > 0 {
                Some(stop)
            } else {
                state.stop = Some(stop);
                None
            }
        };
        if let Some(stop) = now {
            stop();
        }
    }

    /// Sets what is done before the second signal ends the process, such as restoring the terminal. It must be quick.
    pub fn before_exit(&self, restore: impl FnOnce() + Send + 'static) {
        self.state().before_exit = Some(Box::new(restore));
    }

    /// Stops the program as the first signal does; has no effect after one.
    pub fn stop(&self) {
        let stop = {
            let mut state = self.state();
            if state.received > 0 {
                return;
            }
            state.received = 1;
            state.stop.take()
        };
        log::info!("stopping (a signal ends at once)");
        if let Some(stop) = stop {
            stop();
        }
    }

    /// From now on SIGHUP does not stop, unless the terminal is gone: the log file was moved, which each line looks for.
    pub fn go_on_at_hangup(&self) {
        let had_terminal = std::io::stdout().is_terminal();
        self.state().hangup = Hangup::GoesOn { had_terminal };
    }

    /// Whether a signal that stops has been received.
    #[must_use]
    pub fn received(&self) -> bool {
        self.state().received > 0
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reaction(&self, signal: i32) -> Reaction {
        let mut state = self.state();
        if let (SIGHUP, Hangup::GoesOn { had_terminal }) = (signal, &state.hangup)
            && *had_terminal == std::io::stdout().is_terminal()
        {
            return Reaction::Go;
        }
        state.received += 1;
        if state.received == 1 {
            Reaction::Stop(state.stop.take())
        } else {
            Reaction::Exit(state.before_exit.take())
        }
    }

    fn on_signal(&self, signal: i32) {
        match self.reaction(signal) {
            Reaction::Go => log::info!("SIGHUP: the log file is opened anew"),
            Reaction::Stop(stop) => {
                log::info!("{}: stopping (a second signal ends at once)", name(signal));
                if let Some(stop) = stop {
                    stop();
                }
            }
            Reaction::Exit(restore) => {
                if let Some(restore) = restore {
                    restore();
                }
                std::process::exit(128 + signal);
            }
        }
    }
}

/// The signals that were ignored when the program was started, as bits from that of signal 1 on. Nothing in the process
/// ignores one of those that are asked for here.
fn ignored_at_start() -> u64 {
    let status = match cfg!(target_os = "linux") {
        true => std::fs::read_to_string("/proc/self/status").unwrap_or_default(),
        false => return 0,
    };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

fn name(signal: i32) -> &'static str {
    match signal {
        SIGINT => "SIGINT",
        SIGTERM => "SIGTERM",
        SIGHUP => "SIGHUP",
        _ => "signal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn counter() -> (Arc<AtomicU32>, impl FnOnce() + Send + 'static) {
        let count = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&count);
        (count, move || {
            counted.fetch_add(1, Ordering::SeqCst);
        })
    }

    #[test]
    fn the_first_stops_and_the_second_exits() {
        let watch = SignalWatch(Arc::default());
        let (stopped, stop) = counter();
        let (restored, restore) = counter();
        watch.on_stop(stop);
        watch.before_exit(restore);
        watch.on_signal(SIGTERM);
        assert_eq!(stopped.load(Ordering::SeqCst), 1);
        assert!(watch.received());
        match watch.reaction(SIGTERM) {
            Reaction::Exit(Some(restore)) => restore(),
            _ => panic!("the second signal must end the process"),
        }
        assert_eq!(
            (stopped.load(Ordering::SeqCst), restored.load(Ordering::SeqCst)),
            (1, 1)
        );
    }

    #[test]
    fn a_real_signal_arrives() {
        let watch = SignalWatch::start().unwrap();
        let (tell, told) = crossbeam_channel::bounded(1);
        watch.on_stop(move || tell.send(()).unwrap());
        // Below `nohup` the other one stays ignored.
        let signal = if ignored_at_start() >> (SIGHUP - 1) & 1 == 0 {
            SIGHUP
        } else {
            SIGTERM
        };
        signal_hook::low_level::raise(signal).unwrap();
        told.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
        assert!(watch.received());
    }

    #[test]
    fn a_hangup_does_not_stop_where_there_is_a_log_file_unless_the_terminal_is_gone() {
        let watch = SignalWatch(Arc::default());
        watch.go_on_at_hangup();
        watch.on_signal(SIGHUP);
        watch.on_signal(SIGHUP);
        assert!(!watch.received());
        let had_terminal = !std::io::stdout().is_terminal();
        watch.state().hangup = Hangup::GoesOn { had_terminal };
        watch.on_signal(SIGHUP);
        assert!(watch.received());
    }

    #[test]
    fn a_key_stops_once_and_never_ends_the_process() {
        let watch = SignalWatch(Arc::default());
        let (stopped, stop) = counter();
        watch.on_stop(stop);
        watch.stop();
        watch.stop();
        assert_eq!(stopped.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_signal_before_the_stop_action_is_not_lost() {
        let watch = SignalWatch(Arc::default());
        watch.on_signal(SIGINT);
        let (stopped, stop) = counter();
        watch.on_stop(stop);
        assert_eq!(stopped.load(Ordering::SeqCst), 1);
    }
}
