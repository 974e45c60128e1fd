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
        takes_chunks: false,
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
fn only_the_token_or_its_cookie_gives_access() {
    let check = TokenCheck::new(&Secret::new("hunter2"), 9464).unwrap();
    let (at, now) = (Moment::from_epoch_ms(1_777_903_530_000), Instant::now());
    let access = |fields: &[(&str, &str)], at| check.check(&request(fields), at, now);
    assert_eq!(access(&[], at), Access::Missing);
    assert_eq!(access(&[("authorization", "Bearer hunter2")], at), Access::ByToken);
    assert_eq!(access(&[("authorization", "bearer  hunter2")], at), Access::ByToken);
    for wrong in [
        "Bearer hunter",
        "Bearer hunter22",
        "Bearer ",
        "Bearer",
        "Basic hunter2",
        "hunter2",
    ] {
        assert_eq!(access(&[("authorization", wrong)], at), Access::Wrong, "{wrong}");
    }

    let set = check.cookie(at);
    assert!(
        set.contains("; HttpOnly; SameSite=Strict") && !set.contains("hunter2"),
        "{set}"
    );
    let cookie = set.split(';').next().unwrap();
    let both = format!("a=b; {cookie}");
    assert_eq!(access(&[("cookie", &both)], at), Access::ByCookie);
    let end = at.plus(COOKIE_LIFE);
    assert_eq!(
        access(&[("cookie", cookie)], end.minus(Duration::from_secs(1))),
        Access::ByCookie
    );
    assert_eq!(access(&[("cookie", cookie)], end), Access::Missing);
    let (name, value) = cookie.split_once('=').unwrap();
    let (ends, tag) = value.split_once('.').unwrap();
    let later = format!("{name}={}.{tag}", ends.parse::<i64>().unwrap() + 1);
    for forged in [
        later,
        format!("{name}={ends}."),
        format!("{name}={ends}"),
        format!("{name}=.{tag}"),
    ] {
        assert_eq!(access(&[("cookie", &forged)], at), Access::Missing, "{forged}");
    }
    // A cookie survives a restart, but no change of the token.
    let after_restart = TokenCheck::new(&Secret::new("hunter2"), 9464).unwrap();
    let other = TokenCheck::new(&Secret::new("hunter3"), 9464).unwrap();
    assert_eq!(
        after_restart.check(&request(&[("cookie", cookie)]), at, now),
        Access::ByCookie
    );
    assert_eq!(other.check(&request(&[("cookie", cookie)]), at, now), Access::Missing);
}

#[test]
fn wrong_attempts_are_limited_by_address() {
    let check = TokenCheck::new(&Secret::new("hunter2"), 1).unwrap();
    let now = Instant::now();
    let (one, two) = (Some([10, 0, 0, 1].into()), Some([10, 0, 0, 2].into()));
    for _ in 0..WRONG_LOGINS {
        assert_eq!(check.log_in("hunter1", one, now), Access::Wrong);
    }
    assert_eq!(check.log_in("hunter1", one, now), Access::TooMany(61));
    assert_eq!(check.log_in("hunter1", two, now), Access::Wrong);
    // Whoever knows the token enters, also behind the same proxy as those who guess.
    assert_eq!(check.log_in("hunter2", one, now), Access::ByToken);
    assert_eq!(check.log_in("hunter2", two, now), Access::ByToken);
    assert_eq!(check.log_in("hunter1", one, now + ATTEMPTS_PER), Access::Wrong);
    // Attempts of too many addresses share one count, so that memory is bounded.
    for n in 0..2 * MOST_PEERS as u32 {
        check.log_in("hunter1", Some(n.to_be_bytes().into()), now);
    }
    assert!(check.logins.counts.lock().unwrap().len() <= MOST_PEERS + 1);
    assert!(matches!(
        check.log_in("hunter1", Some([9, 9, 9, 9].into()), now),
        Access::TooMany(_)
    ));
}
