//! What is around the state machine: a service, sockets and the time, all at random.
//!
//! In: random choices · Out: news to the machine, checks of its acts and of its state · Thread: the test's.

mod deaf;
mod hostile;
mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::super::{Clock, Core};
use crate::config::{Config, Protocol};
use crate::event::change::Change;
use crate::event::notice::{CloseReason, ConnectionNews};
use crate::protocol::topic_plan::TopicPlan;
use crate::supervisor::End;
use crate::supervisor::acts::{Act, Call, CallId, News};
use crate::supervisor::core::CLOSE_LIMIT;
use crate::supervisor::planning::Plan;
use crate::supervisor::process::MAX_SOCKETS;
use crate::{ErrorKind, Moment, Secret};

/// What is under way, for the checks of each part.
pub(in crate::supervisor) struct UnderWay {
    pub(in crate::supervisor) now: Instant,
    pub(in crate::supervisor) next_due: Option<Instant>,
    pub(in crate::supervisor) calls: BTreeSet<CallId>,
    pub(in crate::supervisor) sockets: BTreeSet<u32>,
    /// The session asks for a token, or will by itself.
    pub(in crate::supervisor) is_token_asked: bool,
    pub(in crate::supervisor) is_token_usable: bool,
    pub(in crate::supervisor) is_full: bool,
    pub(in crate::supervisor) is_replacing: bool,
    pub(in crate::supervisor) is_leaving: bool,
    pub(in crate::supervisor) has_retiring: bool,
}

impl UnderWay {
    /// The machine will be woken by then.
    #[track_caller]
    pub(in crate::supervisor) fn wakes_by(&self, due: Instant) {
        let is_woken = self.next_due.is_some_and(|next| next <= due);
        assert!(is_woken, "nothing wakes it: next {:?}, due {due:?}", self.next_due);
    }
}

fn sound_config() -> &'static Config {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    CONFIG.get_or_init(|| {
        Config::builder()
            .region("http://127.0.0.1:1")
            .client_id("id")
            .client_secret(Secret::new("secret"))
            .build()
            .expect("a configuration")
    })
}

/// A socket as the other side knows it.
struct Socket {
    line: usize,
    confirmed: Option<Moment>,
    is_alive: bool,
    /// It was told to close, or to retire.
    is_told: bool,
    last_frame: Moment,
}

pub(super) struct World {
    core: Core,
    began: Instant,
    now: Instant,
    at: Moment,
    choices: Vec<u32>,
    next_choice: usize,
    calls: BTreeMap<CallId, Call>,
    sockets: BTreeMap<u32, Socket>,
    /// Connections that were cut.
    cut: Vec<u32>,
    /// Begins of the open gaps of each line.
    gaps: BTreeMap<usize, Vec<Moment>>,
    /// The topics of each channel, and since when some that were accepted are gone.
    subscribed: BTreeMap<String, BTreeSet<String>>,
    lost: BTreeMap<String, Moment>,
    /// When the process was stopped last.
    frozen: Option<Instant>,
    /// When each call was begun.
    asked: BTreeMap<CallId, Instant>,
    /// Lines that were covered before.
    covered: BTreeSet<usize>,
    ended: bool,
    /// The last gap that was opened, and whether it was in the turn of now.
    opened: Option<(usize, Moment)>,
    channels: u64,
    is_stopping: bool,
    /// How often our wall clock was set.
    settings: u32,
    /// When calls and connections were begun.
    begun: Vec<Instant>,
}

