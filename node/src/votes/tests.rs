// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use polkadot_sdk::{
    sc_keystore::LocalKeystore,
    sp_consensus_grandpa::{AuthorityId, sign_message},
    sp_core::crypto::key_types::AURA,
};
use tempfile::TempDir;

type Precommit = sp_consensus_grandpa::Precommit<Header>;
type Prevote = sp_consensus_grandpa::Prevote<Header>;
type PrimaryPropose = sp_consensus_grandpa::PrimaryPropose<Header>;

/// A validator and its folder.
struct Validator {
    folder: TempDir,
    keys: KeystorePtr,
    id: AuthorityId,
}

impl Validator {
    fn new() -> Self {
        let keys: KeystorePtr = Arc::new(LocalKeystore::in_memory());
        let id = keys.ed25519_generate_new(GRANDPA, Some("//Bob")).unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            keys,
            id: id.into(),
        }
    }

    /// Starts the node with a database that lacks nothing but votes.
    fn start(&self) -> Node {
        self.start_with(&database(u64::MAX, u64::MAX))
    }

    fn start_with(&self, database: &Database) -> Node {
        let votes = Arc::new(Votes::open(self.folder.path(), database).unwrap());
        Node {
            id: self.id.clone(),
            keys: Arc::new(Guarded::new(self.keys.clone(), votes.clone())),
            votes,
        }
    }
}

/// One that has all blocks, and has completed this round.
fn database(set: u64, completed: u64) -> Database<'static> {
    // Live; one completed round, of which only the number is looked at.
    let rounds = (0u8, Compact(1u32), completed, [0u8; 72]).encode();
    Database {
        genesis: Hash::repeat_byte(0xC4),
        set,
        rounds: Some(rounds),
        knows: &|_| true,
    }
}

struct Node {
    id: AuthorityId,
    keys: KeystorePtr,
    votes: Arc<Votes>,
}

impl Node {
    /// As GRANDPA does it.
    fn votes(&self, set: u64, round: u64, message: Message) -> bool {
        sign_message(self.keys.clone(), message, self.id.clone(), round, set).is_some()
    }

    fn is_voter(&self) -> bool {
        let raw: &[u8] = self.id.as_ref();
        self.keys.has_keys(&[(raw.to_vec(), GRANDPA)])
    }

    /// GRANDPA's voter has begun this round.
    fn is_in(&self, set: u64, number: u64) {
        let round = Round { set, number };
        if self.votes.barred().is_some_and(|barred| round >= barred) {
            self.votes.reached.store(true, Ordering::Release);
        }
    }
}

fn block(n: u8) -> (Hash, u32) {
    (Hash::repeat_byte(n), n.into())
}

fn prevote(n: u8) -> Message {
    let (hash, number) = block(n);
    Message::Prevote(Prevote::new(hash, number))
}

fn precommit(n: u8) -> Message {
    let (hash, number) = block(n);
    Message::Precommit(Precommit::new(hash, number))
}

fn proposal(n: u8) -> Message {
    let (hash, number) = block(n);
    Message::PrimaryPropose(PrimaryPropose::new(hash, number))
}

#[test]
fn a_vote_is_repeated_after_a_restart_and_no_other_is_given_in_its_place() {
    for vote in [prevote, precommit] {
        let validator = Validator::new();
        assert!(validator.start().votes(0, 7, vote(1)));
        let node = validator.start();
        assert!(node.votes(0, 7, vote(1)));
        assert!(!node.votes(0, 7, vote(2)));
    }
}

#[test]
fn a_proposal_may_be_another_one_after_a_restart_and_is_no_vote() {
    let validator = Validator::new();
    assert!(validator.start().votes(0, 7, proposal(1)));
    let node = validator.start_with(&database(0, 0));
    assert!(node.is_voter() && node.votes(0, 7, proposal(2)));
    // In rounds without a vote there is none either.
    assert!(node.votes(0, 8, prevote(1)) && !node.votes(0, 8, prevote(2)));
    assert!(!node.votes(0, 8, proposal(3)) && node.votes(0, 9, proposal(3)));
}

#[test]
fn a_validator_whose_vote_was_refused_follows_until_the_others_have_left_its_last_round() {
    let validator = Validator::new();
    let node = validator.start();
    assert!(node.votes(3, 7, prevote(1)) && node.votes(3, 8, prevote(1)) && node.is_voter());
    // The database knows of neither.
    let node = validator.start();
    assert!(!node.votes(3, 7, prevote(2)));
    assert!(!node.is_voter());
    let node = validator.start_with(&database(3, 5));
    for (set, round) in [(2, 99), (3, 7)] {
        node.is_in(set, round);
        assert!(
            !node.is_voter(),
            "it has a key in round {round} of set {set}"
        );
    }
    // It has begun its last round without a key, and begins the next one with it.
    node.is_in(3, 8);
    assert!(node.is_voter());
    assert!(!node.votes(3, 8, prevote(1)) && !node.votes(3, 8, precommit(1)));
    let in_between = validator.start_with(&database(3, 7));
    assert!(!in_between.is_voter(), "a restart makes it vote");
    // The others are further: the round that it begins with is a later one.
    assert!(validator.start_with(&database(3, 8)).is_voter());
    assert!(node.votes(3, 9, prevote(2)));
    assert!(validator.start().is_voter(), "it forgot that it is over");
}

