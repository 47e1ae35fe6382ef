//! Rules for single texts that come from outside.

/// An `https://` address without spaces and without what could end an attribute in a mail or a page.
///
/// # Errors
/// When it is not one.
pub fn https_url(value: &str, _: &()) -> garde::Result {
    let rest = value.strip_prefix("https://").unwrap_or_default();
    let host_ok = rest.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if host_ok && value.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\')) {
        Ok(())
    } else {
        Err(garde::Error::new("must be an https:// address without spaces"))
    }
}

/// One line of text: no line breaks or other control characters, not only spaces.
///
/// # Errors
/// When it is not one.
pub fn one_line(value: &str, _: &()) -> garde::Result {
    if value.trim().is_empty() || value.chars().any(char::is_control) {
        return Err(garde::Error::new("must be one line that is not blank"));
    }
    Ok(())
}

/// The rules for a mail address whose form is right: no invisible characters, and dots of the local part only between
/// other characters (RFC 5321, `Dot-string`). Mail servers refuse such addresses, long after they were accepted here.
///
/// # Errors
/// When it is not one.
pub fn mail_address(value: &str, _: &()) -> garde::Result {
    let local = value.rsplit_once('@').map_or(value, |(local, _)| local);
    // Names of hosts leave out such characters when they are looked up: one address could be written in many ways.
    let unseen =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{feff}');
    // A host has a name: no provider accepts an address literal.
    if local.split('.').any(str::is_empty) || value.chars().any(unseen) || value.contains(['[', ']']) {
        return Err(garde::Error::new("must be one mail address, such as ada@example.com"));
    }
    Ok(())
}

/// A phone number as people write it: 3 to 40 of digits, spaces and `+()-./`, at least 3 of them digits.
///
/// # Errors
/// When it is not one.
pub fn phone_number(value: &str, _: &()) -> garde::Result {
    let known = value.bytes().all(|b| b.is_ascii_digit() || b" +()-./".contains(&b));
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    if known && digits >= 3 && value.len() <= 40 {
        Ok(())
    } else {
        Err(garde::Error::new("must be a phone number: 3 to 40 digits, spaces and +()-./"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_https_and_cannot_break_out_of_an_attribute() {
        for good in ["https://app.example.com/reset?token=a%20b&x=1", "https://1.example"] {
            assert!(https_url(good, &()).is_ok(), "{good} is accepted");
        }
        for bad in ["http://a.example", "javascript:alert(1)", "https://", "https://a b", "https://a\"onclick=1", ""] {
            assert!(https_url(bad, &()).is_err(), "{bad} is refused");
        }
    }

    #[test]
    fn dots_and_what_cannot_be_seen_have_no_place_in_an_address() {
        for good in ["ada@example.com", "a.d.a@bücher.example"] {
            assert!(mail_address(good, &()).is_ok(), "{good} is accepted");
        }
        for bad in
            [".a@b.example", "a.@b.example", "a..d@b.example", "@b.example", "a@b\u{200b}.example", "a @b.example"]
        {
            assert!(mail_address(bad, &()).is_err(), "{bad} is refused");
        }
    }

    #[test]
    fn lines_and_phone_numbers_differ_from_other_texts() {
        for good in ["Ada", "Zoë Ωmega", " a "] {
            assert!(one_line(good, &()).is_ok(), "{good} is accepted");
        }
        for bad in ["", " ", "a\nb", "a\u{7}", "\t"] {
            assert!(one_line(bad, &()).is_err(), "{bad:?} is refused");
        }
        for good in ["112", "+44 (0)20 7946-0123", "030/123.45"] {
            assert!(phone_number(good, &()).is_ok(), "{good} is accepted");
        }
        for bad in ["", "12", "+()-", "12a3", "1\n23", &"1".repeat(41)] {
            assert!(phone_number(bad, &()).is_err(), "{bad:?} is refused");
        }
    }
}
