//! The caller's identity, from the claims that API Gateway's JWT authorizer has verified.

use axum::extract::FromRequestParts;
use domain::id::OrgId;
use http::request::Parts;
use lambda_http::request::RequestContext;

use crate::problem::Problem;

/// The claim that names the caller's organisation (a custom attribute of the user pool; only the ID token carries it).
const ORGANISATION: &str = "custom:organisation";
/// The claim that names the user.
const SUBJECT: &str = "sub";

/// The claim that names the user's role.
const ROLE: &str = "custom:role";

/// The role of a user: what it allows besides reading and requesting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Nothing more; the role of every user whose token names no known role.
    Member,
    /// May also act on what belongs to the organisation.
    Admin,
    /// May also act on what all organisations share.
    Operator,
}

/// The caller, as the verified token names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The caller's organisation: the only one whose records this request can reach.
    pub org: OrgId,
    /// The user, for the audit.
    pub subject: String,
    /// The role of the user.
    pub role: Role,
}

impl Identity {
    /// Refuses a caller below a role.
    ///
    /// # Errors
    /// 403 that names the role.
    pub fn at_least(&self, role: Role) -> Result<(), Problem> {
        let name = match role {
            Role::Member => "member",
            Role::Admin => "admin",
            Role::Operator => "operator",
        };
        if self.role >= role { Ok(()) } else { Err(Problem::forbidden(format!("this needs the role `{name}`"))) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(RequestContext::ApiGatewayV2(context)) = parts.extensions.get::<RequestContext>() else {
            return Err(Problem::unauthenticated("send a bearer token"));
        };
        let jwt = context.authorizer.as_ref().and_then(|authorizer| authorizer.jwt.as_ref());
        let Some(claims) = jwt.map(|jwt| &jwt.claims) else {
            return Err(Problem::unauthenticated("send a bearer token"));
        };
        let org = claims.get(ORGANISATION).ok_or_else(|| {
            Problem::forbidden("the token names no organisation: send the ID token, not the access token")
        })?;
        let org = org.parse().map_err(|_| Problem::forbidden("the token's organisation is not valid"))?;
        let subject = claims.get(SUBJECT).cloned().unwrap_or_default();
        let role = match claims.get(ROLE).map(String::as_str) {
            Some("admin") => Role::Admin,
            Some("operator") => Role::Operator,
            Some(_) | None => Role::Member,
        };
        Ok(Self { org, subject, role })
    }
}
