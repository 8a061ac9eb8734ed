// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The clocks that decisions depend on. A simulation puts its own in their place, for its thread.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Unix time in milliseconds.
pub fn now_ms() -> u64 {
    millis(wall())
}

/// A moment, to be compared with others.
pub(crate) fn now() -> Instant {
    #[cfg(test)]
    if let Some((start, passed)) = simulated::get() {
        return start + passed;
    }
    Instant::now()
}

fn wall() -> Duration {
    #[cfg(test)]
    if let Some((_, passed)) = simulated::get() {
        return simulated::EPOCH + passed;
    }
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A clock that moves when told to.
#[cfg(test)]
pub(crate) mod simulated {
    use super::{Duration, Instant};
    use std::cell::Cell;

    /// Unix time at which every simulation starts.
    pub(super) const EPOCH: Duration = Duration::from_secs(1_800_000_000);

    thread_local! {
        static CLOCK: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
    }

    pub(super) fn get() -> Option<(Instant, Duration)> {
        CLOCK.get()
    }

    /// From now on it is `passed` after the start.
    pub(crate) fn set(passed: Duration) {
        let start = CLOCK.get().map_or_else(Instant::now, |(start, _)| start);
        CLOCK.set(Some((start, passed)));
    }
}
