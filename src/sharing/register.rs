//! Keeps a reader in the list of all readers.
//!
//! In: its name, and what it says of itself · Out: a field of the hash of readers · Thread: `gs-register`.

use std::time::Duration;

use crossbeam_channel::Sender;

use super::client::{Engine, is_refusal};
use super::resp::Reply;
use crate::Error;
use crate::event::notice::Notice;

/// Between two looks whether it is listed.
const REGISTER_EVERY: Duration = Duration::from_secs(5);
/// After a connection was lost.
const PAUSE: Duration = Duration::from_secs(1);

/// The thread that keeps the reader listed.
pub(super) struct Register {
    pub(super) key: String,
    pub(super) name: String,
    pub(super) value: String,
    pub(super) engine: Engine,
    pub(super) notices: Sender<Notice>,
    /// It was listed once.
    pub(super) is_listed: bool,
}

impl Register {
    pub(super) fn run(mut self) {
        while !self.engine.is_stopped() {
            if let Err(error) = self.keep() {
                if is_refusal(&error) && !self.is_listed {
                    let _ = self.notices.send(Notice::EngineRefused(error));
                    return;
                }
                log::debug!("the reader is not listed: {error}");
            }
            self.engine.pause(PAUSE);
        }
    }

    fn keep(&mut self) -> Result<(), Error> {
        let mut node = self.engine.connect(&self.key)?;
        while !self.engine.is_stopped() {
            let known = node.ask(&["HGET", &self.key, &self.name])?;
            if matches!(known, Reply::Nothing) || known.text() != Some(&self.value) {
                node.ask(&["HSET", &self.key, &self.name, &self.value])?;
            }
            self.is_listed = true;
            self.engine.pause(REGISTER_EVERY);
        }
        Ok(())
    }
}
