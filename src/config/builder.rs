//! Puts a configuration together: setters over environment over file over defaults.
//!
//! In: values of setters and flags, environment, file · Out: `Config` · Thread: any.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::Config;
use super::build::{Layers, ProxyVariables, build};
use super::credentials::{SecretSources, Variables};
use super::json::{Node, Value};
use super::profile::{self, Profile};
#[cfg(feature = "cli")]
use super::reading::Switch;
use super::reading::{FileLayer, Given};
use super::whole_file;
use crate::base::problem::{ConfigProblem, Origin};
use crate::{Error, Secret};

/// The longest configuration file: room for more topics than can be subscribed.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Variables for keys of the file; the first that is set and not empty counts.
const VARIABLES: [(&str, &[&str]); 2] = [
    ("region", &["GENESYS_DOMAIN", "GENESYS_REGION", "GENESYSCLOUD_REGION"]),
    ("client_id", &["GENESYS_CLIENT_ID", "GENESYSCLOUD_OAUTHCLIENT_ID"]),
];

/// Builds a [`Config`].
///
/// A setter is above the environment, the environment is above the file, and the file is above the defaults. Setters take
/// every value; what is out of range is an error of [`ConfigBuilder::build`]. No setter panics.
#[derive(Default)]
pub struct ConfigBuilder {
    given: Vec<Given>,
    secret: Option<Secret>,
    variables: Option<BoxedVariables>,
    proxy_variables: ProxyVariables,
    file: Option<Source>,
    /// Of the Genesys CLI.
    profile: Option<String>,
    problems: Vec<ConfigProblem>,
}

/// Looks a variable of the environment up; a builder may move to another thread.
type BoxedVariables = Box<dyn Fn(&str) -> Option<OsString> + Send>;

enum Source {
    Path(PathBuf),
    Text { name: String, text: String },
}

impl fmt::Debug for ConfigBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.given.iter().map(|given| given.key).collect();
        f.debug_struct("ConfigBuilder")
            .field("given", &keys)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Starts a configuration for use in a program. Nothing of the environment is read unless asked for.
    ///
    /// ```
    /// use genesys_stream::{Config, Protocol, Secret};
    ///
    /// let config = Config::builder()
    ///     .region("eu-west-1")
    ///     .client_id("d7a3b0c1-0000-4000-8000-000000000001")
    ///     .client_secret(Secret::new("from your vault"))
    ///     .protocol(Protocol::Notifications)
    ///     .queue("Sales")
    ///     .build()?;
    /// assert_eq!(config.api_url(), "https://api.mypurecloud.ie");
    ///
    /// let error = Config::builder().region("eu-wset-1").build().unwrap_err();
    /// assert!(error.to_string().contains("did you mean eu-west-1?"));
    /// # Ok::<(), genesys_stream::Error>(())
    /// ```
    #[must_use]
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }
}

impl ConfigBuilder {
    /// The secret of the OAuth client.
    #[must_use]
    pub fn client_secret(mut self, secret: Secret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// Reads settings from a JSON file, which is opened by [`ConfigBuilder::build`]; `docs/configuration.md` lists its keys.
    #[must_use]
    pub fn file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(Source::Path(file.into()));
        self
    }

    /// Reads settings from a JSON text, in place of a file; `name` stands for the file in messages.
    #[must_use]
    pub fn json(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.file = Some(Source::Text {
            name: name.into(),
            text: text.into(),
        });
        self
    }

    /// Reads region, client id and secret from the environment of this process (`GENESYS_REGION`, `GENESYS_CLIENT_ID`,
    /// `GENESYS_CLIENT_SECRET` and the other names in `docs/configuration.md`), and proxies from the usual variables.
    #[must_use]
    pub fn environment(self) -> Self {
        self.environment_from(|name| std::env::var_os(name))
    }

