// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The checks of a bundle that need no server.

use crate::{
    TrustAnchors, Verification, finality, proofs,
    rules::{self, Problem, Reason},
};
use ves_primitives::{SubmittedEvent, wire::BundleJson};

/// Largest bundle that is read: a payload in JSON, a header, a few paths and proofs fit many times.
pub const MAX_BUNDLE_BYTES: u64 = 4 * 1024 * 1024;

/// Why bytes are not a bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotABundle {
    /// More bytes than any bundle has.
    #[error("it has {0} bytes, more than {MAX_BUNDLE_BYTES}")]
    TooLong(u64),
    /// Not JSON, or not with a bundle's fields.
    #[error("{0}")]
    Malformed(String),
    /// Of another kind or a later version.
    #[error("schema {schema:?} version {version}, expected \"ves.bundle\" version 1")]
    Unknown {
        /// What it says it is.
        schema: String,
        /// Which version of that.
        version: u32,
    },
}

/// Parses the bytes of a bundle. Total: any bytes in, a bundle or the reason out.
///
/// # Errors
/// [`NotABundle`].
pub fn parse_bundle(bytes: &[u8]) -> Result<BundleJson, NotABundle> {
    let length = bytes.len() as u64;
    if length > MAX_BUNDLE_BYTES {
        return Err(NotABundle::TooLong(length));
    }
    let bundle: BundleJson =
        serde_json::from_slice(bytes).map_err(|e| NotABundle::Malformed(e.to_string()))?;
    if bundle.schema != BundleJson::SCHEMA || bundle.version != BundleJson::VERSION {
        return Err(NotABundle::Unknown {
            schema: bundle.schema,
            version: bundle.version,
        });
    }
    Ok(bundle)
}

/// Checks everything that needs no server.
pub fn offline(bundle: &BundleJson, trust: &TrustAnchors) -> Verification {
    let mut v = Verification::default();
    let record = &bundle.event;
    let is_pruned = rules::is_pruned(record);
    let form = if is_pruned {
        rules::pruned_form(record)
    } else {
        rules::event_form(record)
    };
    let event = v.rule(
        "event_form",
        "the bundle holds one event in the protocol's form",
        form,
        |event| {
            let id = event.envelope.event_id;
            match is_pruned {
                true => format!("event {id}, without its payload"),
                false => format!("event {id}"),
            }
        },
    );
    if let Some(event) = &event {
        check_event(&mut v, bundle, event, trust);
    }
    check_batch(&mut v, bundle);
    check_header(&mut v, bundle);
    finality::check(&mut v, bundle, trust);
    proofs::check(&mut v, bundle, event.as_ref());
    check_trust(&mut v, bundle, trust);
    v
}

