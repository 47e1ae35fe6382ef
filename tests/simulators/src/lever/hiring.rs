//! How interviews and offers change, and what that moves.

use serde_json::json;

use super::{
    model::{Interview, Offer},
    state::State,
};

impl State {
    /// Adds an interview, which does not move `updatedAt`.
    pub fn add_interview(&mut self, id: &str, interview: Interview, past: bool) {
        let interview_id = self.id();
        let at = if past { interview.created } else { self.stamp() };
        let Some(opportunity) = self.opportunities.get_mut(id) else { return };
        opportunity.interviews.push(Interview { id: interview_id.clone(), created: at, ..interview });
        if !past {
            self.tell_interview("interviewCreated", id, &interview_id);
        }
    }

    /// Changes the interview at this position, which does not move `updatedAt` either.
    pub fn change_interview(&mut self, id: &str, at: usize, change: impl FnOnce(&mut Interview, i64)) -> bool {
        let now = self.stamp();
        let Some(interview) = self.opportunities.get_mut(id).and_then(|it| it.interviews.get_mut(at)) else {
            return false;
        };
        change(interview, now);
        let interview = interview.id.clone();
        self.tell_interview("interviewUpdated", id, &interview);
        true
    }

    pub fn delete_interview(&mut self, id: &str, at: usize) -> bool {
        let Some(opportunity) = self.opportunities.get_mut(id) else { return false };
        if at >= opportunity.interviews.len() {
            return false;
        }
        let interview = opportunity.interviews.remove(at);
        self.tell_interview("interviewDeleted", id, &interview.id);
        true
    }

    fn tell_interview(&mut self, name: &'static str, id: &str, interview: &str) {
        let at = self.stamp();
        self.tell_of(name, at, id, json!({"interviewId": interview}));
    }

    /// Adds an offer: no webhook tells of it, and recorded ones did not move `updatedAt`.
    pub fn add_offer(&mut self, id: &str, offer: Offer, past: bool) {
        let offer_id = self.id();
        let at = if past { offer.created } else { self.stamp() };
        if let Some(opportunity) = self.opportunities.get_mut(id) {
            opportunity.offers.push(Offer { id: offer_id, created: at, ..offer });
        }
    }

    /// Changes the offer at this position.
    pub fn change_offer(&mut self, id: &str, position: usize, change: impl FnOnce(&mut Offer, i64)) -> bool {
        let at = self.stamp();
        let offer = self.opportunities.get_mut(id).and_then(|opportunity| opportunity.offers.get_mut(position));
        offer.is_some_and(|offer| {
            change(offer, at);
            true
        })
    }
}
