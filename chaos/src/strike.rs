// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How each line of the table is done and undone.

use crate::{
    faults::{Fault, Kind, VALIDATORS},
    network::{ARCHIVE, Loss, NAMES, Network, ON_SMALL_DISK, RESTART},
    record::Watch,
    refused::{Skew, Stranger},
    wire::Link,
};
use anyhow::{Context, Result, ensure};
use rand::Rng;
use serde_json::json;
use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use ves_client::BlockHash;

/// Most that is cut off a log.
const TORN_MAX: u64 = 64 * 1024;
/// Most blocks that the EVM chain forgets at once.
const REORG_MAX: u64 = 10;
/// Base fee of the spike, wei: 100 gwei.
const SPIKE: &str = "0x174876e800";
/// Share of a processor, percent.
const PROCESSOR: u64 = 10;
/// What a node short of memory may take beyond what it has, bytes.
const MEMORY: u64 = 48 * 1024 * 1024;
/// Seconds by which a clock is far off.
const FAR_OFF: i64 = 30;
/// Pages that are looked at to find one in use.
const PAGES_TRIED: usize = 500;
const PAGE: u64 = 4_096;

/// A fault that is under way.
pub(crate) struct Strike<'a> {
    fault: &'a Fault,
    rng: rand_chacha::ChaCha8Rng,
    /// Whether the relay's way to its node is the one that is cut.
    from_node: bool,
    /// When something is done again.
    next: Instant,
    /// A clock that is wrong.
    pub(crate) skew: Option<Skew>,
    /// A node of another chain.
    pub(crate) stranger: Option<Stranger>,
    /// What chance decided, and what came of it.
    pub(crate) notes: Vec<String>,
}

/// Whether a database that was tampered with may have to be thrown away.
pub(crate) const fn may_lose_database(kind: Kind) -> bool {
    matches!(kind, Kind::TornTail | Kind::TornRestart | Kind::CorruptPage)
}

/// Whether a node may end by itself, until its operator starts it again.
pub(crate) const fn may_end(kind: Kind) -> bool {
    may_lose_database(kind) || matches!(kind, Kind::DiskFull | Kind::Memory)
}

/// Which node is hit first.
pub(crate) fn victim(fault: &Fault) -> usize {
    match fault.kind {
        Kind::DiskFull => ON_SMALL_DISK,
        Kind::WipeArchive => ARCHIVE,
        _ => fault.order[0],
    }
}

/// What goes with a node's database.
const fn loss(fault: &Fault) -> Loss {
    if fault.takes_store() {
        Loss::Both
    } else {
        Loss::Database
    }
}

fn each(from: &[usize], to: &[usize], mut set: impl FnMut(usize, usize)) {
    for a in from {
        for b in to {
            set(a + 1, b + 1);
        }
    }
}

