//! Rules of the repository: where things are, what may use what, what the template must have.

pub(crate) mod layout;
mod template;
