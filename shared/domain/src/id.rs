//! Identifiers. Each is parsed once at the edge and is valid from then on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The reason why a text is not an identifier. Completes "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text does not follow the slug grammar.
    #[error("read an identifier: 1 to 63 characters of a-z, 0-9 and -, starting with a letter or digit")]
    Slug,
    /// The text is not a UUID.
    #[error("read an identifier: a UUID is expected")]
    Uuid,
}

fn is_slug(text: &str) -> bool {
    let head_ok = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    head_ok && text.len() <= 63 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

macro_rules! slug_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                if is_slug(text) { Ok(Self(text.to_owned())) } else { Err(IdError::Slug) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

slug_id!(
    /// An organisation: the tenant that owns every record below it.
    OrgId
);
slug_id!(
    /// A connection of one organisation to one provider; unique within its organisation.
    ConnectionId
);

impl ConnectionId {
    /// The id of a new connection that was given none: the provider's, and the end of a fresh UUID made by the caller.
    ///
    /// # Errors
    /// When the provider's id is no slug.
    pub fn fresh(provider: &str, uuid: Uuid) -> Result<Self, IdError> {
        // The end is random in every version; 48 bits are enough among the connections of one organisation.
        let (_, low) = uuid.as_u64_pair();
        format!("{provider}-{:012x}", low & 0xffff_ffff_ffff).parse()
    }

    /// The id that the same parts always give.
    ///
    /// # Errors
    /// When the provider's id is no slug.
    pub fn derived(provider: &str, org: &OrgId, parts: &[&str]) -> Result<Self, IdError> {
        Self::fresh(provider, derive("connection", org, parts))
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Takes a fresh UUID (version 7, so that ids sort by time) made by the caller.
            #[must_use]
            pub const fn fresh(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The id that the same parts always give: the key by which work done twice lands on one record.
            #[must_use]
            pub fn derived(org: &OrgId, parts: &[&str]) -> Self {
                Self(derive($kind, org, parts))
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                // Only the canonical form is an id: otherwise one record would have several names.
                let uuid = Uuid::try_parse(text).map_err(|_| IdError::Uuid)?;
                if uuid.to_string() == text { Ok(Self(uuid)) } else { Err(IdError::Uuid) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id!(
    /// A person who applied or was sourced.
    CandidateId,
    "candidate"
);
uuid_id!(
    /// One application of a candidate.
    ApplicationId,
    "application"
);
uuid_id!(
    /// A job (requisition) that can be applied to.
    JobId,
    "job"
);
uuid_id!(
    /// One piece of generated text and the work that makes it.
    SuggestionId,
    "suggestion"
);
uuid_id!(
    /// One application that came in by API and the work that makes records of it.
    IntakeId,
    "intake"
);
uuid_id!(
    /// One notification and the e-mail that it becomes.
    NotificationId,
    "notification"
);

uuid_id!(
    /// A position to be filled by a job.
    OpeningId,
    "opening"
);
uuid_id!(
    /// A job as it is advertised.
    PostId,
    "post"
);
uuid_id!(
    /// A meeting with a candidate.
    InterviewId,
    "interview"
);
uuid_id!(
    /// An offer to a candidate.
    OfferId,
    "offer"
);
uuid_id!(
    /// The assessment of an interviewer.
    ScorecardId,
    "scorecard"
);
uuid_id!(
    /// A department of an organisation's structure.
    DepartmentId,
    "department"
);
uuid_id!(
    /// An office of an organisation's structure.
    OfficeId,
    "office"
);
uuid_id!(
    /// A member of the hiring team at a provider.
    UserId,
    "user"
);
uuid_id!(
    /// One change that is to be made at a provider, and the work that makes it.
    ActionId,
    "action"
);

/// Namespace of all derived ids: the UUID version 5 of this product's name in the DNS namespace.
const NAMESPACE: Uuid = Uuid::from_u128(0x9c1f_7b0e_5d38_5a41_8a6b_2f6d_0c4e_77d1);

fn derive(kind: &str, org: &OrgId, parts: &[&str]) -> Uuid {
    // Each part is written with its length, so that ("a", "bc") and ("ab", "c") differ.
    let mut name = String::new();
    for part in [kind, org.as_str()].into_iter().chain(parts.iter().copied()) {
        name.push_str(&part.len().to_string());
        name.push(':');
        name.push_str(part);
    }
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_follow_the_grammar() {
        for good in ["a", "acme", "gh-acme", "9lives", &"a".repeat(63)] {
            assert!(good.parse::<OrgId>().is_ok(), "{good} is a slug");
        }
        for bad in ["", "-a", "Acme", "a_b", "a/b", "a#b", "../x", "é", &"a".repeat(64)] {
            assert_eq!(bad.parse::<OrgId>(), Err(IdError::Slug), "{bad} is not a slug");
        }
    }

    #[test]
    fn derived_ids_are_stable_and_separate_tenants_and_parts() {
        let acme: OrgId = "acme".parse().expect("slug");
        let globex: OrgId = "globex".parse().expect("slug");
        let id = ApplicationId::derived(&acme, &["gh", "1"]);
        assert_eq!(id, ApplicationId::derived(&acme, &["gh", "1"]));
        assert_ne!(id, ApplicationId::derived(&globex, &["gh", "1"]));
        assert_ne!(ApplicationId::derived(&acme, &["a", "bc"]), ApplicationId::derived(&acme, &["ab", "c"]));
        assert_ne!(id.to_string(), CandidateId::derived(&acme, &["gh", "1"]).to_string());
    }

    #[test]
    fn a_connection_without_an_id_is_named_after_its_provider() {
        let acme: OrgId = "acme".parse().expect("slug");
        let named = ConnectionId::derived("lever", &acme, &["key"]).expect("a slug");
        assert_eq!(Ok(&named), ConnectionId::derived("lever", &acme, &["key"]).as_ref());
        assert!(named.as_str().starts_with("lever-") && named.as_str().len() == 18, "{named}");
        let fresh = ConnectionId::fresh("lever", Uuid::from_u128(7)).expect("a slug");
        assert_eq!(fresh.as_str(), "lever-000000000007");
        assert_eq!(ConnectionId::fresh("Lever!", Uuid::from_u128(7)), Err(IdError::Slug));
    }

    #[test]
    fn only_the_canonical_form_of_a_uuid_is_an_id() {
        let text = "0190f5fe-7c00-7a00-8000-000000000001";
        assert!(text.parse::<JobId>().is_ok());
        assert_eq!(text.to_uppercase().parse::<JobId>(), Err(IdError::Uuid));
        assert_eq!("nope".parse::<JobId>(), Err(IdError::Uuid));
    }
}
