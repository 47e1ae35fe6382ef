//! How an account grows and what happens in it by chance.

use super::{
    model::{Application, Archived, Contact, Interview, Offer, Opportunity, Posting, StageChange},
    seed::{
        APPLICANT, COMMITMENTS, HIRED, LEAD, LOCATIONS, OFFER_STATES, ORIGINS, REASONS, SOURCES, STAGES, STATES, TEAMS,
    },
    state::State,
};
use crate::world::{
    Chance,
    words::{COMPANIES, FIRST_NAMES, LAST_NAMES, TITLES},
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// How far back the first growth of an account goes.
const PAST_MS: i64 = 400 * DAY_MS;

fn owner(state: &State, chance: &mut Chance) -> String {
    state.users.any(chance).unwrap_or_default()
}

fn person(chance: &mut Chance) -> String {
    format!("{} {}", chance.pick(&FIRST_NAMES), chance.pick(&LAST_NAMES))
}

fn phone(chance: &mut Chance) -> (&'static str, String) {
    (chance.pick(&["mobile", "home", "other"]), format!("+1 555 {:07}", chance.below(10_000_000)))
}

fn contact(state: &mut State, chance: &mut Chance) -> Contact {
    let number = state.hex(8);
    let emails = match chance.below(20) {
        0 => Vec::new(),
        1 => vec![format!("Person.{number}@{}.example", state.name), format!("p{number}@mail.example")],
        _ => vec![format!("person.{number}@{}.example", state.name)],
    };
    Contact {
        name: person(chance),
        headline: chance.pick(&COMPANIES).to_owned(),
        location: chance.pick(&LOCATIONS).unwrap_or_default().to_owned(),
        emails,
        phones: if chance.percent(80) { vec![phone(chance)] } else { Vec::new() },
        ..Contact::default()
    }
}

fn add_posting(state: &mut State, chance: &mut Chance, at: Option<i64>) -> String {
    let (department, team) = chance.pick(&TEAMS);
    let posting = Posting {
        text: chance.pick(&TITLES).to_owned(),
        state: if chance.percent(60) { "published" } else { chance.pick(&STATES) },
        owner: owner(state, chance),
        department,
        team,
        location: chance.pick(&LOCATIONS),
        commitment: chance.pick(&COMMITMENTS),
        confidential: chance.percent(12),
        ..Posting::default()
    };
    state.add_posting(posting, at)
}

/// An opportunity that has only begun, and the posting that it is for.
fn begun(state: &State, chance: &mut Chance, contact: String) -> (Opportunity, Option<String>) {
    let posting = if chance.percent(88) { state.postings.any(chance) } else { None };
    let found = posting.as_ref().and_then(|id| state.postings.get(id));
    let origin = if found.is_some() { chance.pick(&ORIGINS) } else { "sourced" };
    let stage = if origin == "applied" { APPLICANT } else { LEAD };
    let tags = found.map(|posting| posting.text.clone()).into_iter().collect();
    let sources = vec![chance.pick(&SOURCES).to_owned()];
    let confidential = found.is_some_and(|posting| posting.confidential);
    let owner = owner(state, chance);
    (Opportunity { contact, stage, owner, confidential, origin, sources, tags, ..Opportunity::default() }, posting)
}

fn kind(origin: &str) -> &'static str {
    match origin {
        "applied" => "posting",
        "referred" => "referral",
        _ => "user",
    }
}

fn company(chance: &mut Chance) -> Option<String> {
    Some(chance.pick(&COMPANIES).to_owned()).filter(|company| !company.is_empty())
}

fn begin(state: &mut State, chance: &mut Chance, contact: String) -> String {
    let (opportunity, posting) = begun(state, chance, contact);
    let origin = opportunity.origin;
    let id = state.add_opportunity(opportunity, false);
    if let Some(posting) = posting {
        let company = company(chance);
        let kind = kind(origin);
        state.add_application(&id, |id, created| Application { id, kind, posting, created, comments: None, company });
    }
    id
}

