// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Keeps a validator from voting twice in one round of GRANDPA (ADR 0061).
//!
//! GRANDPA writes a vote into the database before it sends it, but the database only queues what it is
//! given: a crash may lose it, a loss of power does, and so does a copy of the database. So each vote is
//! also in a file of its own, synced before it is signed. If the database lacks rounds or blocks that were
//! voted in or for, the node follows without a vote until the others have left the rounds it had voted in.
//! If only the vote is lost, and the new one contradicts the file, it is not signed: the voter ends, and the
//! node with it; its unit starts it again, and then it follows too.

use crate::durable::finish;
use codec::{Compact, Decode, DecodeAll, Encode};
use polkadot_sdk::{
    sc_consensus_grandpa::{SharedAuthoritySet, SharedVoterState},
    sc_service::{ChainType, Configuration},
    sp_consensus_grandpa,
    sp_core::{
        crypto::{KeyTypeId, key_types::GRANDPA},
        ecdsa, ed25519, sr25519,
    },
    sp_keystore::{Error as KeystoreError, Keystore, KeystorePtr},
    substrate_prometheus_endpoint::{Gauge, PrometheusError, Registry, U64, register},
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use ves_runtime::{Hash, opaque::Header};

const LOG: &str = "ves-votes";
const FILE: &str = "grandpa-votes";
/// Of the file's form, its first byte.
const VERSION: u8 = 1;
/// Where sc-consensus-grandpa keeps its record of the rounds.
pub(crate) const ROUNDS_KEY: &[u8] = b"grandpa_completed_round";
/// Rounds that are kept. A voter has two or three open at once.
const KEPT: usize = 64;
/// Between two looks at the round that the voter is in.
const LOOK: Duration = Duration::from_millis(250);
/// How long the others have for a round that they may need this validator for.
const STUCK: Duration = Duration::from_secs(60);

type Message = sp_consensus_grandpa::Message<Header>;
type Voter = [u8; 32];

/// A round, in the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
struct Round {
    set: u64,
    number: u64,
}

/// What the file holds, after its version and the chain's genesis.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
struct Kept {
    rounds: BTreeMap<Round, Vec<(Voter, Message)>>,
    /// No vote in this one and before.
    barred: Option<Round>,
}

/// What the database knows when the node starts.
pub(crate) struct Database<'a> {
    /// Names the chain.
    pub(crate) genesis: Hash,
    /// The set of validators.
    pub(crate) set: u64,
    /// GRANDPA's own record of the rounds.
    pub(crate) rounds: Option<Vec<u8>>,
    /// Is this block there?
    pub(crate) knows: &'a dyn Fn(Hash) -> bool,
}

