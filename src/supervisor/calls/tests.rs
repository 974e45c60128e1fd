//! Calls that are answered, that hang, and that are too many.
//!
//! In: a listener that answers nothing · Out: verdicts · Thread: the test's.

use std::net::TcpListener;

use crossbeam_channel::unbounded;

use super::*;
use crate::net::Net;

/// Longer than a busy machine takes for anything here.
const PATIENCE: Duration = Duration::from_secs(60);

/// Calls to a service that takes connections and answers nothing, and what they tell.
fn calls() -> (Calls, Receiver<Notice>, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = Config::builder()
        .region(format!("http://{}", listener.local_addr().unwrap()))
        .client_id("id")
        .client_secret(Secret::new("secret"))
        .rest_limit(PATIENCE)
        .build()
        .unwrap();
    let config = Arc::new(config);
    let net = Arc::new(Net::new(&config).unwrap());
    let rest = RestClient::new(config.hosts.clone(), net, Cancel::new(), Limits::new(&config));
    let (notices, inbox) = unbounded();
    (Calls::new(&config, &rest, notices), inbox, listener)
}

fn answered(inbox: &Receiver<Notice>) -> CallId {
    match inbox.recv_timeout(PATIENCE) {
        Ok(Notice::Answered { call }) => call,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_call_too_many_fails_at_once_and_the_others_end_with_the_run() {
    let (mut calls, inbox, _listener) = calls();
    for id in 0..=MOST_CALLS as u64 {
        calls.begin(id, Call::Token);
    }
    let refused = answered(&inbox);
    assert_eq!(refused, MOST_CALLS as u64);
    let error = calls.take(refused).expect("its answer").expect_err("a failure");
    assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
    assert!(calls.take(refused).is_none(), "an answer is taken once");
    assert!(calls.take(0).is_none(), "this one is still under way");
    calls.cancel();
    assert!(calls.end_by(Instant::now() + PATIENCE), "a thread is left");
    // Each told of its end.
    let mut ended: Vec<CallId> = (0..MOST_CALLS).map(|_| answered(&inbox)).collect();
    ended.sort_unstable();
    assert!(ended.iter().copied().eq(0..MOST_CALLS as u64));
}
