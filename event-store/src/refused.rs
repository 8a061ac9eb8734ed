// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Compliance proofs that the chain refused. It keeps only those that hold; why one did not is in the events
//! of its block, and here (`docs/adr/0060-refused-proofs.md`).

use crate::{
    Store, StoreError,
    db::{Connection, Row, args},
};
use codec::{DecodeAll, Encode};
use ves_primitives::{
    AgentId, EventId, StoreId, StreamId, TenantId,
    proof::ProofRefusal,
    stream_id,
    wire::{REFUSED, RefusedProofJson},
};

/// Most refused proofs that are kept of an event or a batch, the newest: a validator can have blocks refuse
/// any number of them at nobody's cost.
pub const MAX_REFUSED_PROOFS: u32 = 32;

/// What a proof was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofSubject {
    /// An event.
    Event(EventId),
    /// A batch, by its number within the stream.
    Batch(u64),
}

impl ProofSubject {
    /// As the rows have it. Two of different kinds are of different lengths.
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Event(event) => event.0.to_vec(),
            Self::Batch(index) => index.to_be_bytes().to_vec(),
        }
    }
}

/// One refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedProof {
    /// The stream.
    pub stream_id: StreamId,
    /// What it was about.
    pub subject: ProofSubject,
    /// Whose quota was to pay for it.
    pub agent_id: AgentId,
    /// Position of the extrinsic in the block.
    pub extrinsic_index: u32,
    /// Why.
    pub reason: ProofRefusal,
    /// What it cost the agent.
    pub units: u32,
}

impl RefusedProof {
    /// Whether there is what it claims to be about. Of the others any number could be made up, and nobody
    /// would ask for them.
    pub(crate) const fn is_about_something(&self) -> bool {
        !matches!(
            self.reason,
            ProofRefusal::UnknownEvent | ProofRefusal::UnknownBatch
        )
    }
}

/// Writes what a block refused, and forgets what is too much of it.
pub(crate) async fn insert(
    connection: &mut Connection,
    block_number: u32,
    refused: &[RefusedProof],
) -> Result<(), StoreError> {
    for proof in refused {
        let subject = proof.subject.bytes();
        let sql = "INSERT INTO refused_proofs \
             (stream_id, subject, agent_id, block_number, extrinsic_index, reason, units) \
             VALUES (?, ?, ?, ?, ?, ?, ?)";
        let row = args![
            proof.stream_id.0,
            subject.clone(),
            proof.agent_id.0,
            block_number,
            proof.extrinsic_index,
            proof.reason.encode(),
            proof.units,
        ];
        connection.execute(sql, row).await?;
        let sql = "DELETE FROM refused_proofs WHERE stream_id = ? AND subject = ? AND id <= \
             (SELECT id FROM refused_proofs WHERE stream_id = ? AND subject = ? \
             ORDER BY id DESC LIMIT 1 OFFSET ?)";
        let stream = proof.stream_id.0;
        let too_many = args![stream, subject.clone(), stream, subject, MAX_REFUSED_PROOFS];
        connection.execute(sql, too_many).await?;
    }
    Ok(())
}

impl Store {
    /// The refused proofs about an event or a batch, oldest first, at most [`MAX_REFUSED_PROOFS`] of the
    /// newest.
    ///
    /// # Errors
    /// If the database fails or a row is damaged.
    pub async fn refused_proofs(
        &self,
        tenant: TenantId,
        store: StoreId,
        subject: ProofSubject,
    ) -> Result<Vec<RefusedProofJson>, StoreError> {
        let sql = "SELECT agent_id, block_number, extrinsic_index, reason, units \
             FROM refused_proofs WHERE stream_id = ? AND subject = ? ORDER BY id DESC LIMIT ?";
        let asked = args![
            stream_id(tenant, store).0,
            subject.bytes(),
            MAX_REFUSED_PROOFS
        ];
        let rows = self.snapshot().await?.all(sql, asked).await?;
        rows.iter().rev().map(read).collect()
    }
}

