// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Verifying one event from a bundle: every rule as a line of claim, evidence and verdict.

mod finality;
mod offline;

pub use offline::offline;

use crate::{
    anchor::AnchoredBatch,
    chain::{Chain, ChainResult},
    error::{Exit, Failure, Result},
    home::read_bounded,
    rules::{self, Problem, Reason, Ruling},
};
use serde::Serialize;
use std::path::Path;
use ves_finality::TrackedSets;
use ves_primitives::{
    AuthoritySetHash, EventsRoot, GenesisHash, SigningPublicKey, StreamId, SubmittedEvent,
    wire::{BundleJson, SequencedEventJson},
};

/// Largest bundle that is read: a payload in JSON, a header and a few paths fit many times.
const MAX_BUNDLE_BYTES: u64 = 4 * 1024 * 1024;

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

/// Authority sets that are trusted to finalize blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustedAuthorities {
    /// A set by its name; the bundle has to hold it.
    Named(AuthoritySetHash),
    /// Sets, tracked or from a file.
    Sets(TrackedSets),
}

/// What the verifier already trusts, from outside the bundle.
#[derive(Clone, Debug, Default)]
pub struct TrustAnchors {
    /// The chain.
    pub genesis: Option<GenesisHash>,
    /// The author's key.
    pub agent_key: Option<SigningPublicKey>,
    /// The batch's events root, for instance read from the contract.
    pub events_root: Option<EventsRoot>,
    /// Hash of the block, for instance from another node.
    pub block_hash: Option<[u8; 32]>,
    /// The stream the event must be of.
    pub stream: Option<StreamId>,
    /// What the contract says, if it was asked: nothing when it knows no such batch.
    pub contract: Option<Option<AnchoredBatch>>,
    /// Who finalizes blocks.
    pub authorities: Option<TrustedAuthorities>,
    /// Whether a bundle that proves no finality fails.
    pub finality_demanded: bool,
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

    /// The failure to exit with, if a rule is broken.
    pub fn failure(&self) -> Option<Failure> {
        self.first_failure().map(|check| {
            let reason = check.reason.map(Reason::name).unwrap_or_default();
            Failure::new(
                Exit::NotVerified,
                "verification_failed",
                format!("{}: {reason}: {}", check.name, check.evidence),
            )
            .hint("do not rely on this event; fetch it again, if possible from another node")
        })
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

    fn rule<T>(
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

    fn not_judged(&mut self, name: &'static str, claim: &'static str) {
        self.push(
            name,
            claim,
            Verdict::NotJudged,
            "what it builds on failed",
            None,
        );
    }

    fn trusted(&mut self, name: &'static str, claim: &'static str, evidence: &str) {
        self.push(name, claim, Verdict::Trusted, evidence, None);
    }
}

/// Reads a bundle file.
///
/// # Errors
/// `bundle_invalid` for anything that is not a bundle.
pub fn read_bundle(path: &Path) -> Result<BundleJson> {
    parse_bundle(&read_bounded(path, MAX_BUNDLE_BYTES)?)
}

/// Parses the bytes of a bundle. Total: any bytes in, a bundle or a named failure out.
///
/// # Errors
/// `bundle_invalid`.
pub fn parse_bundle(bytes: &[u8]) -> Result<BundleJson> {
    let invalid = |why: String| {
        Failure::new(
            Exit::NotVerified,
            "bundle_invalid",
            format!("not a bundle: {why}"),
        )
        .hint("a bundle is the file that `stateset-sync export` writes")
    };
    let bundle: BundleJson = serde_json::from_slice(bytes).map_err(|e| invalid(e.to_string()))?;
    if bundle.schema != BundleJson::SCHEMA || bundle.version != BundleJson::VERSION {
        return Err(invalid(format!(
            "schema {:?} version {}, expected {:?} version {}",
            bundle.schema,
            bundle.version,
            BundleJson::SCHEMA,
            BundleJson::VERSION
        )));
    }
    Ok(bundle)
}

/// Adds what a node can tell: that the block is the chain's and final, and that the registry shows
/// the same key.
///
/// # Errors
/// The node's silence.
pub async fn online<C: Chain>(
    v: &mut Verification,
    bundle: &BundleJson,
    chain: &C,
) -> ChainResult<()> {
    let finalized = chain.finalized().await?;
    let genesis = chain.genesis_hash();
    let same_chain = if genesis == bundle.genesis_hash {
        Ok(())
    } else {
        Err(Problem::new(
            Reason::GenesisMismatch,
            format!("the node's chain is {genesis}"),
        ))
    };
    v.rule(
        "node_genesis",
        "the node is on the same chain",
        same_chain,
        |()| genesis.to_string(),
    );

    let number = bundle.inclusion.batch.batch.block_number;
    let ruling = if number > finalized.number {
        Err(Problem::new(
            Reason::NotFinal,
            format!(
                "block {number} is above the final block {}",
                finalized.number
            ),
        ))
    } else if chain.block_hash(number).await? == Some(bundle.inclusion.batch.block_hash) {
        Ok(())
    } else {
        Err(Problem::new(
            Reason::NotCanonical,
            format!("the node's block {number} has another hash"),
        ))
    };
    v.rule(
        "finality",
        "the block is the chain's at its height, and final",
        ruling,
        |()| format!("block {number}, final up to {}", finalized.number),
    );

    let event = &bundle.event.event;
    let key = chain
        .signing_key(
            event.tenant_id,
            event.source_agent_id,
            event.agent_key_id,
            finalized,
        )
        .await?;
    let ruling = match key {
        None => Err(Problem::new(
            Reason::KeyUnresolved,
            "the registry does not know the key",
        )),
        Some(key) if key.public_key != bundle.signing_key.public_key => Err(Problem::new(
            Reason::AgentKeyMismatch,
            format!("the registry shows {}", key.public_key),
        )),
        Some(key) => rules::author_key(&key, &rules::recorded_at(&bundle.event)),
    };
    v.rule(
        "registry_key",
        "the registry shows the same key, valid at that block",
        ruling,
        |()| format!("agent {} key {}", event.source_agent_id, event.agent_key_id),
    );
    Ok(())
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
    caveats
}

/// A record alone, outside a bundle, as `show` prints it.
pub fn record_event(record: &SequencedEventJson) -> Result<SubmittedEvent> {
    rules::event_form(record)
        .map_err(|problem| Failure::new(Exit::NotVerified, "event_malformed", problem.detail))
}

#[cfg(test)]
mod tests;
