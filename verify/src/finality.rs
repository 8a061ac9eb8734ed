// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Whether a bundle proves its block final, and by whom.

use crate::{
    TrustAnchors, TrustedAuthorities, Verification,
    rules::{self, Problem, Reason, Ruling},
};
use ves_finality::{FinalityError, Finalized, TrackedSets};
use ves_primitives::{
    AuthoritySetHash,
    limits::MAX_SET_CHANGES,
    wire::{BundleJson, FinalityJson},
};

const PROOF: (&str, &str) = (
    "justification",
    "more than two thirds of the authorities finalized the block",
);
const TRUST: (&str, &str) = (
    "trust_authorities",
    "the authority set is the trusted one, or follows from it",
);

/// Checks the bundle's evidence of finality.
pub(super) fn check(v: &mut Verification, bundle: &BundleJson, trust: &TrustAnchors) {
    let evidence = match evidence(bundle, trust) {
        Ok(evidence) => evidence,
        Err(why) if trust.finality_demanded => {
            let problem = Problem::new(Reason::FinalityMissing, why);
            v.rule::<()>(PROOF.0, PROOF.1, Err(problem), |()| String::new());
            return;
        }
        Err(why) => {
            v.trusted(PROOF.0, PROOF.1, why);
            return;
        }
    };
    let Ok(header) = rules::header(&bundle.inclusion) else {
        v.not_judged(PROOF.0, PROOF.1);
        return;
    };
    let ruling = evidence
        .sets()
        .and_then(|sets| {
            let proven = sets.prove(&header, &evidence.finality.proof)?;
            Ok((sets, proven))
        })
        .map_err(|error| rules::not_final(&error));
    let proven = v.rule(PROOF.0, PROOF.1, ruling, |(_, proven)| describe(proven));
    let Some((sets, proven)) = proven else {
        v.not_judged(TRUST.0, TRUST.1);
        return;
    };
    let name = |set_id: u64| {
        let era = sets.eras().iter().find(|era| era.set.set_id == set_id);
        era.map(|era| era.set.hash(bundle.genesis_hash))
    };
    let by = name(proven.tally.set_id);
    let by = by.map_or_else(String::new, |hash| {
        format!("set {}, {hash}", proven.tally.set_id)
    });
    match &trust.authorities {
        None => v.trusted(
            TRUST.0,
            TRUST.1,
            "not pinned; give --authorities. The set is the bundle's own word",
        ),
        Some(TrustedAuthorities::Sets(_)) => {
            v.rule(TRUST.0, TRUST.1, Ok(()), |()| by);
        }
        Some(TrustedAuthorities::Named(wanted)) => {
            let ruling = named(&sets, &proven, bundle, *wanted);
            v.rule(TRUST.0, TRUST.1, ruling, |()| by);
        }
    }
}

/// The pinned set is the one that finalized the block, or one that this follows from.
fn named(
    sets: &TrackedSets,
    proven: &Finalized,
    bundle: &BundleJson,
    wanted: AuthoritySetHash,
) -> Ruling<()> {
    let found = sets
        .eras()
        .iter()
        .take_while(|era| era.set.set_id <= proven.tally.set_id)
        .any(|era| era.set.hash(bundle.genesis_hash) == wanted);
    if found {
        return Ok(());
    }
    let first = sets.first().set.hash(bundle.genesis_hash);
    Err(Problem::new(
        Reason::AuthoritiesMismatch,
        format!("the bundle starts from {first}, trusted is {wanted}"),
    ))
}

fn describe(proven: &Finalized) -> String {
    let tally = &proven.tally;
    let target = proven.blocks.last().map_or(0, |(number, _)| *number);
    format!(
        "{} of {} authorities (weight {} of {}) finalized block {target} in round {} of set {}, {} \
         header(s) on",
        tally.voters,
        tally.authorities,
        tally.weight,
        tally.total,
        tally.round,
        tally.set_id,
        proven.blocks.len().saturating_sub(1),
    )
}

struct Evidence<'a> {
    finality: &'a FinalityJson,
    start: TrackedSets,
    /// Changes that `start` has behind it.
    known: usize,
}

/// What there is to judge, or why there is nothing.
fn evidence<'a>(
    bundle: &'a BundleJson,
    trust: &TrustAnchors,
) -> Result<Evidence<'a>, &'static str> {
    let Some(finality) = &bundle.finality else {
        return Err("the bundle carries no justification: it is of an older program or node");
    };
    let own = finality.authorities.clone();
    if let Some(TrustedAuthorities::Sets(sets)) = &trust.authorities {
        let begins = own.map_or(0, |set| set.set_id);
        let known = sets.latest().set.set_id.saturating_sub(begins);
        return Ok(Evidence {
            finality,
            start: sets.clone(),
            known: usize::try_from(known).unwrap_or(usize::MAX),
        });
    }
    let Some(own) = own else {
        return Err("the bundle names no authority set; give --authorities with a file");
    };
    let start = TrackedSets::new(own, 0).map_err(|_| "the bundle's authority set is none")?;
    Ok(Evidence {
        finality,
        start,
        known: 0,
    })
}

impl Evidence<'_> {
    /// The sets up to the one that finalized the block.
    fn sets(&self) -> Result<TrackedSets, FinalityError> {
        let changes = &self.finality.set_changes;
        let max = MAX_SET_CHANGES as usize;
        if changes.len() > max {
            return Err(FinalityError::TooMuch {
                what: "changes of the authority set",
                found: changes.len(),
                max,
            });
        }
        let mut sets = self.start.clone();
        for change in changes.iter().skip(self.known) {
            sets.follow(change)?;
        }
        Ok(sets)
    }
}