fn check_event(
    v: &mut Verification,
    bundle: &BundleJson,
    event: &SubmittedEvent,
    trust: &TrustAnchors,
) {
    let (record, inclusion) = (&bundle.event, &bundle.inclusion);
    let batch = &inclusion.batch.batch;
    let scope = rules::scope(record, event, Some(batch)).and_then(|stream| match trust.stream {
        Some(wanted) if wanted != stream => Err(Problem::new(
            Reason::StreamMismatch,
            format!("the event is of stream {stream}, wanted {wanted}"),
        )),
        _ if inclusion.batch.stream_id != stream => Err(Problem::new(
            Reason::StreamMismatch,
            format!("the batch states stream {}", inclusion.batch.stream_id),
        )),
        _ => Ok(stream),
    });
    v.rule(
        "stream",
        "event, record and batch are of one stream",
        scope,
        |stream| format!("stream {stream}"),
    );
    check_payload(v, rules::is_pruned(record), event);
    v.rule(
        "author_signature",
        "the author's key signed the event",
        rules::author_signature(event, &bundle.signing_key.public_key),
        |()| format!("Ed25519 key {}", bundle.signing_key.public_key),
    );
    v.rule(
        "author_key",
        "the key was valid at the block that holds the event",
        rules::author_key(&bundle.signing_key, &rules::recorded_at(record)),
        |()| {
            format!(
                "registered in block {}, used in block {}",
                bundle.signing_key.registered_at.block, record.block_number
            )
        },
    );
    let hash = v.rule(
        "signing_hash",
        "the stated signing hash is the event's",
        rules::signing_hash(record, event),
        ToString::to_string,
    );
    let Some(hash) = hash else {
        for name in ["receipt", "leaf", "inclusion"] {
            v.not_judged(name, "builds on the signing hash");
        }
        return;
    };
    v.rule(
        "receipt",
        "the receipt is the event's at its sequence",
        rules::receipt(record, event, &hash),
        |()| record.receipt_hash.to_string(),
    );
    let leaf = rules::leaf(record, event, &hash).and_then(|leaf| {
        if inclusion.leaf_hash == leaf {
            return Ok(leaf);
        }
        Err(Problem::new(
            Reason::LeafMismatch,
            format!(
                "the proof is about leaf {}, the event's is {leaf}",
                inclusion.leaf_hash
            ),
        ))
    });
    let leaf = v.rule("leaf", "the leaf is the event's", leaf, ToString::to_string);
    let position = rules::position(record, batch);
    let index = v.rule(
        "position",
        "sequence and batch range agree",
        position,
        |index| {
            format!(
                "sequence {}, leaf {index} of {}",
                record.sequence, batch.leaf_count
            )
        },
    );
    match (leaf, index) {
        (Some(leaf), Some(index)) => {
            let ruling = rules::inclusion(&inclusion.proof, batch, index, &leaf);
            v.rule(
                "inclusion",
                "the path leads from the leaf to the events root",
                ruling,
                |()| {
                    format!(
                        "{} siblings to root {}",
                        inclusion.proof.path.len(),
                        batch.events_root
                    )
                },
            );
        }
        _ => v.not_judged(
            "inclusion",
            "the path leads from the leaf to the events root",
        ),
    }
}

/// The payload against the hash that the author signed. Of a pruned one nothing can be said but that the
/// author signed a payload with this hash.
fn check_payload(v: &mut Verification, is_pruned: bool, event: &SubmittedEvent) {
    const HASH: (&str, &str) = ("payload_hash", "the payload is the one the author signed");
    const CANONICAL: (&str, &str) = ("payload_canonical", "a plaintext payload is canonical JSON");
    if is_pruned {
        for (name, claim) in [HASH, CANONICAL] {
            v.missing(name, claim, rules::payload_pruned());
        }
        return;
    }
    v.rule(HASH.0, HASH.1, rules::payload_hash(event), |()| {
        format!("plain hash {}", event.envelope.payload_plain_hash)
    });
    v.rule(
        CANONICAL.0,
        CANONICAL.1,
        rules::payload_canonical(event),
        |()| {
            if event.payload.kind().code() == 0 {
                "canonical"
            } else {
                "encrypted"
            }
            .to_owned()
        },
    );
}

fn check_batch(v: &mut Verification, bundle: &BundleJson) {
    let batch = &bundle.inclusion.batch.batch;
    v.rule(
        "batch",
        "range, state root and batch id follow from each other",
        rules::batch(batch),
        |()| format!("batch {}", batch.batch_id),
    );
    let ruling = if bundle.event.block_hash == bundle.inclusion.batch.block_hash {
        Ok(())
    } else {
        Err(Problem::new(
            Reason::PositionMismatch,
            "event and batch name different blocks",
        ))
    };
    v.rule("block", "event and batch are of one block", ruling, |()| {
        format!("block {}", batch.block_number)
    });
}

