//! One connection from ticket to end: dial, upgrade, subscribe, read, and keep the timers.
//!
//! In: a `Ticket` with all it needs · Out: events to the buffer, notices to the supervisor · Thread: `gs-reader-N`.
//!
//! A reader never asks back and decides nothing beyond its own connection: it ends with a reason, and the supervisor
//! draws the conclusions. It waits in the socket until its next timer, or in the buffer until its next timer, and both
//! waits end at once when it is told to stop. Where the buffer has no room and drops nothing (`block`), it reads a bounded
//! number of events ahead, so that the peer's pings are answered and its own are heard.

mod ahead;
pub(crate) mod buffer;
pub(crate) mod heartbeat;
mod recorded;
mod socket;
pub(crate) mod telemetry;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use tungstenite::Message;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

use self::ahead::Ahead;
use self::socket::{Socket, close_reason, open_socket};
use crate::audit::Entry;
use crate::base::error::panic_text;
use crate::config::HeartbeatConfig;
use crate::event::notice::{CloseReason, ConnectionNews, Notice};
use crate::net::{Cancel, Net, ShutdownHandle};
use crate::output::journal::Journal;
use crate::protocol::{Heard, Machine, Ping};
use crate::reader::buffer::{BufferSender, Sent};
use crate::reader::heartbeat::{Answers, Due, Heartbeat};
use crate::reader::telemetry::Telemetry;
use crate::{Error, ErrorKind, Moment, Secret};

/// How long we listen for the peer's own close after ours. Part of the 300 ms that a stop has for it.
const CLOSE_LIMIT: Duration = Duration::from_millis(200);
/// The same for a connection that was replaced: what is still on its way is worth more than haste.
const RETIRE_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks at a woken socket, which cannot be waited for any more.
const LINGER: Duration = Duration::from_millis(2);
/// With events read ahead: how long room in the buffer is waited for before the socket is looked at again …
const AHEAD_SLICE: Duration = Duration::from_millis(20);
/// … for how long, …
const GLANCE: Duration = Duration::from_millis(1);
/// … and how many frames are read at a time.
const AHEAD_READS: usize = 64;
/// While saying goodbye, the stop signal is looked at this often.
const LOOK_UP: Duration = Duration::from_millis(50);

/// No frame yet.
const NEVER: i64 = i64::MIN;

/// All that a connection needs.
pub(crate) struct Ticket {
    /// 1 for the first of a run.
    pub(crate) connection: u32,
    /// `ws://` or `wss://`: a channel's address is as secret as a token.
    pub(crate) url: Secret,
    /// Header `Authorization`, where the protocol wants one.
    pub(crate) bearer: Option<Secret>,
    pub(crate) machine: Box<dyn Machine>,
    pub(crate) heartbeat: HeartbeatConfig,
    pub(crate) buffer: BufferSender,
    pub(crate) notices: Sender<Notice>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) net: Arc<Net>,
    pub(crate) journal: Journal,
    /// What must not be recorded: the channel's id.
    pub(crate) hidden: Option<Secret>,
}

/// The supervisor's end of a connection.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What supervisor and reader share: the ways to end it.
struct Shared {
    /// Asks it to close politely and at once.
    stop: Cancel,
    /// Asks it to close politely, and to deliver what is still on its way.
    retiring: AtomicBool,
    /// Cuts it off wherever it is.
    cut: Cancel,
    /// How to reach it.
    stage: Mutex<Stage>,
}

/// How far a connection is, as its ends must know it.
enum Stage {
    /// Not upgraded yet: there is nobody to say goodbye to.
    Opening,
    /// It may be waiting for frames, and can be woken. What is under way then may come late: a socket that was woken does
    /// not tell its peer that there is room again.
    Open(ShutdownHandle),
    /// It is saying goodbye.
    Leaving,
}

impl Reader {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn spawn(ticket: Ticket) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            stop: Cancel::new(),
            retiring: AtomicBool::new(false),
            cut: Cancel::new(),
            stage: Mutex::new(Stage::Opening),
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(format!("gs-reader-{}", ticket.connection % 10_000))
            .spawn(move || run(ticket, &theirs))
            .map_err(|error| Error::new(ErrorKind::Local, "starting a reader thread", error.to_string()))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Asks it to close with 1000 and end; returns at once.
    pub(crate) fn close(&self) {
        self.shared.stop.cancel();
        self.wake();
    }

    /// Asks it to close with 1000, to deliver what the peer sends until its own close, and to end; returns at once.
    ///
    pub(crate) fn retire(&self) {
        self.shared.retiring.store(true, Ordering::SeqCst);
        if let Stage::Open(handle) = &*self.stage() {
            handle.wake();
        }
    }

