//! The operations of the Recruiting service that read: their requests, and the mapping of their responses.

pub(super) mod candidates;
pub(super) mod requisitions;