    /// Reads the variables of [`ConfigBuilder::environment`] through a function; proxies are still those of the process.
    #[must_use]
    pub fn environment_from(mut self, variables: impl Fn(&str) -> Option<OsString> + Send + 'static) -> Self {
        self.variables = Some(Box::new(variables));
        self.proxy_variables = ProxyVariables::Read;
        self
    }

    /// Checks everything. Notes (settings that are odd, or without effect) go to the log as warnings.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) with all problems, a line for each in its text and as
    /// [`Error::problems`]. Nothing was connected.
    pub fn build(self) -> Result<Config, Error> {
        let (config, notes) = self.build_with_notes()?;
        for note in notes {
            log::warn!("{note}");
        }
        Ok(config)
    }

    /// Checks everything, and returns the notes (settings that are odd, or without effect) for the caller to show.
    ///
    /// # Errors
    /// Those of [`ConfigBuilder::build`].
    pub fn build_with_notes(self) -> Result<(Config, Vec<String>), Error> {
        let mut problems = self.problems;
        let file = match self.file {
            None => None,
            Some(Source::Text { name, text }) => Some(FileLayer::read(&name, text)),
            Some(Source::Path(path)) => match read_file(&path) {
                Ok(text) => Some(FileLayer::read(&path.display().to_string(), text)),
                Err(what) => {
                    let file = path.display().to_string().into();
                    problems.push(ConfigProblem::new(Origin::Unreadable { file }, "", what));
                    None
                }
            },
        };
        let mut above = self.given;
        if let Some(variables) = &self.variables {
            for (key, names) in VARIABLES {
                if let Some((name, value)) = first_set(variables, names) {
                    above.push(Given {
                        key,
                        origin: Origin::Variable(name),
                        node: Node {
                            value: Value::Text(value.to_string_lossy().trim().to_owned()),
                            at: 0,
                        },
                    });
                }
            }
        }
        let variables = self.variables.as_deref().map(|variables| variables as &Variables<'_>);
        let mut secret_of_profile = None;
        match self.profile.map(|name| read_profile(&name, variables)) {
            Some(Ok(profile)) => {
                for (key, (text, origin)) in [("region", profile.region), ("client_id", profile.client_id)] {
                    let value = Value::Text(text.trim().to_owned());
                    let node = Node { value, at: 0 };
                    above.push(Given { key, origin, node });
                }
                secret_of_profile = Some(profile.client_secret);
            }
            Some(Err(found)) => problems.extend(found),
            None => {}
        }
        build(&Layers {
            above: &above,
            file: file.as_ref(),
            problems,
            secrets: SecretSources {
                setter: self.secret.as_ref(),
                variables,
                profile: secret_of_profile,
            },
            proxy_from_env: self.proxy_variables,
        })
    }

    /// Gives a key a value above environment and file; the value given last counts.
    pub(crate) fn give(&mut self, key: &'static str, origin: Origin, value: Value) {
        self.given.retain(|given| given.key != key);
        self.given.push(Given {
            key,
            origin,
            node: Node { value, at: 0 },
        });
    }

    /// Gives a key a text.
    #[cfg(feature = "cli")]
    pub(crate) fn give_text(&mut self, key: &'static str, origin: Origin, value: &str) {
        self.give(key, origin, Value::Text(value.to_owned()));
    }

    /// Gives a key a number; a text that is no number is refused by the checks.
    #[cfg(feature = "cli")]
    pub(crate) fn give_number(&mut self, key: &'static str, origin: Origin, value: &str) {
        let number = value.parse::<f64>().is_ok_and(f64::is_finite);
        let kind = if number { Value::Number } else { Value::Text };
        self.give(key, origin, kind(value.to_owned()));
    }

    /// Gives a key `true` or `false`.
    #[cfg(feature = "cli")]
    pub(crate) fn give_switch(&mut self, key: &'static str, origin: Origin, switch: Switch) {
        self.give(key, origin, Value::Bool(switch == Switch::On));
    }

    /// Connects to a simulator of this process, whatever file and environment say about the connection.
    #[cfg(feature = "cli")]
    #[must_use]
    pub(crate) fn connection_overridden(mut self, url: &str, client_id: &str, client_secret: Secret) -> Self {
        for key in ["login_url", "api_url", "streaming_url", "ca_file", "proxy"] {
            self.give(key, Origin::Setter("connection_overridden"), Value::Null);
        }
        self.proxy_variables = ProxyVariables::Ignored;
        self.region(url).client_id(client_id).client_secret(client_secret)
    }

    /// Reads region, client id and secret from a profile of the Genesys CLI: below the environment, above the file.
    #[cfg(feature = "cli")]
    #[must_use]
    pub(crate) fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// Adds a problem that was found elsewhere, to be listed with the others.
    #[cfg(feature = "cli")]
    pub(crate) fn add_problem(&mut self, problem: ConfigProblem) {
        self.problems.push(problem);
    }

    /// Adds an item to the list of a key.
    pub(crate) fn give_item(&mut self, key: &'static str, origin: Origin, item: String) {
        let item = Node {
            value: Value::Text(item),
            at: 0,
        };
        if let Some(given) = self.given.iter_mut().find(|given| given.key == key)
            && let Value::List(items) = &mut given.node.value
        {
            items.push(item);
        } else {
            self.give(key, origin, Value::List(vec![item]));
        }
    }
}

impl ConfigBuilder {
    /// Client id and secret from the environment, for the simulator: whom it lets log in.
    #[cfg(all(feature = "cli", feature = "simulator"))]
    pub(crate) fn credentials_from(variables: &Variables<'_>) -> Result<(Option<String>, Option<Secret>), Error> {
        let sources = SecretSources {
            setter: None,
            variables: Some(variables),
            profile: None,
        };
        let id = first_set(variables, VARIABLES[1].1).map(|(_, value)| value.to_string_lossy().trim().to_owned());
        match super::credentials::find(&sources, None) {
            Ok(secret) => Ok((id, secret)),
            Err((origin, what)) => Err(Error::configuration(vec![ConfigProblem::new(origin, "", what)])),
        }
    }
}

fn first_set(variables: &Variables<'_>, names: &[&'static str]) -> Option<(&'static str, OsString)> {
    let set = |name: &&'static str| Some((*name, variables(name).filter(|value| !value.is_empty())?));
    names.iter().find_map(set)
}

