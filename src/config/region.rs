//! Regions of Genesys Cloud, and the addresses of login, API and streaming.
//!
//! In: what the user calls the region, overrides · Out: `Hosts` · Thread: any (pure).

use super::message::nearest;
use crate::base::url::{Scheme, Security, Url, is_host_name};
#[cfg(any(test, all(feature = "cli", feature = "simulator")))]
use crate::{Error, ErrorKind};

/// AWS region and domain, from Genesys' own SDKs (Python 269.0.0, JavaScript e09e27aa), seen 2026-11-22.
pub const REGIONS: [(&str, &str); 18] = [
    ("us-east-1", "mypurecloud.com"),
    ("us-east-2", "use2.us-gov-pure.cloud"),
    ("us-west-2", "usw2.pure.cloud"),
    ("ca-central-1", "cac1.pure.cloud"),
    ("mx-central-1", "mxc1.pure.cloud"),
    ("sa-east-1", "sae1.pure.cloud"),
    ("eu-west-1", "mypurecloud.ie"),
    ("eu-west-2", "euw2.pure.cloud"),
    ("eu-central-1", "mypurecloud.de"),
    ("eu-central-2", "euc2.pure.cloud"),
    ("eusc-de-east-1", "edee1.eusc-pure.cloud"),
    ("ap-south-1", "aps1.pure.cloud"),
    ("ap-southeast-1", "apse1.pure.cloud"),
    ("ap-southeast-2", "mypurecloud.com.au"),
    ("ap-northeast-1", "mypurecloud.jp"),
    ("ap-northeast-2", "apne2.pure.cloud"),
    ("ap-northeast-3", "apne3.pure.cloud"),
    ("me-central-1", "mec1.pure.cloud"),
];

/// Where login, API and sockets are, without the keys that override it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Region {
    /// `login.`, `api.` and `streaming.` + this.
    Domain(String),
    /// All three at this address.
    Base(Url),
}

/// Places by which people and admin pages call the regions, in the order in which they are looked for; only letters and
/// digits count.
const PLACES: [(&str, &str); 33] = [
    ("useast2", "us-east-2"),
    ("ohio", "us-east-2"),
    ("useast", "us-east-1"),
    ("nvirginia", "us-east-1"),
    ("virginia", "us-east-1"),
    ("uswest", "us-west-2"),
    ("oregon", "us-west-2"),
    ("canada", "ca-central-1"),
    ("mexico", "mx-central-1"),
    ("sopaulo", "sa-east-1"),
    ("saopaulo", "sa-east-1"),
    ("brazil", "sa-east-1"),
    ("ireland", "eu-west-1"),
    ("dublin", "eu-west-1"),
    ("london", "eu-west-2"),
    ("uk", "eu-west-2"),
    ("frankfurt", "eu-central-1"),
    ("zurich", "eu-central-2"),
    ("zrich", "eu-central-2"),
    ("switzerland", "eu-central-2"),
    ("europeansovereigncloud", "eusc-de-east-1"),
    ("awseuropeansovereigncloud", "eusc-de-east-1"),
    ("brandenburg", "eusc-de-east-1"),
    ("mumbai", "ap-south-1"),
    ("singapore", "ap-southeast-1"),
    ("sydney", "ap-southeast-2"),
    ("australia", "ap-southeast-2"),
    ("tokyo", "ap-northeast-1"),
    ("seoul", "ap-northeast-2"),
    ("osaka", "ap-northeast-3"),
    ("uae", "me-central-1"),
    ("dubai", "me-central-1"),
    ("japan", "ap-northeast-1"),
];

/// A region as read, and the known domain that a similar unknown one may stand for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// As it is shown: an AWS region for its other spellings, the domain for an address from the browser.
    pub name: String,
    pub region: Region,
    pub maybe_meant: Option<&'static str>,
}

