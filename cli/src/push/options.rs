// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How to push, and where tests stop it.

use crate::{
    error::{Exit, Failure, Result},
    finality::Pinned,
    outbox::Entry,
};
use std::{collections::BTreeMap, time::Duration};
use ves_primitives::EventSigningHash;

/// Where a test stops the process to prove that nothing is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPoint {
    /// After the events are signed in memory, before the signatures are committed.
    BeforeSign,
    /// After the signatures are committed, before anything is sent.
    AfterSign,
    /// After "submitted" is committed, before the node is called.
    BeforeSubmit,
    /// After the node took the submission, before its answer is recorded.
    AfterSubmit,
    /// After the node's answer is recorded.
    AfterCarried,
    /// While waiting for finality.
    BeforeFinality,
    /// After it is recorded that events are in a block.
    AfterInBlock,
    /// After the verdict about an event is known, before it is recorded.
    BeforeSettle,
    /// After the verdict is recorded.
    AfterSettle,
    /// After the events are final, before anything is proven.
    BeforeProve,
    /// After the proofs are final, before that is recorded.
    AfterProve,
}

impl CrashPoint {
    /// Those of a push, in the order in which it reaches them.
    pub const OF_PUSH: [Self; 9] = [
        Self::BeforeSign,
        Self::AfterSign,
        Self::BeforeSubmit,
        Self::AfterSubmit,
        Self::AfterCarried,
        Self::BeforeFinality,
        Self::AfterInBlock,
        Self::BeforeSettle,
        Self::AfterSettle,
    ];

    /// The crash point of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "before-sign" => Self::BeforeSign,
            "after-sign" => Self::AfterSign,
            "before-submit" => Self::BeforeSubmit,
            "after-submit" => Self::AfterSubmit,
            "after-carried" => Self::AfterCarried,
            "before-finality" => Self::BeforeFinality,
            "after-in-block" => Self::AfterInBlock,
            "before-settle" => Self::BeforeSettle,
            "after-settle" => Self::AfterSettle,
            "before-prove" => Self::BeforeProve,
            "after-prove" => Self::AfterProve,
            _ => return None,
        })
    }
}

/// How to push.
#[derive(Clone, Debug)]
pub struct PushOptions {
    /// Wait until every event is final (or rejected).
    pub wait: bool,
    /// How long to wait.
    pub timeout: Duration,
    /// Most events in one submission; the chain's limit caps it.
    pub batch_size: usize,
    /// Push the events at these places of the outbox only, and each only if it is signed with this
    /// hash: what somebody looked at before they approved it.
    pub approved: Option<BTreeMap<i64, EventSigningHash>>,
    /// Leave events alone whose next attempt is not due yet.
    pub patient: bool,
    /// The chain's first authority set, if the project pins one: what is final is judged by it.
    pub authorities: Option<Pinned>,
    /// Tests only: end the process here, as kill -9 would.
    pub crash: Option<CrashPoint>,
    /// Tests only: stop with an error here instead of ending the process.
    pub stop: Option<CrashPoint>,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self {
            wait: true,
            timeout: Duration::from_secs(120),
            batch_size: usize::MAX,
            approved: None,
            patient: false,
            authorities: None,
            crash: None,
            stop: None,
        }
    }
}

impl PushOptions {
    /// Whether the event may be pushed.
    pub(crate) fn approves(&self, entry: &Entry) -> bool {
        self.approved
            .as_ref()
            .is_none_or(|approved| approved.contains_key(&entry.local_seq))
    }

    /// Refuses signed events that are not what was approved.
    ///
    /// # Errors
    /// `approval_stale`.
    pub(crate) fn check(&self, signed: &[Entry]) -> Result<()> {
        let Some(approved) = &self.approved else {
            return Ok(());
        };
        for entry in signed {
            let hash = entry.event.envelope.signing_hash().ok();
            if hash.is_none() || hash.as_ref() != approved.get(&entry.local_seq) {
                return Err(Failure::new(
                    Exit::Refused,
                    "approval_stale",
                    format!(
                        "event {} is signed with another hash than the approved one",
                        entry.event_id()
                    ),
                )
                .hint("another key signs now; look at the events again and approve them anew"));
            }
        }
        Ok(())
    }

    pub(crate) fn reach(&self, point: CrashPoint) -> Result<()> {
        if self.crash == Some(point) {
            // No destructor, no flush: the closest a process can come to kill -9 by itself.
            std::process::abort();
        }
        if self.stop == Some(point) {
            return Err(Failure::unexpected(format!("stopped at {point:?}")));
        }
        Ok(())
    }
}
