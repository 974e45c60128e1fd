//! `simulate`, and the simulator behind `demo`.
//!
//! In: flags, credentials from the environment · Out: address lines on stdout · Thread: main.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use super::args::{CentreFlags, SimulateFlags};
use super::signals::SignalWatch;
use crate::base::url::{is_loopback, split_host_port};
use crate::config::ConfigBuilder;
use crate::simulator::{Credentials, Options, Script, Simulator};
use crate::{Error, ErrorKind, Secret};

/// What a simulator is asked to be.
pub struct Request {
    pub listen: String,
    pub centre: CentreFlags,
    pub client_id: String,
    pub client_secret: Secret,
}

impl Request {
    /// For `demo`: a free loopback port and the default credentials.
    pub fn for_demo(centre: &CentreFlags) -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            centre: centre.clone(),
            client_id: "simulator".to_owned(),
            client_secret: Secret::new("simulator"),
        }
    }

    /// For `simulate`: credentials by the variables that a client reads, `simulator`/`simulator` without them.
    fn for_simulate(flags: SimulateFlags, variables: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let (client_id, client_secret) = ConfigBuilder::credentials_from(&variables)?;
        Ok(Self {
            listen: flags.listen,
            centre: flags.centre,
            client_id: client_id.unwrap_or_else(|| "simulator".to_owned()),
            client_secret: client_secret.unwrap_or_else(|| Secret::new("simulator")),
        })
    }
}

/// A simulator that runs until this is dropped.
pub struct Running {
    pub url: String,
    _simulator: Simulator,
}

/// Starts a simulator.
pub fn start(request: &Request) -> Result<Running, Error> {
    let options = Options {
        listen: request.listen.clone(),
        seed: request.centre.seed,
        speed: request.centre.speed,
        queues: request.centre.queues as usize,
        agents: request.centre.agents as usize,
        credentials: vec![Credentials {
            client_id: request.client_id.clone(),
            client_secret: request.client_secret.reveal().to_owned(),
        }],
        script: request.centre.script.as_deref().map(read_script).transpose()?,
        ..Options::default()
    };
    let simulator = Simulator::start(options).map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::InvalidInput => ErrorKind::Configuration,
            _ => ErrorKind::Local,
        };
        Error::new(
            kind,
            format!("starting the simulator on {}", request.listen),
            error.to_string(),
        )
    })?;
    Ok(Running {
        url: simulator.url(),
        _simulator: simulator,
    })
}

fn read_script(file: &Path) -> Result<Script, Error> {
    let wrong = |what: String| Error::new(ErrorKind::Configuration, format!("reading {}", file.display()), what);
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    Script::read(&text).map_err(wrong)
}

/// Serves until a signal comes.
pub fn serve(flags: SimulateFlags) -> Result<(), Error> {
    let signals = SignalWatch::start()?;
    let request = Request::for_simulate(flags, |name| std::env::var_os(name))?;
    let running = start(&request)?;
    if !split_host_port(&request.listen).is_ok_and(|(host, _)| is_loopback(&host)) {
        log::warn!(
            "{} can be reached by other machines, and the simulator speaks plain HTTP: anybody there can use and disturb it",
            request.listen
        );
    }
    // A closed stdout is no reason to stop serving.
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(address_lines(&running.url, &request).as_bytes());
    let _ = stdout.flush();
    drop(stdout);
    let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
    signals.on_stop(move || drop(stop));
    // Ends when the signal's action drops the other side.
    let _ = stopped.recv();
    drop(running);
    Ok(())
}

/// The first line says where; the others are the environment to copy. A secret of the user's own is not repeated.
fn address_lines(url: &str, request: &Request) -> String {
    let secret = match request.client_secret.reveal() {
        "simulator" => "export GENESYS_CLIENT_SECRET=simulator",
        _ => "# GENESYS_CLIENT_SECRET: the secret of this simulator's own environment",
    };
    let id = quoted(&request.client_id);
    format!("listening on {url}\nexport GENESYS_DOMAIN={url}\nexport GENESYS_CLIENT_ID={id}\n{secret}\n")
}

/// A word that a shell reads back as it is.
fn quoted(text: &str) -> String {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::{Cli, Command};
    use super::*;
    use clap::Parser;

    fn request(pairs: &'static [(&str, &str)]) -> Request {
        let Command::Simulate(flags) = Cli::try_parse_from(["genesys-stream", "simulate", "--speed", "2.5"])
            .unwrap()
            .command
        else {
            panic!()
        };
        let variables = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
        Request::for_simulate(flags, variables).unwrap()
    }

    #[test]
    fn credentials_come_from_the_clients_variables() {
        let default = request(&[]);
        assert_eq!(default.client_id, "simulator");
        assert_eq!(
            address_lines("http://127.0.0.1:1", &default),
            "listening on http://127.0.0.1:1\nexport GENESYS_DOMAIN=http://127.0.0.1:1\n\
             export GENESYS_CLIENT_ID=simulator\nexport GENESYS_CLIENT_SECRET=simulator\n"
        );
        let own = request(&[
            ("GENESYS_CLIENT_ID", "it's me"),
            ("GENESYSCLOUD_OAUTHCLIENT_SECRET", "hunter2"),
        ]);
        assert_eq!((own.client_secret.reveal(), own.centre.speed), ("hunter2", 2.5));
        let lines = address_lines("http://127.0.0.1:1", &own);
        assert!(lines.contains("GENESYS_CLIENT_ID='it'\\''s me'"), "{lines}");
        assert!(!lines.contains("hunter2"), "{lines}");
    }
}
