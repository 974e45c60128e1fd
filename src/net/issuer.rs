//! Who issued a certificate, for messages.
//!
//! In: a certificate in DER, not trusted · Out: the issuer's name · Thread: none of its own (pure).
//!
//! Own code, because a crate that reads X.509 brings a dozen others for a name that only appears in messages and decides
//! nothing.

/// The issuer's common name and organisation; `None` where the certificate cannot be read or names neither.
pub(crate) fn issuer_of(certificate: &[u8]) -> Option<String> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (signed, _) = element(certificate, SEQUENCE)?;
    // The version is optional.
    let rest = element(signed, VERSION).map_or(signed, |(_, rest)| rest);
    let (_, rest) = element(rest, INTEGER)?;
    let (_, rest) = element(rest, SEQUENCE)?;
    let (mut name, _) = element(rest, SEQUENCE)?;
    let (mut common_name, mut organisation) = (None, None);
    while let Some((mut set, rest)) = element(name, SET) {
        name = rest;
        while let Some((pair, rest)) = element(set, SEQUENCE) {
            set = rest;
            let (kind, value) = element(pair, OBJECT_ID)?;
            let (_, value, _) = any_element(value)?;
            match kind {
                [0x55, 0x04, 0x03] => common_name = Some(readable(value)),
                [0x55, 0x04, 0x0a] => organisation = Some(readable(value)),
                _ => {}
            }
        }
    }
    match (common_name, organisation) {
        (Some(name), Some(organisation)) => Some(format!("{name} ({organisation})")),
        (name, organisation) => name.or(organisation),
    }
}

const INTEGER: u8 = 0x02;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
/// A longer name is cut off in messages.
const SHOWN_CHARS: usize = 80;

/// Content of the first element, if it has this tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = any_element(der)?;
    (found == tag).then_some((content, rest))
}

/// Tag and content of the first element, and what follows it.
fn any_element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, der) = der.split_first()?;
    let (&first, der) = der.split_first()?;
    let (length, der) = if first < 0x80 {
        (usize::from(first), der)
    } else {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 3 {
            return None;
        }
        let (digits, der) = der.split_at_checked(count)?;
        (
            digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)),
            der,
        )
    };
    let (content, rest) = der.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// Removes control characters, because the name comes from the peer and is shown on terminals.
fn readable(text: &[u8]) -> String {
    String::from_utf8_lossy(text)
        .chars()
        .filter(|c| !c.is_control())
        .take(SHOWN_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    fn der(pem: &str) -> Vec<u8> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
    }

    #[test]
    fn reads_issuers() {
        let server = der(include_str!("../../tests/fixtures/tls/server.pem"));
        assert_eq!(issuer_of(&server).as_deref(), Some("Test Root (genesys-stream tests)"));
        let own = der(include_str!("../../tests/fixtures/tls/self-signed.pem"));
        assert_eq!(issuer_of(&own).as_deref(), Some("Self Signed (Inspecting Proxy)"));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60), at in 0_usize..700) {
            let _ = issuer_of(&bytes);
            let mut bent = der(include_str!("../../tests/fixtures/tls/server.pem"));
            if let (Some(place), Some(byte)) = (bent.get_mut(at), bytes.first()) {
                *place = *byte;
            }
            let _ = issuer_of(&bent);
        }
    }
}