impl Database<'_> {
    /// The round that is open by GRANDPA's own record: a variant of `VoterSetState`, then the completed
    /// rounds, the newest first, each of which begins with its number. Without a record, or with one that
    /// cannot be read, the first.
    fn open(&self) -> Round {
        let record = self.rounds.as_deref().unwrap_or_default();
        let begin = <(u8, Compact<u32>, u64)>::decode(&mut &*record);
        let completed = begin.map_or(0, |(_, _, number)| number);
        Round {
            set: self.set,
            number: completed.saturating_add(1),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Never voted so: it has to be kept first.
    New,
    /// The same vote as before.
    Same,
    /// Another vote at this stage of this round, or a round of which nothing is known any more.
    Second,
}

/// Prevote or precommit.
fn same_stage(one: &Message, other: &Message) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

impl Kept {
    fn judge(&self, voter: &Voter, round: Round, message: &Message) -> Verdict {
        let Some(votes) = self.rounds.get(&round) else {
            let forgotten = self.rounds.len() >= KEPT
                && self
                    .rounds
                    .keys()
                    .next()
                    .is_some_and(|first| round < *first);
            return if forgotten {
                Verdict::Second
            } else {
                Verdict::New
            };
        };
        let mut votes = votes.iter();
        match votes.find(|(who, vote)| who == voter && same_stage(vote, message)) {
            None => Verdict::New,
            Some((_, vote)) if vote == message => Verdict::Same,
            Some(_) => Verdict::Second,
        }
    }

    fn keep(&mut self, voter: Voter, round: Round, message: Message) {
        self.rounds.entry(round).or_default().push((voter, message));
        while self.rounds.len() > KEPT {
            self.rounds.pop_first();
        }
    }

    /// Does the database lack something of when the last vote was given? The round before was completed
    /// then, and the blocks that were voted for were known.
    fn is_lost(&self, database: &Database) -> bool {
        let Some((last, votes)) = self.rounds.last_key_value() else {
            return false;
        };
        let unknown = |(_, vote): &(Voter, Message)| !(database.knows)(*vote.target().0);
        let open = database.open();
        open < *last || (open == *last && votes.iter().any(unknown))
    }

    /// The last round with a vote.
    fn last(&self) -> Option<Round> {
        self.rounds.keys().next_back().copied()
    }
}

/// The votes of one validator, and the file they are in.
#[derive(Debug)]
pub(crate) struct Votes {
    path: PathBuf,
    genesis: Hash,
    kept: Mutex<Kept>,
    /// The voter is in the last round in which it may not vote, or further. It asks for its key at the
    /// beginning of each round, so from here on it may have it.
    reached: AtomicBool,
}

impl Votes {
    /// Reads the file of this chain's folder; there is none before the first vote.
    ///
    /// # Errors
    /// When it cannot be read or written, or is of another chain. It must not be passed over then.
    pub(crate) fn open(folder: &Path, database: &Database) -> io::Result<Self> {
        let path = folder.join(FILE);
        let refuse = |why: &str| {
            let text = format!("{} {why}", path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        let kept = match fs::read(&path) {
            Ok(bytes) => match <(u8, Hash, Kept)>::decode_all(&mut bytes.as_slice()) {
                Ok((VERSION, genesis, kept)) if genesis == database.genesis => Ok(kept),
                Ok((VERSION, ..)) => Err(refuse(
                    "is of another chain. Votes name no chain: with the keys of that one this validator would \
                     contradict itself. Give it new keys, then remove the file",
                )),
                _ => Err(refuse(
                    "is not a record of votes, or of a newer node. If it cannot be restored, start the node \
                     without --validator until it follows the others, then remove the file \
                     (docs/OPERATIONS.md, Votes that were lost)",
                )),
            }?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(error),
        };
        // The voter begins with the open round. One behind the bar it may begin with its key.
        let barred = kept.barred.filter(|barred| database.open() <= *barred);
        let lost = barred.is_none() && kept.is_lost(database);
        let barred = if lost { kept.last() } else { barred };
        let kept = Kept { barred, ..kept };
        let votes = Self {
            path,
            genesis: database.genesis,
            kept: Mutex::new(kept.clone()),
            reached: AtomicBool::new(false),
        };
        if lost {
            votes.write(&kept)?;
        }
        Ok(votes)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last round in which this validator does not vote.
    fn barred(&self) -> Option<Round> {
        self.lock().barred
    }

    /// Does the next round begin without a vote?
    fn withheld(&self) -> bool {
        self.barred().is_some() && !self.reached.load(Ordering::Acquire)
    }

    /// Whole or not at all, and on disk when it returns.
    fn write(&self, kept: &Kept) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&(VERSION, self.genesis, kept).encode())?;
        finish(&file, &new, &self.path)
    }

    /// May this be signed? If so it is kept when this returns.
    fn admit(&self, voter: Voter, round: Round, message: Message) -> bool {
        let mut kept = self.lock();
        if kept.barred.is_some_and(|barred| round <= barred) {
            log::error!(
                target: LOG,
                "NOT SIGNED: a vote in round {} of set {}, in which this validator does not vote any more",
                round.number, round.set,
            );
            return false;
        }
        // Two proposals are no equivocation, and after a restart the second is often another one.
        if matches!(message, Message::PrimaryPropose(_)) {
            return true;
        }
        let mut next = Kept {
            barred: None,
            ..kept.clone()
        };
        match kept.judge(&voter, round, &message) {
            Verdict::Same => return true,
            Verdict::New => next.keep(voter, round, message),
            Verdict::Second => {
                next.barred = kept.last();
                self.reached.store(false, Ordering::Release);
                log::error!(
                    target: LOG,
                    "NOT SIGNED: a vote other than the one that this validator has given in round {} of set \
                     {}, as {} shows. Its database does not have that one: a crash lost it, or the database is \
                     a copy or new. The node ends; started again, it follows without a vote until the others \
                     have left round {}",
                    round.number, round.set, self.path.display(), kept.last().map_or(0, |last| last.number),
                );
            }
        }
        let refused = next.barred.is_some();
        let written = self.write(&next);
        if let Err(error) = &written {
            log::error!(
                target: LOG,
                "NOT SIGNED: the vote in round {} of set {} cannot be kept in {}: {error}",
                round.number, round.set, self.path.display(),
            );
        }
        // What is not on disk was not voted; but a bar holds at once.
        if refused || written.is_ok() {
            *kept = next;
        }
        !refused && written.is_ok()
    }

    /// Lets a validator that is barred vote again in the rounds after the last one it had voted in. The
    /// gauge says 1 until the voter has its key. Ends, so that the node ends and is started again, if the voter
    /// has come into a later round before it was shown its key, and the others cannot finish that one without
    /// it. `needed`: is this validator in the set, and the node in sync?
    pub(crate) async fn watch(
        self: Arc<Self>,
        voter: SharedVoterState,
        set: SharedAuthoritySet<Hash, u32>,
        needed: impl Fn() -> bool + Send,
        withheld: Option<Gauge<U64>>,
    ) {
        let tell = |barred: bool| withheld.iter().for_each(|gauge| gauge.set(barred.into()));
        let at_first = self.barred();
        tell(at_first.is_some());
        if let Some(barred) = at_first {
            log::warn!(
                target: LOG,
                "the database lacks votes that this validator has given, as {} shows: it does not vote \
                 before the others have left round {} of set {}",
                self.path.display(), barred.number, barred.set,
            );
        }
        let mut looks = Looks::default();
        while let Some(barred) = self.barred() {
            tokio::time::sleep(LOOK).await;
            let set = set.set_id();
            let Some(state) = voter.voter_state() else {
                continue;
            };
            let (number, _) = state.best_round;
            match looks.see(Round { set, number }, barred, needed(), Instant::now()) {
                Seen::Before => {}
                Seen::Reached => self.reached.store(true, Ordering::Release),
                Seen::HasKey => self.lock().barred = None,
                Seen::Stuck => {
                    log::error!(
                        target: LOG,
                        "the others do not finish round {number} of set {set}, which began without this \
                         validator's key. The node ends; started again, it votes in it",
                    );
                    return;
                }
            }
        }
        tell(false);
        if at_first.is_some() {
            log::info!(
                target: LOG,
                "this validator votes again. It sends no commits until it is started anew: do so when all others run"
            );
        }
        // The task is essential.
        std::future::pending().await
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// The voter is not where it may vote.
    Before,
    /// It is, so the next round that begins may have its key.
    Reached,
    /// The round that it is in has begun with its key.
    HasKey,
    /// It is needed in a round that began without its key.
    Stuck,
}

/// What [`Votes::watch`] has seen of the voter.
#[derive(Default)]
struct Looks {
    set: Option<u64>,
    /// The round it was in, and since when it has been needed there.
    at: Option<(Round, Instant)>,
    /// Rounds from the last barred one on.
    rounds: u8,
}

impl Looks {
    fn see(&mut self, round: Round, barred: Round, needed: bool, now: Instant) -> Seen {
        // The number of a set changes a moment before its voter does.
        let settled = self.set.replace(round.set) == Some(round.set);
        if !settled || round < barred {
            return Seen::Before;
        }
        match &mut self.at {
            Some((at, since)) if *at == round => {
                if !needed {
                    *since = now;
                } else if round > barred && now.duration_since(*since) > STUCK {
                    return Seen::Stuck;
                }
            }
            at => {
                *at = Some((round, now));
                self.rounds = self.rounds.saturating_add(1);
            }
        }
        // The second may have begun between the look at the first and what followed from it.
        if self.rounds > 2 {
            Seen::HasKey
        } else {
            Seen::Reached
        }
    }
}

/// Is one of these keys in the set that votes now?
pub(crate) fn has_seat(set: &SharedAuthoritySet<Hash, u32>, keys: &dyn Keystore) -> bool {
    set.current_authorities().iter().any(|(id, _)| {
        let raw: &[u8] = id.as_ref();
        keys.has_keys(&[(raw.to_vec(), GRANDPA)])
    })
}

/// The gauge of [`Votes::watch`].
///
/// # Errors
/// When it cannot be registered.
pub(crate) fn gauge(registry: &Registry) -> Result<Gauge<U64>, PrometheusError> {
    let help = "1 while this validator follows without a vote, since its database lacks votes it has given";
    register(Gauge::new("ves_votes_withheld", help)?, registry)
}

/// The voter's keystore, and the votes it keeps. On a chain for development, whose one validator nobody
/// watches and which is begun anew again and again, it is the node's own.
///
/// # Errors
/// [`Votes::open`].
pub(crate) fn guard(
    keys: KeystorePtr,
    config: &Configuration,
    database: &Database,
) -> io::Result<(KeystorePtr, Option<Arc<Votes>>)> {
    if config.chain_spec.chain_type() == ChainType::Development {
        return Ok((keys, None));
    }
    let folder = config.base_path.config_dir(config.chain_spec.id());
    let votes = Arc::new(Votes::open(&folder, database)?);
    Ok((Arc::new(Guarded::new(keys, votes.clone())), Some(votes)))
}

/// A keystore that signs no second vote. All else it leaves to the one behind it.
pub(crate) struct Guarded {
    keys: KeystorePtr,
    votes: Arc<Votes>,
}

impl Guarded {
    pub(crate) fn new(keys: KeystorePtr, votes: Arc<Votes>) -> Self {
        Self { keys, votes }
    }
}

impl Keystore for Guarded {
    fn ed25519_sign(
        &self,
        key_type: KeyTypeId,
        public: &ed25519::Public,
        payload: &[u8],
    ) -> Result<Option<ed25519::Signature>, KeystoreError> {
        // What else the key signs is no vote.
        if key_type == GRANDPA
            && let Ok((message, number, set)) = <(Message, u64, u64)>::decode_all(&mut &*payload)
            && !self.votes.admit(public.0, Round { set, number }, message)
        {
            return Ok(None);
        }
        self.keys.ed25519_sign(key_type, public, payload)
    }

    /// A validator that is barred has no key of GRANDPA: so it follows.
    fn has_keys(&self, public_keys: &[(Vec<u8>, KeyTypeId)]) -> bool {
        let votes = public_keys.iter().any(|(_, kind)| *kind == GRANDPA);
        !(votes && self.votes.withheld()) && self.keys.has_keys(public_keys)
    }

    fn sr25519_public_keys(&self, key_type: KeyTypeId) -> Vec<sr25519::Public> {
        self.keys.sr25519_public_keys(key_type)
    }

    fn sr25519_generate_new(
        &self,
        key_type: KeyTypeId,
        seed: Option<&str>,
    ) -> Result<sr25519::Public, KeystoreError> {
        self.keys.sr25519_generate_new(key_type, seed)
    }

    fn sr25519_sign(
        &self,
        key_type: KeyTypeId,
        public: &sr25519::Public,
        payload: &[u8],
    ) -> Result<Option<sr25519::Signature>, KeystoreError> {
        self.keys.sr25519_sign(key_type, public, payload)
    }

    fn sr25519_vrf_sign(
        &self,
        key_type: KeyTypeId,
        public: &sr25519::Public,
        data: &sr25519::vrf::VrfSignData,
    ) -> Result<Option<sr25519::vrf::VrfSignature>, KeystoreError> {
        self.keys.sr25519_vrf_sign(key_type, public, data)
    }

    fn sr25519_vrf_pre_output(
        &self,
        key_type: KeyTypeId,
        public: &sr25519::Public,
        input: &sr25519::vrf::VrfInput,
    ) -> Result<Option<sr25519::vrf::VrfPreOutput>, KeystoreError> {
        self.keys.sr25519_vrf_pre_output(key_type, public, input)
    }

    fn ed25519_public_keys(&self, key_type: KeyTypeId) -> Vec<ed25519::Public> {
        self.keys.ed25519_public_keys(key_type)
    }

    fn ed25519_generate_new(
        &self,
        key_type: KeyTypeId,
        seed: Option<&str>,
    ) -> Result<ed25519::Public, KeystoreError> {
        self.keys.ed25519_generate_new(key_type, seed)
    }

    fn ecdsa_public_keys(&self, key_type: KeyTypeId) -> Vec<ecdsa::Public> {
        self.keys.ecdsa_public_keys(key_type)
    }

    fn ecdsa_generate_new(
        &self,
        key_type: KeyTypeId,
        seed: Option<&str>,
    ) -> Result<ecdsa::Public, KeystoreError> {
        self.keys.ecdsa_generate_new(key_type, seed)
    }

    fn ecdsa_sign(
        &self,
        key_type: KeyTypeId,
        public: &ecdsa::Public,
        payload: &[u8],
    ) -> Result<Option<ecdsa::Signature>, KeystoreError> {
        self.keys.ecdsa_sign(key_type, public, payload)
    }

    fn ecdsa_sign_prehashed(
        &self,
        key_type: KeyTypeId,
        public: &ecdsa::Public,
        payload: &[u8; 32],
    ) -> Result<Option<ecdsa::Signature>, KeystoreError> {
        self.keys.ecdsa_sign_prehashed(key_type, public, payload)
    }

    fn insert(&self, key_type: KeyTypeId, suri: &str, public: &[u8]) -> Result<(), ()> {
        self.keys.insert(key_type, suri, public)
    }

    fn keys(&self, key_type: KeyTypeId) -> Result<Vec<Vec<u8>>, KeystoreError> {
        self.keys.keys(key_type)
    }
}

#[cfg(test)]
mod tests;
