// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The anchor loop: one look at both sides, then the steps that the plan asks for.

use super::{Hold, MAX_HOLD, Settings, backoff, code::Code, pause, stopping, submit::Room};
use crate::{
    Observer, clock,
    journal::{ItemKind, Journal, JournalError, ProofKey, Retention, StreamRow, now_ms},
    metrics::{Absent, Shared, StreamLag},
    plan::{Conflict, Limits, StreamView},
    sink::{Block, Chain, GAS_OF_FURTHER_BATCH, Gate, Key, Park, Sender},
    view::{TickError, plan_with_records, snapshot},
};
use alloy::primitives::{U256, keccak256};
use std::{collections::BTreeMap, sync::Arc, time::Instant};
use tokio::sync::{Notify, watch};
use ves_primitives::StreamId;

/// Bytes of a signed transaction with one batch, for its L1 fee.
const TYPICAL_TRANSACTION_BYTES: usize = 420;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const WEI_PER_GWEI: u128 = 1_000_000_000;

pub(super) struct AnchorLoop {
    pub(super) sender: Sender,
    pub(super) journal: Arc<Journal>,
    pub(super) chain: Arc<Chain>,
    pub(super) settings: Settings,
    pub(super) shared: Arc<Shared>,
    pub(super) observer: Observer,
    pub(super) identified: bool,
    pub(super) holds: BTreeMap<StreamId, Hold>,
    /// Proofs that wait after a refusal.
    pub(super) proof_holds: BTreeMap<ProofKey, Hold>,
    /// Streams whose batches go alone, because a shared transaction failed, until then.
    pub(super) alone: BTreeMap<StreamId, Instant>,
    /// Conflicts seen at the last look, and only then; were they at the confirmed block?
    pub(super) suspects: BTreeMap<StreamId, (u64, Conflict, bool)>,
    /// The registry's code, as last asked.
    pub(super) code: Option<Code>,
    /// How long the journal keeps what is final.
    pub(super) retention: Retention,
    pub(super) turn: usize,
    /// Which stream's proofs are first to be sent.
    pub(super) proof_turn: usize,
    /// What the L2's node says against the transactions of a stream.
    pub(super) node_said: BTreeMap<StreamId, String>,
    /// What the L1 data of one batch cost at the last look, wei.
    pub(super) l1_fee: u128,
}

impl AnchorLoop {
    /// Knows nothing yet but what is in the journal.
    pub(super) fn new(
        journal: Arc<Journal>,
        chain: Arc<Chain>,
        key: Key,
        settings: Settings,
        shared: Arc<Shared>,
        observer: Observer,
    ) -> Self {
        let sender = Sender::new(Arc::clone(&chain), key, settings.send, observer.clone());
        Self {
            sender,
            journal,
            chain,
            settings,
            shared,
            observer,
            identified: false,
            holds: BTreeMap::new(),
            proof_holds: BTreeMap::new(),
            alone: BTreeMap::new(),
            suspects: BTreeMap::new(),
            code: None,
            retention: Retention::default(),
            turn: 0,
            proof_turn: 0,
            node_said: BTreeMap::new(),
            l1_fee: 0,
        }
    }

    pub(super) async fn run(&mut self, wake: &Notify, mut stop: watch::Receiver<bool>) {
        let mut failures = 0u32;
        // A failure that goes on is said once, another one again.
        let mut said = String::new();
        while !stopping(&stop) {
            let wait = match self.look().await {
                Ok(more) => {
                    failures = 0;
                    said.clear();
                    // What is on its way is followed more closely than an empty chain.
                    self.settings.poll / if more { 4 } else { 1 }
                }
                Err(error) => {
                    let text = error.to_string();
                    if text != said {
                        tracing::warn!(%error, "cannot anchor now, trying again");
                    }
                    self.shared.anchor_error(&text);
                    said = text;
                    failures = failures.saturating_add(1);
                    backoff(failures, self.settings.poll)
                }
            };
            // Most of all when the look failed.
            self.shared.endpoints(self.chain.endpoints());
            self.shared.ticked();
            tokio::select! {
                () = pause(&mut stop, wait) => {}
                // New batches are anchored at once, unless something is wrong.
                () = wake.notified(), if failures == 0 => {}
            }
        }
    }

