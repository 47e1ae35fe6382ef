//! A bound on the calls in flight to one dependency: the waiting side of `resilience::bulkhead`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use resilience::bulkhead;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::environment::{self, EnvironmentError};
use crate::error::AwsError;
use crate::metrics::{self, Unit};

/// The calls to one dependency. Clones share the bound.
#[derive(Debug, Clone)]
pub struct Bulkhead {
    name: &'static str,
    size: usize,
    longest_wait: Duration,
    slots: Arc<Semaphore>,
    refused: Arc<AtomicU64>,
}

/// The right to one call; it ends when this is dropped.
#[derive(Debug)]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
}

/// The occupancy of a bulkhead in this process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Occupancy {
    /// The name of the dependency.
    pub name: &'static str,
    /// The largest number of calls at once.
    pub limit: usize,
    /// The number of calls in flight at this moment.
    pub in_flight: usize,
    /// The number of calls that were refused since this process began.
    pub refused: u64,
}

impl Bulkhead {
    /// A bulkhead of a given size.
    #[must_use]
    pub fn new(name: &'static str, size: usize, longest_wait: Duration) -> Self {
        let slots = Arc::new(Semaphore::new(size));
        Self { name, size, longest_wait, slots, refused: Arc::new(AtomicU64::new(0)) }
    }

    /// A bulkhead whose size the variable holds; [`bulkhead::SIZE`] when it is not set.
    ///
    /// # Errors
    /// When the variable is not a size.
    pub fn from_environment(name: &'static str, variable: &'static str) -> Result<Self, EnvironmentError> {
        let size = match environment::optional(variable) {
            None => bulkhead::SIZE,
            Some(text) => bulkhead::size(&text)
                .ok_or(EnvironmentError::Invalid { name: variable, rule: "a whole number from 1 to 100" })?,
        };
        Ok(Self::new(name, size, bulkhead::LONGEST_WAIT))
    }

    /// Waits briefly for a slot.
    ///
    /// # Errors
    /// When all calls in flight took longer than the longest wait: the caller may come again later.
    pub async fn enter(&self) -> Result<Slot, AwsError> {
        match tokio::time::timeout(self.longest_wait, self.slots.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Slot { _permit: permit }),
            // It is never closed, so what ends here is the wait.
            Ok(Err(_)) | Err(_) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                metrics::emit(Some(("dependency", self.name)), &[("CallsRefusedByBulkhead", 1, Unit::Count)]);
                let detail = format!("{} calls to the {} are in flight", self.size, self.name);
                Err(AwsError::unavailable("begin the call", detail))
            }
        }
    }

    /// The occupancy at this moment.
    #[must_use]
    pub fn occupancy(&self) -> Occupancy {
        Occupancy {
            name: self.name,
            limit: self.size,
            in_flight: self.size.saturating_sub(self.slots.available_permits()),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_bulkhead_waits_briefly_and_refuses_then() {
        let wait = Duration::from_millis(200);
        let bulkhead = Bulkhead::new("database", 2, wait);
        let first = bulkhead.enter().await.ok();
        let second = bulkhead.enter().await.ok();
        assert!(first.is_some() && second.is_some());
        let begin = tokio::time::Instant::now();
        let refused = bulkhead.enter().await;
        assert!(refused.is_err_and(|error| error.retry()));
        assert!(begin.elapsed() >= wait);
        assert_eq!(bulkhead.occupancy(), Occupancy { name: "database", limit: 2, in_flight: 2, refused: 1 });

        // One that ends while another waits makes room for it.
        let (third, ()) = tokio::join!(bulkhead.enter(), async { drop(first) });
        assert!(third.is_ok());
        assert_eq!(bulkhead.occupancy().in_flight, 2);
    }
}
