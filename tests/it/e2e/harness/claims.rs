//! What a test takes for itself of a stack that it shares with other tests, and what it only uses.
//!
//! There may be several stacks; a test works on the first one on which all that it needs is free. nextest gives each test a
//! process, so a claim is a lock on a file of the stack's state folder. A test has all of its locks or none: it never waits while
//! it holds one, so that no two tests can wait for each other.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::e2e::harness::stack::{PATIENCE, Stack, choose, run, stacks};

/// How often a test that waits for a lock tries again.
const TRIES_EVERY: Duration = Duration::from_millis(100);
/// How long all others wait before they claim anything, so that the longest tests begin first.
const HEAD_START: Duration = Duration::from_secs(1);
/// The longest wait; nextest ends a test that takes longer.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// A part of the stack that a test can disturb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything, because calls are counted or nothing else may happen.
    Stack,
    /// webhook-worker and its queue.
    Webhooks,
    /// The model, its breaker, suggestion-worker and its queue.
    Model,
    /// email-worker, its settings and its queues.
    Mailer,
    /// The SMTP server and its breaker.
    Relay,
    /// sync-worker and its queue.
    SyncWorker,
    /// action-worker and its queue.
    ActionWorker,
    /// The shared tier of the cache.
    Redis,
    /// The simulator of a third party.
    Simulator(&'static str),
}

pub(crate) use Part::{ActionWorker, Mailer, Model, Redis, Relay, Simulator, SyncWorker, Webhooks};

/// What leads from a webhook to a mail.
pub(crate) const REVIEW: [Part; 4] = [Webhooks, Model, Mailer, Relay];
/// What a connection takes that is made, checked and told of things.
pub(crate) const CONNECTION: [Part; 5] = [Webhooks, Model, Mailer, Relay, SyncWorker];

impl Part {
    fn file(self) -> String {
        match self {
            Self::Simulator(name) => format!("simulator-{name}.lock"),
            other => format!("{other:?}.lock").to_lowercase(),
        }
    }

    /// The queues whose messages, left by an earlier test, would meet what a test does to this part.
    const fn queues(self) -> &'static [&'static str] {
        match self {
            Self::Stack => &["webhook", "suggestion", "email", "email-priority", "action", "intake"],
            Self::Webhooks => &["webhook"],
            Self::Model => &["webhook", "suggestion"],
            Self::Mailer | Self::Relay => &["webhook", "suggestion", "email", "email-priority"],
            Self::ActionWorker => &["action"],
            Self::SyncWorker | Self::Redis | Self::Simulator(_) => &[],
        }
    }
}

/// The locks of a test; they end with it.
pub(crate) struct Claim {
    _locks: Vec<File>,
    /// Where is written who held what for how long, to find what others wait for.
    log: PathBuf,
    waited: Duration,
    since: Instant,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let (held, thread) = (self.since.elapsed(), std::thread::current());
        let (name, waited) = (thread.name().unwrap_or("a test"), self.waited);
        let line = format!("{name}: waited {:.1} s, held {:.1} s\n", waited.as_secs_f64(), held.as_secs_f64());
        // A line that is missing there is no reason for a test to fail.
        let _ = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .and_then(|mut log| log.write_all(line.as_bytes()));
    }
}

/// Claims the whole stack.
pub(crate) fn alone() -> Claim {
    disturbing(&[Part::Stack], &[])
}

/// Claims what a test uses beside other users.
pub(crate) fn using(used: &[Part]) -> Claim {
    std::thread::sleep(HEAD_START);
    claim(&[], used)
}

/// [`disturbing`] for a test that takes a minute or more, so that it does not wait until all short ones are done.
pub(crate) fn disturbing_first(disturbed: &[Part], used: &[Part]) -> Claim {
    let claim = claim(disturbed, used);
    settle(disturbed);
    claim
}

/// Claims what a test disturbs, and what it uses beside other users; waits until what earlier tests left for the disturbed parts
/// is done.
pub(crate) fn disturbing(disturbed: &[Part], used: &[Part]) -> Claim {
    std::thread::sleep(HEAD_START);
    let claim = claim(disturbed, used);
    settle(disturbed);
    claim
}

fn settle(disturbed: &[Part]) {
    run(async {
        let (stack, deadline) = (Stack::open(), Instant::now() + PATIENCE);
        for queue in disturbed.iter().flat_map(|part| part.queues()) {
            // What waits for longer than this does not come in this test's time.
            while stack.messages_in(queue).await > 0 && Instant::now() < deadline {
                tokio::time::sleep(TRIES_EVERY).await;
            }
        }
    });
}

fn claim(disturbed: &[Part], used: &[Part]) -> Claim {
    let stacks = stacks();
    let folders: Vec<PathBuf> = stacks.iter().map(|stack| stack.with_file_name("claims")).collect();
    for folder in &folders {
        fs::create_dir_all(folder).expect("a folder for locks");
    }
    let begin = Instant::now();
    loop {
        for (stack, folder) in stacks.iter().zip(&folders) {
            if let Some(locks) = try_claim(folder, disturbed, used) {
                choose(stack);
                let (log, waited) = (stack.with_file_name("logs").join("claims.log"), begin.elapsed());
                return Claim { _locks: locks, log, waited, since: Instant::now() };
            }
        }
        assert!(begin.elapsed() < LONGEST_WAIT, "{disturbed:?} and {used:?} are taken");
        std::thread::sleep(TRIES_EVERY);
    }
}

fn try_claim(folder: &Path, disturbed: &[Part], used: &[Part]) -> Option<Vec<File>> {
    let mut locks = Vec::new();
    let stack = (!disturbed.contains(&Part::Stack)).then_some(Part::Stack);
    let shared = used.iter().copied().filter(|part| !disturbed.contains(part)).chain(stack);
    let all = disturbed.iter().map(|part| (*part, true)).chain(shared.map(|part| (part, false)));
    for (part, exclusive) in all {
        let path = folder.join(part.file());
        let file = File::options().create(true).append(true).open(&path).expect("a lock file");
        match if exclusive { file.try_lock() } else { file.try_lock_shared() } {
            Ok(()) => locks.push(file),
            Err(TryLockError::WouldBlock) => return None,
            Err(TryLockError::Error(error)) => panic!("{}: {error}", path.display()),
        }
    }
    Some(locks)
}
