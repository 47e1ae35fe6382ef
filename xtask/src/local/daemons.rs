//! Programs that outlive the command that starts them: the emulator, the simulators, the SMTP server.
//!
//! Each is remembered in a file of the state folder with its process id and start time, so that `down` ends exactly what
//! was started here and never a stranger that got the same id.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use crate::{processes, site::Site};

#[derive(Serialize, Deserialize)]
struct Record {
    pid: i32,
    started: u64,
    /// The fingerprint of the program's inputs; a program with another one is restarted.
    fingerprint: String,
}

pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) fingerprint: String,
}

pub(crate) struct Daemons<'a> {
    site: &'a Site,
    begun: RefCell<Vec<&'static str>>,
    keep: Cell<bool>,
}

impl<'a> Daemons<'a> {
    pub(crate) const fn new(site: &'a Site) -> Self {
        Self { site, begun: RefCell::new(Vec::new()), keep: Cell::new(false) }
    }

    /// The stack whose programs these are.
    pub(crate) const fn site(&self) -> &'a Site {
        self.site
    }

    /// The command is finished: what it started stays.
    pub(crate) fn keep(&self) {
        self.keep.set(true);
    }

    /// Whether `program` had to be started. One that runs already from the same fingerprint is left alone.
    pub(crate) fn ensure(&self, program: &Program) -> Result<bool> {
        if running(self.site, program.name).is_some_and(|record| record.fingerprint == program.fingerprint) {
            return Ok(false);
        }
        // A program of other inputs, or the rest of a crashed one.
        stop(self.site, program.name);
        self.begun.borrow_mut().push(program.name);
        start(self.site, program)?;
        Ok(true)
    }
}

impl Drop for Daemons<'_> {
    fn drop(&mut self) {
        if !self.keep.get() {
            for name in self.begun.borrow().iter().rev() {
                stop(self.site, name);
            }
        }
    }
}

fn start(site: &Site, program: &Program) -> Result<()> {
    let name = program.name;
    let log = File::create(site.log(name)).with_context(|| format!("failed to create the log of {name}"))?;
    let (executable, rest) = program.arguments.split_first().context("no program named")?;
    // Its own session, so that the end of this terminal is not the end of the stack.
    let mut command = if on_path("setsid") {
        let mut command = Command::new("setsid");
        command.arg(executable);
        command
    } else {
        let mut command = Command::new(executable);
        command.process_group(0);
        command
    };
    let child = command
        .args(rest)
        .current_dir(&site.root)
        .env_clear()
        .envs(&program.environment)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("failed to start {name} ({})", executable.to_string_lossy()))?;
    let pid = child.id().cast_signed();
    let record = Record { pid, started: started(pid).unwrap_or(0), fingerprint: program.fingerprint.clone() };
    let path = record_path(site, name);
    fs::write(&path, serde_json::to_string(&record)?).with_context(|| format!("failed to write {}", path.display()))
}

/// Whether the program of this name runs.
pub(crate) fn is_running(site: &Site, name: &str) -> bool {
    running(site, name).is_some()
}

/// The names of all programs that are on record.
pub(crate) fn recorded(site: &Site) -> Vec<String> {
    let Ok(entries) = fs::read_dir(&site.state) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.strip_suffix(".pid").map(str::to_owned)
    });
    names.collect()
}

/// Ends a program with all its children, and forgets it. True when one was running.
pub(crate) fn stop(site: &Site, name: &str) -> bool {
    let path = record_path(site, name);
    let Some(record) = read(&path) else { return false };
    let group = Pid::from_raw(record.pid);
    // The leader may be gone while functions of the emulator still run: then its number cannot have been reused, because
    // a process group of that number exists.
    let ours = started(record.pid).is_none_or(|started| started == record.started);
    let stopped = match group {
        Some(group) if ours && processes::group_lives(group) => {
            processes::end_group(group);
            true
        }
        _ => false,
    };
    // Nothing reads a record that stays; it is overwritten by the next start.
    let _ = fs::remove_file(path);
    stopped
}

fn running(site: &Site, name: &str) -> Option<Record> {
    let record = read(&record_path(site, name))?;
    (started(record.pid)? == record.started).then_some(record)
}

fn read(path: &Path) -> Option<Record> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

fn record_path(site: &Site, name: &str) -> PathBuf {
    site.state.join(format!("{name}.pid"))
}

/// The start time of a process, or none when it does not run.
fn started(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields = processes::fields(&stat)?;
    (fields.state != "Z").then_some(fields.started)
}

fn on_path(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(name).is_file())
}
