//! The program and wrong command lines, environments and files: exit 2, everything named, nothing connected.
//!
//! In: the built program, wrong settings · Out: verdicts · Thread: the test's.

use std::path::PathBuf;
use std::process::{Command, Output};

/// A run without anything of the developer's environment.
fn program(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_genesys-stream"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("the program starts")
}

fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let output = program(arguments, variables);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{arguments:?} prints on stdout");
    assert!(!stderr.contains("hunter2"), "a secret is shown: {stderr}");
    stderr
}

struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gs-it-{}-{name}", std::process::id()));
        std::fs::write(&path, content).expect("a temporary file");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("an ASCII path")
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

const CREDENTIALS: [(&str, &str); 2] = [("GENESYS_CLIENT_ID", "id"), ("GENESYS_CLIENT_SECRET", "hunter2")];

#[test]
fn usage_errors() {
    for (arguments, part) in [
        (&["fly"][..], "unrecognized subcommand"),
        (&["rnu"], "'run'"),
        (&["chekc"], "'check'"),
        (&["run", "--colour"], "--colour"),
        (&["run", "--queue"], "a value is required"),
        (&["run", "stray"], "unexpected argument"),
    ] {
        let stderr = refused(arguments, &[]);
        assert!(stderr.contains(part), "{arguments:?}: {stderr}");
    }
}

#[cfg(feature = "simulator")]
#[test]
fn usage_errors_around_the_simulator() {
    for (arguments, part) in [
        (&["simulate", "--speed", "fast"][..], "allowed is a number"),
        (&["simulate", "--listen", "8080"], "HOST:PORT"),
        (&["demo", "--region", "eu-west-1"], "--region"),
        (&["demo", "--buffer", "0", "--protocol", "event"], "2 problems"),
    ] {
        let stderr = refused(arguments, &[]);
        assert!(stderr.contains(part), "{arguments:?}: {stderr}");
    }
    for command in ["demo", "simulate"] {
        assert!(String::from_utf8_lossy(&program(&[command, "--help"], &[]).stdout).contains("--seed"));
    }
}

#[test]
fn secrets_are_no_flags() {
    for arguments in [
        &["run", "--client-secret", "hunter2"][..],
        &["run", "--client-secret=hunter2"],
        &["--client-secret", "hunter2", "run"],
        &[
            "run",
            "--proxy",
            "http://me:hunter2@127.0.0.1:1",
            "--region",
            "eu-west-1",
        ],
        &[
            "run",
            "--api-url",
            "https://me:hunter2@api.example",
            "--region",
            "eu-west-1",
        ],
        &[
            "run",
            "--webhook",
            "https://me:hunter2@hook.example",
            "--region",
            "eu-west-1",
        ],
    ] {
        let stderr = refused(arguments, &CREDENTIALS);
        let helps = stderr.contains("GENESYS_CLIENT_SECRET_FILE") || stderr.contains("user information");
        assert!(helps, "{arguments:?}: {stderr}");
    }
}