    fn wake(&self) {
        match &*self.stage() {
            Stage::Opening => self.shared.cut.cancel(),
            Stage::Open(handle) => handle.wake(),
            // It looks at the stop signal itself.
            Stage::Leaving => {}
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.shared.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts the connection and waits for the thread, which then ends within milliseconds.
    pub(crate) fn cut(mut self) {
        self.shared.stop.cancel();
        self.shared.cut.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic was caught and reported inside.
            let _ = thread.join();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // A reader that nobody holds any more must not go on; its thread ends by itself.
        self.shared.stop.cancel();
        self.shared.cut.cancel();
    }
}

fn run(ticket: Ticket, shared: &Shared) {
    let connection = ticket.connection;
    let notices = ticket.notices.clone();
    let last_frame = AtomicI64::new(NEVER);
    let reason = match catch_unwind(AssertUnwindSafe(|| read_to_end(ticket, shared, &last_frame))) {
        Ok(reason) => reason,
        Err(panic) => CloseReason::Panicked(panic_text(&*panic)),
    };
    log::debug!("connection {connection}: ended: {reason}");
    // Nobody listens any more only when the whole stream is gone.
    let last_frame_at = match last_frame.into_inner() {
        NEVER => None,
        ms => Some(Moment::from_epoch_ms(ms)),
    };
    let _ = notices.send(Notice::Connection {
        connection,
        news: ConnectionNews::Ended { reason, last_frame_at },
    });
}

fn read_to_end(ticket: Ticket, shared: &Shared, last_frame: &AtomicI64) -> CloseReason {
    let opened = open_socket(&ticket, &shared.cut);
    let (socket, wake) = match opened {
        Ok(opened) => opened,
        Err(_) if shared.stop.is_cancelled() => return CloseReason::Stopped,
        Err(reason) => return reason,
    };
    // Whoever asked before the handle was there cut the dialling; whoever asks from here on finds it.
    *shared.stage.lock().unwrap_or_else(PoisonError::into_inner) = Stage::Open(wake);
    let answers = match ticket.machine.ping() {
        Ping::Control => Answers::Expected,
        Ping::Text(_) => Answers::Unknown,
    };
    let handshake = ticket.machine.handshake_limit();
    let heartbeat = Heartbeat::new(ticket.heartbeat, answers, handshake, Instant::now());
    let mut session = Session {
        ticket,
        shared,
        last_frame,
        socket,
        heartbeat,
        confirmed: false,
        shown_life: false,
        said_goodbye: false,
        heard: Vec::new(),
        ahead: Ahead::default(),
    };
    let reason = session.run();
    session.say_goodbye(&reason);
    session.hand_over_rest();
    reason
}

/// An upgraded connection.
struct Session<'a> {
    ticket: Ticket,
    shared: &'a Shared,
    /// Milliseconds since the epoch; outside, so that it survives a panic.
    last_frame: &'a AtomicI64,
    socket: Socket,
    heartbeat: Heartbeat,
    confirmed: bool,
    shown_life: bool,
    said_goodbye: bool,
    heard: Vec<Heard>,
    ahead: Ahead,
}

/// The session ends for this reason.
type Ends<T> = Result<T, CloseReason>;

impl Session<'_> {
    fn run(&mut self) -> CloseReason {
        match self.run_inner() {
            Ok(never) => match never {},
            // Whatever an interrupted call reported: it was us.
            Err(_) if self.shared.stop.is_cancelled() => CloseReason::Stopped,
            Err(reason) => reason,
        }
    }

