// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The outcome of a verification: lines of claim, evidence and verdict.

use crate::rules::{Problem, Reason, Ruling};
use serde::Serialize;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// It could not be judged, because what it builds on failed.
    NotJudged,
    /// Not checked: no evidence or trust anchor was given. Taken on trust.
    Trusted,
}

/// One line of a verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Short name.
    pub name: &'static str,
    /// What is claimed.
    pub claim: &'static str,
    /// What was seen.
    pub evidence: String,
    /// How it came out.
    pub verdict: Verdict,
    /// What is broken, when it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// All checks of one event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// In order; the first failure names the outcome.
    pub checks: Vec<Check>,
}

impl Verification {
    /// The first broken rule.
    pub fn first_failure(&self) -> Option<&Check> {
        self.checks
            .iter()
            .find(|check| check.verdict == Verdict::Fail)
    }

    /// Whether every rule holds.
    pub fn holds(&self) -> bool {
        self.first_failure().is_none()
    }

    fn push(
        &mut self,
        name: &'static str,
        claim: &'static str,
        verdict: Verdict,
        evidence: impl Into<String>,
        reason: Option<Reason>,
    ) {
        self.checks.push(Check {
            name,
            claim,
            evidence: evidence.into(),
            verdict,
            reason,
        });
    }

    /// Adds the line of a rule, and gives its evidence if it holds.
    pub fn rule<T>(
        &mut self,
        name: &'static str,
        claim: &'static str,
        ruling: Ruling<T>,
        evidence: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match ruling {
            Ok(value) => {
                let text = evidence(&value);
                self.push(name, claim, Verdict::Pass, text, None);
                Some(value)
            }
            Err(Problem { reason, detail }) => {
                self.push(name, claim, Verdict::Fail, detail, Some(reason));
                None
            }
        }
    }

    pub(crate) fn not_judged(&mut self, name: &'static str, claim: &'static str) {
        self.push(
            name,
            claim,
            Verdict::NotJudged,
            "what it builds on failed",
            None,
        );
    }

    /// What could not be judged because it is not there, for a reason that is nobody's fault.
    pub(crate) fn missing(&mut self, name: &'static str, claim: &'static str, why: Problem) {
        let Problem { reason, detail } = why;
        self.push(name, claim, Verdict::NotJudged, detail, Some(reason));
    }

    pub(crate) fn trusted(&mut self, name: &'static str, claim: &'static str, evidence: &str) {
        self.push(name, claim, Verdict::Trusted, evidence, None);
    }
}

/// What is left to trust after these checks, in words.
pub fn caveats(v: &Verification) -> Vec<&'static str> {
    let trusted = |name: &str| {
        v.checks
            .iter()
            .any(|check| check.name == name && check.verdict == Verdict::Trusted)
    };
    let passed = |name: &str| {
        v.checks
            .iter()
            .any(|check| check.name == name && check.verdict == Verdict::Pass)
    };
    let online = v.checks.iter().any(|check| check.name == "finality");
    let anchored = passed("anchor") || passed("trust_events_root");
    let mut caveats = Vec::new();
    if !online && trusted("trust_block") && !anchored && !passed("trust_authorities") {
        caveats.push(if passed("justification") {
            "the authorities that finalized the block are the ones the bundle names. Pin them with \
             --authorities"
        } else {
            "nothing here proves that the block is final. Pin --block-hash or --events-root, ask a \
             node or the contract, or export the bundle anew"
        });
    }
    if !online && trusted("trust_agent_key") {
        caveats
            .push("the author's key is the one the exporting node named. Pin it with --agent-key");
    }
    if !online && trusted("trust_genesis") {
        caveats.push("the chain is the one the bundle names. Pin it with --genesis");
    }
    let is_pruned = |check: &Check| check.reason == Some(Reason::PayloadPruned);
    if v.checks.iter().any(is_pruned) {
        caveats.push(
            "the payload is not there: the node that was asked had pruned it. Its hash is the one the \
             author signed; a node that keeps payloads has the rest",
        );
    }
    if trusted("proof_key") {
        caveats.push("a proof is endorsed with a key that only the exporting node vouches for");
    }
    caveats
}