fn check_header(v: &mut Verification, bundle: &BundleJson) {
    const COMMITMENT: &str = "the header commits to the batch";
    let inclusion = &bundle.inclusion;
    let header = v.rule(
        "header",
        "the header hashes to the block hash",
        rules::header(inclusion),
        |header| {
            format!(
                "block {} 0x{}",
                header.number,
                hex::encode(inclusion.batch.block_hash)
            )
        },
    );
    match header {
        None => v.not_judged("block_commitment", COMMITMENT),
        Some(header) => {
            let ruling =
                rules::block_commitment(&header, &inclusion.batch.batch, &inclusion.block_proof);
            v.rule("block_commitment", COMMITMENT, ruling, |commitment| {
                format!(
                    "{} batch(es) under {}",
                    commitment.batch_count, commitment.root
                )
            });
        }
    }
}

fn pin<T: PartialEq + std::fmt::Display>(
    v: &mut Verification,
    names: (&'static str, &'static str),
    reason: Reason,
    wanted: Option<&T>,
    found: &T,
    otherwise: &str,
) {
    match wanted {
        None => v.trusted(names.0, names.1, otherwise),
        Some(wanted) => {
            let ruling = if wanted == found {
                Ok(())
            } else {
                Err(Problem::new(
                    reason,
                    format!("the bundle names {found}, trusted is {wanted}"),
                ))
            };
            v.rule(names.0, names.1, ruling, |()| found.to_string());
        }
    }
}

fn check_trust(v: &mut Verification, bundle: &BundleJson, trust: &TrustAnchors) {
    let batch = &bundle.inclusion.batch.batch;
    pin(
        v,
        ("trust_genesis", "the evidence is about the trusted chain"),
        Reason::GenesisMismatch,
        trust.genesis.as_ref(),
        &bundle.genesis_hash,
        "not pinned; give --genesis. The bundle names its chain itself",
    );
    pin(
        v,
        ("trust_agent_key", "the author's key is the trusted one"),
        Reason::AgentKeyMismatch,
        trust.agent_key.as_ref(),
        &bundle.signing_key.public_key,
        "not pinned; give --agent-key. The key record is the exporting node's word",
    );
    let block = hex::encode(bundle.inclusion.batch.block_hash);
    pin(
        v,
        ("trust_block", "the block is the trusted, final one"),
        Reason::BlockHashMismatch,
        trust.block_hash.map(hex::encode).as_ref(),
        &block,
        "not pinned; a justification by trusted authorities, an anchor or --block-hash would do",
    );
    if let Some(root) = &trust.events_root {
        let names = ("trust_events_root", "the events root is the trusted one");
        pin(
            v,
            names,
            Reason::EventsRootMismatch,
            Some(root),
            &batch.events_root,
            "",
        );
    }
    check_anchor(v, bundle, trust);
}

fn check_anchor(v: &mut Verification, bundle: &BundleJson, trust: &TrustAnchors) {
    const CLAIM: &str = "the contract holds the batch's roots";
    let batch = &bundle.inclusion.batch.batch;
    if let Some(anchor) = &bundle.anchor {
        let same = anchor.events_root == batch.events_root.0
            && anchor.new_state_root == batch.new_state_root.0;
        let ruling = if same {
            Ok(())
        } else {
            Err(Problem::new(
                Reason::AnchorMismatch,
                "the recorded anchor holds other roots",
            ))
        };
        v.rule(
            "anchor_record",
            "the recorded anchor holds the batch's roots",
            ruling,
            |()| {
                format!(
                    "chain {}, contract {}, read at block {}",
                    anchor.chain_id, anchor.registry, anchor.read_at_block
                )
            },
        );
    }
    match &trust.contract {
        None => v.trusted(
            "anchor",
            CLAIM,
            "the contract was not asked; give --l1-rpc and --registry, or --events-root",
        ),
        Some(None) => {
            let missing = Problem::new(
                Reason::AnchorMissing,
                format!("the contract knows no batch {}", batch.batch_id),
            );
            v.rule::<()>("anchor", CLAIM, Err(missing), |()| String::new());
        }
        Some(Some(found)) => {
            let ruling = found
                .check(batch)
                .map_err(|e| Problem::new(Reason::AnchorMismatch, e));
            v.rule("anchor", CLAIM, ruling, |()| {
                format!("chain {}, contract {}", found.chain_id, found.registry)
            });
        }
    }
}
