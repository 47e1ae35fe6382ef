//! Named points at which a test kills the process that passes them, to prove that work survives it.
//!
//! Only development builds have them: in a release, passing one is an empty function.

#[cfg(debug_assertions)]
mod armed;

#[cfg(debug_assertions)]
pub use armed::during;
#[cfg(debug_assertions)]
pub use armed::point;

#[cfg(not(debug_assertions))]
pub async fn point(_name: &str, _work: &str) {}

/// Does nothing but the call.
#[cfg(not(debug_assertions))]
pub async fn during<T>(_name: &str, _work: &str, call: impl Future<Output = T>) -> T {
    call.await
}

/// A third party is being called: the process ends without its reply.
pub const CALLING: &str = "work.calling";

/// Before the write that claims work.
pub const CLAIMING: &str = "work.claiming";
/// The claim is written, nothing was done yet.
pub const CLAIMED: &str = "work.claimed";
/// A page or an event of an ATS is applied, the checkpoint is not moved yet.
pub const APPLIED: &str = "sync.applied";
/// The checkpoint is moved.
pub const SAVED: &str = "sync.saved";
/// The work is done, its end is not written yet.
pub const FINISHING: &str = "work.finishing";
/// The end is written, the message is still there.
pub const FINISHED: &str = "work.finished";
/// The record is written, its message is not sent yet.
pub const CREATED: &str = "record.created";
