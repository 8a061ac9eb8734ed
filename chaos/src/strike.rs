// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How each line of the table is done and undone.

use crate::{
    faults::{Fault, Kind, VALIDATORS},
    network::{ARCHIVE, NAMES, Network, ON_SMALL_DISK},
    record::Watch,
    wire::Link,
};
use anyhow::{Context, Result, ensure};
use rand::Rng;
use serde_json::json;
use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

/// Most that is cut off a log.
const TORN_MAX: u64 = 64 * 1024;
/// Most blocks that the EVM chain forgets at once.
const REORG_MAX: u64 = 10;
/// Base fee of the spike, wei: 100 gwei.
const SPIKE: &str = "0x174876e800";
/// Share of a processor, percent.
const PROCESSOR: u32 = 10;
/// What a node short of memory may take beyond what it has, bytes.
const MEMORY: u64 = 48 * 1024 * 1024;
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
}

/// Whether a database that was tampered with may have to be thrown away.
pub(crate) const fn may_lose_database(kind: Kind) -> bool {
    matches!(kind, Kind::TornTail | Kind::CorruptPage)
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
        network: &mut Network,
        watch: &Watch,
    ) -> Result<Self> {
        let mut strike = Self {
            fault,
            rng: fault.rng(),
            from_node: false,
            next: Instant::now(),
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
            Kind::Wipe => {
                network.kill_node(a)?;
                others_finalize(watch).await?;
                network.wipe(a, false)?;
            }
            Kind::WipeArchive => {
                network.kill_node(ARCHIVE)?;
                network.wipe(ARCHIVE, true)?;
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
            Kind::ClockSkew => {
                let offset = strike.offset();
                network.stop_node(a)?;
                network.set_clock(a, Some(offset))?;
                network.start_node(a)?;
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
            Kind::RelayKill | Kind::Reorg | Kind::FeeSpike => {}
        }
        Ok(strike)
    }

    /// 2 s or 30 s, before or after.
    fn offset(&mut self) -> i64 {
        let seconds = if self.rng.r#gen() { 2 } else { 30 };
        if self.rng.r#gen() { seconds } else { -seconds }
    }

    /// What is done again and again while it lasts.
    pub(crate) async fn go_on(&mut self, network: &mut Network) -> Result<()> {
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
                self.next += Duration::from_secs(3_600);
            }
            _ => {}
        }
        Ok(())
    }

    /// Undoes it, as an operator would.
    pub(crate) async fn heal(&mut self, network: &mut Network) -> Result<()> {
        let [a, b, ..] = self.fault.order;
        match self.fault.kind {
            Kind::Kill | Kind::Wipe => network.start_node(a)?,
            Kind::KillTwo => network.start_nodes(&[a, b])?,
            Kind::WipeArchive => network.start_node(ARCHIVE)?,
            Kind::TornTail => {
                self.tear(network)?;
                start_or_wipe(network, a)?;
            }
            Kind::CorruptPage => {
                self.corrupt(network)?;
                start_or_wipe(network, a)?;
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
            Kind::ClockSkew | Kind::ClockJump => {
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
            Kind::DuplicateKey => network.stop_twin(),
            Kind::RelayKill | Kind::Reorg | Kind::FeeSpike | Kind::KillEach | Kind::KillAll => {}
            Kind::RollingRestart => {}
        }
        Ok(())
    }

    /// Cuts up to 64 KiB off the end of the newest log, if there is one.
    fn tear(&mut self, network: &Network) -> Result<()> {
        let database = network.database(self.fault.order[0])?;
        let mut logs = files(&database, "log")?;
        logs.sort_by_key(|(_, modified, _)| *modified);
        let Some((path, _, length)) = logs.last() else {
            return Ok(());
        };
        let cut = self.rng.gen_range(0..=TORN_MAX.min(*length));
        let file = File::options().write(true).open(path)?;
        Ok(file.set_len(length - cut)?)
    }

    /// Overwrites a page of one of the tables, one that is in use; of a log, if there is no table yet.
    fn corrupt(&mut self, network: &Network) -> Result<()> {
        let database = network.database(self.fault.order[0])?;
        let mut tables = files(&database, "table")?;
        if tables.is_empty() {
            // A young database has all in its logs.
            tables = files(&database, "log")?;
        }
        tables.sort();
        let mut page = vec![0u8; usize::try_from(PAGE)?];
        for _ in 0..PAGES_TRIED {
            let turn = self.rng.gen_range(0..tables.len().max(1));
            let (path, _, length) = tables.get(turn).context("the database has no table")?;
            let place = SeekFrom::Start(self.rng.gen_range(0..length / PAGE) * PAGE);
            let mut file = File::options().read(true).write(true).open(path)?;
            file.seek(place)?;
            file.read_exact(&mut page)?;
            if page.iter().any(|byte| *byte != 0) {
                self.rng.fill(page.as_mut_slice());
                file.seek(place)?;
                return Ok(file.write_all(&page)?);
            }
        }
        anyhow::bail!("no page of the database is in use")
    }
}

fn files(dir: &PathBuf, prefix: &str) -> Result<Vec<(PathBuf, std::time::SystemTime, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let about = entry.metadata()?;
        if entry.file_name().to_string_lossy().starts_with(prefix) && about.len() >= PAGE {
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

/// A node that refuses a damaged database gets a new one.
fn start_or_wipe(network: &mut Network, node: usize) -> Result<()> {
    if let Err(error) = network.start_node(node) {
        eprintln!("      {} does not start: {error:#}", NAMES[node]);
        network.wipe(node, false)?;
        network.start_node(node)?;
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
        network.wipe(node, false)?;
    }
    network.start_node(node)
}

const _: () = assert!(VALIDATORS == ARCHIVE);
