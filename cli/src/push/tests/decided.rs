// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What others do to an event while a push has it in its hands, and after it was given up.

use super::*;
use crate::{keys::Protection, pull::pull};
use ves_primitives::CommandId;

const STREAM: Stream = Stream {
    tenant: TENANT,
    store: STORE,
};

impl Setup {
    async fn due(&self) -> Vec<Entry> {
        outbox::open_entries(&self.pool, 0, 10).await.unwrap()
    }

    /// A push of which a test takes each step by itself, and what it signs with.
    async fn begin<'a>(
        &'a self,
        options: &'a PushOptions,
        ui: &'a Ui,
    ) -> (Push<'a, FakeChain>, Signers<'a>) {
        let push = Push::begin(&self.pool, &self.chain, options, ui).await;
        (push.unwrap(), Signers::new(&self.keys, &no_passphrase))
    }

    async fn give_up(&self, entry: &Entry) {
        let mut db = self.pool.acquire().await.unwrap();
        let moved = outbox::set_aside(&mut db, entry.local_seq, entry.state, State::Dead).await;
        assert!(moved.unwrap());
    }

    /// Every event of the outbox, oldest first.
    async fn all(&self) -> Vec<Entry> {
        let mut all = outbox::latest(&self.pool, None, 10).await.unwrap();
        all.reverse();
        all
    }

    async fn states(&self) -> Vec<State> {
        self.all().await.iter().map(|entry| entry.state).collect()
    }

    /// Three versions of one entity.
    async fn append_versions(&self) {
        for version in 0..3 {
            self.append(&Draft {
                base_version: Some(version),
                ..draft()
            })
            .await;
        }
    }

    /// Signs what is due and has somebody else bring it into a final block.
    async fn sequenced_elsewhere(&self) -> Vec<Entry> {
        self.push_with(PushOptions {
            stop: Some(CrashPoint::AfterSign),
            ..PushOptions::default()
        })
        .await;
        let signed = self.due().await;
        let events = signed.iter().map(|entry| entry.event.clone()).collect();
        self.chain.commit(events);
        signed
    }

    async fn settled_by_a_pull(&self) -> usize {
        let report = pull(&self.pool, &self.chain, STREAM, None, &ui())
            .await
            .unwrap();
        assert_eq!(report.failure(), None);
        report.settled
    }
}

#[tokio::test]
async fn an_event_that_is_given_up_between_signature_and_sending_is_not_sent() {
    let s = Setup::new().await;
    s.append_many(3).await;
    let (options, ui) = (PushOptions::default(), ui());
    let (mut push, mut signers) = s.begin(&options, &ui).await;
    let signed = push.sign(s.due().await, &mut signers).await.unwrap();
    s.give_up(&signed[1]).await;
    push.send(signed).await.unwrap();
    push.settle().await.unwrap();
    assert_eq!(
        s.states().await,
        [State::Finalized, State::Dead, State::Finalized]
    );
    assert_eq!(s.chain.sequenced(), 2);
}

#[tokio::test]
async fn what_was_made_on_top_of_an_event_given_up_meanwhile_is_held() {
    let s = Setup::new().await;
    s.append_versions().await;
    let (options, ui) = (PushOptions::default(), ui());
    let (mut push, mut signers) = s.begin(&options, &ui).await;
    let signed = push.sign(s.due().await, &mut signers).await.unwrap();
    s.give_up(&signed[1]).await;
    push.send(signed).await.unwrap();
    push.settle().await.unwrap();
    assert_eq!(
        s.states().await,
        [State::Finalized, State::Dead, State::Signed]
    );
    assert_eq!((push.held.len(), s.chain.sequenced()), (1, 1));
}

#[tokio::test]
async fn an_event_that_is_given_up_before_its_signature_is_stored_stays_unsigned() {
    let s = Setup::new().await;
    s.append_versions().await;
    let (options, ui) = (PushOptions::default(), ui());
    let (mut push, mut signers) = s.begin(&options, &ui).await;
    let due = s.due().await;
    s.give_up(&due[1]).await;
    let signed = push.sign(due, &mut signers).await.unwrap();
    assert_eq!(signed.len(), 1);
    assert_eq!(push.held.len(), 1, "it was made on top of that one");
    let given_up = s.all().await.remove(1);
    assert_eq!((given_up.state, given_up.signed), (State::Dead, false));
}

