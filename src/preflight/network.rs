//! The steps before the login: names, connections, certificates, clocks.
//!
//! In: the hosts of the configuration · Out: findings · Thread: the caller's.

use std::time::{Duration, Instant};

use super::{Check, Judgement, Step, StepResult, advice_for_transient};
use crate::config::{Protocol, REGIONS};
use crate::net::{Security, Target, Url, probe};
use crate::rest::clock;
use crate::{Error, ErrorKind};

/// The time limit of a step: lookup and connect may take 10 s each, and a proxy and two TLS layers come on top.
const LIMIT: Duration = Duration::from_secs(30);

/// From this difference on numbers are visibly wrong: latencies, ages, the limits of windows and gaps.
const SKEW_WARN_MS: i64 = 5000;

/// Public certification authorities; the hosts of Genesys Cloud have their certificates from some of them.
const PUBLIC_ISSUERS: [&str; 12] = [
    "amazon",
    "starfield",
    "digicert",
    "geotrust",
    "rapidssl",
    "let's encrypt",
    "isrg",
    "globalsign",
    "google trust",
    "sectigo",
    "entrust",
    "godaddy",
];

const NETWORK_ADVICE: &str = "Check the region (--region) and this machine's network; where a proxy is needed, give it with --proxy or HTTPS_PROXY.";

impl Check<'_> {
    /// The endpoints of login, API and sockets, each once.
    pub(super) fn targets(&self) -> Vec<Target> {
        let hosts = &self.config.hosts;
        let sockets = match self.config.protocol {
            Protocol::Notifications => &hosts.streaming,
            Protocol::Events | Protocol::Metrics => &hosts.api,
        };
        let mut targets: Vec<Target> = Vec::new();
        for url in [&hosts.login, &hosts.api, sockets] {
            if let Ok(url) = Url::parse(url)
                && !targets.contains(&url.target)
            {
                targets.push(url.target);
            }
        }
        targets
    }

    fn hops(&self, targets: &[Target]) -> Vec<probe::FirstHop> {
        let mut hops = Vec::new();
        for target in targets {
            // A proxy that cannot be used was refused with the configuration.
            if let Ok(hop) = probe::first_hop(target, &self.net)
                && !hops.contains(&hop)
            {
                hops.push(hop);
            }
        }
        hops
    }

    pub(super) fn dns(&mut self, targets: &[Target]) -> StepResult {
        let began = Instant::now();
        self.reporter.begins(Step::Dns, "looking up names");
        let mut found: Vec<String> = Vec::new();
        let mut hosts: Vec<String> = Vec::new();
        for hop in self.hops(targets) {
            let host = &hop.target.host;
            if hosts.contains(host) {
                continue;
            }
            hosts.push(host.clone());
            match probe::look_up(host, &self.net, Instant::now() + LIMIT, &self.cancel) {
                Ok(addresses) => {
                    let first = addresses.first().map(ToString::to_string).unwrap_or_default();
                    found.push(match addresses.len() {
                        1 if first == *host => format!("{first} is an address"),
                        1 => format!("{host} is {first}"),
                        several => format!("{host} is {first} and {} more", several - 1),
                    });
                }
                Err(error) => return self.end(Step::Dns, began, &error, NETWORK_ADVICE),
            }
        }
        self.report(Step::Dns, began, Judgement::ok(found.join(", ")));
        Ok(())
    }

    pub(super) fn tcp(&mut self, targets: &[Target]) -> StepResult {
        let began = Instant::now();
        self.reporter.begins(Step::Tcp, "connecting");
        let mut found: Vec<String> = Vec::new();
        for hop in self.hops(targets) {
            let one = Instant::now();
            let connected = probe::connect(&hop.target, &self.net, one + LIMIT, &self.cancel);
            match connected {
                Ok(_) => {
                    let proxy = if hop.is_proxy { " (proxy)" } else { "" };
                    found.push(format!("{}{proxy} in {} ms", hop.target, one.elapsed().as_millis()));
                }
                Err(error) => {
                    let advice = if hop.is_proxy {
                        "The proxy does not answer: check --proxy or HTTPS_PROXY."
                    } else if hop.target.is_loopback() {
                        "Nothing listens there: is the simulator running on this port?"
                    } else {
                        "A firewall may block this connection: allow TCP to this host and port, or give the proxy to use with --proxy or HTTPS_PROXY."
                    };
                    return self.end(Step::Tcp, began, &error, advice);
                }
            }
        }
        self.report(Step::Tcp, began, Judgement::ok(found.join(", ")));
        Ok(())
    }

    pub(super) fn tls(&mut self, targets: &[Target]) -> StepResult {
        let began = Instant::now();
        self.reporter.begins(Step::Tls, "checking certificates");
        let mut found: Vec<String> = Vec::new();
        let mut inspected = None;
        for target in targets {
            let through_proxy = probe::first_hop(target, &self.net).is_ok_and(|hop| hop.is_proxy);
            if target.security == Security::Plain && !through_proxy {
                found.push(format!("{target} not used (http, loopback)"));
                continue;
            }
            match probe::issuer(target, &self.net, Instant::now() + LIMIT, &self.cancel) {
                Ok(issuer) => {
                    let by = match (&issuer, target.security) {
                        (_, Security::Plain) => "not used (http, loopback), through the proxy".to_owned(),
                        (Some(issuer), _) => format!("certificate issued by \"{issuer}\""),
                        (None, _) => "certificate without an issuer's name".to_owned(),
                    };
                    found.push(format!("{} {by}", target.host));
                    if let Some(issuer) = issuer.filter(|issuer| looks_inspected(&target.host, issuer)) {
                        inspected = Some(issuer);
                    }
                }
                Err(error) => {
                    let advice = tls_advice(&error);
                    return self.end(Step::Tls, began, &error, &advice);
                }
            }
        }
        let judgement = match inspected {
            None => Judgement::ok(found.join(", ")),
            Some(issuer) => Judgement::warn(
                found.join(", "),
                format!(
                    "\"{issuer}\" is no public certification authority: a proxy of your organisation seems to inspect TLS. \
                     This works; if sockets break or stay silent, have these hosts exempted from inspection."
                ),
            ),
        };
        self.report(Step::Tls, began, judgement);
        Ok(())
    }

    pub(super) fn clock(&mut self) -> StepResult {
        let began = Instant::now();
        self.reporter.begins(Step::Clock, "asking for the time");
        let judgement = match clock::skew(&self.rest) {
            Ok(Some(skew)) => of_skew(skew),
            Ok(None) => Judgement::warn(
                "the service's answer has no date",
                "Make sure that this machine's clock is right (NTP).",
            ),
            Err(error) if error.kind() == ErrorKind::Stopped => return self.end(Step::Clock, began, &error, ""),
            // A failure here may pass; the login decides.
            Err(error) => {
                let advice = advice_for_transient(&error);
                Judgement::warn(error.to_string(), advice)
            }
        };
        self.report(Step::Clock, began, judgement);
        Ok(())
    }
}

