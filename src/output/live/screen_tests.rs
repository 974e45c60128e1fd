//! Golden screens of several sizes, and properties of screens of any size.
//!
//! In: snapshots · Out: assertions on whole screens · Thread: the test's.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::super::board::Board;
use super::super::changes::Changes;
use super::super::history::History;
use super::super::keys::Key;
use super::super::order::QueueSort;
use super::super::view::NO_LIMITS;
use super::*;
use crate::Id;
use crate::Moment;
use crate::config::{AgentLimits, Protocol};
use crate::model::snapshot::{
    AlertLevel, AlertName, AlertSnapshot, AllQueues, FreshnessSnapshot, LiveNumbers, MetricSnapshot, Numbers,
    ObservationSnapshot, ObservedSnapshot, WhyUnknown, WindowSnapshot,
};
use crate::output::record::tests::moment;
use crate::output::testing::{SALES, SUPPORT, a_gap, a_snapshot};
use crate::output::text::width;
use proptest::prelude::*;
use std::collections::BTreeMap;

static BOARD: LazyLock<Board> = LazyLock::new(Board::default);
static CHANGES: LazyLock<Changes> = LazyLock::new(Changes::default);

/// What is shown before a key is pressed.
fn a_view<'a>(snapshot: &'a Snapshot, history: &'a History) -> View<'a> {
    View {
        snapshot,
        now: snapshot.generated_at,
        region: "",
        since: "today",
        history,
        log: None,
        board: &BOARD,
        changes: &CHANGES,
        keys: Keys::Read,
        zone: None,
        limits: &NO_LIMITS,
    }
}

fn screen(snapshot: &Snapshot, cols: u16, rows: u16, log: Option<&str>) -> String {
    screen_at(snapshot, cols, rows, log, snapshot.generated_at)
}

