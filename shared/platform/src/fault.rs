//! Named points at which a test kills the process that passes them, to prove that work survives it.
//!
//! Only development builds have them: in a release, passing one is an empty function.

#[cfg(debug_assertions)]
mod armed;

#[cfg(debug_assertions)]
pub(crate) use armed::point;

/// Does nothing.
#[cfg(not(debug_assertions))]
pub(crate) async fn point(_name: &str, _work: &str) {}

/// Before the write that claims work.
pub(crate) const CLAIMING: &str = "work.claiming";
/// The claim is written, nothing was done yet.
pub(crate) const CLAIMED: &str = "work.claimed";
/// The work is done, its end is not written yet.
pub(crate) const FINISHING: &str = "work.finishing";
/// The end is written, the message is still there.
pub(crate) const FINISHED: &str = "work.finished";
/// The record is written, its message is not sent yet.
pub(crate) const CREATED: &str = "record.created";
