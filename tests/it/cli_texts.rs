//! Help, completions and the manual page: made from one definition, and complete.
//!
//! In: the built program · Out: verdicts · Thread: the test's.

use std::io::Write;
use std::process::{Command, Stdio};

fn printed(arguments: &[&str]) -> String {
    printed_to(100, arguments)
}

/// The same, to a terminal of so many columns.
fn printed_to(columns: usize, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_genesys-stream"))
        .args(arguments)
        .env_clear()
        .env("COLUMNS", columns.to_string())
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{arguments:?}");
    assert!(output.stderr.is_empty(), "{arguments:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Gives `text` to a program that may not be there; its exit is judged where it is.
fn accepted_by(name: &str, arguments: &[&str], text: &str) {
    let started = Command::new(name)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        println!("{name} is not here");
        return;
    };
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(text.as_bytes())
        .expect("written");
    let output = child.wait_with_output().expect("an end");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && stderr.is_empty(), "{name}: {stderr}");
}

#[test]
fn completions_for_five_shells() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let text = printed(&["completions", shell]);
        for part in ["genesys-stream", "check", "plan", "when-full", "coalesce"] {
            assert!(text.contains(part), "{shell}: {part}");
        }
    }
    accepted_by("bash", &["-n"], &printed(&["completions", "bash"]));
    // Every label by which bash looks for a command's words is one that is set.
    let bash = printed(&["completions", "bash"]);
    assert!(bash.contains("cmd=\"genesys__stream__subcmd__run\""), "{bash}");
    assert!(bash.contains("        genesys__stream__subcmd__run)"), "{bash}");
    accepted_by("zsh", &["-n"], &printed(&["completions", "zsh"]));
    accepted_by("fish", &["-n"], &printed(&["completions", "fish"]));
}

#[test]
fn the_manual_page_is_whole() {
    let page = printed(&["man"]);
    for part in [
        ".TH GENESYS-STREAM 1 \" \" \"genesys-stream ",
        ".SH DESCRIPTION",
        ".SH OPTIONS",
        ".SH \"genesys-stream check\"",
        ".SH \"genesys-stream completions\"",
        ".SH \"EXIT STATUS\"",
        ".SH ENVIRONMENT",
        "GENESYS_CLIENT_SECRET_FILE",
        ".SH FILES",
        ".SH EXAMPLES",
    ] {
        assert!(page.contains(part), "{part}");
    }
    accepted_by("groff", &["-man", "-Tascii", "-ww"], &page);
}

#[test]
fn help_is_short_or_long_and_folded() {
    for command in [&["run"][..], &["check"], &[]] {
        let help = |flag| printed_to(80, &[command, &[flag]].concat());
        let (short, long) = (help("-h"), help("--help"));
        assert!(short.lines().count() * 3 < long.lines().count() * 2, "{command:?}");
        assert!(
            long.contains("Examples:") && !short.contains("Examples:"),
            "{command:?}"
        );
        for line in short.lines().chain(long.lines()) {
            // A flag with its value's name is not split.
            let is_flag = line.trim_start().starts_with('-');
            assert!(line.chars().count() <= 80 || is_flag, "{command:?}: {line}");
        }
    }
}

#[test]
fn completions_know_what_a_value_is() {
    let zsh = printed(&["completions", "zsh"]);
    for part in ["--ca-file=[", "PEM:_files", "URL:_urls", "NAME:_hosts"] {
        assert!(zsh.contains(part), "{part}");
    }
    assert!(
        !zsh.contains("REGION:_files") && !zsh.contains("TIME:_default"),
        "no files where none belong"
    );
}

#[test]
fn every_help_has_examples() {
    let mut commands = vec!["run", "check", "plan"];
    if cfg!(feature = "simulator") {
        commands.extend(["demo", "simulate"]);
    }
    for command in commands {
        let help = printed(&[command, "--help"]);
        let example = format!("genesys-stream {command}");
        assert!(help.contains("Examples:") && help.contains(&example), "{command}");
    }
    let help = printed(&["--help"]);
    for part in ["Examples:", "Exit codes:", "check", "completions", "man"] {
        assert!(help.contains(part), "{part}");
    }
}