fn screen_at(snapshot: &Snapshot, cols: u16, rows: u16, log: Option<&str>, now: Moment) -> String {
    let mut history = History::default();
    for (step, waiting) in [0, 2, 8, 3, 5].into_iter().enumerate() {
        let mut past = snapshot.clone();
        past.as_of = snapshot.as_of.minus(Duration::from_secs(5 * (4 - step as u64)));
        if past.totals.live.waiting.known().is_some() {
            past.totals.live.waiting = waiting.into();
        }
        history.add(&past);
    }
    let view = View {
        now,
        region: "mypurecloud.ie",
        since: "since start",
        log,
        ..a_view(snapshot, &history)
    };
    let lines = draw(&view, Size { cols, rows }, Ability::Plain).lines;
    assert!(lines.len() <= usize::from(rows));
    for line in &lines {
        assert!(width(line) <= usize::from(cols), "{line:?}");
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The golden screens are in `screens/`. To see what changed, run with `--nocapture`; with `GOLDEN_OUT` set, the screens
/// are written into that directory.
fn assert_screen(is: &str, want: &str) {
    println!("{is}");
    if let Some(directory) = std::env::var_os("GOLDEN_OUT") {
        let name = std::thread::current()
            .name()
            .unwrap_or_default()
            .rsplit("::")
            .next()
            .unwrap_or_default()
            .to_owned();
        std::fs::write(std::path::Path::new(&directory).join(name + ".txt"), is).unwrap();
    }
    assert_eq!(is, want, "\n--- is:\n{is}--- want:\n{want}");
}

fn with_metrics() -> Snapshot {
    let mut snapshot = a_snapshot();
    snapshot.connection.protocol = Protocol::Metrics;
    snapshot.totals = crate::model::snapshot::LiveTotals::default();
    snapshot.queues.clear();
    snapshot.users.clear();
    let fresh = |stale| FreshnessSnapshot {
        last_event_at: snapshot.as_of,
        stale,
    };
    snapshot.freshness = BTreeMap::from([("agent".to_owned(), fresh(true)), ("queue".to_owned(), fresh(false))]);
    for (name, value) in [
        ("queue.offered", 3.0),
        ("queue.serviceLevelPercent", 81.25),
        ("agent.answered", 7.0),
    ] {
        let metric = MetricSnapshot {
            value,
            timestamp: Some(moment("2026-05-04T14:05:30Z")),
            entity: None,
        };
        snapshot.metrics.insert(name.to_owned(), metric);
    }
    snapshot
}

fn with_many_queues() -> Snapshot {
    let mut snapshot = a_snapshot();
    let stats = |pairs: &[(&str, f64)]| -> BTreeMap<String, f64> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect()
    };
    let users = BTreeMap::from([
        ("IDLE".to_owned(), stats(&[("count", 4.0)])),
        ("INTERACTING".to_owned(), stats(&[("count", 5.0)])),
    ]);
    for n in 0..40_u64 {
        let mut queue = snapshot.queues[&Id::new(SALES)].clone();
        queue.name = Some(format!("販売部 {n}"));
        queue.live.waiting = (n % 3).into();
        queue.longest_wait_secs = (n % 3 > 0).then_some(31.25);
        if n == 2 {
            let users = (
                "oOnQueueUsers".to_owned(),
                ObservationSnapshot::Qualified(users.clone()),
            );
            queue.observations = BTreeMap::from([("all".to_owned(), BTreeMap::from([users]))]);
        }
        snapshot.queues.insert(Id::new(&format!("q{n}")), queue);
    }
    snapshot
}

fn some_numbers(offered: u64) -> Numbers {
    Numbers {
        offered,
        answered: offered * 8 / 10,
        abandoned: offered / 10,
        service_level_percent: Some(79.9),
        average_wait_secs: Some(14.2),
        average_handle_secs: Some(305.0),
        ..Numbers::default()
    }
}

/// An hour of windows: the first is covered in part, one is not covered, the last is not complete.
fn some_windows(snapshot: &Snapshot) -> Vec<WindowSnapshot> {
    (0..60_u64)
        .map(|n| WindowSnapshot {
            start: snapshot.as_of.minus(Duration::from_secs(60 * (60 - n))),
            granularity: "PT1M".into(),
            complete: n < 59,
            coverage_percent: match n {
                0 => 40.0,
                50 => 0.0,
                _ => 100.0,
            },
            numbers: some_numbers(n % 9),
            live: None,
        })
        .collect()
}

fn with_numbers() -> Snapshot {
    let mut snapshot = a_snapshot();
    let windows = some_windows(&snapshot);
    snapshot.all_queues = Some(AllQueues {
        totals: some_numbers(230),
        windows: windows.clone(),
        ..AllQueues::default()
    });
    for (n, queue) in snapshot.queues.values_mut().enumerate() {
        queue.totals = Some(some_numbers(100 + n as u64 * 30));
        queue.windows = Some(windows.iter().cloned().collect());
        queue.service_level_target_percent = Some(79.0 + n as f64);
    }
    snapshot
}

fn in_trouble() -> Snapshot {
    let mut snapshot = a_snapshot();
    snapshot.connection.state = ConnectionState::Backoff;
    snapshot.connection.cause = Some("socket closed (1006)".to_owned());
    snapshot.connection.gaps_total = 1;
    snapshot.connection.gaps = vec![a_gap(snapshot.as_of, None)];
    snapshot.counters.events_dropped = 3;
    snapshot
}

/// Of one queue nothing is known, another differs from what Genesys counts.
fn degraded() -> Snapshot {
    let mut snapshot = with_numbers();
    let sales = snapshot.queues.get_mut(&Id::new(SALES)).unwrap();
    sales.observed = Some(ObservedSnapshot {
        waiting: 0,
        interacting: 4,
        at: snapshot.as_of,
        differs_since: Some(snapshot.as_of.minus(Duration::from_secs(90))),
    });
    let support = snapshot.queues.get_mut(&Id::new(SUPPORT)).unwrap();
    support.unknown = Some(WhyUnknown::Refused("routing:conversation:view".to_owned()));
    support.live = LiveNumbers::UNKNOWN;
    support.longest_wait_secs = None;
    snapshot
}

#[test]
fn degraded_80x24() {
    assert_screen(
        &screen(&degraded(), 80, 24, None),
        include_str!("screens/degraded_80x24.txt"),
    );
}

/// No number is shown for a queue that became unknown, no total while none is known, and all queues keep their places.
#[test]
fn a_gap_hides_numbers_and_moves_no_row() {
    let mut snapshot = a_snapshot();
    for queue in snapshot.queues.values_mut() {
        queue.unknown = Some(WhyUnknown::Gap);
        queue.live = LiveNumbers::UNKNOWN;
        queue.longest_wait_secs = None;
    }
    let mut history = History::default();
    history.add(&a_snapshot());
    history.add(&snapshot);
    let mut board = Board::default();
    board.queue_order.by = QueueSort::Waiting;
    let view = View {
        board: &board,
        ..a_view(&snapshot, &history)
    };
    let lines = draw(&view, Size { cols: 80, rows: 24 }, Ability::Plain).lines;
    let text = lines.join("\n");
    assert!(text.contains("DEGRADED  all 2 queues unknown (gap)"), "{text}");
    assert!(text.contains("– waiting   – interacting"), "{text}");
    let row = |name: &str| lines.iter().position(|line| line.starts_with(name)).unwrap();
    assert!(row("Support") < row("Sales"), "as many waited there: {text}");
    assert_eq!(lines[row("Sales")].trim_end(), "Sales          – gap");
}

/// With colours the row of a queue that alerts is found by them, without by the sign in front of its name.
#[test]
fn a_queue_that_alerts_has_a_colour_and_a_sign() {
    let mut snapshot = a_snapshot();
    let history = History::default();
    let drawn = |snapshot: &Snapshot, ability| {
        let view = a_view(snapshot, &history);
        draw(&view, Size { cols: 80, rows: 24 }, ability).lines.join("\n")
    };
    let before = drawn(&snapshot, Ability::Plain);
    assert!(!before.contains('!'), "{before}");
    let alert = |level, since| AlertSnapshot {
        level,
        since,
        value: Some(9.0),
    };
    let at = snapshot.as_of;
    let sales = snapshot.queues.get_mut(&Id::new(SALES)).unwrap();
    sales.alerts.insert(AlertName::IdleAgents, alert(AlertLevel::Amber, at));
    let amber = drawn(&snapshot, Ability::Plain);
    assert!(amber.contains("\n! Sales") && !amber.contains("!!"), "{amber}");
    let colours = drawn(&snapshot, Ability::Colours);
    assert!(colours.contains("\x1b[33m! Sales"), "{colours:?}");
    let sales = snapshot.queues.get_mut(&Id::new(SALES)).unwrap();
    sales.alerts.insert(AlertName::Waiting, alert(AlertLevel::Red, at));
    assert!(drawn(&snapshot, Ability::Plain).contains("\n!! Sales"));
    let colours = drawn(&snapshot, Ability::Colours);
    assert!(colours.contains("\x1b[1;31m!! Sales"), "{colours:?}");
    // The number that alerts has the colour, too.
    let waiting = snapshot.queues[&Id::new(SALES)].live.waiting.known().unwrap();
    assert!(colours.contains(&format!("\x1b[1;31m{waiting}\x1b")), "{colours:?}");
    let block = crate::output::summary::block(&snapshot);
    assert!(
        block.contains("!! waiting red") && block.contains("! idle_agents amber"),
        "{block}"
    );
}

#[test]
fn usual_80x24() {
    let log = Some("[2026-05-04T14:05:12Z INFO  genesys_stream] token replaced");
    assert_screen(
        &screen(&a_snapshot(), 80, 24, log),
        include_str!("screens/usual_80x24.txt"),
    );
}

#[test]
fn small_40x10() {
    assert_screen(
        &screen(&a_snapshot(), 40, 10, Some("a log line")),
        include_str!("screens/small_40x10.txt"),
    );
}

#[test]
fn large_120x40() {
    assert_screen(
        &screen(&with_many_queues(), 120, 40, None),
        include_str!("screens/large_120x40.txt"),
    );
}

#[test]
fn trouble_80x24() {
    let snapshot = in_trouble();
    let later = snapshot.generated_at.plus(Duration::from_secs(2));
    assert_screen(
        &screen_at(&snapshot, 80, 24, None, later),
        include_str!("screens/trouble_80x24.txt"),
    );
}

#[test]
fn numbers_80x24() {
    assert_screen(
        &screen(&with_numbers(), 80, 24, None),
        include_str!("screens/numbers_80x24.txt"),
    );
}

#[test]
fn numbers_160x20() {
    assert_screen(
        &screen(&with_numbers(), 160, 20, None),
        include_str!("screens/numbers_160x20.txt"),
    );
}

/// Numbers that gaps make incomplete are dim and marked, and a window without coverage shows no number.
#[test]
fn gaps_are_never_shown_as_fact() {
    let history = History::default();
    let drawn = |snapshot: &Snapshot| {
        let view = a_view(snapshot, &history);
        draw(&view, Size { cols: 160, rows: 24 }, Ability::Colours)
            .lines
            .join("\n")
    };
    let mut snapshot = with_numbers();
    let well = drawn(&snapshot);
    // Sales reaches its 79 %, Support misses its 80 % by a tenth.
    assert!(
        well.contains("\x1b[32m79/79% ") && well.contains("\x1b[1;31m79/80%!"),
        "{well}"
    );
    assert!(
        well.contains("\x1b[2m·\x1b[0m") && !well.contains("NOT COMPLETE"),
        "{well}"
    );
    snapshot.connection.gaps = vec![a_gap(snapshot.as_of, Some(snapshot.as_of))];
    let gap = drawn(&snapshot);
    assert!(
        gap.contains("NOT COMPLETE (1 gap)") && gap.contains("\x1b[2m79/80%!"),
        "{gap}"
    );
    snapshot.connection.gaps[0].repaired = true;
    assert!(!drawn(&snapshot).contains("NOT COMPLETE"));
}

#[test]
fn metrics_80x24() {
    assert_screen(
        &screen(&with_metrics(), 80, 24, None),
        include_str!("screens/metrics_80x24.txt"),
    );
}

#[test]
fn old_numbers_never_look_current() {
    let history = History::default();
    let coloured = |snapshot: &Snapshot, later: u64| {
        let view = View {
            now: snapshot.generated_at.plus(Duration::from_secs(later)),
            ..a_view(snapshot, &history)
        };
        draw(&view, Size { cols: 100, rows: 24 }, Ability::Colours)
            .lines
            .join("\n")
    };
    let row = |text: &str| text.lines().find(|line| line.contains("Support")).unwrap().to_owned();
    let well = coloured(&a_snapshot(), 1);
    assert!(!well.contains("NO NEW NUMBERS") && row(&well).contains("\x1b[33m"));
    // The aggregator hangs: only the clock shows it.
    let hanging = coloured(&a_snapshot(), 9);
    assert!(hanging.contains("NO NEW NUMBERS FOR 9.0 s"), "{hanging}");
    assert!(row(&hanging).starts_with("\x1b[2m") && !row(&hanging).contains("\x1b[33m"));
    assert!(coloured(&in_trouble(), 1).contains("NOT LIVE"));
    let mut stopped = a_snapshot();
    stopped.connection.state = ConnectionState::Stopped;
    assert!(coloured(&stopped, 1).contains("STOPPED"));
    let mut stale = with_metrics();
    stale.freshness.values_mut().for_each(|kind| kind.stale = true);
    assert!(coloured(&stale, 1).contains("STALE"));
}

#[test]
fn names_are_text_only() {
    let mut snapshot = a_snapshot();
    snapshot.queues.get_mut(&Id::new(SALES)).unwrap().name = Some("\x1b[2J\x1b]0;x\x07\u{202e}".to_owned());
    snapshot.connection.cause = Some("\x1b[1m\r\n".to_owned());
    snapshot.connection.state = ConnectionState::Backoff;
    let text = screen(&snapshot, 80, 24, Some("\x1bc"));
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}

/// A day with everything on it: numbers, agents with names, changes, alerts.
fn a_full_day() -> (Snapshot, Changes) {
    let mut snapshot = with_numbers();
    for (n, name) in ["Mail", "Returns", "Technical Desk", "VIP"].into_iter().enumerate() {
        let mut queue = snapshot.queues[&Id::new(SALES)].clone();
        queue.name = Some(name.to_owned());
        snapshot.queues.insert(Id::new(&format!("q{n}")), queue);
    }
    let sales = snapshot.queues.get_mut(&Id::new(SALES)).unwrap();
    let mut voice = crate::model::snapshot::MediaSnapshot::default();
    (voice.live, voice.totals) = (sales.live, some_numbers(100));
    sales.by_media.insert("voice".to_owned(), Box::new(voice));
    let count = |count| BTreeMap::from([("count".to_owned(), count)]);
    let by = BTreeMap::from([("IDLE".to_owned(), count(2.0)), ("INTERACTING".to_owned(), count(4.0))]);
    let metrics = BTreeMap::from([
        ("oOnQueueUsers".to_owned(), ObservationSnapshot::Qualified(by)),
        ("oMemberUsers".to_owned(), ObservationSnapshot::Plain(count(9.0))),
    ]);
    sales.observations.insert("all".to_owned(), metrics);
    for n in 0..12_u64 {
        let user = snapshot.users.entry(Id::new(&format!("u{n}"))).or_default();
        user.name = Some(format!("Example Agent {n}"));
        user.routing_status.get_or_insert_with(|| "IDLE".to_owned());
        user.since = Some(snapshot.as_of.minus(Duration::from_secs(17 * n + 5)));
        user.queues = Vec::from_iter((n % 2 == 0).then(|| Id::new(SALES)));
    }
    let mut changes = Changes::default();
    let from = moment("2026-05-04T03:00:00Z");
    let mut gap = a_gap(from, Some(from.plus(Duration::from_secs(12))));
    changes.gap(&gap, from);
    gap.repaired = true;
    changes.gap(&gap, from.plus(Duration::from_secs(15)));
    (snapshot, changes)
}

fn pressed(keys: &str, snapshot: &Snapshot) -> Board {
    let (snapshot, history) = (Arc::new(snapshot.clone()), History::default());
    let mut board = Board::default();
    for key in keys.chars() {
        let key = if key == '>' { Key::Enter } else { Key::Char(key) };
        board.press(key, &snapshot, &history);
    }
    board
}

/// The screen after these keys, `>` being Enter.
fn screen_after(keys: &str, day: &(Snapshot, Changes), cols: u16, rows: u16) -> String {
    screen_with(&NO_LIMITS, keys, day, Size { cols, rows })
}

fn screen_with(limits: &AgentLimits, keys: &str, (snapshot, changes): &(Snapshot, Changes), size: Size) -> String {
    let (history, board) = (History::default(), pressed(keys, snapshot));
    let view = View {
        board: &board,
        changes,
        limits,
        ..a_view(snapshot, &history)
    };
    let lines = draw(&view, size, Ability::Plain).lines;
    assert!(lines.len() <= usize::from(size.rows), "{keys} {size:?}");
    for line in &lines {
        assert!(width(line) <= usize::from(size.cols), "{keys} {size:?}: {line:?}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn wide_200x60() {
    let is = screen_after("", &a_full_day(), 200, 60);
    assert_screen(&is, include_str!("screens/wide_200x60.txt"));
}

#[test]
fn queue_100x40() {
    let is = screen_after("/sales>>", &a_full_day(), 100, 40);
    assert_screen(&is, include_str!("screens/queue_100x40.txt"));
}

#[test]
fn agents_80x24() {
    let is = screen_after("a", &a_full_day(), 80, 24);
    assert_screen(&is, include_str!("screens/agents_80x24.txt"));
}

#[test]
fn agents_beyond_limits_80x24() {
    let limits = [("IDLE", [100.0, 170.0].into()), ("INTERACTING", [30.0, 4000.0].into())];
    let is = screen_with(
        &AgentLimits(limits.into()),
        "a",
        &a_full_day(),
        Size { cols: 80, rows: 24 },
    );
    assert_screen(&is, include_str!("screens/agents_beyond_limits_80x24.txt"));
}

#[test]
fn changes_80x24() {
    let is = screen_after("e", &a_full_day(), 80, 24);
    assert_screen(&is, include_str!("screens/changes_80x24.txt"));
}

#[test]
fn help_80x24() {
    let is = screen_after("?", &a_full_day(), 80, 24);
    assert_screen(&is, include_str!("screens/help_80x24.txt"));
}

/// All times on a screen are of the zone that the viewer chose.
#[test]
fn local_times() {
    let (snapshot, changes) = a_full_day();
    let (history, board) = (History::default(), pressed("et", &snapshot));
    let zone = crate::config::TimeZone::fixed(120);
    let view = View {
        board: &board,
        changes: &changes,
        zone: Some(&zone),
        ..a_view(&snapshot, &history)
    };
    let text = draw(&view, Size { cols: 100, rows: 24 }, Ability::Plain)
        .lines
        .join("\n");
    assert!(
        text.contains("16:05:30 local") && text.contains("05:00:15  gap"),
        "{text}"
    );
    assert!(!text.contains("UTC"), "{text}");
}

/// A queue that is selected is on the screen, wherever it stands in the table.
#[test]
fn the_selected_queue_is_in_sight() {
    let snapshot = with_many_queues();
    let history = History::default();
    let rows = super::super::order::queues(&snapshot, &history, Board::default().queue_order, "");
    for (id, _) in rows {
        let board = Board {
            selected: Some(id.clone()),
            ..Board::default()
        };
        let view = View {
            board: &board,
            ..a_view(&snapshot, &history)
        };
        let lines = draw(&view, Size { cols: 40, rows: 10 }, Ability::Plain).lines;
        assert!(lines.iter().any(|line| line.starts_with("> ")), "{id}: {lines:?}");
    }
}

#[test]
fn five_digits_are_whole() {
    let mut snapshot = a_snapshot();
    let sales = snapshot.queues.get_mut(&Id::new(SALES)).unwrap();
    sales.live.after_call_work = 12_345.into();
    assert!(screen(&snapshot, 80, 24, None).contains("12345"));
}

proptest! {
    #[test]
    fn fits_any_size(cols in 0_u16..210, rows in 0_u16..65, pick in 0..6, name in "\\PC{0,40}", waiting in any::<u64>()) {
        let mut snapshot = match pick {
            0 => a_snapshot(),
            1 => with_many_queues(),
            2 => with_metrics(),
            3 => with_numbers(),
            4 => degraded(),
            _ => in_trouble(),
        };
        if let Some(queue) = snapshot.queues.values_mut().next() {
            queue.name = Some(name);
            queue.live.waiting = waiting.into();
            queue.longest_wait_secs = Some(waiting as f64);
        }
        let (_, changes) = a_full_day();
        let day = (snapshot.clone(), changes);
        for keys in ["", "a", "e", "?", ">", "/x"] {
            screen_after(keys, &day, cols, rows);
        }
        screen(&snapshot, cols, rows, Some("a log line that is longer than most terminals are wide, again and again and again"));
    }
}
