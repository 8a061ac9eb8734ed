// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The table of faults, and schedules of them by seed.

use crate::history::Finality;
use clap::ValueEnum;
use rand::{Rng, seq::SliceRandom};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use std::time::Duration;

/// Number of validators; one of them may fail.
pub(crate) const VALIDATORS: usize = 4;

/// What kill cycles draw from.
const KILLS: [Kind; 5] = [
    Kind::Kill,
    Kind::Kill,
    Kind::Kill,
    Kind::KillAll,
    Kind::KillEach,
];

/// A line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// `kill -9` of one validator, which comes back at the end.
    Kill,
    /// `kill -9` of each validator in turn, each back at once.
    KillEach,
    /// `kill -9` of all validators and the archive at one moment, back at once.
    KillAll,
    /// `kill -9` of two validators, which come back at the end: no quorum.
    KillTwo,
    /// SIGTERM and start of each node in turn.
    RollingRestart,
    /// `kill -9`, then up to 64 KiB cut off the end of the database's logs.
    TornTail,
    /// The same, and back after half a minute, as its unit restarts it, whatever round the others are in.
    TornRestart,
    /// Bytes of a page of the database overwritten while the node is down.
    CorruptPage,
    /// A validator loses its database, or its event store too, keeps its keys, and syncs anew.
    Wipe,
    /// The archive loses database and event store, and is rebuilt from the validators.
    WipeArchive,
    /// Two validators each side: no quorum.
    Halves,
    /// One validator alone.
    Alone,
    /// Nothing arrives at one validator, though it is heard.
    OneWay,
    /// One validator reaches the others only by way of a second one.
    Bridge,
    /// 200 ± 100 ms each way.
    Delay,
    /// One packet in twenty is lost.
    Loss,
    /// A quarter of the packets overtakes others by 50 ms.
    Reorder,
    /// Each validator sends 1 Mbit/s at most.
    Slow,
    /// SIGSTOP of one validator.
    Pause,
    /// SIGSTOP of two validators: no quorum.
    PauseTwo,
    /// One validator's clock is wrong by up to 30 s.
    ClockSkew,
    /// One validator's clock is 30 s fast: the others refuse its blocks.
    ClockFast,
    /// One validator's clock jumps while it runs.
    ClockJump,
    /// The disk of one validator is full.
    DiskFull,
    /// One validator has a tenth of a processor.
    Processor,
    /// One validator is short of memory.
    Memory,
    /// `kill -9` of the relay, several times.
    RelayKill,
    /// SIGSTOP of the relay.
    RelayPause,
    /// The relay reaches neither its node nor the EVM chain, in turn.
    RelayCut,
    /// The EVM chain forgets up to 10 blocks, several times.
    Reorg,
    /// The EVM chain's base fee jumps.
    FeeSpike,
    /// A second node runs with one validator's keys: to be noticed.
    DuplicateKey,
    /// A node of a chain with another genesis, and one validator's keys, knocks at all nodes: to be refused.
    OtherChain,
}

impl Kind {
    /// What is done for the relay's and the EVM chain's sake; goes together with any other.
    const fn is_of_relay(self) -> bool {
        matches!(
            self,
            Self::RelayKill | Self::RelayPause | Self::RelayCut | Self::Reorg | Self::FeeSpike
        )
    }

    /// Changes the set of validators for good: only as the last fault of a network.
    pub(crate) const fn is_last(self) -> bool {
        matches!(self, Self::DuplicateKey)
    }

    /// What finality must do meanwhile.
    pub(crate) const fn finality(self) -> Finality {
        match self {
            Self::Halves | Self::KillTwo | Self::PauseTwo => Finality::Stops,
            Self::KillAll
            | Self::KillEach
            | Self::RollingRestart
            | Self::Delay
            | Self::Loss
            | Self::Reorder
            | Self::Slow
            | Self::Bridge
            | Self::DuplicateKey => Finality::MayLag,
            _ => Finality::GoesOn,
        }
    }

    /// Whether the nodes run again as soon as it has begun.
    pub(crate) const fn heals_at_once(self) -> bool {
        matches!(self, Self::KillEach | Self::KillAll | Self::RollingRestart)
    }

    /// How it is written on the command line and in reports.
    pub(crate) fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    /// What it does.
    pub(crate) fn help(self) -> String {
        let value = self.to_possible_value();
        let help = value.and_then(|value| value.get_help().map(ToString::to_string));
        help.unwrap_or_default()
    }
}

/// A fault with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    /// Which.
    pub(crate) kind: Kind,
    /// The validators in a random order; the first ones are hit.
    pub(crate) order: [usize; VALIDATORS],
    /// Of what the fault decides by chance itself.
    pub(crate) seed: u64,
}