/// Reads a profile from `~/.gc/config.toml`.
fn read_profile(name: &str, variables: Option<&Variables<'_>>) -> Result<Profile, Vec<ConfigProblem>> {
    let variable = |name: &str| variables.map_or_else(|| std::env::var_os(name), |variables| variables(name));
    let home = ["HOME", "USERPROFILE"]
        .into_iter()
        .find_map(|name| variable(name).filter(|home| !home.is_empty()));
    let Some(home) = home else {
        let what = "HOME is not set, so the file of the Genesys CLI is not found (~/.gc/config.toml)";
        return Err(vec![ConfigProblem::new(Origin::Flag("--profile"), "profile", what)]);
    };
    let path = Path::new(&home).join(".gc").join("config.toml");
    let file = path.display().to_string();
    match read_file(&path) {
        Ok(text) => profile::read(&file, &text, name),
        Err(what) => {
            let what = format!("{what}; --profile needs this file of the Genesys CLI, which `gc profiles new` writes");
            let file = file.into();
            Err(vec![ConfigProblem::new(Origin::Unreadable { file }, "", what)])
        }
    }
}

fn read_file(path: &Path) -> Result<String, String> {
    let bytes = whole_file::read(path, MAX_FILE_BYTES).map_err(|error| format!("cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes()[..e.utf8_error().valid_up_to()]
            .iter()
            .filter(|&&b| b == b'\n')
            .count()
            + 1;
        format!("line {line} is no valid UTF-8 text")
    })
}
