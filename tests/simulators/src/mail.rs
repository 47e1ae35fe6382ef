//! Mail providers, the mailbox that receives what is sent by SMTP, and the sign-in that one of them needs.

pub mod brevo;
pub mod events;
pub mod gmail;
pub mod google;
pub mod mailbox;
pub mod mailgun;
pub mod message;
pub mod sendgrid;
pub mod ses;
