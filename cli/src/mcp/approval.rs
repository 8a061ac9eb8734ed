// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Tokens between the two steps of what cannot be taken back.
//!
//! The first step keeps the plan here and hands a random token out; the second finds the plan by
//! the token. So a token cannot be forged or altered, is worth nothing to another server or after
//! a restart, and what it stands for cannot be swapped.

use crate::error::{Exit, Failure, Result};
use rand::RngCore;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};
use ves_primitives::{EventId, EventSigningHash, sha256};

/// Plans that wait for their second step; the oldest gives way.
const MAX_PENDING: usize = 16;
/// Used tokens remembered, so that their second use is told from a forgery.
const MAX_SPENT: usize = 64;

/// What was shown, and will be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Push these events to this chain.
    Push {
        chain: String,
        events: BTreeMap<i64, EventSigningHash>,
        ids: Vec<EventId>,
    },
    /// Run this command for this agent.
    Change { words: Vec<String>, agent: String },
    /// Decide about conflicts by this command, whose preview had this digest.
    Resolve { words: Vec<String>, shown: [u8; 32] },
}

/// Which tool a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Push,
    Change,
    Resolve,
}

impl Plan {
    const fn kind(&self) -> Kind {
        match self {
            Self::Push { .. } => Kind::Push,
            Self::Change { .. } => Kind::Change,
            Self::Resolve { .. } => Kind::Resolve,
        }
    }
}

struct Pending {
    digest: [u8; 32],
    until: Instant,
    plan: Arc<Plan>,
}

/// The plans of one server.
pub(super) struct Approvals {
    life: Duration,
    pending: VecDeque<Pending>,
    spent: VecDeque<[u8; 32]>,
}

impl Approvals {
    /// None yet; each will hold for this long.
    pub(super) const fn new(life: Duration) -> Self {
        Self {
            life,
            pending: VecDeque::new(),
            spent: VecDeque::new(),
        }
    }

    /// Keeps a plan and returns its token.
    pub(super) fn issue(&mut self, plan: Plan, now: Instant) -> String {
        let mut random = [0u8; 32];
        rand::rngs::OsRng.fill_bytes(&mut random);
        let token = hex::encode(random);
        if self.pending.len() >= MAX_PENDING {
            self.pending.pop_front();
        }
        self.pending.push_back(Pending {
            digest: sha256(token.as_bytes()),
            until: now + self.life,
            plan: Arc::new(plan),
        });
        token
    }

    /// The plan of a token, which stays valid.
    ///
    /// # Errors
    /// `token_spent`, `token_expired`, `token_unknown`, or `token_mismatch` for one that stands for
    /// something else.
    pub(super) fn look(&self, token: &str, kind: Kind, now: Instant) -> Result<Arc<Plan>> {
        let refusal = |code: &'static str, why: &str| {
            Err(Failure::new(Exit::Refused, code, why).hint(
                "call the first step again: look at what it shows, and use the new token once",
            ))
        };
        // Compared as hashes: how much of a guess is right cannot be timed.
        let digest = sha256(token.as_bytes());
        if self.spent.contains(&digest) {
            return refusal("token_spent", "this token was used already");
        }
        let Some(found) = self.pending.iter().find(|pending| pending.digest == digest) else {
            return refusal("token_unknown", "this server has not handed out this token");
        };
        if now >= found.until {
            return refusal("token_expired", "this token is too old");
        }
        if found.plan.kind() != kind {
            return refusal("token_mismatch", "this token stands for another tool");
        }
        Ok(Arc::clone(&found.plan))
    }

    /// The plan of a token, which is spent by this.
    ///
    /// # Errors
    /// As [`Approvals::look`].
    pub(super) fn take(&mut self, token: &str, kind: Kind, now: Instant) -> Result<Arc<Plan>> {
        let plan = self.look(token, kind, now)?;
        let digest = sha256(token.as_bytes());
        self.pending.retain(|pending| pending.digest != digest);
        if self.spent.len() >= MAX_SPENT {
            self.spent.pop_front();
        }
        self.spent.push_back(digest);
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(300);

    fn plan(place: i64) -> Plan {
        Plan::Push {
            chain: "0x00".into(),
            events: BTreeMap::from([(place, EventSigningHash([7; 32]))]),
            ids: vec![EventId([1; 16])],
        }
    }

    #[test]
    fn a_token_is_good_once() {
        let (mut approvals, now) = (Approvals::new(LIFE), Instant::now());
        let token = approvals.issue(plan(1), now);
        assert_eq!(*approvals.look(&token, Kind::Push, now).unwrap(), plan(1));
        assert_eq!(*approvals.take(&token, Kind::Push, now).unwrap(), plan(1));
        for refused in [
            approvals.take(&token, Kind::Push, now),
            approvals.look(&token, Kind::Push, now),
        ] {
            assert_eq!(refused.unwrap_err().code, "token_spent");
        }
    }

    #[test]
    fn a_token_expires() {
        let (mut approvals, now) = (Approvals::new(LIFE), Instant::now());
        let token = approvals.issue(plan(1), now);
        assert!(approvals.look(&token, Kind::Push, now + LIFE / 2).is_ok());
        let failure = approvals.take(&token, Kind::Push, now + LIFE).unwrap_err();
        assert_eq!(failure.code, "token_expired");
    }

    #[test]
    fn a_token_of_another_server_or_another_tool_is_worth_nothing() {
        let (mut here, mut there) = (Approvals::new(LIFE), Approvals::new(LIFE));
        let now = Instant::now();
        let foreign = there.issue(plan(1), now);
        let code = |result: Result<Arc<Plan>>| result.unwrap_err().code;
        assert_eq!(code(here.take(&foreign, Kind::Push, now)), "token_unknown");
        assert_eq!(code(here.take("", Kind::Push, now)), "token_unknown");
        let own = here.issue(plan(1), now);
        assert_eq!(code(here.take(&own, Kind::Change, now)), "token_mismatch");
        let mut altered = own.clone();
        altered.replace_range(0..1, if own.starts_with('0') { "1" } else { "0" });
        assert_eq!(code(here.take(&altered, Kind::Push, now)), "token_unknown");
        assert!(here.take(&own, Kind::Push, now).is_ok());
    }

    #[test]
    fn waiting_plans_are_bounded_and_the_oldest_gives_way() {
        let (mut approvals, now) = (Approvals::new(LIFE), Instant::now());
        let first = approvals.issue(plan(0), now);
        let rest: Vec<_> = (1..=16).map(|n| approvals.issue(plan(n), now)).collect();
        assert_eq!(
            approvals.look(&first, Kind::Push, now).unwrap_err().code,
            "token_unknown"
        );
        assert!(
            rest.iter()
                .all(|t| approvals.look(t, Kind::Push, now).is_ok())
        );
    }
}
