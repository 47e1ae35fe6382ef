//! AI models: what each must be able to do is in `port`.

pub mod client;
pub mod gemini;
pub mod mock;
pub mod port;
