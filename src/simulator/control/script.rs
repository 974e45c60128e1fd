//! Makes the calls of a script, each at its time.
//!
//! In: a [`Script`] · Out: control calls · Thread: `sim-script`.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::http_server::form_pairs;
use crate::simulator::script::Script;
use crate::simulator::shared::Shared;

/// Makes the calls until the script is over or `stop` is disconnected.
pub(in crate::simulator) fn run(shared: &Arc<Shared>, script: &Script, stop: &Receiver<()>) {
    let mut begin = Instant::now();
    loop {
        for step in &script.steps {
            if is_stopped(stop, begin + step.at) {
                return;
            }
            let (name, query) = step.call.split_once('?').unwrap_or((&step.call, ""));
            let answer = super::call(shared, &format!("/sim/{name}"), form_pairs(query));
            let said = String::from_utf8_lossy(&answer.body).trim().to_owned();
            if answer.status == 200 {
                log::info!("script: {}: {said}", step.call);
            } else {
                log::warn!("script, line {}: {}: {said}", step.line, step.call);
            }
        }
        let Some(loop_after) = script.loop_after else { return };
        begin += loop_after;
        if is_stopped(stop, begin) {
            return;
        }
    }
}

/// Waits until `at`. True if the simulator ends before.
fn is_stopped(stop: &Receiver<()>, at: Instant) -> bool {
    stop.recv_deadline(at) != Err(RecvTimeoutError::Timeout)
}
