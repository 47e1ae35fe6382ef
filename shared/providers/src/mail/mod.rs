//! Mail providers: what each must be able to do is in `port`.

mod address;
pub mod brevo;
pub mod client;
pub mod events;
pub mod gmail;
pub mod log;
pub mod mailgun;
mod mime;
pub mod port;
pub mod sendgrid;
pub mod ses;
pub mod smtp;