#[test]
fn everything_missing_is_named() {
    let stderr = refused(&["run"], &[]);
    for part in [
        "3 problems",
        "region: missing",
        "client_id: missing",
        "client secret: missing",
        "GENESYS_CLIENT_ID",
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
}

#[test]
fn flags_environment_and_file_are_reported_together() {
    let file = TempFile::new(
        "wrong.json",
        "{\n  \"bufer\": {},\n  \"client_secret\": \"hunter2\"\n}\n",
    );
    let mut variables = CREDENTIALS.to_vec();
    variables.push(("GENESYS_REGION", "eu-wset-1"));
    let stderr = refused(
        &["run", "--config", file.path(), "--buffer", "0", "--duration", "soon"],
        &variables,
    );
    for part in [
        "5 problems",
        "--buffer: found 0",
        "--duration: found \"soon\"",
        "GENESYS_REGION: found \"eu-wset-1\"",
        "wrong.json:2:3: bufer: unknown key; did you mean buffer?",
        "wrong.json:3:3: client_secret: unknown key",
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
}

#[test]
fn the_environment_is_checked_and_named() {
    for (variables, part) in [
        (&[("GENESYS_DOMAIN", "http://10.1.2.3:80")][..], "GENESYS_DOMAIN: "),
        (
            &[("GENESYS_CLIENT_SECRET_FILE", "/nowhere/secret")],
            "GENESYS_CLIENT_SECRET_FILE: /nowhere/secret cannot be read",
        ),
        // The secret itself, given as a path by mistake.
        (
            &[("GENESYS_CLIENT_SECRET_FILE", "hunter2")],
            "write it to a file and name the file",
        ),
        (&[("GENESYS_CLIENT_ID", "two words")], "GENESYS_CLIENT_ID: "),
    ] {
        let stderr = refused(&["run"], variables);
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    let stderr = refused(&["run", "--config", "/nowhere/f.json"], &[]);
    assert!(stderr.contains("/nowhere/f.json: cannot be read"), "{stderr}");
}

#[test]
fn a_log_file_that_cannot_be_opened_is_refused() {
    let mut variables = CREDENTIALS.to_vec();
    variables.push(("GENESYS_DOMAIN", "http://127.0.0.1:9"));
    let stderr = refused(&["run", "--log-file", "/nowhere/log"], &variables);
    assert!(stderr.contains("/nowhere/log"), "{stderr}");
}

/// A home directory with the file of the Genesys CLI.
fn home(name: &str, content: Option<&str>) -> String {
    let home = std::env::temp_dir().join(format!("gs-it-home-{}-{name}", std::process::id()));
    std::fs::create_dir_all(home.join(".gc")).expect("a directory");
    if let Some(content) = content {
        std::fs::write(home.join(".gc/config.toml"), content).expect("a file");
    }
    home.to_str().expect("an ASCII path").to_owned()
}

#[test]
fn a_profile_that_cannot_be_used() {
    let of_cli = "[default]\nclient_credentials = \"id\"\nclient_secret = \"hunter2\"\nenvironment = \"eu-wset-1\"\n\
        [half]\nclient_secret = 'hunter2'\n";
    let (whole, empty) = (home("whole", Some(of_cli)), home("empty", None));
    for (home, profile, parts) in [
        (
            &empty,
            "default",
            &[".gc/config.toml: cannot be read", "gc profiles new"][..],
        ),
        (&whole, "defualt", &["no profile \"defualt\"", "did you mean default?"]),
        (&whole, "half", &["has no environment", "has no client_credentials"]),
        (
            &whole,
            "default",
            &[
                "config.toml:4:1: region: found \"eu-wset-1\"",
                "did you mean eu-west-1?",
            ],
        ),
    ] {
        let stderr = refused(&["run", "--profile", profile], &[("HOME", home)]);
        for part in parts {
            assert!(stderr.contains(part), "{profile}: {stderr}");
        }
    }
    assert!(refused(&["run", "--profile", "default"], &[]).contains("HOME is not set"));
    let _ = std::fs::remove_dir_all(whole);
    let _ = std::fs::remove_dir_all(empty);
}

/// The environment is above the profile, the profile above the file.
#[test]
fn a_profile_is_between_environment_and_file() {
    let of_cli = "[default]\nclient_credentials = \"of-profile\"\nclient_secret = \"hunter2\"\n\
        environment = \"http://127.0.0.1:1\"\n";
    let home = home("order", Some(of_cli));
    let file = TempFile::new(
        "order.json",
        r#"{"region": "http://127.0.0.1:2", "client_id": "of-file"}"#,
    );
    let arguments = ["check", "--json", "--profile", "DEFAULT", "--config", file.path()];
    let config = |variables: &[(&str, &str)]| {
        let output = program(&arguments, variables);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().next().unwrap_or_default().to_owned()
    };
    let home = ("HOME", home.as_str());
    let first = config(&[home]);
    assert!(first.contains("of-profile") && first.contains("127.0.0.1:1"), "{first}");
    let first = config(&[home, ("GENESYS_CLIENT_ID", "of-environment")]);
    assert!(
        first.contains("of-environment") && first.contains("127.0.0.1:1"),
        "{first}"
    );
    let _ = std::fs::remove_dir_all(home.1);
}

#[test]
fn a_short_token_of_the_page_is_refused() {
    let short = TempFile::new("short-token", "hunter2\n");
    let mut variables = CREDENTIALS.to_vec();
    variables.push(("GENESYS_DOMAIN", "http://127.0.0.1:9"));
    let stderr = refused(
        &["run", "--listen", "0.0.0.0:0", "--token-file", short.path()],
        &variables,
    );
    assert!(
        stderr.contains("fewer than 16 characters") && stderr.contains(short.path()),
        "{stderr}"
    );
    let stderr = refused(
        &["run", "--listen", "0.0.0.0:0", "--allowed-host", "http://x"],
        &variables,
    );
    assert!(
        stderr.contains("--allowed-host: ") && stderr.contains("--token-file"),
        "{stderr}"
    );
}

#[test]
fn help_and_version_go_to_stdout() {
    for (arguments, part) in [
        (
            &["--version"][..],
            concat!("genesys-stream ", env!("CARGO_PKG_VERSION")),
        ),
        (&["--help"], "Examples:"),
        (&["run", "--help"], "--snapshot-file"),
        (&["help", "run"], "--snapshot-file"),
    ] {
        let output = program(arguments, &[]);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(part), "{arguments:?}");
    }
}

#[test]
fn files_and_proxies_that_cannot_be_used() {
    let variables = |region, proxy| [CREDENTIALS[0], CREDENTIALS[1], ("GENESYS_REGION", region), proxy];
    let loopback = variables("http://127.0.0.1:1", ("HTTPS_PROXY", "garbage://me:hunter2@x"));
    for (flag, path) in [
        ("--snapshot-file", "/nowhere/snapshot.json"),
        ("--log-file", "/nowhere/log"),
        ("--ca-file", "/nowhere/ca.pem"),
    ] {
        let stderr = refused(&["run", flag, path], &loopback);
        assert!(stderr.contains(path), "{flag}: {stderr}");
        assert!(
            !stderr.contains("HTTPS_PROXY"),
            "no proxy on the way to loopback: {stderr}"
        );
    }
    for (proxy, says) in [
        ("garbage://me:hunter2@x", "https://HOST:PORT are"),
        ("socks5://me:hunter2@x", "SOCKS proxies are not supported"),
    ] {
        let stderr = refused(&["run"], &variables("nowhere.invalid", ("HTTPS_PROXY", proxy)));
        assert!(stderr.contains("HTTPS_PROXY") && stderr.contains(says), "{stderr}");
    }
}

#[test]
#[cfg(feature = "simulator")]
fn a_wrong_script_is_told_line_by_line() {
    let file = TempFile::new("script", "1m outage?secs=5\n2m resett\n1s reset\n");
    let told = refused(&["simulate", "--script", file.path()], &[]);
    assert!(told.contains("line 2: unknown call resett"), "{told}");
    assert!(
        told.contains("line 3: found the time 1s, which is before that of line 1"),
        "{told}"
    );
    assert!(refused(&["demo", "--script", "no-such-file"], &[]).contains("no-such-file"));
}
