//! Rules of the repository: where things are, what may use what, which words are used, what the template must have.

pub(crate) mod layout;
pub(crate) mod source;
mod structure;
mod template;
mod words;
