//! Programs that run while a command waits for them. Each has its own process group, which ends with the command.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;

use crate::report;

/// The time in which a group may end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(5);
const HEARTBEAT: Duration = Duration::from_secs(20);

/// Runs a program whose output the user watches.
pub(crate) async fn watch(what: &str, command: Command) -> Result<()> {
    let status = wait(command, |_| ()).await.with_context(|| format!("{what} did not start"))?;
    if !status.success() {
        bail!("{what} failed ({status}); its output is above");
    }
    Ok(())
}

/// Runs a program whose output goes to a log; says now and then what it is at.
pub(crate) async fn log(what: &str, mut command: Command, log: &Path) -> Result<()> {
    let file = File::create(log).with_context(|| format!("failed to create {}", log.display()))?;
    command.stdout(file.try_clone()?).stderr(file);
    let status = wait(command, |elapsed| {
        if let Some(line) = last_line(log) {
            report::note(format!("{} … {line}", report::duration(elapsed)));
        }
    })
    .await
    .with_context(|| format!("{what} did not start"))?;
    if !status.success() {
        bail!("{what} failed ({status}); log: {}\n{}", log.display(), tail(log, 25));
    }
    Ok(())
}

/// Runs a program for its standard output; what it says on standard error goes to a log.
pub(crate) async fn capture(what: &str, mut command: Command, log: &Path) -> Result<String> {
    let answer = log.with_extension("out");
    command.stdout(File::create(&answer)?).stderr(File::create(log)?);
    let status = wait(command, |_| ()).await.with_context(|| format!("{what} did not start"))?;
    if !status.success() {
        bail!("{what} failed ({status}); log: {}\n{}", log.display(), tail(log, 25));
    }
    let text = fs::read_to_string(&answer)?;
    // It may hold tokens.
    fs::remove_file(&answer)?;
    Ok(text)
}

async fn wait(mut command: Command, heartbeat: impl Fn(Duration)) -> Result<std::process::ExitStatus> {
    let mut child = command.stdin(Stdio::null()).process_group(0).spawn()?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
    let began = Instant::now();
    loop {
        tokio::select! {
            status = child.wait() => {
                group.0 = None;
                return Ok(status?);
            }
            () = tokio::time::sleep(HEARTBEAT) => heartbeat(began.elapsed()),
        }
    }
}

/// Ends its process group when the command that waits for it does not wait any more.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            end_group(group);
        }
    }
}

/// Ends a process group: by SIGTERM, and by SIGKILL if it still runs.
pub(crate) fn end_group(group: Pid) {
    // A group that is gone already is what is wanted; nothing else can fail here.
    let _ = kill_process_group(group, Signal::TERM);
    let deadline = Instant::now() + GRACE;
    while group_lives(group) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    if group_lives(group) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Whether a process of the group still runs. Zombies do not count: in a container they may never be collected.
pub(crate) fn group_lives(group: Pid) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    processes.flatten().any(|entry| {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        fields(&stat).is_some_and(|fields| fields.group == group.as_raw_pid() && fields.state != "Z")
    })
}

/// The fields of `/proc/PID/stat` that identify a process.
pub(crate) struct Fields<'a> {
    pub(crate) state: &'a str,
    pub(crate) group: i32,
    /// Clock ticks since boot at which the process started: a reused process id has another one.
    pub(crate) started: u64,
}

pub(crate) fn fields(stat: &str) -> Option<Fields<'_>> {
    // The second field, the name, is in parentheses and may itself hold spaces and parentheses.
    let mut rest = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    let state = rest.next()?;
    let group = rest.nth(1)?.parse().ok()?;
    let started = rest.nth(16)?.parse().ok()?;
    Some(Fields { state, group, started })
}

/// The last lines of a log, for an error message.
pub(crate) fn tail(log: &Path, lines: usize) -> String {
    let text = end_of(log).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    let display = all.get(all.len().saturating_sub(lines)..).unwrap_or_default();
    display.iter().map(|line| format!("      | {line}\n")).collect()
}

fn last_line(log: &Path) -> Option<String> {
    let text = end_of(log).ok()?;
    let line = text.lines().rfind(|line| !line.trim().is_empty())?;
    Some(line.trim().chars().take(100).collect())
}

fn end_of(log: &Path) -> Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(16_384)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "4242 (a (b) c) S 1 77 78 0 -1 0 1 2 3 4 5 6 7 8 9 10 11 12 987654 100";
        let found = fields(stat).map(|fields| (fields.state.to_owned(), fields.group, fields.started));
        assert_eq!(found, Some(("S".to_owned(), 77, 987_654)));
        assert!(fields("broken").is_none());
    }
}
