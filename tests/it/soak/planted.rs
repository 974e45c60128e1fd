//! Secrets that the peers know, how they may be written, and where they must not be found.
//!
//! In: nothing; a folder and a process · Out: texts to echo; files that hold a secret · Thread: any.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};

/// Part of every planted secret, of characters that URL-encoding leaves as they are.
const MARK: &str = "pl4ntedForTheSoak";

/// The client's id, which is no secret by itself.
pub const CLIENT_ID: &str = "soaking-client";

pub fn client_secret() -> String {
    format!("cs+{MARK}/with=all&%marks")
}

/// The token of the page.
pub fn page_token() -> String {
    format!("page-{MARK}-0123456789")
}

pub fn token(number: usize) -> String {
    format!("at{number}+{MARK}/=")
}

pub fn channel(number: usize) -> String {
    format!("streaming-5-{MARK}{number}")
}

/// A secret in each form that a peer may repeat it in.
pub fn forms(secret: &str) -> Vec<String> {
    let url: String = secret.bytes().map(url_encoded).collect();
    let with_id = format!("{CLIENT_ID}:{secret}");
    vec![
        secret.to_owned(),
        url.clone(),
        url.replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d"),
        STANDARD.encode(secret),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE.encode(secret),
        STANDARD.encode(&with_id),
        URL_SAFE.encode(&with_id),
        STANDARD.encode(format!("?{with_id}")),
        STANDARD.encode(format!("??{with_id}")),
    ]
}

fn url_encoded(byte: u8) -> String {
    match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    }
}

/// What to look for: the mark as it is, and in base64 wherever it stands in a longer text.
fn patterns() -> Vec<String> {
    let in_base64 = (0..3).map(|before| {
        let text = STANDARD_NO_PAD.encode([&vec![b' '; before][..], MARK.as_bytes()].concat());
        // Characters that hold bits of what stands before or behind are left out.
        let (first, end) = ((before * 8).div_ceil(6), (before + MARK.len()) * 8 / 6);
        text[first..end].to_owned()
    });
    [MARK.to_owned()].into_iter().chain(in_base64).collect()
}

/// The files below a folder that hold a secret, each with the first such line.
pub fn found_below(folder: &Path) -> Vec<String> {
    let mut grep = Command::new("grep");
    grep.args(["-r", "-a", "-E", "-m", "1", "-o"]);
    for pattern in patterns() {
        // With some of what stands around it.
        grep.args(["-e", &format!(".{{0,60}}{}.{{0,20}}", pattern.replace('+', "[+]"))]);
    }
    let found = grep.arg(folder).output().expect("grep");
    let errors = String::from_utf8_lossy(&found.stderr);
    assert!(matches!(found.status.code(), Some(0 | 1)), "grep: {errors}");
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    text.lines().map(str::to_owned).collect()
}

/// Whether a text, such as a command line, holds a secret.
pub fn is_in(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    patterns().iter().any(|pattern| text.contains(pattern.as_str()))
}

#[test]
fn a_secret_is_found_in_each_form() {
    for secret in [client_secret(), page_token(), token(7), channel(7)] {
        for form in forms(&secret) {
            assert!(is_in(form.as_bytes()), "{form}");
        }
    }
    let folder = crate::audit::Directory::new("planted");
    std::fs::write(folder.file("clean"), "nothing here\n").expect("a file");
    assert_eq!(found_below(&folder.0), Vec::<String>::new());
    let form = forms(&client_secret()).pop().expect("a form");
    std::fs::write(folder.file("told"), format!("\"auth\":\"{form}\"\n")).expect("a file");
    assert_eq!(found_below(&folder.0).len(), 1);
}
