//! What a test takes for itself of the one stack that all tests share, and what it only uses.
//!
//! nextest gives each test a process, so a claim is a lock on a file of the stack's state folder. A test has all of its locks or
//! none: it never waits while it holds one, so that no two tests can wait for each other.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::e2e::harness::stack::{PATIENCE, Stack, run, state_folder};

/// How often a test that waits for a lock tries again.
const TRIES_EVERY: Duration = Duration::from_millis(100);
/// How long all others wait before they claim anything, so that the longest test of all begins first.
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

/// [`disturbing`] for the longest test of all, beside which many others run.
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
    let folder = state_folder().join("claims");
    fs::create_dir_all(&folder).expect("a folder for locks");
    let begin = Instant::now();
    loop {
        if let Some(locks) = try_claim(&folder, disturbed, used) {
            return Claim { _locks: locks };
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