#[tokio::test]
async fn of_two_pushes_that_sign_one_event_both_send_the_signature_that_was_stored_first() {
    let s = Setup::new().await;
    s.append(&draft()).await;
    let (options, ui) = (PushOptions::default(), ui());
    let (mut push, mut signers) = s.begin(&options, &ui).await;
    // This push knows its key already when another one takes over.
    let key = signers.current(&s.chain, TENANT, AGENT).await.unwrap();
    assert_eq!(key, KeyId(1));
    let next = s
        .keys
        .generate(AGENT, Purpose::Signing, &Protection::Plaintext)
        .unwrap();
    s.chain.register(next.key_id, next.public_key);

    let due = s.due().await;
    let mut theirs = due[0].clone();
    let mut others = Signers::new(&s.keys, &no_passphrase);
    theirs
        .sign(others.open(AGENT, next.key_id).unwrap())
        .unwrap();
    outbox::store_signatures(&s.pool, &[&theirs]).await.unwrap();

    let ours = push.sign(due, &mut signers).await.unwrap();
    assert_eq!(ours[0].event, theirs.event);
    push.send(ours).await.unwrap();
    push.settle().await.unwrap();
    let entry = s.all().await.remove(0);
    assert_eq!(entry.state, State::Finalized);
    assert_eq!(entry.key_id, Some(next.key_id));
}

#[tokio::test]
async fn a_signature_of_another_push_that_nobody_approved_is_not_sent() {
    let s = Setup::new().await;
    s.append(&draft()).await;
    let due = s.due().await;
    let next = s
        .keys
        .generate(AGENT, Purpose::Signing, &Protection::Plaintext)
        .unwrap();
    let mut approved = due[0].event.envelope.clone();
    approved.agent_key_id = KeyId(1);
    let options = PushOptions {
        approved: Some(BTreeMap::from([(
            due[0].local_seq,
            approved.signing_hash().unwrap(),
        )])),
        ..PushOptions::default()
    };
    let ui = ui();
    let mut push = Push::begin(&s.pool, &s.chain, &options, &ui).await.unwrap();
    let mut theirs = due[0].clone();
    let mut signers = Signers::new(&s.keys, &no_passphrase);
    theirs
        .sign(signers.open(AGENT, next.key_id).unwrap())
        .unwrap();
    outbox::store_signatures(&s.pool, &[&theirs]).await.unwrap();
    // The registry does not have the other key yet: this push signs with the approved one.
    let refused = push.sign(due, &mut signers).await;
    assert_eq!(refused.unwrap_err().code, "approval_stale");
}

#[tokio::test]
async fn an_event_that_counts_as_failed_is_final_once_a_pull_finds_it_in_a_block() {
    let s = Setup::new().await;
    s.append_many(2).await;
    let signed = s.sequenced_elsewhere().await;
    let rejected = Outcome::Rejected {
        reason: "stale".into(),
    };
    outbox::record(&s.pool, &[(signed[0].local_seq, rejected)])
        .await
        .unwrap();
    s.give_up(&signed[1]).await;
    assert_eq!(s.settled_by_a_pull().await, 2);
    for (entry, sequence) in s.all().await.iter().zip(1..) {
        assert_eq!(entry.state, State::Finalized);
        assert_eq!(entry.sequence, Some(sequence));
        assert_eq!(entry.reason, None);
        let noted = crate::journal::latest(&s.pool, Some(entry.event_id()), 1).await;
        assert_eq!(noted.unwrap()[0].kind, "sequenced");
    }
    // The same where an earlier pull has it already, and once only.
    sqlx::query("UPDATE ves_outbox SET state = 'dead' WHERE local_seq = ?1")
        .bind(signed[1].local_seq)
        .execute(&s.pool)
        .await
        .unwrap();
    assert_eq!(s.settled_by_a_pull().await, 1);
    assert_eq!(s.states().await, [State::Finalized; 2]);
    assert_eq!(s.settled_by_a_pull().await, 0);
}

#[tokio::test]
async fn a_failed_event_whose_command_another_has_by_now_stays_failed_with_a_note() {
    let s = Setup::new().await;
    let with_command = Draft {
        command_id: Some(CommandId([9; 16])),
        ..draft()
    };
    s.append(&with_command).await;
    let signed = s.sequenced_elsewhere().await;
    s.give_up(&signed[0]).await;
    s.append(&with_command).await;
    assert_eq!(s.settled_by_a_pull().await, 0);
    let first = s.all().await.remove(0);
    assert_eq!(first.state, State::Dead);
    assert_eq!(
        first.last_error.as_deref(),
        Some("it has sequence 1, and another event has its command")
    );
}