/// One that began long ago and went some way since.
fn remembered(state: &mut State, chance: &mut Chance, contact: String, now: i64) -> String {
    let (mut opportunity, posting) = begun(state, chance, contact);
    let created = chance.between(now - PAST_MS, now - 2 * HOUR_MS);
    let last = chance.between(created, now - HOUR_MS);
    let mut at = created;
    opportunity.stage_changes.push(StageChange { stage: opportunity.stage, at, user: None });
    for _ in 0..chance.below(4) {
        at = chance.between(at, last);
        opportunity.stage = chance.below(STAGES.len());
        let user = Some(opportunity.owner.clone());
        opportunity.stage_changes.push(StageChange { stage: opportunity.stage, at, user });
    }
    opportunity.advanced = at;
    if chance.percent(35) {
        opportunity.archived = Some(Archived { reason: chance.below(REASONS.len()), at: last });
    }
    if let Some(posting) = posting {
        let (id, kind, company) = (state.id(), kind(opportunity.origin), company(chance));
        opportunity.applications.push(Application { id, kind, posting, created, comments: None, company });
    }
    (opportunity.created, opportunity.interacted) = (created, last);
    opportunity.updated = if chance.percent(20) { None } else { Some(last) };
    state.add_opportunity(opportunity, true)
}

fn interview(state: &mut State, chance: &mut Chance, id: &str, created: i64) -> Interview {
    let panel = state.id();
    let stage = state.opportunities.get(id).map_or(LEAD, |opportunity| opportunity.stage);
    Interview {
        panel,
        subject: format!(
            "{} - {}",
            chance.pick(&["Phone interview", "On-site interview", "Culture fit"]),
            person(chance)
        ),
        interviewer: owner(state, chance),
        stage,
        created,
        date: chance.between(created, created + 14 * DAY_MS) / 1_800_000 * 1_800_000,
        duration: chance.pick(&[30, 45, 60]),
        ..Interview::default()
    }
}

fn offer(state: &State, chance: &mut Chance, id: &str, created: i64) -> Offer {
    let opportunity = state.opportunities.get(id);
    Offer {
        posting: opportunity.and_then(|it| it.applications.first()).map(|application| application.posting.clone()),
        created,
        status: chance.pick(&OFFER_STATES),
        creator: owner(state, chance),
        starts: chance.percent(70).then(|| (created / DAY_MS + 30) * DAY_MS),
        ..Offer::default()
    }
}

fn objects(state: &State) -> usize {
    let parts: usize = state.opportunities.values().map(|of| 2 + of.interviews.len() + of.offers.len()).sum();
    parts + state.users.len() + state.postings.len()
}

/// Adds objects until there are about so many. What a client has not seen yet may have happened long ago.
pub(super) fn grow(state: &mut State, chance: &mut Chance, wanted: usize) {
    let (past, now) = (!state.served, state.now());
    let mut count = objects(state);
    while count < wanted {
        count += 2;
        if state.postings.len() < 3 || chance.percent(12) {
            let at = past.then(|| chance.between(now - PAST_MS, now - HOUR_MS));
            add_posting(state, chance, at);
            count -= 1;
            continue;
        }
        if chance.percent(8) {
            state.add_user(&person(chance));
            count -= 1;
            continue;
        }
        let made = contact(state, chance);
        let contact = state.add_contact(made, past);
        let id = if past { remembered(state, chance, contact, now) } else { begin(state, chance, contact) };
        let created = state.opportunities.get(&id).map_or(now, |opportunity| opportunity.created);
        for _ in 0..chance.below(7) {
            let made = interview(state, chance, &id, created);
            state.add_interview(&id, made, past);
            count += 1;
        }
        if chance.percent(20) {
            let made = offer(state, chance, &id, created);
            state.add_offer(&id, made, past);
            count += 1;
        }
    }
}

fn change_contact(state: &mut State, chance: &mut Chance, id: &str) -> Option<String> {
    let contact = state.opportunities.get(id)?.contact.clone();
    let (what, number) = (chance.below(4), state.hex(8));
    let (name, phone, headline) = (person(chance), phone(chance), chance.pick(&COMPANIES));
    let email = format!("moved.{number}@{}.example", state.name);
    state.change_contact(&contact, |contact| match what {
        0 => contact.name = name,
        1 => contact.phones = vec![phone],
        2 => headline.clone_into(&mut contact.headline),
        _ => contact.emails = vec![email],
    });
    Some(format!("contact {contact} changed"))
}

fn change_posting(state: &mut State, chance: &mut Chance) -> Option<String> {
    let id = state.postings.any(chance)?;
    let (what, text, status) = (chance.below(3), chance.pick(&TITLES), chance.pick(&STATES));
    let ((department, team), location) = (chance.pick(&TEAMS), chance.pick(&LOCATIONS));
    state.change_posting(&id, |posting| match what {
        0 => format!("{text} ({location:?})").clone_into(&mut posting.text),
        1 => posting.state = status,
        _ => (posting.department, posting.team, posting.location) = (department, team, location),
    });
    Some(format!("posting {id} changed"))
}

