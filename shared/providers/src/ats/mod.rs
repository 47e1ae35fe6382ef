//! Applicant tracking systems: what each must be able to do is in `port`.

pub mod bamboohr;
pub mod greenhouse;
pub mod lever;
pub mod port;
pub mod workday;