#[test]
fn a_validator_whose_database_lacks_what_it_voted_for_last_follows_from_the_start() {
    let validator = Validator::new();
    let knows = |n: u8| move |hash: Hash| hash.as_fixed_bytes()[0] <= n;
    let start = |n: u8| {
        let knows = knows(n);
        validator.start_with(&Database {
            knows: &knows,
            ..database(0, 7)
        })
    };
    assert!(start(0).is_voter(), "it has given no vote");
    let node = validator.start();
    assert!(node.votes(0, 7, prevote(1)) && node.votes(0, 8, prevote(2)));
    assert!(node.votes(0, 8, precommit(1)));
    assert!(start(2).is_voter());
    assert!(!start(1).is_voter());
    // The blocks come from the others before these have left the round.
    let node = start(9);
    assert!(!node.is_voter() && !node.votes(0, 8, prevote(2)));
    node.is_in(0, 9);
    assert!(node.is_voter() && node.votes(0, 10, prevote(3)));
    assert!(validator.start_with(&database(0, 9)).is_voter());
    // A block that nobody has any more is nothing to wait for once its round is over.
    let knows = knows(0);
    let later = Database {
        knows: &knows,
        ..database(0, 10)
    };
    assert!(validator.start_with(&later).is_voter());
}

#[test]
fn a_validator_whose_database_is_behind_the_rounds_it_voted_in_follows_from_the_start() {
    for (set, completed, votes) in [
        (3, 7, true),
        (3, 8, true),
        (4, 0, true),
        (3, 6, false),
        (2, 99, false),
    ] {
        let validator = Validator::new();
        assert!(validator.start().votes(3, 8, prevote(1)));
        let node = validator.start_with(&database(set, completed));
        assert_eq!(
            node.is_voter(),
            votes,
            "round {completed} of set {set} completed"
        );
    }
    // A new database, and one whose record nobody can read.
    for rounds in [None, Some(Vec::new()), Some(vec![0, 4, 1])] {
        let validator = Validator::new();
        let new = || Database {
            rounds: rounds.clone(),
            ..database(0, 0)
        };
        assert!(validator.start_with(&new()).votes(0, 1, prevote(1)));
        assert!(validator.start_with(&new()).votes(0, 2, prevote(1)));
        assert!(!validator.start_with(&new()).is_voter());
    }
}

#[test]
fn a_new_set_ends_it_too() {
    let validator = Validator::new();
    let node = validator.start();
    assert!(node.votes(3, 7, prevote(1)) && !node.votes(3, 7, prevote(2)));
    node.is_in(4, 1);
    assert!(node.is_voter() && node.votes(4, 2, prevote(2)));
}

#[test]
fn stages_rounds_sets_and_keys_have_votes_of_their_own() {
    let validator = Validator::new();
    let mut node = validator.start();
    assert!(node.votes(0, 1, proposal(1)));
    assert!(node.votes(0, 1, prevote(2)));
    assert!(node.votes(0, 1, precommit(3)));
    assert!(node.votes(0, 2, prevote(4)));
    assert!(node.votes(1, 1, prevote(5)));
    let other = validator.keys.ed25519_generate_new(GRANDPA, Some("//Dave"));
    node.id = other.unwrap().into();
    assert!(node.votes(0, 1, prevote(6)));
    assert!(!node.votes(0, 1, prevote(7)));
}

#[test]
fn a_round_older_than_what_is_kept_may_have_been_voted_in() {
    let validator = Validator::new();
    let node = validator.start();
    // A file that is not full has forgotten nothing.
    assert!(node.votes(0, 10, prevote(1)) && node.votes(0, 9, prevote(1)));
    for round in 11..11 + KEPT as u64 {
        assert!(node.votes(0, round, prevote(1)));
    }
    assert_eq!(node.votes.lock().rounds.len(), KEPT);
    assert!(node.votes(0, 11, prevote(1)));
    assert!(!node.votes(0, 10, prevote(1)));
}

#[test]
fn votes_of_another_chain_are_not_passed_over() {
    let validator = Validator::new();
    assert!(validator.start().votes(0, 1, prevote(1)));
    let other = Database {
        genesis: Hash::zero(),
        ..database(0, 1)
    };
    let error = Votes::open(validator.folder.path(), &other).unwrap_err();
    assert!(error.to_string().contains("is of another chain"), "{error}");
}