fn read(row: &Row) -> Result<RefusedProofJson, StoreError> {
    let reason = ProofRefusal::decode_all(&mut row.slice("reason")?)
        .map_err(|_| StoreError::Corrupt { what: "reason" })?;
    Ok(RefusedProofJson {
        verdict: REFUSED.into(),
        agent_id: AgentId(row.bytes("agent_id")?),
        reason: reason.to_string(),
        units: row.unsigned("units")?,
        block_number: row.unsigned("block_number")?,
        extrinsic_index: row.unsigned("extrinsic_index")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PreparedBlock, both::on_both_databases, testing::*};

    const EVENT: ProofSubject = ProofSubject::Event(EventId([7; 16]));

    fn refused(subject: ProofSubject, reason: ProofRefusal, units: u32) -> RefusedProof {
        RefusedProof {
            stream_id: stream_id(TENANT, STORE),
            subject,
            agent_id: AgentId([0x44; 16]),
            extrinsic_index: 3,
            reason,
            units,
        }
    }

    fn block(chain: &mut Chain, refused_proofs: Vec<RefusedProof>) -> PreparedBlock {
        let mut raw = chain.block(&[], "");
        raw.refused_proofs = refused_proofs;
        prepared(raw)
    }

    async fn reasons(store: &Store, subject: ProofSubject) -> Vec<(u32, String, u32)> {
        let found = store.refused_proofs(TENANT, STORE, subject).await.unwrap();
        let found = found.into_iter();
        found
            .map(|proof| (proof.block_number, proof.reason, proof.units))
            .collect()
    }

    on_both_databases! {
        async fn refused_proofs_are_found_by_what_they_were_about(place: Place) {
            let store = place.open().await;
            let mut chain = Chain::default();
            let first = block(&mut chain, vec![
                refused(EVENT, ProofRefusal::ProofInvalid, 8),
                refused(ProofSubject::Batch(7), ProofRefusal::BatchMismatch, 0),
            ]);
            let second = block(&mut chain, vec![refused(EVENT, ProofRefusal::AlreadyProven, 0)]);
            store.append(&[first, second]).await.unwrap();
            let of_event = reasons(&store, EVENT).await;
            assert_eq!(of_event, [
                (1, ProofRefusal::ProofInvalid.to_string(), 8),
                (2, ProofRefusal::AlreadyProven.to_string(), 0),
            ]);
            let of_batch = reasons(&store, ProofSubject::Batch(7)).await;
            assert_eq!(of_batch, [(1, ProofRefusal::BatchMismatch.to_string(), 0)]);
            for other in [ProofSubject::Event(EventId([8; 16])), ProofSubject::Batch(8)] {
                assert_eq!(reasons(&store, other).await, []);
            }
            let elsewhere = store.refused_proofs(TENANT, OTHER_STORE, EVENT).await.unwrap();
            assert_eq!(elsewhere, []);
            let one = store.refused_proofs(TENANT, STORE, EVENT).await.unwrap().remove(0);
            assert_eq!((one.verdict.as_str(), one.agent_id, one.extrinsic_index), ("refused", AgentId([0x44; 16]), 3));
        }

        async fn of_one_subject_only_the_newest_are_kept_and_others_lose_nothing(place: Place) {
            let store = place.open().await;
            let mut chain = Chain::default();
            let one = refused(EVENT, ProofRefusal::ProofInvalid, 8);
            let other = refused(ProofSubject::Batch(0), ProofRefusal::ProofInvalid, 8);
            store.append(&[block(&mut chain, vec![other])]).await.unwrap();
            for _ in 0..3 {
                let many = vec![one.clone(); MAX_REFUSED_PROOFS as usize - 1];
                store.append(&[block(&mut chain, many)]).await.unwrap();
            }
            let kept = reasons(&store, EVENT).await;
            assert_eq!(kept.len(), MAX_REFUSED_PROOFS as usize);
            assert_eq!(kept.iter().filter(|(block, ..)| *block == 4).count(), kept.len() - 1);
            assert_eq!(kept[0].0, 3);
            assert_eq!(reasons(&store, ProofSubject::Batch(0)).await.len(), 1);
            let sql = "SELECT COUNT(*) AS n FROM refused_proofs";
            let rows = store.snapshot().await.unwrap().one(sql, args![]).await.unwrap();
            assert_eq!(rows.int("n").unwrap(), i64::from(MAX_REFUSED_PROOFS) + 1);
        }

        async fn nothing_is_kept_of_proofs_about_nothing(place: Place) {
            let store = place.open().await;
            let batch = ProofSubject::Batch(1);
            let made_up = vec![
                refused(EVENT, ProofRefusal::UnknownEvent, 0),
                refused(batch, ProofRefusal::UnknownBatch, 0),
            ];
            store.append(&[block(&mut Chain::default(), made_up)]).await.unwrap();
            for subject in [EVENT, batch] {
                assert_eq!(reasons(&store, subject).await, []);
            }
        }

        async fn going_back_takes_refused_proofs_along_and_indexing_anew_brings_them_back(place: Place) {
            let store = place.open().await;
            let mut chain = Chain::default();
            let first = block(&mut chain, vec![refused(EVENT, ProofRefusal::ProofInvalid, 8)]);
            let second = block(&mut chain, vec![refused(EVENT, ProofRefusal::AlreadyProven, 0)]);
            store.append(&[first]).await.unwrap();
            let after_first = store.cursor().await.unwrap();
            store.append(std::slice::from_ref(&second)).await.unwrap();
            let both = reasons(&store, EVENT).await;
            assert!(store.rewind(&after_first).await.unwrap());
            assert_eq!(reasons(&store, EVENT).await, both[..1]);
            store.append(&[second]).await.unwrap();
            assert_eq!(reasons(&store, EVENT).await, both);
            store.check_ends().await.unwrap();
        }

        async fn a_refused_proof_beyond_the_cursor_is_noticed(place: Place) {
            let store = place.open().await;
            let mut chain = Chain::default();
            let proof = refused(EVENT, ProofRefusal::ProofInvalid, 8);
            store.append(&[block(&mut chain, vec![proof.clone()])]).await.unwrap();
            store.check_ends().await.unwrap();
            let mut transaction = store.db.write().await.unwrap();
            insert(&mut transaction, 2, &[proof]).await.unwrap();
            transaction.commit().await.unwrap();
            assert!(matches!(store.check_ends().await, Err(StoreError::Corrupt { .. })));
        }
    }
}
