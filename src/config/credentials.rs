//! Finds the client secret (setter, environment, systemd's credential, file) without ever showing it.
//!
//! In: the sources in their order · Out: `Secret`, or a complaint that names the source · Thread: any (reads small files).

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::Secret;
use crate::base::problem::Origin;

/// A secret is one line; a longer file holds something else.
const MAX_SECRET_BYTES: u64 = 4096;

/// Looks a variable of the environment up.
pub(crate) type Variables<'a> = dyn Fn(&str) -> Option<OsString> + 'a;

/// Where a secret may be, besides `client_secret_file`.
pub(crate) struct SecretSources<'a> {
    pub setter: Option<&'a Secret>,
    pub variables: Option<&'a Variables<'a>>,
    /// That of a profile of the Genesys CLI: below the variables, above the file.
    pub profile: Option<(Secret, Origin)>,
}

/// The first source that is set and not empty wins. `file` is `client_secret_file`, from a setter or the file.
pub(crate) fn find(
    sources: &SecretSources<'_>,
    file: Option<(PathBuf, Origin)>,
) -> Result<Option<Secret>, (Origin, String)> {
    if let Some(secret) = sources.setter {
        let origin = Origin::Setter("client_secret");
        return match checked(secret.reveal()) {
            Ok(secret) => Ok(Some(secret)),
            Err(what) => Err((origin, what)),
        };
    }
    let from_setter = |origin: &Origin| matches!(origin, Origin::Setter(_));
    if let Some((path, origin)) = file.as_ref().filter(|(_, origin)| from_setter(origin)) {
        return read_secret_file(path).map(Some).map_err(|what| (origin.clone(), what));
    }
    let of_environment = match sources.variables {
        Some(variables) => from_variables(variables)?,
        None => None,
    };
    match (of_environment, &sources.profile, file) {
        (Some(secret), ..) => Ok(Some(secret)),
        (None, Some((secret, origin)), _) => checked(secret.reveal())
            .map(Some)
            .map_err(|what| (origin.clone(), what)),
        (None, None, Some((path, origin))) => read_secret_file(&path).map(Some).map_err(|what| (origin, what)),
        (None, None, None) => Ok(None),
    }
}

fn from_variables(variables: &Variables<'_>) -> Result<Option<Secret>, (Origin, String)> {
    let set = |name: &str| variables(name).filter(|value| !value.is_empty());
    for name in ["GENESYS_CLIENT_SECRET", "GENESYSCLOUD_OAUTHCLIENT_SECRET"] {
        if let Some(value) = set(name) {
            let complaint = |what: String| (Origin::Variable(name), what);
            let text = value
                .into_string()
                .map_err(|_| complaint("this secret is no valid UTF-8 text".to_owned()))?;
            return checked(&text).map(Some).map_err(complaint);
        }
    }
    let name = "GENESYS_CLIENT_SECRET_FILE";
    if let Some(path) = set(name) {
        return read_secret_file(Path::new(&path))
            .map(Some)
            .map_err(|what| (Origin::Variable(name), what));
    }
    let name = "CREDENTIALS_DIRECTORY";
    if let Some(directory) = set(name) {
        let path = Path::new(&directory).join("genesys-client-secret");
        // The directory may hold credentials for other purposes only.
        if path.symlink_metadata().is_ok() {
            return read_secret_file(&path)
                .map(Some)
                .map_err(|what| (Origin::Variable(name), format!("genesys-client-secret: {what}")));
        }
    }
    Ok(None)
}

/// Reads a secret from a file, without the newline at its end. The message names the path, and never the content. What may be
/// the secret itself is only described, because some users confuse the two.
pub(crate) fn read_secret_file(path: &Path) -> Result<Secret, String> {
    let shown = path.display().to_string();
    let file = match names_a_file(path) {
        true => shown,
        false => format!(
            "a file with this name of {} characters (if that is the secret itself, write it to a file and name the file)",
            shown.chars().count()
        ),
    };
    let cannot = |error: std::io::Error| format!("{file} cannot be read: {error}");
    let opened = std::fs::File::open(path).map_err(cannot)?;
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES as usize + 1));
    opened
        .take(MAX_SECRET_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() as u64 > MAX_SECRET_BYTES {
        return Err(format!(
            "{file} is longer than {MAX_SECRET_BYTES} bytes: it holds no secret"
        ));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => checked(text.strip_prefix('\u{feff}').unwrap_or(text)).map_err(|what| format!("in {file}, {what}")),
        Err(_) => Err(format!("{file} holds no valid UTF-8 text")),
    }
}

