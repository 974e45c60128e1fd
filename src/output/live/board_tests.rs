//! Keys change what is shown, and nothing else.
//!
//! In: keys · Out: assertions on the board · Thread: the test's.

use super::*;
use crate::output::testing::{SALES, SUPPORT, a_snapshot};
use proptest::prelude::*;

/// Presses what the text says: `>` Enter, `<` Escape, `^` up, `v` down, `}` End, `]` PgDn, `-` Backspace, anything else its
/// letter.
fn press(board: &mut Board, keys: &str) -> Act {
    let (snapshot, history) = (Arc::new(a_snapshot()), History::default());
    let mut act = Act::Redraw;
    for c in keys.chars() {
        let key = match c {
            '>' => Key::Enter,
            '<' => Key::Escape,
            '^' => Key::Up,
            'v' => Key::Down,
            '}' => Key::End,
            ']' => Key::PageDown,
            '-' => Key::Backspace,
            c => Key::Char(c),
        };
        act = board.press(key, &snapshot, &history);
    }
    act
}

fn after(keys: &str) -> Board {
    let mut board = Board::default();
    press(&mut board, keys);
    board
}

#[test]
fn the_end_is_the_end_before_anything_is_drawn_too() {
    assert_eq!(after("e}v]v").scroll, usize::MAX);
    assert_eq!(after("}").selected, after("v]").selected);
    assert_ne!(after("}").selected, after("v").selected);
}

#[test]
fn q_quits_but_not_in_a_filter() {
    assert_eq!(press(&mut Board::default(), "q"), Act::Quit);
    let mut board = Board::default();
    assert_eq!(press(&mut board, "/q"), Act::Redraw);
    assert_eq!(board.queue_filter, "q");
    assert_eq!(press(&mut board, ">q"), Act::Quit);
}

#[test]
fn the_filter_is_typed_kept_and_cleared() {
    let board = after("/sup-p");
    assert_eq!((board.queue_filter.as_str(), board.is_typing), ("sup", true));
    let board = after("/sup>");
    assert_eq!((board.queue_filter.as_str(), board.is_typing), ("sup", false));
    let board = after("/sup><");
    assert_eq!((board.queue_filter.as_str(), board.is_typing), ("", false));
    let board = after("/sup<");
    assert_eq!((board.queue_filter.as_str(), board.is_typing), ("", false));
    let board = after("a/meal>a");
    assert_eq!((board.queue_filter.as_str(), board.agent_filter.as_str()), ("", "meal"));
    let board = after("e/s");
    assert_eq!((board.page, board.queue_filter.as_str()), (Page::Queues, "s"));
    assert_eq!(
        after(&format!("/{}", "x".repeat(500))).queue_filter.len(),
        LONGEST_FILTER
    );
}

#[test]
fn pages_open_and_close() {
    for (keys, page) in [
        ("", Page::Queues),
        ("?", Page::Help),
        ("??", Page::Queues),
        ("a", Page::Agents),
        ("ae", Page::Changes),
        ("ae<", Page::Queues),
        (">", Page::Queue(Id::new(SALES))),
        ("vv>", Page::Queue(Id::new(SUPPORT))),
        ("vvvvv^>", Page::Queue(Id::new(SALES))),
        ("/supp>>", Page::Queue(Id::new(SUPPORT))),
        ("/none>>", Page::Queues),
        (">-", Page::Queues),
    ] {
        assert_eq!(after(keys).page, page, "{keys}");
    }
    let mut board = after(">");
    let (snapshot, history) = (Arc::new(a_snapshot()), History::default());
    board.press(Key::Right, &snapshot, &history);
    assert_eq!(board.page, Page::Queue(Id::new(SUPPORT)));
    board.press(Key::Left, &snapshot, &history);
    assert_eq!(board.page, Page::Queue(Id::new(SALES)));
}

#[test]
fn sorting_belongs_to_the_page() {
    assert_eq!(after("ss").queue_order.by, QueueSort::Waiting);
    let board = after("ssSas");
    assert!(board.queue_order.is_reversed);
    assert_eq!(board.agent_order.by, AgentSort::Name);
    assert!(
        !after("sSs").queue_order.is_reversed,
        "a new order begins in its own direction"
    );
}

#[test]
fn pause_keeps_the_snapshot() {
    assert!(after("p").paused.is_some() && after("pp").paused.is_none());
    assert!(after("t").is_local && !after("tt").is_local);
}

proptest! {
    #[test]
    fn any_keys_leave_a_board_that_works(keys in "[qatepsS/?<>^v\\-x]{0,40}") {
        let mut board = after(&keys);
        // Whatever was typed, the way back ends at the queues, and `q` quits there.
        press(&mut board, "<<<<");
        prop_assert_eq!(&board.page, &Page::Queues);
        prop_assert_eq!(press(&mut board, "q"), Act::Quit);
    }
}
