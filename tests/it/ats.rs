//! The contract of each ATS: its file in `providers` against its simulator over HTTP, without the engine.

mod bamboohr;
mod greenhouse;
mod greenhouse_changes;
mod greenhouse_fixtures;
mod harness;
mod workday;
//! The provider files of the ATS against their simulators, over HTTP and without the engine: what they ask and what they read.

mod harness;
mod lever;