impl World {
    pub(super) fn new(protocol: Protocol, choices: &[u32]) -> Self {
        let mut config = sound_config().clone();
        config.protocol = protocol;
        if choices.first().is_some_and(|first| first.is_multiple_of(4)) {
            config.reconnect.max_attempts = 20;
        }
        config.reconnect.max_channels_per_hour = 2 + choices.last().map_or(58, |last| last % 60);
        let (now, at) = (Instant::now(), Moment::now());
        let mut world = Self {
            core: Core::new(&Arc::new(config), choices.len().is_multiple_of(5), (now, at)),
            began: now,
            now,
            at,
            choices: choices.to_vec(),
            next_choice: 0,
            calls: BTreeMap::new(),
            sockets: BTreeMap::new(),
            cut: Vec::new(),
            gaps: BTreeMap::new(),
            subscribed: BTreeMap::new(),
            lost: BTreeMap::new(),
            frozen: None,
            asked: BTreeMap::new(),
            covered: BTreeSet::new(),
            ended: false,
            opened: None,
            channels: 0,
            is_stopping: false,
            settings: 0,
            begun: Vec::new(),
        };
        let acts = world.turn(Core::begin);
        world.carry_out(acts);
        world
    }

    /// Goes on with so many lines, as after a listing.
    pub(super) fn plan(&mut self, lines: usize) {
        let version = self.number(3);
        let topics = |line| vec![format!("topic.{line}.{version}"), format!("other.{line}")];
        let channels = (0..lines).map(topics).collect();
        let acts = self.turn(|core, clock| {
            core.follow_for_test(
                Plan {
                    queues: Some(Vec::new()),
                    topics: TopicPlan { channels },
                },
                clock,
            )
        });
        self.carry_out(acts);
        self.settle();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    fn is_over(&self) -> bool {
        self.next_choice >= self.choices.len()
    }

    /// The next choice among so many.
    fn number(&mut self, below: usize) -> usize {
        let choice = self.choices.get(self.next_choice).copied().unwrap_or(0);
        self.next_choice += 1;
        choice as usize % below.max(1)
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.number(many) == 1
    }

    fn turn(&mut self, turn: impl FnOnce(&mut Core, Clock<'_>) -> Vec<Act>) -> Vec<Act> {
        // Like a draw of its own for each pause, but the same in each run of this history.
        let mut seed = self.next_choice as f64;
        let mut draw = move || {
            seed += 0.618;
            seed.fract()
        };
        turn(
            &mut self.core,
            Clock {
                now: self.now,
                at: self.at,
                draw: &mut draw,
            },
        )
    }

    fn tell(&mut self, news: News) {
        self.opened = None;
        let acts = self.turn(|core, clock| core.on(news, clock));
        self.carry_out(acts);
        self.settle();
    }

    /// What is due is done, as the driver does after each news; then everything must hold.
    fn settle(&mut self) {
        for round in 0.. {
            if self.ended && !self.is_stopping {
                return;
            }
            let acts = self.turn(Core::on_due);
            let is_quiet = acts.is_empty();
            self.carry_out(acts);
            let is_due = self.core.next_due().is_some_and(|due| due <= self.now);
            if is_quiet && !is_due {
                break;
            }
            assert!(round < 10, "it goes round and round: {:?}", self.core.next_due());
        }
        if !self.is_stopping {
            self.check();
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.at = self.at.plus(time);
        self.settle();
    }

    fn carry_out(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Call(id, call) => {
                    assert!(!self.is_stopping, "a call after the stop");
                    self.note_begun();
                    self.calls.insert(id, call);
                    self.asked.insert(id, self.now);
                }
                Act::Open(open) => {
                    assert!(!self.is_stopping, "a socket after the stop");
                    self.note_begun();
                    let line = self
                        .core
                        .line_of(open.connection)
                        .expect("the line of a new connection");
                    self.sockets.insert(
                        open.connection,
                        Socket {
                            line,
                            confirmed: None,
                            is_alive: false,
                            is_told: false,
                            last_frame: self.at,
                        },
                    );
                    assert!(self.sockets.len() <= MAX_SOCKETS, "{} sockets", self.sockets.len());
                }
                Act::Close(number) | Act::Retire(number) => {
                    let socket = self.sockets.get_mut(&number);
                    socket.expect("an act names a connection that is not over").is_told = true;
                }
                Act::Cut(number) => {
                    let socket = self.sockets.remove(&number);
                    assert!(socket.is_some(), "an act names connection {number}, which is over");
                    self.cut.push(number);
                }
                Act::Tell(Change::GapOpened { line, from, .. }) => {
                    self.gaps.entry(line).or_default().push(from);
                    self.opened = Some((line, from));
                }
                Act::Tell(Change::GapClosed { line, to }) => {
                    let from = self.gaps.remove(&line).expect("a gap that is open");
                    // Where our clock was set back, the ledger makes the gap begin and end at the same time.
                    let is_in_order = self.settings > 0 || from.iter().any(|from| *from <= to);
                    assert!(is_in_order, "a gap that ends before it begins");
                }
                Act::End(End::GaveUp(error)) => {
                    assert_ne!(error.kind(), ErrorKind::Internal, "{error}");
                    self.ended = true;
                }
                Act::End(_) => self.ended = true,
                Act::Tell(_) | Act::Audit(_) | Act::Log(..) | Act::TokenForRepair(_) | Act::QueuesForRepair(_) => {}
            }
        }
    }

    /// What holds in every state.
    fn check(&mut self) {
        let replacing = self.core.lines.iter().filter(|line| line.is_replacing()).count();
        assert!(replacing <= 1, "{replacing} replacements at a time");
        let open = self
            .core
            .lines
            .iter()
            .map(crate::supervisor::line::Line::open_connections)
            .sum::<usize>();
        assert_eq!(open, self.sockets.len(), "every socket is somebody's");
        let session = &self.core.process.session;
        let under_way = UnderWay {
            now: self.now,
            next_due: self.core.next_due(),
            calls: self.calls.keys().copied().collect(),
            sockets: self.sockets.keys().copied().collect(),
            is_token_asked: session.is_asking(),
            is_token_usable: session.usable(self.now).is_some(),
            is_full: self.core.lines.iter().map(|line| line.sockets()).sum::<usize>() >= MAX_SOCKETS,
            is_replacing: replacing > 0,
            is_leaving: self.core.process.channels.is_leaving_one(),
            has_retiring: self.core.lines.iter().any(|line| line.has_retiring()),
        };
        if session.number() > 0 && !session.is_asking() {
            under_way.wakes_by(session.next_due().expect("a token is renewed"));
        }
        self.core.planning.check(&under_way);
        self.core.process.channels.check(&under_way);
        for line in &self.core.lines {
            line.check(&under_way, &self.core.process);
        }
        self.check_coverage();
        self.is_patient();
    }

    /// Every interval in which the topics of a line are not covered is inside a gap.
    fn check_coverage(&mut self) {
        self.gaps.retain(|line, _| *line < self.core.lines.len());
        self.covered.retain(|line| *line < self.core.lines.len());
        for (at, line) in self.core.lines.iter().enumerate() {
            let is_covered = self
                .sockets
                .values()
                .any(|socket| socket.line == at && socket.confirmed.is_some() && !socket.is_told);
            if line.is_streaming() {
                self.covered.insert(at);
                assert_ne!(
                    line.is_covered(),
                    self.gaps.contains_key(&at),
                    "line {at}: a gap or not"
                );
                assert!(is_covered, "line {at} streams without a connection");
            } else if self.covered.contains(&at) {
                assert!(self.gaps.contains_key(&at), "line {at} is uncovered without a gap");
            }
        }
    }

    /// A random history, until the choices are used up or the run ends.
    pub(super) fn live(&mut self) {
        while !self.is_over() && !self.ended {
            match self.number(28) {
                0..=4 => {
                    let due = self.core.next_due().map(|due| due.saturating_duration_since(self.now));
                    let random = [5, 50, 500, 5_000, 50_000, 3_600_000][self.number(6)];
                    let random = Duration::from_millis(self.number(random) as u64);
                    match due.filter(|due| *due < Duration::from_secs(100_000)) {
                        Some(due) if !self.one_in(3) => self.pass(due),
                        _ => self.pass(random),
                    }
                }
                5..=9 => self.answer_one(),
                10..=12 => self.confirm_one(),
                13..=14 => self.show_life_of_one(),
                15..=16 => self.end_one(),
                17 => self.end_told(),
                18 => self.news_of_one(|_| ConnectionNews::SocketClosing),
                19 => self.news_of_one(|_| ConnectionNews::TokenRevoked),
                20 => {
                    if self.one_in(3) {
                        self.tell(News::TokenRefused);
                    }
                }
                21 => {
                    if self.core.lines.len() > 1 && self.one_in(2) {
                        let lines = 1 + self.number(18);
                        self.plan(lines);
                    }
                }
                22 => self.news_of_one_that_was_cut(),
                23 => self.lose_subscriptions(),
                24 => self.news_of_one(|_| ConnectionNews::SubscriptionsChanged),
                25 => self.freeze(),
                26 => self.set_clock(),
                _ => self.fail_to_open_one(),
            }
        }
    }

    fn pick<T: Copy>(&mut self, among: &[T]) -> Option<T> {
        if among.is_empty() {
            return None;
        }
        let at = self.number(among.len());
        among.get(at).copied()
    }

    fn socket(&mut self, is_it: impl Fn(&Socket) -> bool) -> Option<u32> {
        let found: Vec<u32> = self
            .sockets
            .iter()
            .filter(|(_, socket)| is_it(socket))
            .map(|(number, _)| *number)
            .collect();
        self.pick(&found)
    }

    fn news_of_one(&mut self, news: impl Fn(&Self) -> ConnectionNews) {
        if let Some(number) = self.socket(|_| true) {
            self.hear(number);
            let news = news(self);
            self.tell(News::Connection(number, news));
        }
    }

    fn hear(&mut self, number: u32) {
        if let Some(socket) = self.sockets.get_mut(&number) {
            socket.last_frame = self.at;
        }
    }

    fn confirm_one(&mut self) {
        if let Some(number) = self.socket(|socket| socket.confirmed.is_none()) {
            self.confirm(number);
        }
    }

    fn confirm(&mut self, number: u32) {
        self.hear(number);
        let at = self.at;
        if let Some(socket) = self.sockets.get_mut(&number) {
            socket.confirmed = Some(at);
        }
        self.tell(News::Connection(number, ConnectionNews::Confirmed(at)));
    }

    fn show_life_of_one(&mut self) {
        if let Some(number) = self.socket(|socket| socket.confirmed.is_some() && !socket.is_alive) {
            self.show_life(number);
        }
    }

    fn show_life(&mut self, number: u32) {
        self.hear(number);
        if let Some(socket) = self.sockets.get_mut(&number) {
            socket.is_alive = true;
        }
        self.tell(News::Connection(number, ConnectionNews::Alive));
    }

    fn end_told(&mut self) {
        if let Some(number) = self.socket(|socket| socket.is_told) {
            self.end(number, CloseReason::Replaced);
        }
    }

    fn end_one(&mut self) {
        if let Some(number) = self.socket(|_| true) {
            let reason = self.reason();
            self.end(number, reason);
        }
    }

    fn end(&mut self, number: u32, reason: CloseReason) {
        let Some(socket) = self.sockets.remove(&number) else {
            return;
        };
        let line = socket.line;
        let was_streaming = self.core.current_number(line) == Some(number) && socket.confirmed.is_some();
        // What it heard last may be long ago.
        let last_frame_at = match self.number(4) {
            0 => None,
            1 => Some(self.at),
            _ => Some(socket.last_frame),
        };
        self.tell(News::Connection(
            number,
            ConnectionNews::Ended { reason, last_frame_at },
        ));
        if was_streaming && !self.ended && !self.is_stopping {
            let last = last_frame_at.unwrap_or(self.at);
            let is_told = self.opened == Some((line, last));
            let next = self.sockets.values().find(|next| next.line == line && !next.is_told);
            let is_covered = next.is_some_and(|next| next.confirmed.is_some_and(|since| since <= last));
            assert!(is_told || is_covered, "uncovered since {last}: told {:?}", self.opened);
        }
    }

    fn answer_one(&mut self) {
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        if let Some(id) = self.pick(&calls) {
            let fails = self.one_in(4);
            self.answer(id, fails);
        }
    }

    fn answer(&mut self, id: CallId, fails: bool) {
        let Some(call) = self.calls.remove(&id) else { return };
        let answer = match fails {
            true => Err(self.error(&call)),
            false => Ok(self.sound_answer(&call)),
        };
        let asked = self.asked.remove(&id);
        self.tell(News::Answered(id, answer));
        if let (Call::ReadBack { channel, .. }, false) = (&call, fails) {
            self.check_loss(channel.reveal(), asked);
        }
    }

    /// From here on the service is sound and answers at once: all lines stream, with the topics of the newest plan and no
    /// gap open, and nothing is left to do.
    pub(super) fn calm_down(&mut self) {
        // Long-lived tokens and channels: nothing but what is left of the history is to be done.
        self.choices = vec![3];
        for _ in 0..2_000 {
            self.next_choice = 0;
            if self.ended {
                // A history that was about to give up.
                return;
            }
            if let Some(id) = self.calls.keys().next().copied() {
                self.choices = vec![if matches!(self.calls.get(&id), Some(Call::RenewChannel { .. })) {
                    2
                } else {
                    3
                }];
                self.answer(id, false);
            } else if let Some(number) = self.next_socket(|socket| socket.is_told) {
                self.end(number, CloseReason::Replaced);
            } else if let Some(number) = self.next_socket(|socket| socket.confirmed.is_none()) {
                self.confirm(number);
            } else if let Some(number) = self.next_socket(|socket| !socket.is_alive) {
                self.show_life(number);
            } else if self.core.is_settled()
                && self.core.is_covered()
                && self.core.is_up_to_date()
                && self.sockets.len() == self.core.lines.len()
                && !self.is_deaf()
            {
                assert!(self.gaps.is_empty(), "gaps stay open: {:?}", self.gaps);
                return;
            } else {
                let due = self.core.next_due().expect("something wakes it");
                self.pass(due.saturating_duration_since(self.now));
            }
        }
        panic!(
            "it does not come to rest: {:?} after {:?}",
            self.core.next_due(),
            self.now - self.began
        );
    }

    fn next_socket(&self, is_it: impl Fn(&Socket) -> bool) -> Option<u32> {
        let found = self.sockets.iter().find(|(_, socket)| is_it(socket));
        found.map(|(number, _)| *number)
    }

    /// The run is stopped; sockets end or do not.
    pub(super) fn stop(&mut self, choices: &[u32]) {
        self.choices = choices.to_vec();
        self.next_choice = 0;
        self.is_stopping = true;
        self.ended = true;
        let began = self.now;
        let acts = self.turn(Core::close);
        self.carry_out(acts);
        assert!(self.sockets.values().all(|socket| socket.is_told), "some were not told");
        while !self.core.is_closed() {
            let due = self.core.next_due().expect("an end of the closing");
            assert!(due <= began + CLOSE_LIMIT, "it takes longer than its limit");
            match self.number(4) {
                0 => self.pass(due.saturating_duration_since(self.now)),
                1 => self.answer_one(),
                2 => self.confirm_one(),
                _ => self.end_told(),
            }
        }
        assert!(self.sockets.is_empty(), "a socket is left");
        assert!(self.now <= began + CLOSE_LIMIT, "it took longer than its limit");
    }
}
