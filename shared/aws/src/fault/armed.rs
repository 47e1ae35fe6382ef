//! The points of a development build.

use std::fs;
use std::path::Path;
use std::process::{self, Command};
use std::time::Duration;

use crate::environment;

/// Kills this process when the folder `FAULT_POINTS` has the file `<name>@<work>`; the file is removed first, so that
/// one process is killed once.
pub async fn point(name: &str, work: &str) {
    let Some(folder) = environment::optional("FAULT_POINTS") else { return };
    // The id of work may come from a provider, and is no path.
    if work.contains('/') || fs::remove_file(Path::new(&folder).join(format!("{name}@{work}"))).is_err() {
        return;
    }
    tracing::error!(point = name, work, "killed here, as a test ordered");
    // This is no exit: nothing is flushed, no connection is closed, no destructor runs.
    let _killed_before_it_returns = Command::new("kill").args(["-9", &process::id().to_string()]).status();
    std::future::pending().await
}

/// The interval at which a call in flight checks whether it is to be killed.
const LOOKS: Duration = Duration::from_millis(20);

/// Passes the point again and again while a call is in flight.
pub async fn during<T>(name: &str, work: &str, call: impl Future<Output = T>) -> T {
    let watch = async {
        loop {
            point(name, work).await;
            tokio::time::sleep(LOOKS).await;
        }
    };
    tokio::select! {
        done = call => done,
        () = watch => std::future::pending().await,
    }
}
