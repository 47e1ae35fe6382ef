//! One notification, one e-mail.

mod events;
mod matrix;
mod provider;
mod thousand;
