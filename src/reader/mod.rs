//! One connection from ticket to end: dial, upgrade, subscribe, read, and keep the timers.
//!
//! In: a `Ticket` with all it needs · Out: events to the buffer, notices to the supervisor · Thread: `gs-reader-N`.
//!
//! A reader decides nothing beyond its own connection: it ends with a `CloseReason`, and the supervisor decides what
//! follows. It waits for a frame or for room in the buffer, never longer than until its next timer, and a stop ends both
//! waits at once. Events are handed over in batches: before the socket is read again, before every notice, and when the batch
//! is full. Where the buffer is full and its policy is `block`, the reader reads a bounded number of events ahead, so that it
//! still answers the peer's pings and sees the answers to its own.

pub(crate) mod buffer;
mod closing;
pub(crate) mod heartbeat;
mod outgoing;
mod recorded;
mod socket;
pub(crate) mod telemetry;
mod told;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use tungstenite::Message;

use self::outgoing::Outgoing;
use self::socket::{Socket, close_reason, open_socket};
use self::told::Told;
use crate::audit::entries;
use crate::base::error::panic_text;
use crate::base::receipt::Receipt;
use crate::config::HeartbeatConfig;
use crate::event::notice::{CloseReason, ConnectionNews, Notice};
use crate::net::{Cancel, Net, ShutdownHandle};
use crate::output::journal::Journal;
use crate::protocol::time_scan::oldest_after;
use crate::protocol::{Heard, Machine, Ping};
use crate::reader::buffer::BufferSender;
use crate::reader::heartbeat::{Answers, Due, Heartbeat};
use crate::reader::telemetry::Telemetry;
use crate::rest::ServiceClock;
use crate::{Error, ErrorKind, Moment, Secret};

/// Pause between two reads of a socket that was woken by a shutdown, where waiting in the socket returns at once.
const POLL_PAUSE: Duration = Duration::from_millis(2);
/// While events are read ahead, the reader waits this long for room in the buffer before it reads the socket again.
const AHEAD_ROOM_WAIT: Duration = Duration::from_millis(20);
/// While events are read ahead, the reader waits this long for data.
const AHEAD_READ_WAIT: Duration = Duration::from_millis(1);
/// While the connection closes, the stop signal is checked this often.
const STOP_CHECK: Duration = Duration::from_millis(50);

/// A wait that ended so much too late means that the process was stopped, so the silence was not the peer's.
const LATE: Duration = Duration::from_secs(5);

/// Stands for "no frame yet".
const NEVER: i64 = i64::MIN;

/// Everything that a connection needs.
pub(crate) struct Ticket {
    /// Number of the connection: 1 for the first of a run.
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
    /// Tells the service's time of each frame.
    pub(crate) clock: Arc<ServiceClock>,
    pub(crate) journal: Journal,
}

/// The supervisor's end of a connection.
pub(crate) struct Reader {
    signals: Arc<Signals>,
    thread: Option<JoinHandle<()>>,
}

/// What supervisor and reader share: the signals that end the connection.
struct Signals {
    /// Close with 1000 at once.
    stop: Cancel,
    /// Close with 1000, and deliver what the peer still sends until its own close.
    retiring: AtomicBool,
    /// Drop the connection in whatever state it is.
    cut: Cancel,
    /// How far the connection is, and with it how to wake its thread.
    stage: Mutex<Stage>,
}

/// How far a connection is.
enum Stage {
    /// Not upgraded yet: there is no WebSocket to close.
    Opening,
    /// Upgraded. The thread may wait for frames; the handle wakes it. Data under way may come late after that: a socket
    /// that was shut down for reading does not announce its free window.
    Open(ShutdownHandle),
    /// Closing; the thread checks the stop signal itself.
    Closing,
}

impl Reader {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn spawn(ticket: Ticket) -> Result<Self, Error> {
        let signals = Arc::new(Signals {
            stop: Cancel::new(),
            retiring: AtomicBool::new(false),
            cut: Cancel::new(),
            stage: Mutex::new(Stage::Opening),
        });
        let of_thread = Arc::clone(&signals);
        let thread = std::thread::Builder::new()
            .name(format!("gs-reader-{}", ticket.connection % 10_000))
            .spawn(move || run(ticket, &of_thread))
            .map_err(|error| Error::new(ErrorKind::Local, "starting a reader thread", error.to_string()))?;
        Ok(Self {
            signals,
            thread: Some(thread),
        })
    }

