//! Limits, faults on demand, ends: tokens, closes, stops.
//!
//! In: a running simulator · Out: verdicts · Thread: the test's.

use super::*;

#[test]
fn too_many_requests_and_troubles_on_demand() {
    let sim = sim().requests_per_min(3).start().unwrap();
    let client = log_in(&sim);
    for count in 1..=3 {
        let answer = client.call("GET", "/api/v2/tokens/me", &Value::Null);
        assert_eq!(answer.header("inin-ratelimit-count"), Some(count.to_string().as_str()));
        assert_eq!(answer.header("inin-ratelimit-allowed"), Some("3"));
    }
    let answer = client.call("GET", "/api/v2/tokens/me", &Value::Null);
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (429, "too.many.requests.retry.after")
    );
    let secs: u64 = answer.header("Retry-After").unwrap().parse().unwrap();
    assert!((1..=60).contains(&secs));
    // Another token has its own minute.
    let other = log_in(&sim);
    http(&sim, "POST", "/sim/429?secs=7&count=1", &[], "");
    assert_eq!(
        other.call("GET", "/api/v2/users", &Value::Null).header("Retry-After"),
        Some("7")
    );
    http(&sim, "POST", "/sim/error?status=503&count=2", &[], "");
    assert_eq!(login(&sim, "Basic x", "").status, 503);
    assert_eq!(other.call("GET", "/api/v2/users", &Value::Null).status, 503);
    assert_eq!(other.call("GET", "/api/v2/users", &Value::Null).status, 200);
    // Only logins, and with a date.
    sim.control("429?secs=30&date=1&path=oauth").unwrap();
    assert_eq!(other.call("GET", "/api/v2/users", &Value::Null).status, 200);
    let date = login(&sim, "Basic x", "").header("Retry-After").unwrap().to_owned();
    assert!(date.ends_with(" GMT"), "{date}");
    assert!(sim.control("429?secs=soon").unwrap_err().contains("secs"));
    assert_eq!(http(&sim, "GET", "/sim/nonsense", &[], "").status, 404);
    assert_eq!(http(&sim, "GET", "/sim/load?per_second=many", &[], "").status, 400);
}

#[test]
fn a_channel_dies_with_its_token() {
    // Everything before its end must be done within the token's life.
    against_the_clock(|factor| dies_with_its_token(Duration::from_millis(1500) * factor));
}

fn dies_with_its_token(token_life: Duration) {
    let sim = sim().token_life(token_life).start().unwrap();
    let client = log_in(&sim);
    let (_, uri) = client.channel();
    let mut socket = connect(&sim, &uri);
    until(&mut socket, |f| (f["result"] == "404").then_some(()));
    assert!(end(&mut socket).is_some());
    assert_eq!(client.call("GET", "/api/v2/tokens/me", &Value::Null).status, 401);

    let client = log_in(&sim);
    let (_, uri) = client.channel();
    let mut socket = connect(&sim, &uri);
    say(&mut socket, &json!({"message": "ping"}));
    until(&mut socket, |f| (f["eventBody"]["message"] == "pong").then_some(()));
    http(&sim, "POST", "/sim/revoke", &[], "");
    until(&mut socket, |f| {
        (f["eventBody"]["systemTopicType"] == "token_revoked").then_some(())
    });
    end(&mut socket);
    assert_eq!(try_connect(&sim, &uri, None).err(), Some(404));
}

#[test]
fn sockets_are_closed_reset_and_warned_on_demand() {
    let sim = sim().start().unwrap();
    let client = log_in(&sim);
    let (_, uri) = client.channel();
    let open = || {
        let mut socket = connect(&sim, &uri);
        say(&mut socket, &json!({"message": "ping"}));
        until(&mut socket, |f| (f["eventBody"]["message"] == "pong").then_some(()));
        socket
    };
    let mut socket = open();
    http(&sim, "POST", "/sim/close?code=1011&reason=test", &[], "");
    assert_eq!(end(&mut socket), Some(1011));
    let mut socket = open();
    http(&sim, "POST", "/sim/reset", &[], "");
    let error = loop {
        match socket.read() {
            Ok(_) => {}
            Err(e) => break e,
        }
    };
    assert!(
        matches!(&error, Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionReset),
        "{error:?}"
    );
    let mut socket = open();
    http(&sim, "POST", "/sim/socket_closing?after_secs=1", &[], "");
    until(&mut socket, |f| {
        (f["topicName"] == "v2.system.socket_closing").then_some(())
    });
    assert_eq!(end(&mut socket), Some(1001));
}

#[test]
fn a_stop_closes_everything_at_once() {
    against_the_clock(|_| everything_is_closed());
}

fn everything_is_closed() {
    let sim = sim().start().unwrap();
    let client = log_in(&sim);
    let (_, uri) = client.channel();
    let mut socket = connect(&sim, &uri);
    let idle = TcpStream::connect(sim.local_addr()).unwrap();
    let addr = sim.local_addr();
    let begin = Instant::now();
    drop(client);
    drop(sim);
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    end(&mut socket);
    drop(idle);
    assert!(TcpStream::connect(addr).is_err());
}

/// Runs alone in a process of its own, so that all threads there are this simulator's.
#[test]
#[ignore = "started by `a_stop_leaves_no_thread`"]
fn alone() {
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        tasks
            .filter_map(|t| std::fs::read_to_string(t.path().join("comm")).ok())
            .filter(|name| name.starts_with("sim-"))
            .count()
    };
    let sim = sim().start().unwrap();
    let client = log_in(&sim);
    let sockets: Vec<Socket> = (0..5).map(|_| connect(&sim, &client.channel().1)).collect();
    assert!(threads() >= 7, "{}", threads());
    drop(client);
    drop(sim);
    assert_eq!(threads(), 0);
    drop(sockets);
}

#[test]
#[cfg(target_os = "linux")]
fn a_stop_leaves_no_thread() {
    let run = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "simulator::control::alone"])
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(
        run.status.success() && out.contains("1 passed"),
        "{out}{}",
        String::from_utf8_lossy(&run.stderr)
    );
}

#[test]
fn a_script_makes_its_calls_in_time_and_again() {
    let script = Script::read("0.1s load?per_second=0\n0.2s 429?secs=9&count=1\n0.3s close?code=9\n0.6s loop").unwrap();
    let sim = sim().script(script).start().unwrap();
    for round in 1..=2 {
        let answer = eventually("a refusal", || {
            let answer = http(&sim, "GET", "/api/v2/tokens/me", &[], "");
            match answer.status {
                429 => Ok(answer),
                status => Err(status.to_string()),
            }
        });
        assert_eq!(answer.header("Retry-After"), Some("9"), "round {round}");
    }
}

#[test]
fn a_waiting_script_ends_with_its_simulator() {
    let sim = sim().script(Script::read("1h reset").unwrap()).start().unwrap();
    let (done, ended) = crossbeam_channel::bounded(1);
    std::thread::spawn(move || {
        drop(sim);
        let _ = done.send(());
    });
    ended.recv_timeout(PATIENCE).expect("an end before the hour is over");
}
