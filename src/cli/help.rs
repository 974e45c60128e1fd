//! The texts of `--help` and `man` besides the flags: examples, exit codes, environment, files.
//!
//! In: nothing · Out: text · Thread: any (pure).

/// Code and meaning.
pub const EXIT_CODES: [(&str, &str); 5] = [
    ("0", "stopped as asked, or everything is well"),
    (
        "1",
        "gave up at run time: a final refusal, a certificate that fails, too many failures in a row",
    ),
    ("2", "usage or configuration; nothing was connected"),
    ("3", "credentials or permission refused"),
    (
        "4",
        "a check failed, an audit file is broken, or there is no data for the metrics asked for",
    ),
];

/// Name and meaning.
pub const ENVIRONMENT: [(&str, &str); 7] = [
    (
        "GENESYS_DOMAIN, GENESYS_REGION, GENESYSCLOUD_REGION",
        "the region, as with --region; the first that is set is used",
    ),
    (
        "GENESYS_CLIENT_ID, GENESYSCLOUD_OAUTHCLIENT_ID",
        "the OAuth client, as with --client-id",
    ),
    (
        "GENESYS_CLIENT_SECRET, GENESYSCLOUD_OAUTHCLIENT_SECRET",
        "its secret; never a flag",
    ),
    ("GENESYS_CLIENT_SECRET_FILE", "path of a file that holds the secret"),
    (
        "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY",
        "proxies, in upper or lower case; --proxy overrides them",
    ),
    (
        "RUST_LOG",
        "what is logged, such as debug or genesys_stream=trace; overrides -v and -q",
    ),
    (
        "NO_COLOR, TERM",
        "no colours where NO_COLOR is set; lines instead of a screen where TERM is dumb",
    ),
];

/// Path and meaning.
pub const FILES: [(&str, &str); 4] = [
    (
        "the file named by --config",
        "configuration in JSON; flags and environment override it, and it must not contain secrets",
    ),
    ("~/.gc/config.toml", "profiles of the Genesys CLI, for --profile"),
    (
        "$CREDENTIALS_DIRECTORY/genesys-client-secret",
        "the client secret as systemd provides it (LoadCredential=)",
    ),
    (
        "the files named by --snapshot-file, --log-file, --audit-file, --record",
        "results, written only if these are given",
    ),
];

/// Examples of a command, as its help shows them.
pub mod examples {
    /// The program.
    pub const PROGRAM: &str = "\
Examples:
  genesys-stream demo                               a centre without any account
  export GENESYS_REGION=eu-west-1 GENESYS_CLIENT_ID=... GENESYS_CLIENT_SECRET=...
  genesys-stream check                              does it work? if not: advice
  genesys-stream plan --queue Sales                 what would be subscribed
  genesys-stream run                                all queues, on the terminal
  genesys-stream run --queue Sales --output events  one JSON record per event
  genesys-stream simulate --listen 127.0.0.1:8080   a service to develop against";

    /// `run`.
    pub const RUN: &str = "\
Examples:
  genesys-stream run --region eu-west-1 --queue Sales --queue Support
  genesys-stream run --profile default              as the Genesys CLI
  genesys-stream run --output snapshots --snapshot-file numbers.json
  genesys-stream run --queue all --user queue-members --output events --redact > events
  genesys-stream run --protocol metrics --metric offered --metric-type queue
  genesys-stream run --region http://127.0.0.1:8080 --duration 1m30s -v";

    /// `check`.
    pub const CHECK: &str = "\
One line per step: ok, warn or fail, the step, what was found, how long it took; below it what to do about warnings and \
failures. Steps: config dns tcp tls clock token queues users permissions metrics backfill channel life; those that the \
configuration does not need are left out. The check stops at the first failure that the later steps depend on. Nothing \
stays subscribed, not even after Ctrl-C.
Exit code: 0 no step failed (there may be warnings), 1 the result could not be written, 2 usage or configuration, 4 a step \
failed or the check was stopped.
--json: one object per line {record,schema,step,verdict,took_ms,message,advice,details}; the last step is \"summary\".

Examples:
  genesys-stream check --queue Sales
  genesys-stream check --wait                       also awaits a heartbeat
  genesys-stream check --proxy http://proxy.example:3128 --ca-file root.pem
  genesys-stream check --json | jq -r 'select(.verdict != \"ok\") | .advice'";