/// Reads an AWS region name (also as SDKs write it, `us_east_1`), a place (`EU (Ireland)`), a domain, a host below one, an
/// address from the browser, or a base URL.
pub(crate) fn parse(text: &str) -> Result<Parsed, String> {
    let text = text.trim();
    let known = |name: &str, domain: &str| Parsed {
        name: name.to_owned(),
        region: Region::Domain(domain.to_owned()),
        maybe_meant: None,
    };
    if let Some(domain) = of_browser(text) {
        return Ok(known(domain, domain));
    }
    if text.contains("://") {
        return parse_base(text).map(|region| Parsed {
            name: text.to_owned(),
            region,
            maybe_meant: None,
        });
    }
    let name = text.to_ascii_lowercase();
    let of_aws = |name: &str| REGIONS.iter().find(|(aws, _)| *aws == name);
    if let Some((_, domain)) = of_aws(&name) {
        return Ok(known(text, domain));
    }
    if let Some((aws, domain)) = of_aws(&name.replace('_', "-")).or_else(|| of_aws(of_place(&name)?)) {
        return Ok(known(aws, domain));
    }
    if !is_host_name(&name) {
        let hint = if text.contains(':') {
            "; a base URL begins with its scheme, such as http://127.0.0.1:8080"
        } else {
            ""
        };
        return Err(format!("{ALLOWED}{hint}"));
    }
    if name.parse::<std::net::Ipv4Addr>().is_ok() || name == "localhost" {
        return Err(format!("{ALLOWED}; did you mean http://{name}:PORT?"));
    }
    if !name.contains('.') {
        let known = REGIONS.iter().flat_map(|(aws, domain)| [*aws, *domain]);
        let meant = nearest(&name, known).map_or(String::new(), |meant| format!("; did you mean {meant}?"));
        return Err(format!("no such region; {ALLOWED}{meant}"));
    }
    let domain = below_known_prefix(&name);
    let is_known = REGIONS.iter().any(|(_, d)| *d == domain);
    Ok(Parsed {
        maybe_meant: if is_known {
            None
        } else {
            nearest(domain, REGIONS.iter().map(|(_, d)| *d))
        },
        ..known(text, domain)
    })
}

/// The AWS region of a place, such as `eu (ireland)`.
fn of_place(name: &str) -> Option<&'static str> {
    let letters = |part: &str| -> String { part.chars().filter(char::is_ascii_alphanumeric).collect() };
    let parts: Vec<String> = name.split(['(', ')', ',']).map(letters).collect();
    let found = PLACES.iter().find(|(place, _)| parts.iter().any(|part| part == place));
    found.map(|(_, aws)| *aws)
}

/// The domain of an address that was copied from the browser, such as `https://apps.mypurecloud.ie/directory/#/`.
fn of_browser(text: &str) -> Option<&'static str> {
    // The rest may hold a token, and is dropped.
    let parts = |rest| str::split_once(rest, ['/', '?', '#']);
    let host = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => parts(rest).map_or(rest, |(host, _)| host),
        Some(_) => return None,
        None => parts(text)?.0,
    };
    let host = Some(host.to_ascii_lowercase()).filter(|host| is_host_name(host))?;
    let is_below = |domain: &str| {
        host.strip_suffix(domain)
            .is_some_and(|sub| sub.is_empty() || sub.ends_with('.'))
    };
    let found = REGIONS.iter().find(|(_, domain)| is_below(domain));
    found.map(|(_, domain)| *domain)
}

const ALLOWED: &str = "allowed are an AWS region (such as eu-west-1), a Genesys domain (mypurecloud.ie), \
    a host (api.mypurecloud.ie), or a base URL (http://127.0.0.1:8080)";

fn below_known_prefix(host: &str) -> &str {
    ["login.", "api.", "streaming.", "apps."]
        .iter()
        .find_map(|prefix| host.strip_prefix(prefix).filter(|rest| rest.contains('.')))
        .unwrap_or(host)
}

fn parse_base(text: &str) -> Result<Region, String> {
    let url = parse_http_url(text)?;
    if url.path != "/" {
        return Err("a base URL has no path".to_owned());
    }
    // Login and API of Genesys never share a host: the address of one of them stands for its region.
    let domain = below_known_prefix(&url.target.host);
    if url.scheme == Scheme::Https && url.target.port == 443 && REGIONS.iter().any(|(_, d)| *d == domain) {
        return Ok(Region::Domain(domain.to_owned()));
    }
    Ok(Region::Base(url))
}

/// A URL in a setting; a fragment would have no effect and is refused.
pub(crate) fn parse_url(text: &str) -> Result<Url, String> {
    if text.contains('#') {
        return Err("a URL here has no fragment (#…)".to_owned());
    }
    Url::parse(text).map_err(|wrong| format!("the URL {wrong}"))
}

/// The URL of login, API or streaming: plain only on this machine, no query.
fn parse_service_url(text: &str, schemes: &[Scheme]) -> Result<Url, String> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if scheme.is_some_and(|scheme| !schemes.iter().any(|allowed| allowed.as_str() == scheme)) {
        let allowed: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
        return Err(format!("allowed schemes are {}", allowed.join(", ")));
    }
    let url = parse_url(text)?;
    if url.query.is_some() {
        return Err("a URL here has no query (?…)".to_owned());
    }
    if url.target.security == Security::Plain && !url.target.is_loopback() {
        return Err(format!(
            "{}:// is accepted for this machine only (127.0.0.0/8, localhost, [::1]); use {}s://",
            url.scheme, url.scheme
        ));
    }
    Ok(url)
}