    fn run_inner(&mut self) -> Ends<std::convert::Infallible> {
        let now = Moment::now();
        self.on_frame(now);
        self.record_sign_of_life(0, now);
        for text in self.ticket.machine.on_open() {
            self.send(Message::text(text))?;
        }
        if self.ticket.machine.handshake_limit().is_none() {
            self.confirm();
            // Life is shown by the answer to this, at the latest.
            self.heartbeat.ping_at_once(Instant::now());
        }
        loop {
            self.see_to_timers()?;
            self.hand_over_ahead(Instant::now() + AHEAD_SLICE);
            if self.ahead.is_full() {
                // The peer is not silent: we do not listen.
                self.heartbeat.on_resumed(Instant::now());
                continue;
            }
            let (reads, until) = match self.ahead.is_empty() {
                true => (1, self.heartbeat.next_due()),
                false => (AHEAD_READS, Instant::now() + GLANCE),
            };
            self.socket.get_mut().set_read_deadline(until);
            for _ in 0..reads {
                match self.socket.read() {
                    Ok(message) => self.on_message(message)?,
                    Err(tungstenite::Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(close_reason(error)),
                }
            }
        }
    }

    fn on_message(&mut self, message: Message) -> Ends<()> {
        let now = Moment::now();
        self.heartbeat.on_frame(Instant::now());
        self.on_frame(now);
        let telemetry = &self.ticket.telemetry;
        let mut heard = std::mem::take(&mut self.heard);
        match message {
            Message::Text(text) => {
                Telemetry::add(&telemetry.frames_received, 1);
                self.ticket.machine.on_text(&text, now, &mut heard);
                self.record_frame(Some(&text), now, &heard);
            }
            Message::Binary(bytes) => {
                Telemetry::add(&telemetry.frames_received, 1);
                let text = std::str::from_utf8(&bytes);
                match text {
                    Ok(text) => self.ticket.machine.on_text(text, now, &mut heard),
                    Err(_) => heard.push(Heard::Malformed("a binary message that is no UTF-8 text".to_owned())),
                }
                self.record_frame(text.ok(), now, &heard);
            }
            Message::Pong(_) => {
                self.on_control_frame(now);
                self.heartbeat.on_pong();
            }
            Message::Ping(_) | Message::Frame(_) => self.on_control_frame(now),
            Message::Close(frame) => {
                self.on_control_frame(now);
                // Answers the close; the connection ends in any case.
                let _ = self.socket.flush();
                return Err(CloseReason::Closed {
                    code: frame.map(|frame| frame.code.into()),
                });
            }
        }
        for heard in heard.drain(..) {
            self.on_heard(heard)?;
        }
        // Kept for its room.
        self.heard = heard;
        if self.confirmed && !self.shown_life {
            self.shown_life = true;
            self.notify(ConnectionNews::Alive);
        }
        Ok(())
    }

    fn on_frame(&self, at: Moment) {
        self.last_frame.store(at.epoch_ms(), Ordering::Relaxed);
        self.ticket.telemetry.on_frame(at);
    }

    fn on_control_frame(&self, at: Moment) {
        Telemetry::add(&self.ticket.telemetry.control_frames, 1);
        self.record_sign_of_life(1, at);
    }

    fn see_to_timers(&mut self) -> Ends<()> {
        if self.shared.stop.is_cancelled() {
            return Err(CloseReason::Stopped);
        }
        if self.shared.retiring.load(Ordering::SeqCst) && !self.said_goodbye {
            return Err(CloseReason::Replaced);
        }
        while let Some(due) = self.heartbeat.on_due(Instant::now()) {
            match due {
                Due::Ping => {
                    let ping = match self.ticket.machine.ping() {
                        Ping::Text(text) => Message::text(text),
                        Ping::Control => Message::Ping(Default::default()),
                    };
                    self.send(ping)?;
                }
                Due::HandshakeLate => return Err(CloseReason::HandshakeLate),
                Due::PingUnanswered => return Err(CloseReason::PingUnanswered),
                Due::Silence => return Err(CloseReason::Silence),
            }
        }
        Ok(())
    }

    fn on_heard(&mut self, heard: Heard) -> Ends<()> {
        let connection = self.ticket.connection;
        match heard {
            Heard::Event(event) => self.hand_over(event),
            Heard::Confirmed => self.confirm(),
            Heard::Alive => {}
            Heard::Pong => self.heartbeat.on_pong(),
            Heard::Refused(refusal) => return Err(CloseReason::Refused(refusal)),
            Heard::Send { text, why } => {
                log::warn!("connection {connection}: {why}");
                self.send(Message::text(text))?;
                self.heartbeat
                    .on_sent_again(self.ticket.machine.handshake_limit(), Instant::now());
            }
            Heard::SocketClosing => self.notify(ConnectionNews::SocketClosing),
            Heard::TokenRevoked => self.notify(ConnectionNews::TokenRevoked),
            Heard::NoLongerSubscribed(why) => return Err(CloseReason::TakenOver(why)),
            Heard::ChannelGone => return Err(CloseReason::ChannelGone),
            Heard::ServerError(text) => {
                Telemetry::add(&self.ticket.telemetry.server_errors, 1);
                log::warn!("connection {connection}: the service reports an error: {text}");
                self.ticket.journal.audit(|| {
                    Entry::new("error", Moment::now())
                        .with("connection", connection)
                        .with("error", format!("the service reports: {text}"))
                });
            }
            Heard::Malformed(what) => {
                Telemetry::add(&self.ticket.telemetry.malformed, 1);
                log::debug!("connection {connection}: malformed frame: {what}");
            }
            Heard::Incomplete { metric_type, what } => {
                let warns = self.ticket.telemetry.on_incomplete(&metric_type, Instant::now());
                let level = if warns { log::Level::Warn } else { log::Level::Debug };
                let metric_type: String = metric_type.chars().take(60).collect();
                log::log!(
                    level,
                    "connection {connection}: a {metric_type} event came without {what}; it is counted"
                );
                if warns {
                    self.ticket.journal.audit(|| {
                        Entry::new("incomplete", Moment::now())
                            .with("connection", connection)
                            .with("metric_type", metric_type)
                            .with("missing", what)
                    });
                }
            }
        }
        Ok(())
    }

    /// Gives an event to the buffer. Where it comes back because there is no room, it is kept, and reading goes on.
    fn hand_over(&mut self, event: Box<crate::event::Event>) {
        Telemetry::add(&self.ticket.telemetry.decoded, 1);
        if !self.ahead.is_empty() {
            self.ahead.push(event);
            return;
        }
        let until = match self.ticket.buffer.gives_back() {
            true => Instant::now(),
            false => self.heartbeat.next_due(),
        };
        if let Sent::NotYet(back) = self.ticket.buffer.send(event, until, self.shared.stop.receiver()) {
            self.ahead.push(back);
        }
    }

    /// Hands over what was read ahead, as far as there is room by `until`.
    fn hand_over_ahead(&mut self, until: Instant) {
        while let Some(event) = self.ahead.pop() {
            if let Sent::NotYet(back) = self.ticket.buffer.send(event, until, self.shared.stop.receiver()) {
                self.ahead.put_back(back);
                return;
            }
        }
    }

    /// The connection is over: what it delivered is handed over all the same, until the run ends.
    fn hand_over_rest(&mut self) {
        while !self.ahead.is_empty() && !self.shared.stop.is_cancelled() {
            self.hand_over_ahead(Instant::now() + LOOK_UP);
        }
        let until = Instant::now() + LOOK_UP;
        while !self.ahead.is_empty() && Instant::now() < until && !self.shared.cut.is_cancelled() {
            self.hand_over_ahead(until);
            // The stop signal, which was given, ends the wait for room.
            let _ = self.shared.cut.wait(LINGER);
        }
        Telemetry::add(&self.ticket.telemetry.dropped, self.ahead.clear());
    }

    fn confirm(&mut self) {
        if !self.confirmed {
            self.confirmed = true;
            self.heartbeat.on_confirmed();
            self.notify(ConnectionNews::Confirmed(Moment::now()));
        }
    }

    fn send(&mut self, message: Message) -> Ends<()> {
        self.socket.send(message).map_err(close_reason)
    }

    fn notify(&self, news: ConnectionNews) {
        let notice = Notice::Connection {
            connection: self.ticket.connection,
            news,
        };
        // Nobody listens any more only when the whole stream is gone.
        let _ = self.ticket.notices.send(notice);
    }

    /// Closes politely where the connection still carries, within [`CLOSE_LIMIT`].
    fn say_goodbye(&mut self, reason: &CloseReason) {
        let code = match reason {
            CloseReason::Stopped
            | CloseReason::Replaced
            | CloseReason::Refused(_)
            | CloseReason::HandshakeLate
            | CloseReason::ChannelGone
            | CloseReason::TakenOver(_)
            | CloseReason::Silence
            | CloseReason::PingUnanswered => CloseCode::Normal,
            CloseReason::TooLong => CloseCode::Size,
            CloseReason::Violation(_) => CloseCode::Protocol,
            _ => return,
        };
        self.said_goodbye = true;
        *self.shared.stage.lock().unwrap_or_else(PoisonError::into_inner) = Stage::Leaving;
        self.socket.get_mut().set_write_limit(CLOSE_LIMIT);
        let frame = CloseFrame {
            code,
            reason: "".into(),
        };
        if self.socket.close(Some(frame)).is_err() {
            return;
        }
        // tungstenite asserts, in debug builds, that a frame it refused is not read on.
        if matches!(reason, CloseReason::TooLong | CloseReason::Violation(_)) {
            return;
        }
        // What the peer sent before it heard of our close still counts, and reading it keeps the close from turning into
        // a reset.
        let limit = match reason {
            CloseReason::Replaced => RETIRE_LIMIT,
            _ => CLOSE_LIMIT,
        };
        let mut until = Instant::now() + limit;
        self.socket.get_mut().linger_after_wake();
        while Instant::now() < until && !self.shared.cut.is_cancelled() {
            if self.shared.stop.is_cancelled() {
                until = until.min(Instant::now() + CLOSE_LIMIT);
            }
            self.hand_over_ahead(Instant::now() + AHEAD_SLICE);
            if self.ahead.is_full() {
                let _ = self.shared.cut.wait(LINGER);
                continue;
            }
            self.socket
                .get_mut()
                .set_read_deadline(until.min(Instant::now() + LOOK_UP));
            match self.socket.read() {
                Ok(message) => {
                    if let Err(reason) = self.on_message(message) {
                        log::debug!("connection {}: after our close: {reason}", self.ticket.connection);
                        return;
                    }
                }
                Err(tungstenite::Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    // `cut` ends this wait.
                    let _ = self.shared.cut.wait(LINGER);
                }
                Err(error) => {
                    log::debug!(
                        "connection {}: after our close: {}",
                        self.ticket.connection,
                        close_reason(error)
                    );
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
