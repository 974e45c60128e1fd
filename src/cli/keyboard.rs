//! The keys of the terminal, and the signals that stop and continue the process, for the screen of `live`.
//!
//! In: bytes of stdin, SIGTSTP, SIGCONT, SIGQUIT · Out: `Input`s, settings of the terminal · Thread: its own (`gs-keys`),
//! which nothing waits for; the settings are changed on any.
//!
//! Keys are read only where stdin and stdout are terminals, and only in the foreground: reading in the background would stop
//! the process. Ctrl-C, Ctrl-Z and Ctrl-\ stay signals.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crossbeam_channel::Sender;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use rustix::{process, termios};
use signal_hook::consts::{SIGCONT, SIGQUIT, SIGTSTP};
use signal_hook::{flag, low_level};

use super::signals::SignalWatch;
use crate::output::live::{Console, Decoder, Input, Keys, Restorer, Size};
use crate::output::sink::OutputSender;
use crate::{Error, ErrorKind};

/// So many inputs wait for the screen; what is typed while it hangs is dropped.
pub const MOST_WAITING: usize = 64;

/// After so long without a byte, an escape byte was the key Escape: the bytes of other keys come together.
const ESCAPE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};
/// How often it is asked whether the process is in the foreground again. Usually SIGCONT tells.
const BACKGROUND: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// The terminal of this process.
#[derive(Clone)]
pub struct Keyboard {
    signals: SignalWatch,
    /// The settings before the screen; `None` where no keys are read.
    before: Option<Termios>,
}

impl Keyboard {
    /// Remembers the settings of the terminal, if keys are read.
    pub fn new(signals: SignalWatch) -> Self {
        let (stdin, stdout) = (io::stdin(), io::stdout());
        let both = termios::isatty(&stdin) && termios::isatty(&stdout);
        let before = both.then(|| termios::tcgetattr(&stdin).ok()).flatten();
        Self { signals, before }
    }

    /// Whether keys are read.
    pub fn keys(&self) -> Keys {
        match self.before {
            Some(_) => Keys::Read,
            None => Keys::NotRead,
        }
    }

    /// Starts the thread that tells the screen of keys and signals. It runs until the process ends.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] where the system refuses the handlers or the thread.
    pub fn listen(self, inputs: Sender<Input>, screen: OutputSender, restorer: Restorer) -> Result<(), Error> {
        let error = |e: io::Error| Error::caused_by(ErrorKind::Local, "listening to the terminal", e);
        let signals = JobSignals::register().map_err(error)?;
        let listener = Listener {
            keyboard: self,
            signals,
            inputs,
            screen,
            restorer,
            is_stopping: false,
        };
        let thread = std::thread::Builder::new().name("gs-keys".to_owned());
        thread.spawn(move || listener.listen()).map_err(error)?;
        Ok(())
    }

    fn set(&self, settings: &Termios) {
        // In the background this would stop the process; a terminal that is gone needs no settings.
        if self.is_foreground() {
            let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, settings);
        }
    }
}

impl Console for Keyboard {
    fn size(&self) -> Size {
        Size::of_terminal()
    }

    fn is_foreground(&self) -> bool {
        // Where stdout is not the terminal that controls the process, nobody else has it.
        termios::tcgetpgrp(io::stdout()).map_or(true, |group| group == process::getpgrp())
    }

    fn enter(&self) {
        if let Some(before) = &self.before {
            let mut settings = before.clone();
            settings.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
            settings.special_codes[SpecialCodeIndex::VMIN] = 1;
            settings.special_codes[SpecialCodeIndex::VTIME] = 0;
            self.set(&settings);
        }
    }

    fn leave(&self) {
        if let Some(before) = &self.before {
            self.set(before);
        }
    }

    fn suspend(&self) {
        // Fails for no signal that can be named here.
        let _ = low_level::emulate_default_handler(SIGTSTP);
    }

    fn quit(&self) {
        self.signals.stop();
    }
}