/// Login and API as `http(s)`.
pub(crate) fn parse_http_url(text: &str) -> Result<Url, String> {
    parse_service_url(text, &[Scheme::Https, Scheme::Http])
}

/// Streaming, as `ws(s)` or `http(s)`; only its host is used, since the service gives the rest.
pub(crate) fn parse_streaming_url(text: &str) -> Result<Url, String> {
    let url = parse_service_url(text, &[Scheme::Wss, Scheme::Ws, Scheme::Https, Scheme::Http])?;
    if url.path == "/" {
        Ok(url)
    } else {
        Err("the streaming address has no path: the service gives it".to_owned())
    }
}

/// The three base URLs; `None` where the region is missing and not all three were given.
pub(crate) fn hosts(
    region: Option<(&str, &Region)>,
    login: Option<&Url>,
    api: Option<&Url>,
    streaming: Option<&Url>,
) -> Option<super::Hosts> {
    let socket = |url: &Url| url.base(url.scheme.of_socket());
    let rest = |url: &Url| url.base(url.scheme);
    let of_region = |part: &str| match region {
        Some((_, Region::Domain(domain))) if part == "streaming" => Some(format!("wss://streaming.{domain}")),
        Some((_, Region::Domain(domain))) => Some(format!("https://{part}.{domain}")),
        Some((_, Region::Base(url))) if part == "streaming" => Some(socket(url)),
        Some((_, Region::Base(url))) => Some(rest(url)),
        None => None,
    };
    let api = api.map(rest).or_else(|| of_region("api"))?;
    Some(super::Hosts {
        region: region.map_or_else(|| api.clone(), |(name, _)| name.to_owned()),
        login: login.map(rest).or_else(|| of_region("login"))?,
        api,
        streaming: streaming.map(socket).or_else(|| of_region("streaming"))?,
    })
}