    /// Asks it to close with 1000 and end; returns at once.
    pub(crate) fn close(&self) {
        self.signals.stop.cancel();
        self.wake();
    }

    /// Asks it to close with 1000, to deliver what the peer sends until its own close, and to end; returns at once.
    pub(crate) fn retire(&self) {
        self.signals.retiring.store(true, Ordering::SeqCst);
        if let Stage::Open(handle) = &*self.stage() {
            handle.wake();
        }
    }

    fn wake(&self) {
        match &*self.stage() {
            Stage::Opening => self.signals.cut.cancel(),
            Stage::Open(handle) => handle.wake(),
            Stage::Closing => {}
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.signals.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts the connection and waits for the thread, which then ends within milliseconds.
    pub(crate) fn cut(mut self) {
        self.signals.stop.cancel();
        self.signals.cut.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic was caught and reported inside.
            let _ = thread.join();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The thread must not outlive its handle; it ends by itself.
        self.signals.stop.cancel();
        self.signals.cut.cancel();
    }
}

fn run(ticket: Ticket, signals: &Signals) {
    let connection = ticket.connection;
    let notices = ticket.notices.clone();
    let last_frame = AtomicI64::new(NEVER);
    let reason = match catch_unwind(AssertUnwindSafe(|| read_to_end(ticket, signals, &last_frame))) {
        Ok(reason) => reason,
        Err(panic) => CloseReason::Panicked(panic_text(&*panic)),
    };
    log::debug!("connection {connection}: ended: {reason}");
    let last_frame_at = match last_frame.into_inner() {
        NEVER => None,
        ms => Some(Moment::from_epoch_ms(ms)),
    };
    let _ = notices.send(Notice::Connection {
        connection,
        news: ConnectionNews::Ended { reason, last_frame_at },
    });
}

fn read_to_end(ticket: Ticket, signals: &Signals, last_frame: &AtomicI64) -> CloseReason {
    let opened = open_socket(&ticket, &signals.cut);
    let (socket, wake) = match opened {
        Ok(opened) => opened,
        Err(_) if signals.stop.is_cancelled() => return CloseReason::Stopped,
        Err(reason) => return reason,
    };
    // A stop before this line cancelled the dialling; a stop after it finds the handle.
    *signals.stage.lock().unwrap_or_else(PoisonError::into_inner) = Stage::Open(wake);
    let answers = match ticket.machine.ping() {
        Ping::Control => Answers::Expected,
        Ping::Text(_) => Answers::Unknown,
    };
    let handshake = ticket.machine.handshake_limit();
    let heartbeat = Heartbeat::new(ticket.heartbeat, answers, handshake, Instant::now());
    let outgoing = Outgoing::new(ticket.buffer.clone(), Arc::clone(&ticket.telemetry));
    let mut session = Session {
        ticket,
        signals,
        last_frame,
        socket,
        heartbeat,
        confirmed: false,
        shown_life: false,
        told: Told::default(),
        is_closing: false,
        received: None,
        heard: Vec::new(),
        outgoing,
    };
    let reason = session.run();
    session.tell_rest();
    session.close_politely(&reason);
    session.hand_over_rest();
    reason
}

/// An upgraded connection.
struct Session<'a> {
    ticket: Ticket,
    signals: &'a Signals,
    /// When the last frame came, in milliseconds since the epoch; kept outside of the session, so that it survives a panic.
    last_frame: &'a AtomicI64,
    socket: Socket,
    heartbeat: Heartbeat,
    confirmed: bool,
    shown_life: bool,
    told: Told,
    is_closing: bool,
    /// When the frames that are at hand were received: all those of one read of the socket at the same time.
    received: Option<Receipt>,
    heard: Vec<Heard>,
    outgoing: Outgoing,
}

/// `Err` is the reason why the connection ends.
type Ends<T> = Result<T, CloseReason>;

impl Session<'_> {
    fn run(&mut self) -> CloseReason {
        match self.run_inner() {
            Ok(never) => match never {},
            // The error of a call that our own stop interrupted says nothing.
            Err(_) if self.signals.stop.is_cancelled() => CloseReason::Stopped,
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
            // Its answer shows that the connection is alive, if no other frame does before.
            self.heartbeat.ping_at_once(Instant::now());
        }
        let mut wait_ends = Instant::now();
        loop {
            let now = Instant::now();
            if now.saturating_duration_since(wait_ends) > LATE {
                // What has arrived since is still to be read.
                self.heartbeat.on_resumed(now);
            }
            wait_ends = now;
            let has_more = self.take_frames()?;
            self.check_timers()?;
            self.tell_due();
            self.hand_over_ahead(Instant::now() + AHEAD_ROOM_WAIT);
            if has_more || self.outgoing.is_full() {
                // The silence is ours: we do not read.
                self.heartbeat.on_resumed(Instant::now());
                continue;
            }
            wait_ends = match self.outgoing.is_ahead() {
                true => Instant::now() + AHEAD_READ_WAIT,
                false => {
                    let due = self.heartbeat.next_due();
                    self.told.next_due().map_or(due, |change| change.min(due))
                }
            };
            self.read_until(wait_ends)?;
        }
    }

