//! Who asks: read from the claims that API Gateway's JWT authorizer has verified.

use axum::extract::FromRequestParts;
use domain::id::OrgId;
use http::request::Parts;
use lambda_http::request::RequestContext;

use crate::problem::Problem;

/// Claim that names the caller's organisation (a custom attribute of the user pool; only the ID token carries it).
const ORGANISATION: &str = "custom:organisation";
/// Claim that names the user.
const SUBJECT: &str = "sub";

/// Claim that names the user's role.
const ROLE: &str = "custom:role";

/// What a user may do besides reading and asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Nothing; what every user is whose token names no known role.
    Member,
    /// May give orders about what belongs to the organisation.
    Admin,
    /// May also give orders about what all organisations share.
    Operator,
}

/// The caller, as the verified token names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The caller's organisation: the only one whose records this request can reach.
    pub org: OrgId,
    /// The user, for the audit.
    pub subject: String,
    /// What the user may do.
    pub role: Role,
}

impl Identity {
    /// Refuses everybody below a role.
    ///
    /// # Errors
    /// 403.
    pub fn at_least(&self, role: Role) -> Result<(), Problem> {
        let wanted = match role {
            Role::Member => "member",
            Role::Admin => "admin",
            Role::Operator => "operator",
        };
        if self.role >= role { Ok(()) } else { Err(Problem::forbidden(format!("this needs the role `{wanted}`"))) }
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