fn of_skew(skew: clock::Skew) -> Judgement {
    let off_ms = skew.ms.abs().saturating_sub(skew.within_ms).max(0);
    let secs = skew.ms.abs() as f64 / 1000.0;
    let which = if skew.ms > 0 { "ahead of" } else { "behind" };
    if off_ms == 0 {
        Judgement::ok(format!(
            "in step with the service, within {:.1} s",
            skew.within_ms as f64 / 1000.0
        ))
    } else if off_ms < SKEW_WARN_MS {
        Judgement::ok(format!("{secs:.1} s {which} the service"))
    } else {
        Judgement::warn(
            format!("this machine's clock is {secs:.0} s {which} the service's"),
            "Set the clock (NTP): ages, latencies, windows and gaps depend on it, and certificates may seem expired.",
        )
    }
}

fn tls_advice(error: &Error) -> String {
    let text = error.to_string();
    match error.kind() {
        ErrorKind::Certificate if text.contains("expired") || text.contains("not valid yet") => {
            "Check this machine's clock; if it is right, the service's certificate is out of date.".to_owned()
        }
        ErrorKind::Certificate => {
            "If a proxy of your organisation inspects TLS, it is named as the issuer: get its root certificate from those who \
             run it, and give the file with --ca-file. If not, another server answers for this host."
                .to_owned()
        }
        ErrorKind::Credentials => {
            "The proxy requires credentials: HTTPS_PROXY=http://user:password@host:port (not as a flag).".to_owned()
        }
        _ => "What answers there is not the service: check the region, the proxy, and what is between this machine and the service.".to_owned(),
    }
}

/// Whether a host of Genesys Cloud has a certificate that none of the public authorities issued.
fn looks_inspected(host: &str, issuer: &str) -> bool {
    let is_genesys = REGIONS
        .iter()
        .any(|(_, domain)| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')));
    let issuer = issuer.to_lowercase();
    is_genesys && !PUBLIC_ISSUERS.iter().any(|known| issuer.contains(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Verdict;

    #[test]
    fn inspecting_proxies_are_distinguished_from_public_authorities() {
        assert!(looks_inspected(
            "api.mypurecloud.ie",
            "Zscaler Intermediate Root CA (Zscaler Inc.)"
        ));
        assert!(!looks_inspected("api.mypurecloud.ie", "Amazon RSA 2048 M02 (Amazon)"));
        assert!(!looks_inspected("localhost", "Test Root (genesys-stream tests)"));
        assert!(!looks_inspected("notmypurecloud.ie", "Zscaler"));
    }

    #[test]
    fn skews_are_judged_beyond_what_is_certain() {
        let judged = |ms, within_ms| of_skew(clock::Skew { ms, within_ms });
        assert_eq!(judged(-400, 600).verdict, Verdict::Ok);
        assert!(judged(-400, 600).message.contains("in step"));
        assert_eq!(judged(2000, 600).message, "2.0 s ahead of the service");
        let wrong = judged(-90_000, 600);
        assert_eq!(wrong.verdict, Verdict::Warn);
        assert!(wrong.message.contains("90 s behind") && wrong.advice.unwrap().contains("NTP"));
        assert_eq!(judged(5500, 600).verdict, Verdict::Ok);
    }
}