/// Whether a text is a path rather than a secret: there is such a file, or its directory, or it is written as a path.
fn names_a_file(path: &Path) -> bool {
    // As secrets are, and words seldom.
    let is_random = |part: &std::ffi::OsStr| {
        let part = part.as_encoded_bytes();
        let has = |of: fn(&u8) -> bool| part.iter().any(of);
        part.len() >= 16 && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)
    };
    let has_directory = path.parent().is_some_and(|parent| parent.is_dir());
    // Base64 may begin with a slash, and `/` is a directory.
    let may_be_secret = path.file_name().is_some_and(is_random);
    if path.symlink_metadata().is_ok() || has_directory && !may_be_secret {
        return true;
    }
    let is_name = match path.extension() {
        Some(end) if path.components().count() == 1 => end.len() <= 5 && end.as_encoded_bytes().is_ascii(),
        _ => path.is_absolute() || path.starts_with(".") || path.starts_with("..") || path.starts_with("~"),
    };
    is_name && !path.iter().any(is_random)
}

fn checked(text: &str) -> Result<Secret, String> {
    let text = text.trim_end_matches(['\n', '\r']);
    if text.trim().is_empty() {
        return Err("the secret is empty".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("the secret holds a line break or control character; one line is needed".to_owned());
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("gs-credentials-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn look(pairs: &[(&str, &str)], file: Option<&Path>) -> Result<Option<String>, (Origin, String)> {
        let variables = |name: &str| {
            let found = pairs.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let sources = SecretSources {
            setter: None,
            variables: Some(&variables),
            profile: None,
        };
        let file = file.map(|path| (path.to_owned(), Origin::Missing));
        find(&sources, file).map(|secret| secret.map(|s| s.reveal().to_owned()))
    }

    #[test]
    fn the_first_that_is_set_and_not_empty_wins() {
        let dir = directory("order");
        let path = |name: &str, content: &str| {
            let path = dir.join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let by_variable = path("variable", "from-variable-file\n");
        path("genesys-client-secret", "from-systemd\r\n");
        let by_key = path("key", "from-key\n");
        let systemd = ("CREDENTIALS_DIRECTORY", dir.to_str().unwrap());
        let file = ("GENESYS_CLIENT_SECRET_FILE", by_variable.to_str().unwrap());
        let second = ("GENESYSCLOUD_OAUTHCLIENT_SECRET", "second");
        let first = ("GENESYS_CLIENT_SECRET", "first");
        for (pairs, expected) in [
            (vec![systemd, file, second, first], "first"),
            (vec![systemd, file, second, ("GENESYS_CLIENT_SECRET", "")], "second"),
            (vec![systemd, file], "from-variable-file"),
            (vec![systemd], "from-systemd"),
            (vec![], "from-key"),
        ] {
            assert_eq!(look(&pairs, Some(&by_key)), Ok(Some(expected.to_owned())));
        }
        assert_eq!(look(&[], None), Ok(None));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_path_is_named_and_what_may_be_a_secret_is_not() {
        for path in [
            "/nowhere/file",
            "./secret",
            "../a/secret",
            "secret.txt",
            "~/secret",
            "src/secret",
        ] {
            let what = read_secret_file(Path::new(path)).unwrap_err();
            assert!(what.starts_with(&format!("{path} cannot be read")), "{what}");
        }
        let what = read_secret_file(Path::new("/dev/zero")).unwrap_err();
        assert!(what.contains("longer than 4096 bytes"), "{what}");
        let secrets = [
            "hunter2",
            "hunter2/with+slashes",
            "/hunter2aXYZ0987aXY/hunter2",
            "eyJhbGciOiJIUzI1NiJ9.hunter2XYZ.hunter2",
            "hunter2.hunter3",
            "hunter2/hunter3.txt",
            "./hunter2aXYZ0987aXY/h",
        ];
        for secret in secrets {
            let what = read_secret_file(Path::new(secret)).unwrap_err();
            assert!(what.contains("cannot be read") && !what.contains("hunter2"), "{what}");
        }
    }

    #[test]
    fn complaints_name_the_source_and_show_nothing() {
        let dir = directory("wrong");
        std::fs::write(dir.join("genesys-client-secret"), "hunter2\nhunter3\n").unwrap();
        std::fs::write(dir.join("empty"), "\n").unwrap();
        let cases = [
            (
                look(&[("GENESYS_CLIENT_SECRET_FILE", "hunter2")], None),
                "cannot be read",
            ),
            (
                look(&[("CREDENTIALS_DIRECTORY", dir.to_str().unwrap())], None),
                "line break",
            ),
            (
                look(&[("GENESYS_CLIENT_SECRET", "hunter2\u{7}")], None),
                "control character",
            ),
            (look(&[], Some(&dir.join("empty"))), "empty"),
            (look(&[], Some(&dir)), "cannot be read"),
            (
                look(&[("GENESYS_CLIENT_SECRET_FILE", "/nowhere/file")], None),
                "/nowhere/file cannot be read",
            ),
            (look(&[], Some(&dir.join("empty"))), "in /"),
        ];
        for (result, part) in cases {
            let (_, what) = result.unwrap_err();
            assert!(what.contains(part), "{what}");
            assert!(!what.contains("hunter"), "{what}");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
