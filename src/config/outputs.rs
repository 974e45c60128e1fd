//! Reads the keys below `outputs` and `http`: where results go.
//!
//! In: layers · Out: `OutputsConfig`, `HttpConfig` · Thread: any (pure except for reading files that hold secrets).

use std::path::{Path, PathBuf};

use super::credentials;
use super::reading::{Null, Reading, Switch};
use super::region::parse_url;
use super::{HttpConfig, OutputsConfig, Stdout, WebhookConfig, WebhookOn};
use crate::base::url::{Scheme, is_host_name, is_loopback, split_host_port};

pub(super) fn read_outputs(r: &mut Reading<'_>) -> OutputsConfig {
    let outputs = OutputsConfig {
        stdout: r.one_of(
            "outputs.stdout",
            &[
                ("auto", Stdout::Auto),
                ("live", Stdout::Live),
                ("events", Stdout::Events),
                ("snapshots", Stdout::Snapshots),
                ("lines", Stdout::Lines),
                ("none", Stdout::None),
            ],
            Stdout::default(),
        ),
        redact: r.switch("outputs.redact", Switch::Off),
        interval: r.duration("outputs.interval_ms", 10..=3_600_000, 1000),
        snapshot_file: r.path("outputs.snapshot_file"),
        snapshot_every: r.duration("outputs.snapshot_every_secs", 1..=86_400, 1),
        snapshot_mode: r.text("outputs.snapshot_mode", Null::Refused, file_mode),
        audit_file: r.path("outputs.audit_file"),
        record_file: r.path("outputs.record_file"),
        log_file: r.path("outputs.log_file"),
        webhook: read_webhook(r),
    };
    let files = [
        ("outputs.snapshot_file", &outputs.snapshot_file),
        ("outputs.audit_file", &outputs.audit_file),
        ("outputs.record_file", &outputs.record_file),
        ("outputs.log_file", &outputs.log_file),
    ];
    for (index, (key, file)) in files.iter().enumerate() {
        // A device such as /dev/null may be named twice.
        let same = |other: &&(&str, &Option<PathBuf>)| {
            file.as_deref().is_some_and(|path| !path.starts_with(Path::new("/dev")))
                && other.1.as_deref() == file.as_deref()
        };
        if let Some((other, _)) = files[..index].iter().find(same) {
            r.problem(key, (format!("the same file as {other}"), "each needs its own"));
        }
    }
    outputs
}

/// Permissions in octal, as `chmod` takes them: the owner reads and writes, nobody executes, others do not write.
fn file_mode(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix('0').filter(|rest| rest.len() == 3).unwrap_or(text);
    match digits.as_bytes() {
        [b'6', b'0' | b'4' | b'6', b'0' | b'4'] => u32::from_str_radix(digits, 8).map_err(|error| error.to_string()),
        _ => Err("allowed are 0600, 0604, 0640, 0644, 0660, 0664".to_owned()),
    }
}

fn read_webhook(r: &mut Reading<'_>) -> Option<WebhookConfig> {
    let url = r.text("outputs.webhook.url", Null::Allowed, |text| {
        let url = parse_url(text)?;
        match url.scheme {
            Scheme::Http | Scheme::Https => Ok((text.to_owned(), url)),
            Scheme::Ws | Scheme::Wss => Err("a webhook begins with https:// (or http://)".to_owned()),
        }
    });
    let secret_file = r.path("outputs.webhook.secret_file");
    let on = r.one_of(
        "outputs.webhook.on",
        &[
            ("snapshot", WebhookOn::Snapshot),
            ("events", WebhookOn::Events),
            ("alerts", WebhookOn::Alerts),
        ],
        WebhookOn::Snapshot,
    );
    let timeout = r.duration("outputs.webhook.timeout_secs", 1..=300, 5);
    let allow_http = r.switch("outputs.webhook.allow_http", Switch::Off);
    let Some((text, url)) = url else {
        let named = ["secret_file", "on", "timeout_secs", "allow_http"]
            .iter()
            .any(|key| r.origin(&format!("outputs.webhook.{key}")).is_some());
        if named && r.origin("outputs.webhook.url").is_none() {
            r.problem(
                "outputs.webhook.url",
                "missing, although outputs.webhook is set; give it there or with --webhook",
            );
        }
        return None;
    };
    if url.scheme == Scheme::Http && !url.target.is_loopback() && !allow_http {
        r.problem(
            "outputs.webhook.url",
            (
                "http:// to another machine",
                "use https://, or set outputs.webhook.allow_http to true",
            ),
        );
    }
    let secret = secret_file.and_then(|path| match credentials::read_secret_file(&path) {
        Ok(secret) => Some(secret),
        Err(what) => {
            r.problem("outputs.webhook.secret_file", what);
            None
        }
    });
    Some(WebhookConfig {
        url: text,
        secret,
        on,
        timeout,
        allow_http,
    })
}

/// A shorter token of the page can be guessed.
const LEAST_TOKEN_CHARS: usize = 16;

pub(super) fn read_http(r: &mut Reading<'_>) -> HttpConfig {
    let listen = r.text("http.listen", Null::Allowed, |text| match split_host_port(text) {
        Ok((host, Some(_))) => Ok((text.to_owned(), host)),
        _ => Err("allowed is HOST:PORT, such as 127.0.0.1:9464 or [::1]:9464".to_owned()),
    });
    let token_file = r.path("http.token_file");
    if let Some((_, host)) = &listen
        && !is_loopback(host)
        && token_file.is_none()
    {
        r.problem(
            "http.listen",
            (
                "an address that other machines reach",
                "this needs a token: set http.token_file (--token-file), or listen on 127.0.0.1",
            ),
        );
    }
    let token = token_file.and_then(|path| match credentials::read_secret_file(&path) {
        Ok(token) if token.reveal().chars().count() < LEAST_TOKEN_CHARS => {
            let what = format!(
                "the token in {} has fewer than {LEAST_TOKEN_CHARS} characters and could be guessed; `openssl rand -hex 16` makes one",
                path.display()
            );
            r.problem("http.token_file", what);
            None
        }
        Ok(token) => Some(token),
        Err(what) => {
            r.problem("http.token_file", what);
            None
        }
    });
    let allowed_hosts = r.texts("http.allowed_hosts", 0..=100, |text| {
        if is_host_name(text.trim_start_matches("*.")) && !text.starts_with("*.") {
            Ok(())
        } else {
            Err("a host name without scheme, port and wildcard is needed".to_owned())
        }
    });
    HttpConfig {
        listen: listen.map(|(text, _)| text),
        token,
        allowed_hosts: allowed_hosts.unwrap_or_default(),
    }
}