    /// Looks at both sides once and acts. Gives whether a backlog is being worked on.
    pub(super) async fn look(&mut self) -> Result<bool, TickError> {
        let result = self.tick().await;
        if result
            .as_ref()
            .is_err_and(|error| !matches!(error, TickError::Journal(_)))
        {
            // The endpoint may be another one when it comes back.
            self.identified = false;
        }
        result
    }

    async fn tick(&mut self) -> Result<bool, TickError> {
        // Whoever answers may be another than at the last look.
        if self.identified {
            let found = self.chain.chain_id().await?;
            self.identified = found == self.chain.identity().chain_id;
            if !self.identified {
                tracing::error!(found, "the L2's chain id has changed");
            }
        }
        if !self.identified && !self.identify().await {
            return Ok(false);
        }
        let latest = self.chain.latest().await?;
        let mut gate = self.gate(&latest).await?;
        let rule = self.settings.confirmation;
        let confirmed = self.chain.confirmed(&latest, rule).await?;
        let agreed = self.chain.agreed(confirmed, rule).await?;
        if let Err(park) = &agreed {
            gate.parked.push(park.clone());
        }
        self.shared.gate(&gate);
        let Ok(confirmed) = agreed else {
            // Nobody knows what is done, so nothing is begun either.
            self.publish().await?;
            return Ok(false);
        };
        let used = self.chain.nonce_at(&latest).await?;
        let used_confirmed = if confirmed == latest {
            used
        } else {
            self.chain.nonce_at(&confirmed).await?
        };
        self.shared.nonces(used, used_confirmed);
        // Nothing was ever signed for these: a stop came in between.
        self.journal.drop_intents().await?;
        let report = self
            .sender
            .look(&self.journal, &latest, &confirmed, used, used_confirmed)
            .await?;
        self.shared.sent_report(&report);
        let blocked = gate.is_open() && self.resend(&latest, used).await?;
        let rows = self.journal.streams().await?;
        let mut snapshot = snapshot(&self.journal, &self.chain, &rows, latest, confirmed).await?;
        self.apply_holds(&mut snapshot.views, &rows);
        if !snapshot.views.is_empty() {
            // Another stream is first each time, so that none is always the last.
            let first = self.turn % snapshot.views.len();
            snapshot.views.rotate_left(first);
            self.turn = self.turn.wrapping_add(1);
        }
        let in_flight = self.in_flight().await?;
        // Nothing can be mined behind a transaction that no node takes, nor build on one that is replaced.
        let free = match blocked {
            true => 0,
            false => self.settings.window.saturating_sub(in_flight),
        };
        let limits = Limits {
            open: gate.is_open(),
            free: free.saturating_mul(self.settings.max_batches),
            per_stream: self.settings.per_stream,
            strict_genesis: gate.strict_genesis,
        };
        let actions = plan_with_records(&self.chain, &mut snapshot, limits).await?;
        let with_batches = self.proofs_of(&actions).await?;
        let proofs = self.open_proofs(&snapshot).await?;
        let mut room = Room {
            transactions: free,
            used,
            affordable: self.affordable(&gate, &latest),
        };
        self.apply(&snapshot, &actions, &with_batches, &mut room)
            .await?;
        let absent = self
            .anchor_proofs(&snapshot, &proofs, gate.is_open(), &mut room)
            .await?;
        let proof_wait = u64::try_from(self.settings.proof_wait.as_millis()).unwrap_or(u64::MAX);
        self.shared.absent(Absent::of(
            &snapshot.views,
            gate.strict_genesis,
            now_ms().saturating_sub(proof_wait),
            absent,
        ));
        let sent = room.transactions < free;
        self.tidy(&latest, &confirmed).await?;
        self.publish().await?;
        Ok(sent || in_flight > 0)
    }

