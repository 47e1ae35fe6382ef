//! The output for a person: one line a step, with its time.

use std::{
    fmt::{Arguments, Display},
    time::{Duration, Instant},
};

tokio::task_local! {
    static SILENCED: ();
}

/// Runs something without printing its steps, because those of its twin beside it are printed.
pub(crate) async fn silenced<T>(steps: impl Future<Output = T>) -> T {
    SILENCED.scope((), steps).await
}

fn print(line: Arguments<'_>) {
    if SILENCED.try_with(|()| ()).is_err() {
        println!("{line}");
    }
}

pub(crate) fn heading(text: impl Display) {
    print(format_args!("\n{text}"));
}

/// A step that is done.
pub(crate) fn tick(began: Instant, text: impl Display) {
    print(format_args!("  ✓ {:>9}  {text}", duration(began.elapsed())));
}

/// Something to know that is not a step.
pub(crate) fn note(text: impl Display) {
    print(format_args!("    {:>9}  {text}", ""));
}

/// A step that takes long enough to be announced.
pub(crate) fn begun(text: impl Display) {
    print(format_args!("  … {:>9}  {text}", ""));
}

pub(crate) fn failed(error: &anyhow::Error) {
    eprintln!("\n  ✗ {error}");
    for cause in error.chain().skip(1) {
        eprintln!("    because: {cause}");
    }
}

pub(crate) fn interrupted(signal: &str) {
    eprintln!("\n  {signal}: stopping what this command started");
}

pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        _ => format!("{} m {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let check = |millis, expected: &str| assert_eq!(duration(Duration::from_millis(millis)), expected);
        check(0, "0 ms");
        check(999, "999 ms");
        check(1_000, "1.0 s");
        check(59_940, "59.9 s");
        check(60_000, "1 m 00 s");
        check(754_000, "12 m 34 s");
    }
}
