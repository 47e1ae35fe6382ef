//! One mail address, in the form that every provider can send.
//!
//! Some providers split a recipient at commas, some read display names, groups and source routes out of it, and all of
//! them write it into headers. So an address here is one local part and one domain and nothing else. Domains of other
//! scripts are sent in their ASCII form (IDNA), which every server knows; a local part of another script needs SMTPUTF8
//! on the whole way, which cannot be relied on.

use lettre::Address;
use url::Host;

/// The longest local part, in bytes (RFC 5321, 4.5.3.1.1).
const LONGEST_LOCAL: usize = 64;
/// The longest address, in bytes (RFC 5321, 4.5.3.1.3, without the angle brackets of a path).
const LONGEST_ADDRESS: usize = 254;

/// Parses one address and returns it in ASCII.
///
/// # Errors
/// A sentence without the address, which is personal data.
pub(crate) fn sendable(text: &str) -> Result<Address, String> {
    let (local, domain) = text.rsplit_once('@').ok_or("an address has one @")?;
    if !local.is_ascii() {
        return Err("the part before the @ needs SMTPUTF8, which not every provider and relay has".to_owned());
    }
    if local.len() > LONGEST_LOCAL {
        return Err(format!("the part before the @ is longer than {LONGEST_LOCAL} bytes"));
    }
    // Quoted local parts are legal, but providers read quotes as a name, a list or a second address.
    if local.is_empty() || !local.bytes().all(|b| b.is_ascii_graphic() && !b"()<>[]:;@\\,\"".contains(&b)) {
        return Err("the part before the @ is empty or has characters that make lists, names or routes".to_owned());
    }
    let address = format!("{local}@{}", ascii_domain(domain)?);
    if address.len() > LONGEST_ADDRESS {
        return Err(format!("it is longer than {LONGEST_ADDRESS} bytes"));
    }
    address.parse().map_err(|_| "it is no mail address".to_owned())
}

/// A domain in ASCII, lower case.
///
/// # Errors
/// A sentence without the domain.
pub(crate) fn ascii_domain(text: &str) -> Result<String, String> {
    let wrong = || "the domain is none that mail can be sent to".to_owned();
    // A percent sign would be decoded below, and an address of a machine is no domain.
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || "%[]:".contains(c)) {
        return Err(wrong());
    }
    // IDNA drops invisible characters instead of refusing them: then two addresses that look alike would be one.
    if text.chars().any(|c| !c.is_ascii() && Host::parse(&format!("a{c}a")) == Ok(Host::Domain("aa".to_owned()))) {
        return Err("the domain has invisible characters".to_owned());
    }
    match Host::parse(text) {
        Ok(Host::Domain(domain)) if domain.split('.').all(is_label) => Ok(domain),
        Ok(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)) | Err(_) => Err(wrong()),
    }
}