impl Fault {
    /// Name and whom it hits.
    pub(crate) fn describe(&self, names: &[&str]) -> String {
        let name = |place: usize| {
            let validator = self.order.get(place).and_then(|n| names.get(*n));
            validator.copied().unwrap_or_default()
        };
        let kind = self.kind.name();
        match self.kind {
            Kind::Halves => {
                let (a, b, c, d) = (name(0), name(1), name(2), name(3));
                format!("{kind} {a}+{b} | {c}+{d}")
            }
            Kind::KillTwo | Kind::PauseTwo => format!("{kind} {}+{}", name(0), name(1)),
            Kind::Bridge => format!("{kind} {} by {}", name(0), name(1)),
            Kind::Kill
            | Kind::TornTail
            | Kind::TornRestart
            | Kind::CorruptPage
            | Kind::Wipe
            | Kind::Alone
            | Kind::OneWay
            | Kind::Pause
            | Kind::ClockSkew
            | Kind::ClockFast
            | Kind::ClockJump
            | Kind::Processor
            | Kind::Memory
            | Kind::DuplicateKey
            | Kind::OtherChain => format!("{kind} {}", name(0)),
            _ => kind,
        }
    }

    /// Whether a node whose database goes loses its event store with it.
    pub(crate) const fn takes_store(&self) -> bool {
        self.seed & 1 == 1
    }

    /// Its source of chance.
    pub(crate) fn rng(&self) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.seed)
    }
}

/// Faults at one time, after a while without any.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    /// Quiet before it.
    pub(crate) quiet: Duration,
    /// At most one for the nodes and one for the relay.
    pub(crate) faults: Vec<Fault>,
    /// How long they last.
    pub(crate) lasts: Duration,
}

/// What happens to a network, all of it by seed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Schedule {
    /// The seed.
    pub(crate) seed: u64,
    /// In order.
    pub(crate) steps: Vec<Step>,
}