/// What is seen at the end of these looks, a second after one another: set, round, whether it is needed.
fn seen(barred: (u64, u64), looks: impl IntoIterator<Item = (u64, u64, bool)>) -> Vec<Seen> {
    let (mut state, mut now) = (Looks::default(), Instant::now());
    let (set, number) = barred;
    let barred = Round { set, number };
    let see = |(set, number, needed)| {
        now += Duration::from_secs(1);
        state.see(Round { set, number }, barred, needed, now)
    };
    looks.into_iter().map(see).collect()
}

#[test]
fn a_barred_validator_has_its_key_in_the_third_round_at_the_latest() {
    let rounds = [6, 6, 7, 7, 8, 8, 9].map(|round| (0, round, true));
    let expected = [
        Seen::Before, // one look says nothing
        Seen::Before,
        Seen::Reached,
        Seen::Reached,
        Seen::Reached,
        Seen::Reached,
        Seen::HasKey,
    ];
    assert_eq!(seen((0, 7), rounds), expected);
    // So it has where it leaves the set meanwhile, and never votes again.
    let last = seen((0, 7), [7, 7, 8, 9].map(|round| (0, round, false))).pop();
    assert_eq!(last, Some(Seen::HasKey));
}

#[test]
fn a_round_of_the_set_before_is_not_taken_for_one_of_the_next() {
    // The set is the next one already, the voter that of the set before, in its round 300.
    let looks = [(0, 300, true), (1, 300, true), (1, 1, true), (1, 3, true)];
    let expected = [Seen::Before, Seen::Before, Seen::Before, Seen::Reached];
    assert_eq!(seen((1, 3), looks), expected);
}

#[test]
fn a_validator_that_is_needed_in_a_round_without_its_key_is_stuck_after_a_minute() {
    let minute = |needed: bool| (0..62).map(move |_| (0, 8, needed));
    let is_stuck = |looks: Vec<_>| seen((0, 7), looks).contains(&Seen::Stuck);
    assert!(is_stuck(minute(true).chain([(0, 8, true)]).collect()));
    assert!(!is_stuck(minute(true).take(60).collect()));
    // Not while it catches up or is in no set, which counts for nothing afterwards.
    assert!(!is_stuck(
        minute(false).chain(minute(true).take(60)).collect()
    ));
    // Nor in the last round in which it may not vote: starting it again would not help.
    assert!(!seen((0, 8), minute(true)).contains(&Seen::Stuck));
}

#[test]
fn a_vote_that_cannot_be_kept_is_not_given() {
    let validator = Validator::new();
    let node = validator.start();
    let (path, away) = (
        validator.folder.path(),
        validator.folder.path().with_extension("away"),
    );
    fs::rename(path, &away).unwrap();
    assert!(!node.votes(0, 1, prevote(1)));
    fs::rename(&away, path).unwrap();
    // It was not given, so another one may be.
    assert!(node.votes(0, 1, prevote(2)));
    assert!(!validator.start().votes(0, 1, prevote(1)));
}

#[test]
fn a_damaged_record_is_not_passed_over() {
    let validator = Validator::new();
    assert!(validator.start().votes(0, 1, prevote(1)));
    let path = validator.folder.path().join(FILE);
    let whole = fs::read(&path).unwrap();
    let longer = [whole.as_slice(), &[0]].concat();
    let newer = [&[VERSION + 1], &whole[1..]].concat();
    for bytes in [
        &whole[..whole.len() - 1],
        &[],
        longer.as_slice(),
        newer.as_slice(),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = Votes::open(validator.folder.path(), &database(0, 1)).unwrap_err();
        assert!(
            error.to_string().contains("is not a record of votes"),
            "{error}"
        );
    }
    // What a stop left half written beside it is nothing.
    fs::write(&path, whole).unwrap();
    fs::write(path.with_extension("new"), [1]).unwrap();
    assert!(!validator.start().votes(0, 1, prevote(2)));
}

#[test]
fn all_else_is_signed_as_ever_also_while_votes_are_withheld() {
    let validator = Validator::new();
    let author = validator
        .keys
        .sr25519_generate_new(AURA, Some("//Bob"))
        .unwrap();
    let node = validator.start();
    assert!(node.votes(0, 1, prevote(1)) && !node.votes(0, 1, prevote(2)));
    let public = ed25519::Public::try_from(AsRef::<[u8]>::as_ref(&node.id)).unwrap();
    // Of its own key: a proof that it holds it.
    let proof = node.keys.ed25519_sign(GRANDPA, &public, b"POP_").unwrap();
    assert!(proof.is_some());
    let block = node.keys.sr25519_sign(AURA, &author, &[7; 32]).unwrap();
    assert!(block.is_some());
    assert!(node.keys.has_keys(&[(author.0.to_vec(), AURA)]));
    let all = |keys: &KeystorePtr| keys.keys(GRANDPA).unwrap();
    assert_eq!(all(&node.keys), all(&validator.keys));
}
