//! The provider files of the ATS against their simulators, over HTTP and without the engine: what they ask and what they read.

mod harness;
mod lever;
