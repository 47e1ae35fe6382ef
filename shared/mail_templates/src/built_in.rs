//! The texts that are built in. A language or a kind is one line more here, and its files.

/// The manifest of the templates.
pub(crate) const MANIFEST: &str = include_str!("../templates/manifest.json");

macro_rules! frame {
    ($($name:literal),+ $(,)?) => { [$(($name, include_str!(concat!("../templates/", $name))),)+] };
}

/// The parts of all mails: the page around them, and its components.
pub(crate) const FRAME: [(&str, &str); 4] = frame!["layout.html", "button.html", "detail.html", "passage.html"];

macro_rules! texts {
    ($language:literal: $($kind:literal),+ $(,)?) => { [$([
        texts!($language, $kind, "subject.txt"),
        texts!($language, $kind, "body.txt"),
        texts!($language, $kind, "body.html"),
    ],)+] };
    ($language:literal, $kind:literal, $part:literal) => {
        (concat!($language, "/", $kind, "/", $part), include_str!(concat!("../templates/", $language, "/", $kind, "/", $part)))
    };
}

/// The texts of a kind: their paths below `templates/`, and their content.
type Texts = [(&'static str, &'static str); 3];

const ENGLISH: [Texts; 7] = texts!["en":
    "university-verification",
    "import-completed",
    "flag-resolved",
    "password-reset",
    "application-received",
    "interview-scheduled",
    "application-status-changed",
];

const GERMAN: [Texts; 7] = texts!["de":
    "university-verification",
    "import-completed",
    "flag-resolved",
    "password-reset",
    "application-received",
    "interview-scheduled",
    "application-status-changed",
];

/// All texts by their path.
pub(crate) fn texts() -> impl Iterator<Item = (&'static str, &'static str)> {
    [ENGLISH, GERMAN].into_iter().flatten().flatten()
}
