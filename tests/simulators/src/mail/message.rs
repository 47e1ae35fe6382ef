//! A whole message (RFC 5322) as the providers that take one read it.

use mailparse::{MailAddr, MailHeaderMap as _, ParsedMail, addrparse, parse_mail};

/// What the simulators look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    pub from: String,
    pub to: Vec<String>,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub message_id: Option<String>,
    /// Value of the header `X-Notification-Id`.
    pub notification: Option<String>,
}

/// Reads a message.
///
/// # Errors
/// A sentence that says what is missing or cannot be read.
pub fn read(raw: &[u8]) -> Result<Message, String> {
    let mail = parse_mail(raw).map_err(|error| format!("the message cannot be read: {error}"))?;
    let header = |name: &str| mail.headers.get_first_value(name);
    for name in ["Date", "MIME-Version"] {
        if header(name).is_none() {
            return Err(format!("the header {name} is missing"));
        }
    }
    let from = addresses(&header("From").unwrap_or_default());
    let [from] = from.as_slice() else { return Err("the header From must have one address".to_owned()) };
    let to = addresses(&header("To").unwrap_or_default());
    if to.is_empty() {
        return Err("the header To must have an address".to_owned());
    }
    Ok(Message {
        from: from.clone(),
        to,
        subject: header("Subject").unwrap_or_default(),
        text: part(&mail, "text/plain"),
        html: part(&mail, "text/html"),
        message_id: header("Message-ID"),
        notification: header("X-Notification-Id"),
    })
}

fn addresses(text: &str) -> Vec<String> {
    let Ok(list) = addrparse(text) else { return Vec::new() };
    let single = |address: &MailAddr| match address {
        MailAddr::Single(one) => Some(one.addr.clone()),
        MailAddr::Group(_) => None,
    };
    list.iter().filter_map(single).collect()
}

/// The first part of a type, decoded, with the line ends of a text.
fn part(mail: &ParsedMail<'_>, kind: &str) -> String {
    let found = mail.parts().find(|part| part.ctype.mimetype == kind);
    found.and_then(|part| part.get_body().ok()).unwrap_or_default().replace("\r\n", "\n")
}
