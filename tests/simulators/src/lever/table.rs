//! What an account consists of. The fields are those of the API; a row that refers to another one has its number beside its id.

use crate::world::store::tables;
pub use crate::world::store::{Kind, Row};

tables! {
    Users "users" [] {
        "name": null, "username": null, "email": null, "accessRole": "super admin", "photo": null, "deactivatedAt": null,
        "externalDirectoryId": null, "linkedContactIds": null, "jobTitle": null, "managerId": null
    }
    Postings "postings" [] {
        "text": null, "state": "published", "distributionChannels": null, "user": null, "owner": null, "hiringManager": null,
        "categories": {}, "tags": [], "country": "US", "followers": [], "reqCode": null, "requisitionCodes": [],
        "confidentiality": "non-confidential", "workplaceType": "unspecified", "transcribeInterviews": false,
        "screening": {"enabled": false}
    }
    Contacts "contacts" [] {"name": null, "headline": "", "isAnonymized": false, "location": "", "emails": [], "phones": []}
    Opportunities "opportunities" ["_contact" => Contacts] {
        "contact": null, "_contact": null, "stage": "lead-new", "confidentiality": "non-confidential", "links": [],
        "archived": null, "tags": [], "sources": [], "stageChanges": [], "origin": "sourced", "owner": null,
        "lastInteractionAt": null, "lastAdvancedAt": null, "snoozedUntil": null, "isAnonymized": false,
        "dataProtection": null, "_unstamped": false
    }
    Applications "applications" ["_opportunity" => Opportunities, "_posting" => Postings] {
        "opportunityId": null, "_opportunity": null, "candidateId": null, "posting": null, "_posting": null,
        "type": "posting", "company": null, "comments": null, "postingHiringManager": null, "links": [],
        "customQuestions": [], "requisitionForHire": null, "ipAddress": null, "referer": null, "userAgent": null,
        "acceptLanguage": null, "timezone": null
    }
    Interviews "interviews" ["_opportunity" => Opportunities] {
        "_opportunity": null, "panel": null, "subject": null, "note": "", "_interviewer": null,
        "timezone": "America/Los_Angeles", "date": null, "duration": 30, "location": null, "feedbackTemplate": null,
        "feedbackForms": [], "feedbackReminder": "daily", "stage": null, "canceledAt": null, "gcalEventUrl": null
    }
    Offers "offers" ["_opportunity" => Opportunities] {
        "_opportunity": null, "posting": null, "status": "draft", "creator": null, "_starts": null, "approved": null,
        "approvedAt": null, "sentAt": null, "sentDocument": null, "signedDocument": null
    }
    Notes "notes" ["_opportunity" => Opportunities] {
        "_opportunity": null, "text": "Note", "fields": [], "user": null, "secret": false, "deletedAt": null
    }
    Webhooks "webhooks" [] {"event": null, "url": null, "_origins": null, "_token": null}
}
