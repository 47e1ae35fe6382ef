//! Authentication: Basic, with the company's key as the user, and any password.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

use crate::ats::port::{AtsError, Context};

/// The header that carries the key.
pub(super) fn authorization(context: &Context<'_>) -> Result<HeaderValue, AtsError> {
    let key = context.credentials.get("api_key")?;
    let pair = SecretString::from(format!("{}:x", key.expose_secret()));
    let basic = SecretString::from(format!("Basic {}", BASE64_STANDARD.encode(pair.expose_secret())));
    let mut authorization = HeaderValue::from_str(basic.expose_secret())
        .map_err(|_| AtsError::Unauthorised("the API key has signs that no header takes".into()))?;
    authorization.set_sensitive(true);
    Ok(authorization)
}
