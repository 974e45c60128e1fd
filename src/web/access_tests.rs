//! Hosts, tokens, cookies and attempts, with given times.
//!
//! In: requests as a peer might send them · Out: verdicts · Thread: the test's.

use super::*;

fn request(fields: &[(&str, &str)]) -> Request {
    Request {
        method: "GET".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        headers: fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        body: Vec::new(),
        peer: Some([10, 0, 0, 1].into()),
        keep_alive: true,
    }
}

#[test]
fn only_known_hosts_are_answered() {
    let hosts = Hosts::new("10.1.2.3", [10, 1, 2, 3].into(), &["Wall.example".to_owned()]);
    let knows = |host: &str| hosts.admit(&request(&[("host", host)]));
    for host in [
        "localhost",
        "LOCALHOST:9464",
        "127.0.0.1:9464",
        "127.8.8.8",
        "[::1]",
        "[::1]:9464",
        "10.1.2.3:1",
        "wall.EXAMPLE:80",
    ] {
        assert!(knows(host), "{host}");
    }
    for host in [
        "",
        "evil.example",
        "localhost.evil.example",
        "10.1.2.4",
        "127.0.0.1:99999",
        "127.0.0.1:x",
        "::1",
        "[::1",
        "[evil]",
        "127.0.0.1@evil.example",
        "wall.example.",
    ] {
        assert!(!knows(host), "{host}");
    }
    assert!(!hosts.admit(&request(&[])));
    assert!(!hosts.admit(&request(&[("host", "localhost"), ("host", "evil.example")])));
    let everywhere = Hosts::new("0.0.0.0", [0, 0, 0, 0].into(), &[]);
    assert!(everywhere.admit(&request(&[("host", "10.1.2.4:9464")])));
    assert!(!everywhere.admit(&request(&[("host", "evil.example")])));
}

#[test]
fn a_token_or_its_cookie_opens_and_nothing_else() {
    let gate = Gate::new(&Secret::new("hunter2"), 9464).unwrap();
    let (at, now) = (Moment::from_epoch_ms(1_777_903_530_000), Instant::now());
    let judge = |fields: &[(&str, &str)], at| gate.judge(&request(fields), at, now);
    assert_eq!(judge(&[], at), Verdict::Missing);
    assert_eq!(judge(&[("authorization", "Bearer hunter2")], at), Verdict::Token);
    assert_eq!(judge(&[("authorization", "bearer  hunter2")], at), Verdict::Token);
    for wrong in [
        "Bearer hunter",
        "Bearer hunter22",
        "Bearer ",
        "Bearer",
        "Basic hunter2",
        "hunter2",
    ] {
        assert_eq!(judge(&[("authorization", wrong)], at), Verdict::Wrong, "{wrong}");
    }

    let set = gate.cookie(at);
    assert!(
        set.contains("; HttpOnly; SameSite=Strict") && !set.contains("hunter2"),
        "{set}"
    );
    let cookie = set.split(';').next().unwrap();
    let both = format!("a=b; {cookie}");
    assert_eq!(judge(&[("cookie", &both)], at), Verdict::Cookie);
    let end = at.plus(COOKIE_LIFE);
    assert_eq!(
        judge(&[("cookie", cookie)], end.minus(Duration::from_secs(1))),
        Verdict::Cookie
    );
    assert_eq!(judge(&[("cookie", cookie)], end), Verdict::Missing);
    let (name, value) = cookie.split_once('=').unwrap();
    let (ends, tag) = value.split_once('.').unwrap();
    let later = format!("{name}={}.{tag}", ends.parse::<i64>().unwrap() + 1);
    for forged in [
        later,
        format!("{name}={ends}."),
        format!("{name}={ends}"),
        format!("{name}=.{tag}"),
    ] {
        assert_eq!(judge(&[("cookie", &forged)], at), Verdict::Missing, "{forged}");
    }
    // It survives a restart, and ends with its token.
    let after_restart = Gate::new(&Secret::new("hunter2"), 9464).unwrap();
    let other = Gate::new(&Secret::new("hunter3"), 9464).unwrap();
    assert_eq!(
        after_restart.judge(&request(&[("cookie", cookie)]), at, now),
        Verdict::Cookie
    );
    assert_eq!(other.judge(&request(&[("cookie", cookie)]), at, now), Verdict::Missing);
}

#[test]
fn wrong_attempts_are_limited_by_address() {
    let gate = Gate::new(&Secret::new("hunter2"), 1).unwrap();
    let now = Instant::now();
    let (one, two) = (Some([10, 0, 0, 1].into()), Some([10, 0, 0, 2].into()));
    for _ in 0..WRONG_LOGINS {
        assert_eq!(gate.log_in("hunter1", one, now), Verdict::Wrong);
    }
    assert_eq!(gate.log_in("hunter2", one, now), Verdict::TooMany(61));
    assert_eq!(gate.log_in("hunter2", two, now), Verdict::Token);
    assert_eq!(gate.log_in("hunter2", one, now + ATTEMPTS_PER), Verdict::Token);
    // A flood from many addresses is remembered in bounded room, and then shares one count.
    for n in 0..2 * MOST_PEERS as u32 {
        gate.log_in("hunter1", Some(n.to_be_bytes().into()), now);
    }
    assert!(gate.logins.counts.lock().unwrap().len() <= MOST_PEERS + 1);
    assert!(matches!(
        gate.log_in("hunter2", Some([9, 9, 9, 9].into()), now),
        Verdict::TooMany(_)
    ));
}
