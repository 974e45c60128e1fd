//! What is installed and packaged: complete, nothing left behind, nothing too much.
//!
//! In: the built program, `contrib/package` · Out: verdicts · Thread: the test's.

use std::path::Path;
use std::process::Command;

use crate::audit::Directory;
use crate::support::process::program;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs a command in the project's directory; returns its stdout.
fn output(command: &mut Command) -> String {
    let output = command.current_dir(ROOT).output().expect("it starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).expect("text")
}

fn files(below: &Path) -> Vec<String> {
    let found = output(Command::new("find").arg(below).args(["-type", "f", "-printf", "%P\n"]));
    found.lines().map(str::to_owned).collect()
}

#[test]
fn an_installation_is_complete_and_can_be_removed() {
    let directory = Directory::new("installed");
    let to = directory.file("root");
    let install = |uninstall: &str| {
        output(
            Command::new("contrib/package/install")
                .env("BIN", env!("CARGO_BIN_EXE_genesys-stream"))
                .env("DESTDIR", &to)
                .env("PREFIX", "/opt/gs")
                .env("UNINSTALL", uninstall),
        );
    };
    install("");
    let root = to.join("opt/gs");
    let there = files(&root);
    for file in [
        "bin/genesys-stream",
        "share/man/man1/genesys-stream.1",
        "share/bash-completion/completions/genesys-stream",
        "share/zsh/site-functions/_genesys-stream",
        "share/fish/vendor_completions.d/genesys-stream.fish",
        "lib/systemd/system/genesys-stream.service",
        "share/doc/genesys-stream/docs/operations.md",
        "share/doc/genesys-stream/docs/images/page.png",
        "share/doc/genesys-stream/LICENSE-MIT",
        "share/doc/genesys-stream/LICENSE-APACHE",
        "share/doc/genesys-stream/examples/config.json",
    ] {
        assert!(there.iter().any(|name| name == file), "{file} of {there:?}");
    }
    let read = |file: &str| std::fs::read_to_string(root.join(file)).expect("text");
    let unit = read("lib/systemd/system/genesys-stream.service");
    assert!(unit.contains("\nExecStart=/opt/gs/bin/genesys-stream run "), "{unit}");
    let licences = read("share/doc/genesys-stream/THIRD-PARTY-LICENCES");
    for part in ["rustls 0.23", "Apache-2.0 OR ISC OR MIT", "==== ring-0.17"] {
        assert!(licences.contains(part), "{part}");
    }
    install("1");
    assert_eq!(files(&to), Vec::<String>::new());
}

/// Nothing but what has to be filled in is wrong with it.
#[test]
fn the_example_configuration_is_right() {
    let file = format!("{ROOT}/contrib/package/config.json");
    let flags = ["plan", "--config", &file, "--region", "http://127.0.0.1:1"];
    let ended = program(&flags, &[("GENESYS_CLIENT_SECRET", "s")]).wait();
    assert_eq!(ended.code, 1, "{}", ended.stderr);
}

#[test]
fn the_package_for_crates_io_has_what_is_needed_and_nothing_else() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let list = output(Command::new(cargo).args(["package", "--list", "--allow-dirty", "--offline", "--quiet"]));
    let files: Vec<&str> = list.lines().collect();
    for file in [
        "src/main.rs",
        "docs/operations.md",
        "LICENSE-MIT",
        "README.md",
        "contrib/package/install",
    ] {
        assert!(files.contains(&file), "{file}");
    }
    for file in files {
        let top = file.split('/').next().expect("a name");
        assert!(
            !["tests", "bench", "benches", "proptest-regressions", ".ci"].contains(&top) && !file.ends_with(".png"),
            "{file}"
        );
    }
}