/// Whether it is a label of a host name (RFC 1123).
fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !text.is_empty() && text.len() <= 63 && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// A Message-ID with its domain in ASCII, `<left@right>`.
///
/// # Errors
/// A sentence.
pub(crate) fn message_id(text: &str) -> Result<String, String> {
    let inside = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).and_then(|text| text.rsplit_once('@'));
    let (left, right) = inside.ok_or("a Message-ID looks like <left@right>")?;
    if left.is_empty() || !left.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+=".contains(&b)) {
        return Err("the left part of a Message-ID has letters, digits and -_.+=".to_owned());
    }
    Ok(format!("<{left}@{}>", ascii_domain(right)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_goes_out_in_ascii_as_one_mailbox() {
        for (text, wanted) in [
            ("ada@example.com", "ada@example.com"),
            ("o'neil+jobs_{1}@mail.example.com", "o'neil+jobs_{1}@mail.example.com"),
            ("Ada.Lovelace@EXAMPLE.com", "Ada.Lovelace@example.com"),
            ("ada@bücher.example", "ada@xn--bcher-kva.example"),
            ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
            ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
            ("ada@例え.テスト", "ada@xn--r8jz45g.xn--zckzah"),
            ("ada@faß.example", "ada@xn--fa-hia.example"),
        ] {
            assert_eq!(sendable(text).map(|address| address.to_string()), Ok(wanted.to_owned()), "{text}");
        }
        let local = "a".repeat(64);
        assert!(sendable(&format!("{local}@example.com")).is_ok());
        assert!(sendable(&format!("a{local}@example.com")).is_err());
        let domain = |bytes: usize| format!("{}.example", "a.".repeat(bytes).trim_end_matches('.'));
        assert!(sendable(&format!("{local}@{}", domain(91))).is_ok());
        assert!(sendable(&format!("{local}@{}", domain(92))).is_err(), "{}", domain(92).len());
    }

    #[test]
    fn what_is_not_one_mailbox_is_refused() {
        for text in [
            "",
            "<>",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "ada@@example.com",
            "ada@eve@example.com",
            " ada@example.com",
            "ada@example.com ",
            "ada @example.com",
            "ada@example.com,eve@example.com",
            "ada@example.com;eve@example.com",
            "ada@example.com, eve@example.com",
            "Ada <ada@example.com>",
            "<ada@example.com>",
            "@relay.example:ada@example.com",
            "staff:ada@example.com;",
            "\"ada, eve\"@example.com",
            "\"ada\"@example.com",
            "ada(comment)@example.com",
            "ada\\@example.com",
            ".ada@example.com",
            "ada.@example.com",
            "a..b@example.com",
            "ada@[127.0.0.1]",
            "ada@127.0.0.1",
            "ada@0x7f.1",
            "ada@[IPv6:::1]",
            "ada@::1",
            "ada@example..com",
            "ada@.example.com",
            "ada@example.com.",
            "ada@-example.com",
            "ada@exa_mple.com",
            "ada@ex%61mple.com",
            "ada@example.com/x",
            "ada@example.com?x",
            "ada@example.com#x",
            "ada@example.com:25",
            "ada@xn--a.example",
            // Letters before the @ that need SMTPUTF8.
            "ädä@example.com",
            "ada\u{200b}@example.com",
            // Right to left marks, invisible characters, a full width @ in the domain.
            "ada@exam\u{202e}ple.com",
            "ada@exam\u{200b}ple.com",
            "ada@exam\u{ad}ple.com",
            "ada@exam\u{feff}ple.com",
            "ada@exam\u{2060}ple.com",
            "ada@exam\u{fe0f}ple.com",
            "ada@exam\u{200d}ple.com",
            "ada@x＠example.com",
            "ada@a\u{5d0}.example",
        ] {
            assert!(sendable(text).is_err(), "{text:?}");
        }
        let label = "a".repeat(64);
        assert!(sendable(&format!("ada@{label}.example")).is_err());
    }

    #[test]
    fn no_character_breaks_out_at_any_place() {
        // Every control character, everything special in a header, and some of what looks like nothing, at every place.
        let evil = (0..=0x9f_u32).chain([0x2028, 0x2029, 0x200b, 0x202e, 0xfeff]).filter_map(char::from_u32);
        let good = "ada@example.com";
        for c in evil {
            for place in 0..=good.len() {
                let mut text = good.to_owned();
                text.insert(place, c);
                if let Ok(address) = sendable(&text) {
                    let sent: &str = address.as_ref();
                    assert!(sent.bytes().all(|b| b.is_ascii_graphic() && !b"<>,;:\"()[]\\".contains(&b)), "{text:?}");
                    assert_eq!(sent.matches('@').count(), 1, "{text:?}");
                    assert!(sent.eq_ignore_ascii_case(&text), "{text:?} became {sent}");
                }
            }
        }
    }

    #[test]
    fn a_refusal_does_not_repeat_the_address() {
        for text in ["ada lovelace@example.com", "ada@love lace.example", "lovelacé@example.com"] {
            let said = sendable(text).expect_err("refused");
            assert!(!said.contains("ada") && !said.contains("love"), "{said}");
        }
    }

    #[test]
    fn a_message_id_is_ascii_too() {
        assert_eq!(message_id("<n-1@bücher.example>"), Ok("<n-1@xn--bcher-kva.example>".to_owned()));
        for text in
            ["", "n-1@example.com", "<n-1>", "<@example.com>", "<n 1@example.com>", "<n-1@example.com>\r\nBcc: e@e.e"]
        {
            assert!(message_id(text).is_err(), "{text:?}");
        }
    }
}