fn change_interview(state: &mut State, chance: &mut Chance, id: &str) -> Option<String> {
    let count = state.opportunities.get(id)?.interviews.len();
    let (position, what, form) = (chance.below(count), chance.below(3), state.id());
    let changed = state.change_interview(id, position, |interview, at| match what {
        0 => interview.date += DAY_MS,
        1 => interview.canceled = Some(at),
        _ => interview.feedback.push(form),
    });
    changed.then(|| format!("interview {position} of {id} changed"))
}

fn change_offer(state: &mut State, chance: &mut Chance, id: &str, now: i64) -> Option<String> {
    let count = state.opportunities.get(id)?.offers.len();
    if count == 0 {
        let made = offer(state, chance, id, now);
        state.add_offer(id, made, false);
        return Some(format!("offer of {id} added"));
    }
    let (position, status) = (chance.below(count), chance.pick(&OFFER_STATES));
    let changed = state.change_offer(id, position, |offer, at| {
        offer.status = status;
        offer.sent = matches!(status, "sent" | "opened" | "signed" | "denied").then_some(at);
    });
    changed.then(|| format!("offer {position} of {id} {status}"))
}

fn change_user(state: &mut State, chance: &mut Chance, now: i64) -> String {
    let name = person(chance);
    let what = chance.below(3);
    if what == 0 {
        return format!("user {} added", state.add_user(&name));
    }
    let id = owner(state, chance);
    if let Some(user) = state.users.get_mut(&id) {
        if what == 1 {
            user.name = name;
        } else {
            user.deactivated = if user.deactivated.is_some() { None } else { Some(now) };
        }
    }
    format!("user {id} changed")
}

/// Makes another opportunity for the person of this one, or lets the person of another one be the same person.
fn again(state: &mut State, chance: &mut Chance, id: &str, merge: bool) -> Option<String> {
    let contact = state.opportunities.get(id)?.contact.clone();
    if !merge {
        return Some(format!("opportunity {} for the same person", begin(state, chance, contact)));
    }
    let other = state.opportunities.any(chance)?;
    let other = state.opportunities.get(&other)?.contact.clone();
    state.merge_contacts(&other, &contact);
    Some(format!("contact {other} merged into {contact}"))
}

/// One change; says what it was.
pub(super) fn step(state: &mut State, chance: &mut Chance) -> String {
    let now = state.now();
    let id = state.opportunities.any(chance).unwrap_or_default();
    let rejected = chance.below(HIRED);
    let archived = state.opportunities.get(&id).is_some_and(|opportunity| opportunity.archived.is_some());
    let said = |done: bool, what: String| done.then_some(what);
    let done = match chance.below(100) {
        0..=16 => change_contact(state, chance, &id),
        17..=38 => {
            let stage = chance.below(STAGES.len());
            said(state.move_stage(&id, stage, None), format!("{id} moved to {stage}"))
        }
        39..=46 => change_posting(state, chance),
        47..=54 if !archived => said(state.archive(&id, Some(rejected)), format!("{id} archived {rejected}")),
        55..=58 if !archived => said(state.archive(&id, Some(HIRED)), format!("{id} hired")),
        47..=61 if archived => said(state.archive(&id, None), format!("{id} taken back")),
        72..=74 => again(state, chance, &id, false),
        75..=79 => state.opportunities.get(&id).is_some().then(|| {
            let made = interview(state, chance, &id, now);
            state.add_interview(&id, made, false);
            format!("interview of {id} added")
        }),
        80..=82 => change_interview(state, chance, &id),
        83..=85 => change_offer(state, chance, &id, now),
        86 => Some(format!("posting {} added", add_posting(state, chance, None))),
        87 => Some(change_user(state, chance, now)),
        88 => again(state, chance, &id, true),
        90..=94 => said(state.delete_opportunity(&id), format!("{id} deleted")),
        95..=96 => said(state.delete_application(&id), format!("application of {id} deleted")),
        97..=98 => said(state.delete_interview(&id, 0), format!("interview of {id} deleted")),
        99 => {
            let posting = state.postings.any(chance).unwrap_or_default();
            said(state.delete_posting(&posting), format!("posting {posting} deleted"))
        }
        _ => None,
    };
    done.unwrap_or_else(|| {
        let made = contact(state, chance);
        let contact = state.add_contact(made, false);
        format!("opportunity {} of a new person", begin(state, chance, contact))
    })
}