#[cfg(any(test, all(feature = "cli", feature = "simulator")))]
impl super::Hosts {
    /// Everything at one base URL, as the simulator serves it: `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] where this is no base URL of this machine or no `https://` one.
    pub fn at(base_url: &str) -> Result<Self, Error> {
        let wrong = |what: &str| Error::new(ErrorKind::Configuration, "reading a base URL", what);
        let region = parse_base(base_url).map_err(|what| wrong(&what))?;
        hosts(Some((base_url, &region)), None, None, None).ok_or_else(|| wrong("it names no hosts"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts_of(text: &str) -> (String, String, String) {
        let parsed = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let hosts = hosts(Some((text, &parsed.region)), None, None, None).unwrap();
        (hosts.login, hosts.api, hosts.streaming)
    }

    #[test]
    fn every_region_by_both_names_and_by_host() {
        for (aws, domain) in REGIONS {
            let expected = (
                format!("https://login.{domain}"),
                format!("https://api.{domain}"),
                format!("wss://streaming.{domain}"),
            );
            for text in [
                aws.to_owned(),
                aws.to_uppercase(),
                domain.to_owned(),
                format!("api.{domain}"),
                format!("login.{domain}"),
                format!("streaming.{domain}"),
                format!("apps.{domain}"),
                format!("https://api.{domain}/"),
            ] {
                assert_eq!(hosts_of(&text), expected, "{text}");
            }
        }
    }

    #[test]
    fn regions_as_sdks_people_and_address_bars_write_them() {
        for (aws, domain) in REGIONS {
            let api = format!("https://api.{domain}");
            for text in [aws.replace('-', "_"), aws.to_uppercase().replace('-', "_")] {
                assert_eq!(hosts_of(&text).1, api, "{text}");
                assert_eq!(parse(&text).unwrap().name, aws);
            }
            for text in [
                format!(" {aws}\t"),
                format!("https://apps.{domain}/directory/#/engage/admin?token=hunter2"),
                format!("apps.{domain}/directory/"),
                format!("HTTPS://login.{domain}/?x=1#/authenticate"),
                format!("https://{domain}/"),
                format!("https://{domain}"),
                format!("https://apps.{domain}"),
                format!("https://directory.{domain}"),
            ] {
                assert_eq!(hosts_of(&text).1, api, "{text}");
                assert!(!parse(&text).unwrap().name.contains("hunter2"));
            }
        }
        for (text, aws) in [
            ("EU (Ireland)", "eu-west-1"),
            ("EMEA (Frankfurt)", "eu-central-1"),
            ("europe (zürich)", "eu-central-2"),
            ("EMEA (UAE)", "me-central-1"),
            ("US East (N. Virginia)", "us-east-1"),
            ("US East (Ohio)", "us-east-2"),
            ("Americas (US East)", "us-east-1"),
            ("Americas (US West)", "us-west-2"),
            ("Americas (São Paulo)", "sa-east-1"),
            ("Canada (Central)", "ca-central-1"),
            ("Asia Pacific (Tokyo)", "ap-northeast-1"),
            ("Sydney", "ap-southeast-2"),
        ] {
            assert_eq!(parse(text).unwrap().name, aws, "{text}");
        }
        for (place, aws) in PLACES {
            assert!(REGIONS.iter().any(|(known, _)| *known == aws), "{place}");
        }
        // Another host with such a name at its end, and plain HTTP, are none of Genesys.
        assert!(parse("https://notmypurecloud.ie/x").is_err());
        assert!(parse("http://apps.mypurecloud.ie/x").is_err());
    }

    #[test]
    fn a_base_url_is_everything() {
        let all = |http: &str, ws: &str| (http.to_owned(), http.to_owned(), ws.to_owned());
        assert_eq!(
            hosts_of("http://127.0.0.1:8080"),
            all("http://127.0.0.1:8080", "ws://127.0.0.1:8080")
        );
        assert_eq!(
            hosts_of("http://[::1]:8080/"),
            all("http://[::1]:8080", "ws://[::1]:8080")
        );
        assert_eq!(
            hosts_of("https://genesys.example"),
            all("https://genesys.example", "wss://genesys.example")
        );
    }

    #[test]
    fn another_domain_is_accepted_as_given_and_a_near_one_is_named() {
        assert_eq!(hosts_of("cloud.example").1, "https://api.cloud.example");
        assert_eq!(hosts_of("api.cloud.example").0, "https://login.cloud.example");
        assert_eq!(parse("cloud.example").unwrap().maybe_meant, None);
        assert_eq!(parse("mypurecloud.i").unwrap().maybe_meant, Some("mypurecloud.ie"));
    }

    #[test]
    fn mistyped_regions_name_the_nearest() {
        for (text, meant) in [
            ("eu-wset-1", "eu-west-1"),
            ("us-esat-1", "us-east-1"),
            ("eu_centrall_1", "eu-central-1"),
            ("ap-northeast-4", "ap-northeast-"),
        ] {
            let complaint = parse(text).unwrap_err();
            assert!(
                complaint.contains(&format!("did you mean {meant}")),
                "{text}: {complaint}"
            );
        }
    }

    #[test]
    fn wrong_regions() {
        for (text, part) in [
            ("", "allowed are"),
            ("irelandd", "no such region"),
            ("EU (Atlantis)", "allowed are"),
            ("https://me:hunter2@apps.mypurecloud.ie/", "user information"),
            ("127.0.0.1", "did you mean http://127.0.0.1:PORT"),
            ("localhost:8080", "begins with its scheme"),
            ("http://api.mypurecloud.ie", "this machine only"),
            ("http://127.0.0.1.example.com", "this machine only"),
            ("ftp://127.0.0.1", "allowed schemes are https://, http://"),
            ("https://me:hunter2@example.com", "user information"),
            ("https://example.com/?a=1", "no query"),
            ("https://example.com/path", "no path"),
        ] {
            let complaint = parse(text).unwrap_err();
            assert!(complaint.contains(part), "{text}: {complaint}");
            assert!(!complaint.contains("hunter2"));
        }
    }

    #[test]
    fn urls_of_settings_have_no_fragment_and_no_password_in_any_message() {
        assert!(parse_url("http://a#hunter2").unwrap_err().contains("no fragment"));
        for text in [
            "http://me:hunter2@host",
            "hunter2",
            "http://a:hunter2",
            "http://[hunter2]",
        ] {
            let complaint = parse_url(text).unwrap_err();
            assert!(
                complaint.starts_with("the URL ") && !complaint.contains("hunter2"),
                "{complaint}"
            );
        }
    }

    #[test]
    fn overrides() {
        let url = |text: &str| Some(parse_service_url(text, &[Scheme::Https, Scheme::Http, Scheme::Wss]).unwrap());
        let parsed = parse("eu-west-1").unwrap();
        let some = hosts(
            Some(("eu-west-1", &parsed.region)),
            url("http://127.0.0.1:1/base/").as_ref(),
            None,
            url("https://s.example:8443").as_ref(),
        )
        .unwrap();
        assert_eq!(some.login, "http://127.0.0.1:1/base");
        assert_eq!(some.api, "https://api.mypurecloud.ie");
        assert_eq!(some.streaming, "wss://s.example:8443");
        let three = hosts(
            None,
            url("https://a").as_ref(),
            url("https://b").as_ref(),
            url("wss://c").as_ref(),
        );
        assert_eq!(three.unwrap().region, "https://b");
        assert!(hosts(None, url("https://a").as_ref(), url("https://b").as_ref(), None).is_none());
    }
}