    /// Waits until `deadline` for data, and takes the first frame that is complete with it.
    fn read_until(&mut self, deadline: Instant) -> Ends<()> {
        self.received = None;
        self.socket.get_mut().allow_read(deadline);
        self.take_frame()?;
        self.socket.get_mut().forbid_read();
        Ok(())
    }

    /// Takes the frames that are complete without reading the socket, and hands their events over. Returns whether it had to
    /// stop before the last of them, because too much was read ahead.
    fn take_frames(&mut self) -> Ends<bool> {
        let mut has_more = true;
        while has_more && !self.outgoing.is_full() {
            has_more = self.take_frame()?;
        }
        self.hand_over();
        if self.received.is_some() {
            self.heartbeat.on_frame(Instant::now());
        }
        Ok(has_more)
    }

    /// Takes a frame; whether there was one.
    fn take_frame(&mut self) -> Ends<bool> {
        match self.socket.read() {
            Ok(message) => self.on_message(message).map(|()| true),
            Err(tungstenite::Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(close_reason(error)),
        }
    }

    fn on_message(&mut self, message: Message) -> Ends<()> {
        let at = self.receipt();
        let now = at.ours;
        let telemetry = &self.ticket.telemetry;
        let mut heard = std::mem::take(&mut self.heard);
        if let Some(spare) = self.ticket.machine.spare() {
            self.outgoing.fill(spare);
        }
        match message {
            Message::Text(text) => {
                Telemetry::add(&telemetry.frames_received, 1);
                self.ticket.machine.on_text(&text, at, &mut heard);
                self.doubt(&text, at, &heard);
                self.record_frame(Some(&text), at, &heard);
            }
            Message::Binary(bytes) => {
                Telemetry::add(&telemetry.frames_received, 1);
                let text = std::str::from_utf8(&bytes);
                match text {
                    Ok(text) => self.ticket.machine.on_text(text, at, &mut heard),
                    Err(_) => heard.push(Heard::Malformed("a binary message that is no UTF-8 text".to_owned())),
                }
                self.record_frame(text.ok(), at, &heard);
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
        // Reuses the allocation.
        self.heard = heard;
        if self.confirmed && !self.shown_life {
            self.shown_life = true;
            self.notify(ConnectionNews::Alive);
        }
        Ok(())
    }

    /// When the frames that are at hand were received.
    fn receipt(&mut self) -> Receipt {
        if let Some(received) = self.received {
            return received;
        }
        let received = self.ticket.clock.receipt();
        self.received = Some(received);
        self.on_frame(received.ours);
        received
    }

    /// Times that are too late to be believed may mean that our clock is behind.
    fn doubt(&self, text: &str, at: Receipt, heard: &[Heard]) {
        for heard in heard {
            if let Heard::Event(event) = heard
                && event.unreadable > 0
                && let Some(conversation) = &event.conversation_id
                && let Some(time) = oldest_after(text, at.trusted_until)
            {
                self.ticket.clock.doubt(conversation, time);
            }
        }
    }

    fn on_frame(&self, at: Moment) {
        self.last_frame.store(at.epoch_ms(), Ordering::Relaxed);
        self.ticket.telemetry.on_frame(at);
    }

    fn on_control_frame(&self, at: Moment) {
        Telemetry::add(&self.ticket.telemetry.control_frames, 1);
        self.record_sign_of_life(1, at);
    }

    fn check_timers(&mut self) -> Ends<()> {
        if self.signals.stop.is_cancelled() {
            return Err(CloseReason::Stopped);
        }
        if self.signals.retiring.load(Ordering::SeqCst) && !self.is_closing {
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
            Heard::Event(event) => {
                if self.outgoing.push(event) {
                    self.hand_over();
                }
            }
            Heard::Confirmed => self.confirm(),
            Heard::Alive => {}
            Heard::Pong => self.heartbeat.on_pong(),
            Heard::Refused(refusal) => return Err(CloseReason::Refused(refusal)),
            Heard::Send { text, why } => {
                if let Some(why) = self.told.warnings.came(why, Instant::now()) {
                    log::warn!("connection {connection}: {why}");
                }
                self.send(Message::text(text))?;
                self.heartbeat
                    .on_sent_again(self.ticket.machine.handshake_limit(), Instant::now());
            }
            Heard::SocketClosing => {
                if self.told.closing.is_first() {
                    self.notify(ConnectionNews::SocketClosing);
                }
            }
            Heard::SubscriptionsChanged => {
                self.told.on_change();
                self.tell_change();
            }
            Heard::TokenRevoked => {
                if self.told.revoked.is_first() {
                    self.notify(ConnectionNews::TokenRevoked);
                }
            }
            Heard::NoLongerSubscribed(why) => return Err(CloseReason::TakenOver(why)),
            Heard::ChannelGone => return Err(CloseReason::ChannelGone),
            Heard::ServerError(text) => {
                Telemetry::add(&self.ticket.telemetry.server_errors, 1);
                if let Some(text) = self.told.errors.came(&text, Instant::now()) {
                    self.tell_error(&text);
                }
            }
            Heard::Malformed(what) => {
                Telemetry::add(&self.ticket.telemetry.malformed, 1);
                log::debug!("connection {connection}: malformed frame: {what}");
            }
            Heard::Incomplete {
                metric_type,
                what,
                unreadable,
            } => {
                Telemetry::add(&self.ticket.telemetry.unreadable, u64::from(unreadable));
                let warns = self.ticket.telemetry.on_incomplete(&metric_type, Instant::now());
                let level = if warns { log::Level::Warn } else { log::Level::Debug };
                let metric_type: String = metric_type.chars().take(60).collect();
                log::log!(
                    level,
                    "connection {connection}: a {metric_type} event came without {what}; it is counted"
                );
                if warns {
                    let journal = &self.ticket.journal;
                    journal.audit(|| entries::incomplete(connection, &metric_type, what, Moment::now()));
                }
            }
        }
        Ok(())
    }

    fn hand_over(&mut self) {
        self.outgoing
            .hand_over(self.heartbeat.next_due(), self.signals.stop.receiver());
    }

    fn hand_over_ahead(&mut self, until: Instant) {
        self.outgoing.hand_over_ahead(until, self.signals.stop.receiver());
    }

    /// After the end of the connection: hands over what it delivered, as long as the run goes on.
    fn hand_over_rest(&mut self) {
        self.hand_over();
        while self.outgoing.is_ahead() && !self.signals.stop.is_cancelled() {
            self.hand_over_ahead(Instant::now() + STOP_CHECK);
        }
        let until = Instant::now() + STOP_CHECK;
        while self.outgoing.is_ahead() && Instant::now() < until && !self.signals.cut.is_cancelled() {
            self.hand_over_ahead(until);
            // The stop signal is set, so waiting for room returns at once.
            let _ = self.signals.cut.wait(POLL_PAUSE);
        }
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

    fn tell_error(&self, text: &str) {
        let connection = self.ticket.connection;
        log::warn!("connection {connection}: the service reports an error: {text}");
        let journal = &self.ticket.journal;
        journal.audit(|| entries::service_error(connection, text, Moment::now()));
    }

    fn tell_change(&mut self) {
        if self.told.tells_change(Instant::now()) {
            self.notify(ConnectionNews::SubscriptionsChanged);
        }
    }

    /// Tells what a peer repeated and was not told yet.
    fn tell_rest(&self) {
        self.told.errors.rest().for_each(|text| self.tell_error(&text));
        for why in self.told.warnings.rest() {
            log::warn!("connection {}: {why}", self.ticket.connection);
        }
    }

    /// Tells what is due of that which a peer repeated.
    fn tell_due(&mut self) {
        self.tell_change();
        for text in self.told.errors.due(Instant::now()) {
            self.tell_error(&text);
        }
        for why in self.told.warnings.due(Instant::now()) {
            log::warn!("connection {}: {why}", self.ticket.connection);
        }
    }

    fn notify(&mut self, news: ConnectionNews) {
        // What came before it is in the buffer when the supervisor reads it.
        self.hand_over();
        let notice = Notice::Connection {
            connection: self.ticket.connection,
            news,
        };
        // Fails only when the whole stream has ended.
        let _ = self.ticket.notices.send(notice);
    }
}

#[cfg(test)]
mod tests;
