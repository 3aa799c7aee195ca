//! The issuer of an X.509 certificate, out of its DER encoding (RFC 5280, section 4.1; X.690).

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
/// The explicit tag of the certificate's version, which version 1 omits.
const VERSION: u8 = 0xa0;
/// The object identifiers of a common name (2.5.4.3) and of an organization (2.5.4.10).
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ORGANIZATION: &[u8] = &[0x55, 4, 10];
/// The most characters of a name that are shown.
const MAX_SHOWN: usize = 80;

/// The issuer's common name, or else its organization; only its printable characters.
pub(super) fn issuer(certificate: &[u8]) -> Option<String> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut fields, _) = element(certificate)?;
    if *fields.first()? == VERSION {
        fields = element(fields)?.2;
    }
    // The serial number and the signature algorithm.
    for _ in 0..2 {
        fields = element(fields)?.2;
    }
    let (tag, mut name, _) = element(fields)?;
    let mut found = [None, None];
    while tag == SEQUENCE && !name.is_empty() {
        let (tag, set, rest) = element(name)?;
        name = rest;
        let (_, attribute, _) = element(set).filter(|_| tag == SET)?;
        let (tag, id, value) = element(attribute)?;
        let (_, value, _) = element(value).filter(|_| tag == OID)?;
        for (known, found) in [COMMON_NAME, ORGANIZATION].into_iter().zip(&mut found) {
            if id == known {
                *found = printable(value);
            }
        }
    }
    found.into_iter().flatten().next()
}

fn printable(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let text: String = text.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect();
    (!text.trim().is_empty()).then_some(text)
}

/// The tag and the content of the first element, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], rest) = bytes.split_first_chunk()?;
    // From 128 on: the number of bytes that the length has.
    let digits = if length < 0x80 { 0 } else { usize::from(length & 0x7f) };
    let (digits, rest) = rest.split_at_checked(digits)?;
    let first = if length < 0x80 { usize::from(length) } else { 0 };
    let length = digits
        .iter()
        .try_fold(first, |sum, &digit| sum.checked_mul(256).and_then(|sum| sum.checked_add(digit.into())))?;
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::issuer;

    /// A certificate that its own subject signed.
    fn signed_by(names: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        for (kind, name) in names {
            params.distinguished_name.push(kind.clone(), *name);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_issuer_is_its_common_name_or_else_its_organization() {
        let both = [(DnType::OrganizationName, "Example Corp"), (DnType::CommonName, "Zscaler Root CA")];
        assert_eq!(issuer(&signed_by(&both)).as_deref(), Some("Zscaler Root CA"));
        assert_eq!(issuer(&signed_by(&both[..1])).as_deref(), Some("Example Corp"));
        assert_eq!(issuer(&signed_by(&[(DnType::CountryName, "DE")])), None);
    }

    #[test]
    fn a_name_has_no_control_characters() {
        let name = "\x1b[31mroot\n";
        assert_eq!(issuer(&signed_by(&[(DnType::CommonName, name)])).as_deref(), Some("[31mroot"));
    }

    #[test]
    fn a_truncated_certificate_has_no_issuer() {
        let whole = signed_by(&[(DnType::CommonName, "x")]);
        for end in 0..whole.len() {
            assert_eq!(issuer(&whole[..end]), None, "{end}");
        }
        assert_eq!(issuer(&[0x30, 0x88, 255, 255, 255, 255, 255, 255, 255, 255, 0]), None);
    }
}