impl Schedule {
    /// Makes a schedule of faults from `allowed`; none lasts longer than `longest`.
    pub(crate) fn make(seed: u64, allowed: &[Kind], steps: usize, longest: Duration) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (relay, mut nodes): (Vec<Kind>, Vec<Kind>) =
            allowed.iter().partition(|kind| kind.is_of_relay());
        nodes.shuffle(&mut rng);
        // One that can only be the last comes last, or not at all.
        let last = nodes
            .iter()
            .take(steps)
            .find(|kind| kind.is_last())
            .copied();
        nodes.retain(|kind| !kind.is_last());
        let mut chosen: Vec<Kind> = nodes
            .iter()
            .copied()
            .cycle()
            .take(if nodes.is_empty() { 0 } else { steps })
            .collect();
        if let Some(last) = last {
            chosen.truncate(steps.saturating_sub(1));
            chosen.push(last);
        }
        let steps = (0..steps)
            .map(|place| {
                let fault = |kind, rng: &mut ChaCha8Rng| {
                    let mut order = std::array::from_fn(|n| n);
                    order.shuffle(rng);
                    Fault {
                        kind,
                        order,
                        seed: rng.r#gen(),
                    }
                };
                let mut faults = Vec::new();
                if let Some(kind) = chosen.get(place) {
                    faults.push(fault(*kind, &mut rng));
                }
                if let Some(kind) = relay.choose(&mut rng)
                    && (faults.is_empty() || rng.gen_bool(0.5))
                {
                    faults.push(fault(*kind, &mut rng));
                }
                let longest = u64::try_from(longest.as_millis())
                    .unwrap_or(u64::MAX)
                    .max(2);
                Step {
                    quiet: Duration::from_millis(rng.gen_range(1_000..4_000)),
                    faults,
                    lasts: Duration::from_millis(rng.gen_range(longest / 2..=longest)),
                }
            })
            .collect();
        Self { seed, steps }
    }

    /// The same with faults that all last so long.
    pub(crate) fn lasting(mut self, exactly: Duration) -> Self {
        for step in &mut self.steps {
            step.lasts = exactly;
        }
        self
    }

    /// So many kills, from one part of [`KILLS`] to the next: one validator most of the time, now and then
    /// all of them, at once or one after the other.
    pub(crate) fn of_kills(seed: u64, first: u64, count: usize) -> (Self, u64) {
        let (mut steps, mut part) = (Vec::new(), first);
        while steps.len() < count {
            let longest = Duration::from_secs(4);
            let made = Self::make(seed + 1_000 * part, &KILLS, KILLS.len(), longest);
            steps.extend(made.steps);
            part += 1;
        }
        steps.truncate(count);
        (Self { seed, steps }, part)
    }

    /// Whether it contains this kind.
    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.faults().any(|fault| fault.kind == kind)
    }

    /// All its faults.
    pub(crate) fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.steps.iter().flat_map(|step| &step.faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const LONGEST: Duration = Duration::from_secs(20);

    fn make(seed: u64, steps: usize) -> Schedule {
        Schedule::make(seed, Kind::value_variants(), steps, LONGEST)
    }

    #[test]
    fn one_seed_makes_one_schedule() {
        assert_eq!(make(5, 3), make(5, 3));
        assert_ne!(make(5, 3), make(6, 3));
    }

    #[test]
    fn a_hundred_schedules_reach_every_line_of_the_table() {
        let reached: BTreeSet<Kind> = (0..100)
            .flat_map(|seed| {
                let kinds: Vec<_> = make(seed, 2).faults().map(|fault| fault.kind).collect();
                kinds
            })
            .collect();
        assert_eq!(reached, Kind::value_variants().iter().copied().collect());
    }

    #[test]
    fn the_seeds_of_the_short_form_reach_every_fault_that_it_names() {
        use Kind::{Delay, Halves, Kill, Loss, Pause, RelayKill};
        // As in test.sh.
        let named = [Kill, Halves, Delay, Loss, Pause, RelayKill];
        let reached: BTreeSet<Kind> = (2..5)
            .flat_map(|seed| Schedule::make(seed, &named, 2, LONGEST / 2).steps)
            .flat_map(|step| step.faults)
            .map(|fault| fault.kind)
            .collect();
        assert_eq!(reached, BTreeSet::from(named));
    }

    #[test]
    fn kill_cycles_kill_one_all_at_once_and_each_in_turn() {
        for (seed, count) in [(1, 25), (7, 10), (9, 5)] {
            let (schedule, next) = Schedule::of_kills(seed, 0, count);
            assert_eq!(schedule.steps.len(), count);
            let reached: BTreeSet<Kind> = schedule.faults().map(|fault| fault.kind).collect();
            assert_eq!(
                reached,
                BTreeSet::from([Kind::Kill, Kind::KillAll, Kind::KillEach])
            );
            assert_eq!(schedule, Schedule::of_kills(seed, 0, count).0);
            assert_ne!(schedule, Schedule::of_kills(seed, next, count).0);
        }
    }

    #[test]
    fn seeds_take_the_event_store_with_the_database_about_half_of_the_time() {
        let faults: Vec<_> = (0..200)
            .flat_map(|seed| Schedule::make(seed, &[Kind::Wipe], 1, LONGEST).steps)
            .flat_map(|step| step.faults)
            .collect();
        let taken = faults.iter().filter(|fault| fault.takes_store()).count();
        assert!((60..140).contains(&taken), "{taken} of {}", faults.len());
    }

    #[test]
    fn what_changes_the_set_for_good_comes_last() {
        for seed in 0..300 {
            let schedule = make(seed, 3);
            for step in &schedule.steps[..2] {
                assert!(step.faults.iter().all(|fault| !fault.kind.is_last()));
            }
        }
    }

    #[test]
    fn a_step_has_at_most_one_fault_of_nodes_and_one_of_the_relay_and_keeps_its_time() {
        for step in (0..100).flat_map(|seed| make(seed, 3).steps) {
            let of_relay = step.faults.iter().filter(|f| f.kind.is_of_relay()).count();
            assert!(of_relay <= 1 && step.faults.len() - of_relay <= 1);
            assert!(step.lasts <= LONGEST && step.lasts >= LONGEST / 2);
        }
    }

    #[test]
    fn faults_last_exactly_as_long_as_they_are_told_to_and_are_the_same_otherwise() {
        let by_chance = make(7, 3);
        let exact = by_chance.clone().lasting(LONGEST);
        assert!(exact.steps.iter().all(|step| step.lasts == LONGEST));
        assert!(by_chance.steps.iter().any(|step| step.lasts != LONGEST));
        let faults = |schedule: &Schedule| schedule.faults().cloned().collect::<Vec<_>>();
        assert_eq!(faults(&exact), faults(&by_chance));
    }

    #[test]
    fn only_what_is_allowed_happens_however_long_the_schedule() {
        let schedule = Schedule::make(1, &[Kind::Kill], 5, LONGEST);
        assert_eq!(schedule.faults().count(), 5);
        assert!(schedule.faults().all(|fault| fault.kind == Kind::Kill));
        let of_relay = Schedule::make(1, &[Kind::Reorg], 2, LONGEST);
        assert_eq!(of_relay.faults().count(), 2);
    }

    #[test]
    fn every_line_of_the_table_says_what_it_is() {
        for kind in Kind::value_variants() {
            assert!(
                !kind.name().is_empty() && !kind.help().is_empty(),
                "{kind:?}"
            );
        }
    }
}