    /// Sends again what is due. True: a node refuses a transaction or its nonce is being filled, so that
    /// nothing behind it can be mined or would fail.
    async fn resend(&mut self, latest: &Block, used: u64) -> Result<bool, TickError> {
        let report = self.sender.resend(&self.journal, latest, used).await?;
        self.shared.resent(&report);
        for (nonce, words) in &report.refused {
            let why = format!("the L2's node refuses transaction {nonce}: {words}");
            for item in self.journal.items(*nonce).await? {
                self.shared.stream_note(item.stream, Some(&why));
                self.node_said.insert(item.stream, why.clone());
            }
        }
        for nonce in &report.filled {
            for item in self.journal.items(*nonce).await? {
                // A batch waits because its transaction failed, see `reverted_before`.
                if item.kind == ItemKind::Proof {
                    let key = (item.stream, item.batch_index);
                    self.hold_proof(key, "the L2's node refused its transaction");
                }
            }
        }
        Ok(report.blocked)
    }

    /// Does the budget of the day leave something, when all that is on its way costs what it may
    /// cost at most? One transaction may pass it, not all that the window holds.
    pub(super) async fn within_budget(&self) -> Result<bool, JournalError> {
        let Some(budget) = self.settings.daily_budget_gwei else {
            return Ok(true);
        };
        let since = now_ms().saturating_sub(DAY_MS);
        let mut gwei = u128::from(self.journal.spent_since(since).await?);
        for pending in self.journal.pending_costs().await? {
            let share = self.l1_fee.saturating_mul(pending.bytes.into());
            let data = share / u128::try_from(TYPICAL_TRANSACTION_BYTES).unwrap_or(1);
            let wei = pending.execution.saturating_add(data);
            gwei = gwei.saturating_add(wei.div_ceil(WEI_PER_GWEI));
        }
        Ok(gwei < u128::from(budget))
    }

    /// Batches that the balance pays for in one transaction, with as much again in reserve.
    fn affordable(&self, gate: &Gate, latest: &Block) -> usize {
        if !self.code.is_some_and(|code| code.takes_many) {
            return 1;
        }
        let policy = &self.settings.send;
        let half = u128::try_from(gate.balance / U256::from(2)).unwrap_or(u128::MAX);
        let paid = half.saturating_sub(self.cost(latest, policy.gas_default))
            / self.cost(latest, GAS_OF_FURTHER_BATCH);
        let gas = policy.gas_cap.saturating_sub(policy.gas_default) / GAS_OF_FURTHER_BATCH;
        let further = usize::try_from(paid.min(u128::from(gas))).unwrap_or(usize::MAX);
        self.settings.max_batches.min(further.saturating_add(1))
    }

    /// Wei that a batch which takes so much gas may cost, its L1 data included. Never 0.
    fn cost(&self, latest: &Block, gas: u64) -> u128 {
        let run = self.price(latest).saturating_mul(u128::from(gas));
        run.saturating_add(self.l1_fee).max(1)
    }

    fn price(&self, latest: &Block) -> u128 {
        let limits = &self.settings.send.fees;
        let price = latest
            .base_fee
            .saturating_mul(2)
            .saturating_add(limits.min_tip);
        price.max(limits.min_fee).min(limits.max_fee)
    }

    async fn identify(&mut self) -> bool {
        let park = match self.chain.check_identity().await {
            Ok(genesis) => {
                let id = self.chain.identity();
                let pinned = self
                    .journal
                    .pin_destination(id.chain_id, &genesis.0, &id.registry.0.0, &id.sender.0.0)
                    .await;
                match pinned {
                    Ok(()) => {
                        self.identified = true;
                        tracing::info!(
                            chain_id = id.chain_id, registry = %id.registry, sender = %id.sender,
                            "destination verified"
                        );
                        return true;
                    }
                    Err(error) => Park::ForeignJournal {
                        error: error.to_string(),
                    },
                }
            }
            Err(park) => park,
        };
        self.shared.gate(&Gate {
            parked: vec![park],
            ..Gate::default()
        });
        false
    }

