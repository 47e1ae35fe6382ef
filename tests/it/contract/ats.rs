//! The contract of each ATS: its file in `providers` against its simulator over HTTP, without the engine.

mod bamboohr;
mod greenhouse;
mod greenhouse_changes;
mod greenhouse_fixtures;
mod harness;
mod lever;
mod registry;
mod workday;
