//! What the viewer has chosen: the page, the order, the filters, the selected queue.
//!
//! In: keys · Out: the next choice, `Act` · Thread: any (pure).

use std::sync::Arc;

use super::history::History;
use super::keys::Key;
use super::order::{self, AgentSort, Order, QueueSort};
use crate::Id;
use crate::model::snapshot::Snapshot;

/// What is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Page {
    #[default]
    Queues,
    /// One queue.
    Queue(Id),
    Agents,
    Changes,
    Help,
}

/// What a key asks of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Redraw,
    Quit,
}

/// Rows that Page Up and Page Down move by.
const PAGE_ROWS: usize = 10;
/// Characters of a filter.
const LONGEST_FILTER: usize = 40;

/// The choices of the viewer.
#[derive(Clone, Debug, Default)]
pub(super) struct Board {
    pub(super) page: Page,
    pub(super) queue_order: Order<QueueSort>,
    pub(super) agent_order: Order<AgentSort>,
    pub(super) queue_filter: String,
    pub(super) agent_filter: String,
    /// Whether letters go to the filter.
    pub(super) is_typing: bool,
    pub(super) selected: Option<Id>,
    /// The first line shown of a page that is longer than the screen.
    pub(super) scroll: usize,
    /// Whether times are those of this machine's zone instead of UTC.
    pub(super) is_local: bool,
    /// The snapshot that stays on the screen.
    pub(super) paused: Option<Arc<Snapshot>>,
}

impl Board {
    /// The filter of the page that is shown.
    pub(super) fn filter(&self) -> Option<&str> {
        match self.page {
            Page::Queues => Some(&self.queue_filter),
            Page::Agents => Some(&self.agent_filter),
            Page::Queue(_) | Page::Changes | Page::Help => None,
        }
    }

    fn filter_mut(&mut self) -> Option<&mut String> {
        match self.page {
            Page::Queues => Some(&mut self.queue_filter),
            Page::Agents => Some(&mut self.agent_filter),
            Page::Queue(_) | Page::Changes | Page::Help => None,
        }
    }

    /// Takes a key. `newest` is the newest snapshot.
    pub(super) fn press(&mut self, key: Key, newest: &Arc<Snapshot>, history: &History) -> Act {
        if self.is_typing && self.type_filter(key) {
            return Act::Redraw;
        }
        match key {
            Key::Char('q') => return Act::Quit,
            Key::Char('?') => self.turn_to(Page::Help),
            Key::Char('a') => self.turn_to(Page::Agents),
            Key::Char('e') => self.turn_to(Page::Changes),
            Key::Char('t') => self.is_local = !self.is_local,
            Key::Char('p') => {
                self.paused = match self.paused {
                    Some(_) => None,
                    None => Some(Arc::clone(newest)),
                }
            }
            Key::Char('/') => {
                if self.filter().is_none() {
                    self.open(Page::Queues);
                }
                self.is_typing = true;
            }
            Key::Char('s') => match self.page {
                Page::Queues => self.queue_order.next(),
                Page::Agents => self.agent_order.next(),
                Page::Queue(_) | Page::Changes | Page::Help => {}
            },
            Key::Char('S') => match self.page {
                Page::Queues => self.queue_order.is_reversed ^= true,
                Page::Agents => self.agent_order.is_reversed ^= true,
                Page::Queue(_) | Page::Changes | Page::Help => {}
            },
            Key::Escape | Key::Backspace => self.back(),
            Key::Enter => {
                if self.page == Page::Queues {
                    self.select(newest, history, |at, _| at);
                    if let Some(queue) = self.selected.clone() {
                        self.open(Page::Queue(queue));
                    }
                }
            }
            Key::Up => self.step(newest, history, |at, _| at.saturating_sub(1)),
            Key::Down => self.step(newest, history, |at, _| at.saturating_add(1)),
            Key::PageUp => self.step(newest, history, |at, _| at.saturating_sub(PAGE_ROWS)),
            Key::PageDown => self.step(newest, history, |at, _| at.saturating_add(PAGE_ROWS)),
            Key::Home | Key::End if self.page == Page::Queues => {
                self.select(newest, history, |_, most| if key == Key::End { most } else { 0 });
            }
            Key::Home => self.scroll = 0,
            // The screen says how far it can be scrolled when it is drawn.
            Key::End => self.scroll = usize::MAX,
            Key::Left | Key::Right => {
                if matches!(self.page, Page::Queue(_)) {
                    let is_right = key == Key::Right;
                    self.select(
                        newest,
                        history,
                        |at, _| if is_right { at + 1 } else { at.saturating_sub(1) },
                    );
                    if let Some(queue) = self.selected.clone() {
                        self.open(Page::Queue(queue));
                    }
                }
            }
            Key::Char(_) => {}
        }
        Act::Redraw
    }

    /// Whether the key belonged to the filter.
    fn type_filter(&mut self, key: Key) -> bool {
        match (key, self.filter_mut()) {
            (Key::Char(c), Some(filter)) => {
                if filter.chars().count() < LONGEST_FILTER {
                    filter.push(c);
                }
            }
            (Key::Backspace, Some(filter)) => {
                if filter.pop().is_none() {
                    self.is_typing = false;
                }
            }
            (Key::Escape, Some(filter)) => {
                filter.clear();
                self.is_typing = false;
            }
            (Key::Enter, _) => self.is_typing = false,
            _ => return false,
        }
        self.scroll = 0;
        true
    }

    /// Opens a page, or goes back where it is open.
    fn turn_to(&mut self, page: Page) {
        let to = if self.page == page { Page::Queues } else { page };
        self.open(to);
    }

    fn open(&mut self, page: Page) {
        self.page = page;
        self.scroll = 0;
        self.is_typing = false;
    }

    /// One step back: from a page to the queues; there from the filter, then from the selection.
    fn back(&mut self) {
        if let Some(filter) = self.filter_mut()
            && !filter.is_empty()
        {
            filter.clear();
        } else if self.page == Page::Queues {
            self.selected = None;
        } else {
            self.open(Page::Queues);
        }
    }

    fn step(&mut self, newest: &Snapshot, history: &History, to: impl FnOnce(usize, usize) -> usize) {
        if self.page == Page::Queues {
            let to = |at, most| if self.selected.is_some() { to(at, most) } else { at };
            let selected = self.selection(newest, history, to);
            self.selected = selected;
        } else {
            // The screen says how far it can be scrolled when it is drawn.
            self.scroll = to(self.scroll, usize::MAX);
        }
    }

    fn select(&mut self, newest: &Snapshot, history: &History, to: impl FnOnce(usize, usize) -> usize) {
        self.selected = self.selection(newest, history, to);
    }

    /// The queue that is selected after a move from one row to another; the first one where none was selected.
    fn selection(&self, newest: &Snapshot, history: &History, to: impl FnOnce(usize, usize) -> usize) -> Option<Id> {
        let snapshot = self.paused.as_deref().unwrap_or(newest);
        let rows = order::queues(snapshot, history, self.queue_order, &self.queue_filter);
        let most = rows.len().checked_sub(1)?;
        let at = rows.iter().position(|(id, _)| Some(*id) == self.selected.as_ref());
        Some(rows[to(at.unwrap_or(0), most).min(most)].0.clone())
    }
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