impl<'a> Strike<'a> {
    /// Begins.
    pub(crate) async fn begin(
        fault: &'a Fault,
        seed: u64,
        network: &mut Network,
        watch: &Watch,
    ) -> Result<Self> {
        let mut strike = Self {
            fault,
            rng: fault.rng(),
            from_node: false,
            next: Instant::now(),
            skew: None,
            stranger: None,
            notes: Vec::new(),
        };
        let [a, b, c, d] = fault.order;
        match fault.kind {
            Kind::Kill => network.kill_node(a)?,
            Kind::KillTwo => {
                network.kill_node(a)?;
                network.kill_node(b)?;
            }
            Kind::KillEach => {
                for node in fault.order {
                    network.kill_node(node)?;
                    network.start_node(node)?;
                    let pause = strike.rng.gen_range(0..2_000);
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
            }
            Kind::KillAll => {
                for node in 0..NAMES.len() {
                    network.process(node)?.signal("KILL")?;
                }
                let all: Vec<_> = (0..NAMES.len()).collect();
                for node in &all {
                    network.process(*node)?.signal("KILL")?;
                }
                for node in &all {
                    network.kill_node(*node)?;
                }
                network.start_nodes(&all)?;
            }
            Kind::RollingRestart => {
                for node in 0..NAMES.len() {
                    network.stop_node(node)?;
                    network.start_node(node)?;
                    tokio::time::sleep(Duration::from_secs(3)).await;
                }
            }
            Kind::TornTail | Kind::CorruptPage => {
                network.kill_node(a)?;
                // As after the loss of a database: no round is open in which it has voted.
                others_finalize(watch).await?;
            }
            Kind::TornRestart => {
                network.kill_node(a)?;
                strike.tear(network)?;
                tokio::time::sleep(RESTART).await;
                if let Err(error) = network.start_node(a) {
                    others_finalize(watch).await?;
                    strike.start_anew(network, a, &error)?;
                }
            }
            Kind::Wipe => {
                network.kill_node(a)?;
                others_finalize(watch).await?;
                strike.wipe(network, a)?;
            }
            Kind::WipeArchive => {
                network.kill_node(ARCHIVE)?;
                network.wipe(ARCHIVE, Loss::Everything)?;
            }
            Kind::Halves => separate(network, &[a, b], &[c, d, ARCHIVE]),
            Kind::Alone => separate(network, &[a], &[b, c, d, ARCHIVE]),
            Kind::Bridge => separate(network, &[a], &[c, d, ARCHIVE]),
            Kind::OneWay => network.machine.switch.change(|wires| {
                let cut = Link {
                    cut: true,
                    ..Link::default()
                };
                each(&[b, c, d, ARCHIVE], &[a], |from, to| {
                    wires.set(from, to, cut)
                });
            }),
            Kind::Delay | Kind::Loss | Kind::Reorder => {
                let ms = Duration::from_millis;
                let link = match fault.kind {
                    Kind::Delay => Link {
                        delay: ms(200),
                        jitter: ms(100),
                        ..Link::default()
                    },
                    Kind::Loss => Link {
                        loss: 0.05,
                        ..Link::default()
                    },
                    _ => Link {
                        delay: ms(50),
                        reorder: 0.25,
                        ..Link::default()
                    },
                };
                let all = [a, b, c, d, ARCHIVE];
                network.machine.switch.change(|wires| {
                    each(&all, &all, |from, to| wires.set(from, to, link));
                });
            }
            Kind::Slow => network.machine.switch.change(|wires| {
                for node in fault.order {
                    wires.limit(node + 1, Some(1_000_000));
                }
            }),
            Kind::Pause => network.process(a)?.signal("STOP")?,
            Kind::PauseTwo => {
                network.process(a)?.signal("STOP")?;
                network.process(b)?.signal("STOP")?;
            }
            Kind::ClockSkew | Kind::ClockFast => {
                let offset = match fault.kind {
                    Kind::ClockFast => FAR_OFF,
                    _ => strike.offset(),
                };
                network.stop_node(a)?;
                network.set_clock(a, Some(offset))?;
                network.start_node(a)?;
                strike.clock_is_off(network, watch, offset);
            }
            Kind::ClockJump => {
                network.stop_node(a)?;
                network.set_clock(a, Some(0))?;
                network.start_node(a)?;
                strike.next = Instant::now() + Duration::from_secs(3);
            }
            Kind::DiskFull => network.disk.as_ref().context("no small disk")?.fill()?,
            Kind::Processor => {
                let id = network.process(a)?.id();
                network.machine.limit_processor(id, Some(PROCESSOR))?;
            }
            Kind::Memory => {
                let id = network.process(a)?.id();
                network.machine.limit_memory(id, Some(MEMORY))?;
            }
            Kind::RelayPause => network.relay()?.signal("STOP")?,
            Kind::RelayCut => {
                strike.from_node = strike.rng.r#gen();
                network.cut_relay(strike.from_node, true);
            }
            Kind::DuplicateKey => network.start_twin(a)?,
            Kind::OtherChain => {
                let url = network.start_stranger(a)?;
                strike.stranger = Some(Stranger::new(seed, url));
            }
            Kind::RelayKill | Kind::Reorg | Kind::FeeSpike => {}
        }
        Ok(strike)
    }

    /// 2 s or 30 s, before or after.
    fn offset(&mut self) -> i64 {
        let seconds = if self.rng.r#gen() { 2 } else { FAR_OFF };
        if self.rng.r#gen() { seconds } else { -seconds }
    }

    /// What is done again and again while it lasts.
    pub(crate) async fn go_on(
        &mut self,
        network: &mut Network,
        watch: &Watch,
        genesis: BlockHash,
    ) -> Result<()> {
        if Instant::now() < self.next {
            return Ok(());
        }
        self.next += Duration::from_millis(self.rng.gen_range(2_000..6_000));
        match self.fault.kind {
            Kind::RelayKill => {
                network.relay()?.kill()?;
                network.start_relay()?;
            }
            Kind::Reorg => {
                let height = network.evm("eth_blockNumber", json!([])).await?;
                let height = height.as_str().context("no height")?;
                let height = u64::from_str_radix(height.trim_start_matches("0x"), 16)?;
                let most = REORG_MAX.min(height.saturating_sub(1)).max(1);
                let depth = self.rng.gen_range(1..=most);
                network.evm("anvil_reorg", json!([depth, []])).await?;
            }
            Kind::FeeSpike => {
                let fee = json!([SPIKE]);
                network.evm("anvil_setNextBlockBaseFeePerGas", fee).await?;
            }
            Kind::ClockJump => {
                let offset = self.offset();
                network.set_clock(self.fault.order[0], Some(offset))?;
                self.clock_is_off(network, watch, offset);
                self.next += Duration::from_secs(3_600);
            }
            Kind::OtherChain => {
                let stranger = self.stranger.as_mut().context("nobody is there")?;
                stranger.look(genesis).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Notes that a clock is wrong from now on, and by how much.
    fn clock_is_off(&mut self, network: &Network, watch: &Watch, offset: i64) {
        let node = self.fault.order[0];
        self.notes
            .push(format!("{} is off by {offset} s", NAMES[node]));
        self.skew = Some(Skew::begin(network, node, offset, watch.best()));
    }

    /// Undoes it, as an operator would.
    pub(crate) async fn heal(&mut self, network: &mut Network, watch: &Watch) -> Result<()> {
        let [a, b, ..] = self.fault.order;
        if let Some(skew) = &mut self.skew {
            skew.end(network, watch.finalized())?;
        }
        match self.fault.kind {
            Kind::Kill | Kind::Wipe => network.start_node(a)?,
            Kind::KillTwo => network.start_nodes(&[a, b])?,
            Kind::WipeArchive => network.start_node(ARCHIVE)?,
            Kind::TornTail => {
                self.tear(network)?;
                self.start_or_wipe(network, a)?;
            }
            Kind::CorruptPage => {
                let database = network.database(a)?;
                self.notes.push(corrupt(&database, &mut self.rng)?);
                self.start_or_wipe(network, a)?;
            }
            Kind::Halves
            | Kind::Alone
            | Kind::Bridge
            | Kind::OneWay
            | Kind::Delay
            | Kind::Loss
            | Kind::Reorder
            | Kind::Slow => network.machine.switch.change(crate::wire::Wires::heal),
            Kind::Pause => network.process(a)?.signal("CONT")?,
            Kind::PauseTwo => {
                network.process(a)?.signal("CONT")?;
                network.process(b)?.signal("CONT")?;
            }
            Kind::ClockSkew | Kind::ClockFast | Kind::ClockJump => {
                network.stop_node(a)?;
                network.set_clock(a, None)?;
                network.start_node(a)?;
            }
            Kind::DiskFull => {
                network.disk.as_ref().context("no small disk")?.empty()?;
                restart_if_ended(network, ON_SMALL_DISK)?;
            }
            Kind::Processor => {
                let id = network.process(a)?.id();
                network.machine.limit_processor(id, None)?;
            }
            Kind::Memory => {
                if network.has_ended(a).is_none() {
                    let id = network.process(a)?.id();
                    network.machine.limit_memory(id, None)?;
                }
                restart_if_ended(network, a)?;
            }
            Kind::RelayPause => network.relay()?.signal("CONT")?,
            Kind::RelayCut => network.cut_relay(self.from_node, false),
            Kind::DuplicateKey | Kind::OtherChain => network.stop_twin(),
            Kind::RelayKill | Kind::Reorg | Kind::FeeSpike | Kind::KillEach | Kind::KillAll => {}
            Kind::RollingRestart | Kind::TornRestart => {}
        }
        Ok(())
    }

    fn tear(&mut self, network: &Network) -> Result<()> {
        let database = network.database(self.fault.order[0])?;
        self.notes.push(tear(&database, &mut self.rng)?);
        Ok(())
    }

    /// A validator loses its database, and its event store if the seed says so.
    fn wipe(&mut self, network: &mut Network, node: usize) -> Result<()> {
        let loss = loss(self.fault);
        self.notes.push(format!("{} lost: {loss:?}", NAMES[node]));
        network.wipe(node, loss)
    }

    /// A node that refuses a damaged database gets a new one.
    fn start_or_wipe(&mut self, network: &mut Network, node: usize) -> Result<()> {
        match network.start_node(node) {
            Ok(()) => Ok(()),
            Err(error) => self.start_anew(network, node, &error),
        }
    }

    fn start_anew(
        &mut self,
        network: &mut Network,
        node: usize,
        error: &anyhow::Error,
    ) -> Result<()> {
        let name = NAMES[node];
        self.notes.push(format!("{name} does not start: {error:#}"));
        network.kill_node(node)?;
        self.wipe(network, node)?;
        network.start_node(node)
    }
}

/// Cuts up to 64 KiB off the end of the newest log, and says how much.
fn tear(database: &Path, rng: &mut impl Rng) -> Result<String> {
    let mut logs = files(database, "log", 1)?;
    logs.sort_by_key(|(_, modified, _)| *modified);
    let (path, _, length) = logs.last().context("the database has no log to cut")?;
    let cut = rng.gen_range(1..=TORN_MAX.min(*length));
    let file = File::options().write(true).open(path)?;
    file.set_len(length - cut)?;
    Ok(format!("cut {cut} of {length} bytes off {}", name(path)))
}

/// Overwrites a page of one of the tables, one that is in use; of a log, if there is no table yet. Says
/// which.
fn corrupt(database: &Path, rng: &mut impl Rng) -> Result<String> {
    let mut tables = files(database, "table", PAGE)?;
    if tables.is_empty() {
        // A young database has all in its logs.
        tables = files(database, "log", PAGE)?;
    }
    tables.sort();
    let mut page = vec![0u8; usize::try_from(PAGE)?];
    for _ in 0..PAGES_TRIED {
        let turn = rng.gen_range(0..tables.len().max(1));
        let (path, _, length) = tables.get(turn).context("the database has no table")?;
        let offset = rng.gen_range(0..length / PAGE) * PAGE;
        let place = SeekFrom::Start(offset);
        let mut file = File::options().read(true).write(true).open(path)?;
        file.seek(place)?;
        file.read_exact(&mut page)?;
        if page.iter().any(|byte| *byte != 0) {
            rng.fill(page.as_mut_slice());
            file.seek(place)?;
            file.write_all(&page)?;
            return Ok(format!("overwrote the page at {offset} of {}", name(path)));
        }
    }
    anyhow::bail!("no page of the database is in use")
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Files that have at least so many bytes.
fn files(
    dir: &Path,
    prefix: &str,
    least: u64,
) -> Result<Vec<(PathBuf, std::time::SystemTime, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let about = entry.metadata()?;
        if entry.file_name().to_string_lossy().starts_with(prefix) && about.len() >= least {
            found.push((entry.path(), about.modified()?, about.len()));
        }
    }
    Ok(found)
}

fn separate(network: &Network, one: &[usize], other: &[usize]) {
    network.machine.switch.change(|wires| {
        let cut = Link {
            cut: true,
            ..Link::default()
        };
        each(one, other, |from, to| {
            wires.set(from, to, cut);
            wires.set(to, from, cut);
        });
    });
}

/// Waits until two more blocks are final. A validator that comes back without its votes must not come
/// back to a round in which it has voted.
async fn others_finalize(watch: &Watch) -> Result<()> {
    let from = watch.finalized();
    let deadline = Instant::now() + Duration::from_secs(60);
    while watch.finalized() < from + 2 {
        ensure!(Instant::now() < deadline, "the others do not finalize");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

fn restart_if_ended(network: &mut Network, node: usize) -> Result<()> {
    if let Some(status) = network.has_ended(node) {
        eprintln!("      {} had ended: {status}", NAMES[node]);
        network.kill_node(node)?;
        network.start_node(node)?;
    }
    Ok(())
}

/// What an operator does about a node that does not come back by itself after such a fault.
pub(crate) async fn repair(network: &mut Network, watch: &Watch, fault: &Fault) -> Result<()> {
    let node = victim(fault);
    network.kill_node(node)?;
    if may_lose_database(fault.kind) {
        others_finalize(watch).await?;
        network.wipe(node, loss(fault))?;
    }
    network.start_node(node)
}

const _: () = assert!(VALIDATORS == ARCHIVE);

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
    use std::time::SystemTime;

    fn rng(seed: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(seed)
    }

    /// A file of ones, modified so many seconds after the epoch.
    fn write(dir: &Path, name: &str, length: usize, at: u64) {
        fs::write(dir.join(name), vec![1u8; length]).unwrap();
        let file = File::options().write(true).open(dir.join(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(at))
            .unwrap();
    }

    fn length(dir: &Path, name: &str) -> u64 {
        fs::metadata(dir.join(name)).unwrap().len()
    }

    #[test]
    fn the_newest_log_loses_up_to_64_kib_and_never_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for seed in 0..200 {
            write(dir.path(), "log0", 200_000, 1);
            write(dir.path(), "log1", 100_000, 2);
            write(dir.path(), "table_0", 100_000, 3);
            let note = tear(dir.path(), &mut rng(seed)).unwrap();
            let cut = 100_000 - length(dir.path(), "log1");
            assert!((1..=TORN_MAX).contains(&cut), "{cut}");
            assert_eq!(note, format!("cut {cut} of 100000 bytes off log1"));
            assert_eq!(length(dir.path(), "log0"), 200_000);
            assert_eq!(length(dir.path(), "table_0"), 100_000);
        }
    }

    #[test]
    fn a_short_log_loses_no_more_than_it_has() {
        let dir = tempfile::tempdir().unwrap();
        for seed in 0..20 {
            write(dir.path(), "log3", 3, 1);
            tear(dir.path(), &mut rng(seed)).unwrap();
            assert!(length(dir.path(), "log3") < 3);
        }
    }

    #[test]
    fn a_strike_that_cuts_nothing_fails() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "log0", 0, 1);
        write(dir.path(), "table_0", 100_000, 1);
        let error = tear(dir.path(), &mut rng(1)).unwrap_err();
        assert!(error.to_string().contains("no log"), "{error}");
    }

    #[test]
    fn a_page_in_use_is_overwritten_and_named() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "table_01", 40_960, 1);
        let note = corrupt(dir.path(), &mut rng(1)).unwrap();
        assert!(note.contains("table_01"), "{note}");
        let bytes = fs::read(dir.path().join("table_01")).unwrap();
        assert_eq!(bytes.len(), 40_960);
        let pages = bytes.chunks(4_096);
        assert_eq!(pages.filter(|page| page.iter().any(|b| *b != 1)).count(), 1);
    }

    #[test]
    fn a_database_without_a_page_in_use_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("table_01"), vec![0u8; 8_192]).unwrap();
        let error = corrupt(dir.path(), &mut rng(1)).unwrap_err();
        assert!(error.to_string().contains("in use"), "{error}");
    }
}
