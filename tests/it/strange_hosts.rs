//! Hosts on which something is missing: no DNS, no route, no loopback interface, read-only disks. Each is said in the log.
//!
//! In: the built program, where allowed in namespaces of its own · Out: verdicts · Thread: the test's.

use std::process::Command;

use crate::support::process::command;

const ACCOUNT: [(&str, &str); 3] = [
    ("GENESYS_CLIENT_ID", "id"),
    ("GENESYS_CLIENT_SECRET", "secret"),
    ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
];

/// Exit code and stderr of the program in namespaces of its own; `None`, said loudly, where the system refuses those. Under CI
/// that is a failure.
fn alone(namespaces: &str, prepare: &str, arguments: &[&str]) -> Option<(Option<i32>, String)> {
    let tried = Command::new("unshare").args([namespaces, "true"]).output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci.is_empty()),
            "no namespaces (unshare {namespaces}): give CI those, or run these tests elsewhere"
        );
        println!("SKIPPED: this system gives no namespaces (unshare {namespaces}), so {arguments:?} was not tried");
        return None;
    }
    let program = env!("CARGO_BIN_EXE_genesys-stream");
    let script = format!("{prepare} exec timeout -k 1 20 {program} \"$@\"");
    let output = Command::new("unshare")
        .args([namespaces, "sh", "-c", &script, "sh"])
        .args(arguments)
        .env_clear()
        .envs(ACCOUNT)
        .output()
        .expect("unshare starts");
    Some((
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

#[test]
fn no_dns() {
    let arguments = [
        "run",
        "--output",
        "none",
        "--max-attempts",
        "1",
        "--region",
        "nowhere.invalid",
    ];
    let output = command(&arguments, &ACCOUNT).output().expect("an end");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("looking up login.nowhere.invalid"), "{stderr}");
}

#[test]
fn no_route() {
    let run = ["run", "--output", "none", "--max-attempts", "2", "--region"];
    for (region, says) in [
        (
            "https://192.0.2.1",
            "connecting to 192.0.2.1:443: Network is unreachable",
        ),
        ("mypurecloud.ie", "looking up login.mypurecloud.ie"),
    ] {
        let Some((code, stderr)) = alone("-rn", "", &[&run[..], &[region]].concat()) else {
            return;
        };
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(says), "{stderr}");
        assert!(stderr.contains("next attempt in"), "it is tried again: {stderr}");
    }
}

#[test]
fn no_loopback_interface() {
    let demo = ["demo", "--output", "none"];
    if let Some((code, stderr)) = alone("-rn", "", &demo) {
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains("loopback interface is missing or down"), "{stderr}");
    }
    // The page cannot be opened then, and the program ends all the same.
    let run = [
        "run",
        "--output",
        "none",
        "--region",
        "https://192.0.2.1",
        "--listen",
        "127.0.0.1:0",
        "--duration",
        "1s",
    ];
    if let Some((code, stderr)) = alone("-rn", "", &run) {
        assert_eq!(code, Some(0), "{stderr}");
    }
}

#[test]
fn read_only_disks() {
    let directory = crate::audit::Directory::new("read-only");
    let mounted = directory.file("");
    let mounted = mounted.to_str().expect("ASCII").trim_end_matches('/');
    let prepare = format!("mount -t tmpfs -o ro none {mounted} &&");
    let file = format!("{mounted}/file");
    for (flag, ends_with) in [
        ("--audit-file", 2),
        ("--record", 2),
        ("--log-file", 2),
        ("--snapshot-file", 1),
    ] {
        let run = [
            "run",
            "--output",
            "none",
            "--max-attempts",
            "1",
            "--region",
            "http://127.0.0.1:1",
            flag,
            &file,
        ];
        let Some((code, stderr)) = alone("-rm", &prepare, &run) else {
            return;
        };
        assert_eq!(code, Some(ends_with), "{flag}: {stderr}");
        let told = stderr.lines().find(|line| line.contains("Read-only file system"));
        assert!(told.is_some_and(|told| told.contains(&file)), "{flag}: {stderr}");
    }
}
