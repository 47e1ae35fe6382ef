//! The local stack: emulator, simulators and functions on this machine.

pub(crate) mod daemons;
pub(crate) mod deploy;
pub(crate) mod intrinsics;
pub(crate) mod logs;
pub(crate) mod mode;
pub(crate) mod package;
pub(crate) mod services;
pub(crate) mod stack;
pub(crate) mod time_scale;
pub(crate) mod tls;
pub(crate) mod up;
