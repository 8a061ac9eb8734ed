// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Stopping when the user says so.
//!
//! A command that knows where it can stop *heeds* the first Ctrl-C: it leaves what it waits for, and
//! tells what it did. Any other command is dropped where it waits. Either way a database transaction is
//! committed or rolled back, and a file written whole or not at all, so that the next run finds its way.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::watch;

/// Whether somebody wants the command to stop. Clones are the same.
#[derive(Clone, Debug)]
pub struct Interrupt {
    wanted: Arc<watch::Sender<bool>>,
    heeding: Arc<AtomicUsize>,
}

impl Default for Interrupt {
    fn default() -> Self {
        Self {
            wanted: Arc::new(watch::Sender::new(false)),
            heeding: Arc::default(),
        }
    }
}

/// While it lives, somebody heeds the interrupt.
struct Heed<'a>(&'a AtomicUsize);

impl Drop for Heed<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Interrupt {
    /// Asks the command to stop.
    pub fn raise(&self) {
        self.wanted.send_replace(true);
    }

    /// Whether somebody asked.
    pub fn is_raised(&self) -> bool {
        *self.wanted.borrow()
    }

    /// Whether the command will stop by itself.
    pub fn is_heeded(&self) -> bool {
        self.heeding.load(Ordering::Relaxed) > 0
    }

    /// Does the work unless somebody asks to stop first; the work is then dropped where it waits.
    pub async fn unless<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.heeding.fetch_add(1, Ordering::Relaxed);
        let _heed = Heed(&self.heeding);
        let mut wanted = self.wanted.subscribe();
        tokio::select! {
            biased;
            // The sender lives as long as this does.
            _ = wanted.wait_for(|wanted| *wanted) => None,
            done = work => Some(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_unless_somebody_asks_to_stop() {
        let interrupt = Interrupt::default();
        assert_eq!(interrupt.unless(async { 7 }).await, Some(7));
        assert!(!interrupt.is_heeded());
        let (clone, seen) = (interrupt.clone(), interrupt.clone());
        let waiting = interrupt.unless(std::future::pending::<()>());
        let stopping = async move {
            assert!(seen.is_heeded());
            clone.raise();
        };
        assert_eq!(tokio::join!(waiting, stopping).0, None);
        assert!(interrupt.is_raised());
        assert_eq!(interrupt.unless(async { 7 }).await, None, "from now on");
    }
}