/// The signals of job control that have come.
struct JobSignals {
    suspend: Arc<AtomicBool>,
    continued: Arc<AtomicBool>,
    abort: Arc<AtomicBool>,
    /// Readable after a signal.
    told: UnixStream,
}

impl JobSignals {
    fn register() -> io::Result<Self> {
        let (told, tell) = UnixStream::pair()?;
        told.set_nonblocking(true)?;
        let of = |signal| -> io::Result<Arc<AtomicBool>> {
            let is_there = Arc::new(AtomicBool::new(false));
            // Handlers run in this order: what is told is there.
            flag::register(signal, Arc::clone(&is_there))?;
            low_level::pipe::register(signal, tell.try_clone()?)?;
            Ok(is_there)
        };
        Ok(Self {
            suspend: of(SIGTSTP)?,
            continued: of(SIGCONT)?,
            abort: of(SIGQUIT)?,
            told,
        })
    }
}

/// The thread.
struct Listener {
    keyboard: Keyboard,
    signals: JobSignals,
    inputs: Sender<Input>,
    screen: OutputSender,
    restorer: Restorer,
    /// The screen stops the process, and knows when it goes on.
    is_stopping: bool,
}

impl Listener {
    fn listen(mut self) {
        let stdin = io::stdin();
        let mut decoder = Decoder::default();
        let mut is_open = self.keyboard.before.is_some();
        loop {
            let reads = is_open && self.keyboard.is_foreground();
            let timeout = match is_open {
                true if !reads => Some(&BACKGROUND),
                true if decoder.is_waiting() => Some(&ESCAPE),
                _ => None,
            };
            let mut waits = vec![PollFd::new(&self.signals.told, PollFlags::IN)];
            if reads {
                waits.push(PollFd::new(&stdin, PollFlags::IN));
            }
            match poll(&mut waits, timeout) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                // Without a way to wait, reading on would use a core.
                Err(_) => return,
            }
            let is_told = !waits[0].revents().is_empty();
            let has_bytes = waits.get(1).is_some_and(|stdin| !stdin.revents().is_empty());
            if is_told {
                self.on_signal();
            } else if has_bytes {
                is_open = self.read(stdin.as_fd(), &mut decoder);
            } else if let Some(key) = decoder.give_up_waiting() {
                self.tell(Input::Key(key));
            }
        }
    }

    /// Reads what was typed; whether the terminal is still there.
    fn read(&self, stdin: std::os::fd::BorrowedFd<'_>, decoder: &mut Decoder) -> bool {
        let mut bytes = [0; 256];
        match rustix::io::read(stdin, &mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                for key in decoder.feed(&bytes[..count]) {
                    self.tell(Input::Key(key));
                }
                true
            }
            Err(error) => matches!(error, rustix::io::Errno::INTR | rustix::io::Errno::AGAIN),
        }
    }

    fn on_signal(&mut self) {
        // The flags hold what has come; the bytes say only that something has.
        while rustix::io::read(&self.signals.told, &mut [0; 64]).is_ok_and(|count| count > 0) {}
        if self.signals.abort.swap(false, SeqCst) {
            self.restorer.restore(&mut io::stdout());
            let _ = low_level::emulate_default_handler(SIGQUIT);
        }
        let suspend = self.signals.suspend.swap(false, SeqCst);
        if self.signals.continued.swap(false, SeqCst) {
            if !std::mem::take(&mut self.is_stopping) {
                self.tell(Input::Continued);
            }
        } else if suspend {
            self.is_stopping = self.tell(Input::Suspend);
            if !self.is_stopping {
                // No screen answers, because it hangs or has ended.
                self.restorer.restore(&mut io::stdout());
                self.keyboard.suspend();
            }
        }
    }

    /// Tells the screen; whether there was room for it.
    fn tell(&self, input: Input) -> bool {
        let is_told = self.inputs.try_send(input).is_ok();
        self.screen.wake();
        is_told
    }
}
