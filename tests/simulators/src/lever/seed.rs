//! What every account begins with, and the words from which chance makes the rest.

/// Id and name of the stages, in their order.
pub const STAGES: [(&str, &str); 11] = [
    ("lead-new", "New lead"),
    ("lead-reached-out", "Reached out"),
    ("lead-responded", "Responded"),
    ("applicant-new", "New applicant"),
    ("49422c7e-5b86-4a06-9386-d432f6e98d57", "HM Review"),
    ("2ca03d97-d4f2-4a97-89de-96c8b0d07924", "Recruiter screen"),
    ("68f08350-a035-4d89-83c2-79164dbf2cf8", "HM Screen"),
    ("25cba92d-7eaf-4d42-83f9-38874c95ef1b", "On-site interview"),
    ("1d8976ae-3fd9-44ed-bf5b-4aa019929779", "Reference check"),
    ("offer", "Offer"),
    ("c78a59b9-0f6c-42a1-8cac-c7911d3e450d", "Background Check"),
];
/// The stage of a lead.
pub const LEAD: usize = 0;
/// The stage of an applicant.
pub const APPLICANT: usize = 3;

/// Id, name, status and type of the archive reasons.
pub const REASONS: [(&str, &str, &str, &str); 7] = [
    ("08168d73-d2aa-4f11-898b-2d1c57f1662a", "Position filled", "active", "non-hired"),
    ("4105fb10-1f79-44ec-b873-33886dc01348", "Under- qualified", "active", "non-hired"),
    ("82cc825e-90ad-4f22-a449-0b73955bac9c", "No Response - OLD", "inactive", "non-hired"),
    ("c97322d4-a7f3-4008-948c-4f8e9c58d372", "Timing", "active", "non-hired"),
    ("6039b390-1ce0-4edf-901c-b71dcf7894e1", "Withdrew", "active", "non-hired"),
    ("a700d50e-dfe4-40bb-9069-a64f2d4f70f5", "Offer declined", "active", "non-hired"),
    ("0092d31b-502b-4f0d-b4da-3827e1a2991f", "Hired", "active", "hired"),
];
/// The reason of a hire.
pub const HIRED: usize = 6;

/// States of a posting.
pub const STATES: [&str; 6] = ["published", "internal", "closed", "draft", "pending", "rejected"];
/// States of an offer.
pub const OFFER_STATES: [&str; 8] =
    ["draft", "approval-sent", "approved", "sent", "sent-manually", "opened", "denied", "signed"];
/// How a person came into Lever.
pub const ORIGINS: [&str; 6] = ["applied", "sourced", "referred", "university", "internal", "agency"];
pub const SOURCES: [&str; 5] = ["LinkedIn", "Job site", "Referral", "GitHub", "Added manually"];

pub const TEAMS: [(Option<&str>, &str); 6] = [
    (Some("Research & Development"), "Engineering"),
    (Some("Sales"), "Account Executive"),
    (Some("Marketing"), "Brand"),
    (Some("Customer Success"), "Professional Services"),
    (Some("Operations"), "People"),
    (None, "Unsorted"),
];
pub const LOCATIONS: [Option<&str>; 6] =
    [Some("San Francisco, CA"), Some("Athens"), Some("Łódź"), Some("Remote"), Some("Seattle, WA"), None];
pub const COMMITMENTS: [&str; 4] = ["Full-time", "Part-time", "Contract", "Intern"];
