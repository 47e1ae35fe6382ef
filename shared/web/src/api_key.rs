//! Authentication by API key: the header, and the one response to every invalid key.

use domain::api_key::PresentedKey;
use http::HeaderMap;

use crate::problem::Problem;

/// The header that holds the key.
const HEADER: &str = "x-api-key";

/// The API key of a request.
///
/// # Errors
/// 401 when there is none, more than one, or something that is not a key.
pub fn presented(headers: &HeaderMap) -> Result<PresentedKey, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(text), None) => PresentedKey::parse(text).ok_or_else(unknown),
        _ => Err(unknown()),
    }
}

/// 401: missing, malformed, unknown and revoked keys look the same from outside.
#[must_use]
pub fn unknown() -> Problem {
    Problem::unauthenticated("send a valid API key of your organisation as X-API-Key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_key_is_read_and_all_else_is_the_same_refusal() {
        let key = format!("hi_acme_{}", "0".repeat(32));
        let with = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(HEADER, value.parse().expect("a header"));
            }
            presented(&headers).map(|key| key.org().to_string())
        };
        assert_eq!(with(&[&key]), Ok("acme".to_owned()));
        for bad in [&[][..], &[""], &["x"], &[&key, &key], &["hi_acme_"]] {
            assert_eq!(with(bad), Err(unknown()), "{bad:?}");
        }
        assert_eq!(unknown().status(), 401);
    }
}