    /// `plan`.
    pub const PLAN: &str = "\
Logs in and reads the listing of queues, as `run` does, but subscribes nothing.

Examples:
  genesys-stream plan                               all queues
  genesys-stream plan --queue Sales --user queue-members
  genesys-stream plan --json | jq '.channels[].topics[]'
  genesys-stream plan --protocol metrics --metric offered";

    /// `replay`.
    pub const REPLAY: &str = "\
Protocol, windows and totals are those of the recorded run. The output flags work as for `run`, except that --audit-file \
and --record have no effect.

Examples:
  genesys-stream replay monday.jsonl                on the terminal, as it was
  genesys-stream replay monday.jsonl --speed 60 --listen 127.0.0.1:9464
  genesys-stream replay monday.jsonl --speed 0 --snapshot-file end.json";

    /// `explain`.
    pub const EXPLAIN: &str = "\
Prints the stays of the participants, the outcome of each visit to a queue, and what was handled, as the numbers count it. \
The file is a recording, or an answer of the service saved as JSON: one with `conversations`, or a single conversation.
Exit code: 0 explained, 1 the file does not hold this conversation, 2 the file cannot be read.
--json: {conversation_id, participants:[{id,purpose,stays}], visits:[{queue_id,entered,left,verdict,answered_by,wait_ms}], \
handled:[{queue_id,participant_id,at,handle_ms,transferred,wrapup}]}.

Examples:
  ID=1b3e08b8-e7c3-538a-87c3-a10b68b6b415
  genesys-stream explain monday.jsonl --conversation $ID
  genesys-stream explain details.json --conversation $ID --json | jq .visits";

    /// `audit`.
    pub const AUDIT: &str = "\
Prints one line: whole, from when to when, or broken, with the first broken line. Exit code: 0 whole, 1 the result could \
not be written, 2 no such file, 4 broken. A chain does not show whether its last lines were removed.

Examples:
  genesys-stream audit verify audit.jsonl
  genesys-stream audit verify audit.jsonl.1         the file before the rotation";

    /// `demo`.
    #[cfg(feature = "simulator")]
    pub const DEMO: &str = "\
Examples:
  genesys-stream demo                               live on the terminal until q or Ctrl-C; ? lists the keys
  genesys-stream demo --duration 10s --output lines
  genesys-stream demo --protocol metrics --metric offered --output events";

    /// `simulate`.
    #[cfg(feature = "simulator")]
    pub const SIMULATE: &str = "\
The first line on stdout is `listening on http://HOST:PORT`; the lines after it are the environment to copy. Credentials \
are simulator/simulator, or those of GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET.

Examples:
  genesys-stream simulate --listen 127.0.0.1:8080
  genesys-stream simulate --listen 127.0.0.1:0 --seed 7 --speed 60 --queues 20";

    /// `completions`.
    pub const COMPLETIONS: &str = "\
Examples:
  genesys-stream completions bash > ~/.local/share/bash-completion/completions/genesys-stream
  genesys-stream completions zsh > ~/.zfunc/_genesys-stream
  genesys-stream completions fish > ~/.config/fish/completions/genesys-stream.fish
  genesys-stream completions powershell | Out-String | Invoke-Expression";

    /// `man`.
    pub const MAN: &str = "\
Examples:
  genesys-stream man | man -l -
  genesys-stream man > ~/.local/share/man/man1/genesys-stream.1";
}

/// The text below the flags of the program.
pub fn of_program() -> String {
    format!(
        "{}\n\n{}\nThe client secret is never a flag: see `genesys-stream run --help`. The whole manual: `genesys-stream man`.",
        examples::PROGRAM,
        table("Exit codes", &EXIT_CODES)
    )
}

/// The text below the flags of `run`.
pub fn of_run() -> String {
    format!(
        "Flags override the environment, which overrides a profile of the Genesys CLI, which overrides the configuration \
         file, which overrides the defaults. The client secret can also come from the file's client_secret_file and from \
         systemd's credential genesys-client-secret.\n\n{}\n{}",
        table("Environment", &ENVIRONMENT),
        examples::RUN
    )
}

fn table(title: &str, rows: &[(&str, &str)]) -> String {
    let mut text = format!("{title}:\n");
    for (name, meaning) in rows {
        if name.len() <= 2 {
            text.push_str(&format!("  {name}  {meaning}\n"));
        } else {
            text.push_str(&format!("  {name}\n          {meaning}\n"));
        }
    }
    text
}
