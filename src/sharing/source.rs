//! The threads of a dashboard that read from the engine: which readers there are, and the stream of each.
//!
//! In: keys of the engine · Out: `News` · Thread: `gs-from`, and `gs-from-N` for each reader.
//!
//! A thread reads the next piece only when the one before it was taken, so that little waits here.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::client::Engine;
use super::entry::{Entry, EntryId};
use super::readers_key;
use super::resp::Reply;
use crate::{Error, ErrorKind};

/// Entries that are read at once.
const PIECE: usize = 500;
/// Pieces of a stream that may wait.
const PIECES: usize = 2;
/// How long the engine waits for new entries before it answers that there are none.
const BLOCK_MS: u64 = 1000;
/// A reader gives a sign of life within this time.
const LISTEN_MS: u64 = 2500;
const LOOK_EVERY: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(300);

/// What the threads tell.
pub(super) enum News {
    /// The names of all readers.
    Readers(Vec<String>),
    /// The list of readers cannot be read.
    Unreachable(Error),
    /// A new entry, to learn the time of the service from; told once, before the first piece.
    Now(usize, Option<Entry>, Instant),
    /// Entries of a reader, and whether these were the last for now.
    Piece(usize, Vec<Entry>, bool),
    /// The connection to a stream was lost, and is made again.
    Lost(usize, Error),
}

/// Starts the thread that looks for readers.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn look_for_readers(engine: Engine, org: &str, tell: Sender<News>) -> Result<(), Error> {
    let key = readers_key(org);
    spawn("gs-from".to_owned(), move || {
        let look = || -> Result<(), Error> {
            let mut node = engine.connect(&key)?;
            while !engine.is_stopped() {
                let reply = node.ask(&["HKEYS", &key])?;
                let names = reply
                    .items()
                    .iter()
                    .filter_map(Reply::text)
                    .map(str::to_owned)
                    .collect();
                let _ = tell.send(News::Readers(names));
                engine.pause(LOOK_EVERY);
            }
            Ok(())
        };
        while !engine.is_stopped() {
            if let Err(error) = look() {
                let _ = tell.send(News::Unreachable(error));
            }
            engine.pause(PAUSE);
        }
    })
}

/// Allows a thread to read another piece.
pub(super) struct Credit(Sender<()>);

impl Credit {
    pub(super) fn give(&self) {
        let _ = self.0.try_send(());
    }
}

/// Starts the thread that reads the stream of a reader.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn read_stream(engine: Engine, key: String, reader: usize, tell: Sender<News>) -> Result<Credit, Error> {
    let (credit, credits) = bounded(PIECES);
    for _ in 0..PIECES {
        let _ = credit.try_send(());
    }
    let mut stream = Stream {
        key,
        engine,
        reader,
        tell,
        credits,
        has_credit: false,
        read: EntryId::default(),
        has_listened: false,
    };
    spawn(format!("gs-from-{}", reader + 1), move || {
        while !stream.engine.is_stopped() {
            if let Err(error) = stream.follow() {
                let _ = stream.tell.send(News::Lost(stream.reader, error));
            }
            stream.engine.pause(PAUSE);
        }
    })?;
    Ok(Credit(credit))
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let spawned = std::thread::Builder::new().name(name).spawn(work);
    spawned
        .map(drop)
        .map_err(|error| Error::caused_by(ErrorKind::Local, "starting a thread that reads from the engine", error))
}

struct Stream {
    engine: Engine,
    key: String,
    reader: usize,
    tell: Sender<News>,
    credits: Receiver<()>,
    has_credit: bool,
    /// The last entry that was read.
    read: EntryId,
    has_listened: bool,
}

impl Stream {
    fn follow(&mut self) -> Result<(), Error> {
        let mut node = self.engine.connect(&self.key)?;
        if !self.has_listened {
            let block = LISTEN_MS.to_string();
            let reply = node.ask(&["XREAD", "COUNT", "1", "BLOCK", &block, "STREAMS", &self.key, "$"])?;
            let entry = entries_of_read(&reply).iter().find_map(Entry::of);
            let _ = self.tell.send(News::Now(self.reader, entry, Instant::now()));
            self.has_listened = true;
        }
        loop {
            self.wait_for_credit();
            let (from, count) = (format!("({}", self.read), PIECE.to_string());
            let reply = node.ask(&["XRANGE", &self.key, &from, "+", "COUNT", &count])?;
            let is_last = reply.items().len() < PIECE;
            self.pass_on(reply.items(), is_last);
            if is_last {
                break;
            }
        }
        while !self.engine.is_stopped() {
            self.wait_for_credit();
            let (from, count, block) = (self.read.to_string(), PIECE.to_string(), BLOCK_MS.to_string());
            let reply = node.ask(&["XREAD", "COUNT", &count, "BLOCK", &block, "STREAMS", &self.key, &from])?;
            self.pass_on(entries_of_read(&reply), true);
        }
        Ok(())
    }

    /// A piece that was not read because the connection was lost leaves its credit to the next one.
    fn wait_for_credit(&mut self) {
        while !self.engine.is_stopped() && !self.has_credit {
            self.has_credit = self.credits.recv_timeout(PAUSE).is_ok();
        }
    }

    fn pass_on(&mut self, items: &[Reply], is_last: bool) {
        self.has_credit = false;
        // Also where its entry cannot be read.
        let last = items
            .last()
            .and_then(|item| EntryId::parse(item.items().first()?.text()?));
        self.read = last.unwrap_or(self.read);
        let entries = items.iter().filter_map(Entry::of).collect();
        let _ = self.tell.send(News::Piece(self.reader, entries, is_last));
    }
}

/// The entries in the reply to `XREAD` of one stream.
fn entries_of_read(reply: &Reply) -> &[Reply] {
    let of_stream = reply.items().first().and_then(|stream| stream.items().get(1));
    of_stream.map_or(&[], Reply::items)
}