    async fn gate(&mut self, latest: &Block) -> Result<Gate, TickError> {
        self.l1_fee = self.chain.l1_fee(&typical_transaction()).await?;
        let cost = self.cost(latest, self.settings.send.gas_default);
        let mut gate = self.chain.gate(cost.max(self.settings.min_balance)).await?;
        let max_fee = self.settings.send.fees.max_fee;
        if latest.base_fee > max_fee {
            gate.parked.push(Park::FeeAboveLimit {
                base_fee: latest.base_fee.to_string(),
            });
        }
        let spent_gwei = self
            .journal
            .spent_since(now_ms().saturating_sub(DAY_MS))
            .await?;
        self.shared.spent_today(spent_gwei);
        if let Some(budget_gwei) = self.settings.daily_budget_gwei
            && spent_gwei >= budget_gwei
        {
            gate.parked.push(Park::BudgetSpent {
                spent_gwei,
                budget_gwei,
            });
        }
        let found = gate.implementation;
        // Without it there is no registry to look at.
        if gate.strict.is_some() {
            let code = self.look_at_code(found).await?;
            gate.code_hash = Some(code.hash);
            gate.upgraded_ms = code.upgraded_ms;
        }
        let (approved, code_hash) = (&self.settings.approved, gate.code_hash);
        if !approved.is_empty() && !approved.iter().any(|code| code.names(found, code_hash)) {
            gate.parked
                .push(Park::UnknownImplementation { found, code_hash });
        }
        Ok(gate)
    }

    async fn in_flight(&self) -> Result<usize, JournalError> {
        let live = self.journal.live_sends().await?;
        Ok(live.iter().filter(|send| send.state.is_pending()).count())
    }

    fn apply_holds(&mut self, views: &mut [StreamView], rows: &[StreamRow]) {
        let now = clock::now();
        self.holds
            .retain(|stream, _| rows.iter().any(|row| row.stream == *stream && row.open > 0));
        for view in views {
            if self
                .holds
                .get(&view.stream)
                .is_some_and(|hold| hold.until > now)
            {
                view.may_submit = false;
            }
        }
    }

    pub(super) fn hold(&mut self, stream: StreamId, why: &str) {
        let hold = self.holds.entry(stream).or_insert_with(|| Hold {
            until: clock::now(),
            tries: 0,
        });
        let time = self
            .settings
            .poll
            .saturating_mul(1 << hold.tries.min(16))
            .min(MAX_HOLD);
        hold.tries = hold.tries.saturating_add(1);
        hold.until = clock::now() + time;
        tracing::warn!(%stream, wait = ?time, "waiting with this stream: {why}");
        self.shared.stream_note(stream, Some(why));
    }

    async fn publish(&mut self) -> Result<(), TickError> {
        let rows = self.journal.streams().await?;
        let now = now_ms();
        let lags = rows
            .iter()
            .map(|row| (row.stream, StreamLag::of(row, now)))
            .collect();
        let counts = self.journal.send_counts().await?;
        self.shared.streams(lags, counts);
        self.shared.proofs(self.journal.proof_totals().await?);
        self.shared.next_nonce(self.journal.next_nonce().await?);
        self.shared.live(&self.journal.live_sends().await?, now);
        Ok(())
    }
}

/// Bytes that cannot be compressed: the fee is for what is left after compression, and most of a
/// batch are hashes.
fn typical_transaction() -> Vec<u8> {
    (0..=u8::MAX)
        .flat_map(|n| keccak256([n]).0)
        .take(TYPICAL_TRANSACTION_BYTES)
        .collect()
}
