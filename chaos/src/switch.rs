// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The network between the namespaces: this program holds the far end of every network device, and
//! carries IP packets from one to another as [`Wires`] says.

use crate::{
    device::Device,
    wire::{Wires, destination},
};
use anyhow::{Context, Result};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Largest packet of a device, bytes.
pub(crate) const MTU: u16 = 1_500;
/// Delayed packets that are kept; more are lost.
const WAITING_MAX: usize = 100_000;

/// Where each packet goes, by time of arrival.
type Waiting = BTreeMap<(Duration, u64), (usize, Vec<u8>)>;

struct Shared {
    devices: Vec<Device>,
    /// Last number of the first device's address; the others follow.
    first: u8,
    begun: Instant,
    wires: Mutex<Wires>,
    /// Delayed packets; the number keeps those of one moment apart.
    waiting: Mutex<Waiting>,
    woken: Condvar,
    carried: AtomicU64,
    lost: AtomicU64,
    stopped: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries packets until the program ends.
#[derive(Clone)]
pub(crate) struct Switch(Arc<Shared>);

impl Switch {
    /// Makes devices of these names, in this namespace, and begins to carry. Whoever made the devices
    /// moves them where they belong. The address of device `n` ends in `first + n`.
    pub(crate) fn start(names: &[String], first: u8, seed: u64) -> Result<Self> {
        let devices = names
            .iter()
            .map(|name| Device::new(name).with_context(|| format!("network device {name}")))
            .collect::<Result<Vec<_>>>()?;
        let shared = Arc::new(Shared {
            first,
            begun: Instant::now(),
            wires: Mutex::new(Wires::new(devices.len(), seed)),
            devices,
            waiting: Mutex::default(),
            woken: Condvar::new(),
            carried: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        });
        for device in 0..names.len() {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.read(device));
        }
        let late = Arc::clone(&shared);
        thread::spawn(move || late.deliver_late());
        Ok(Self(shared))
    }

    /// Changes what happens to packets from now on.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Wires)) {
        change(&mut lock(&self.0.wires));
    }

    /// Carries nothing more. A reader ends with its device.
    pub(crate) fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
        let _waiting = lock(&self.0.waiting);
        self.0.woken.notify_all();
    }

    /// Packets carried and lost so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.0.carried), count(&self.0.lost))
    }
}

impl Shared {
    /// Reads what a device sends until it is gone.
    fn read(&self, from: usize) {
        let Some(device) = self.devices.get(from) else {
            return;
        };
        let mut buffer = vec![0u8; usize::from(u16::MAX)];
        while !self.stopped.load(Ordering::Relaxed) {
            let length = match device.receive(&mut buffer) {
                Ok(length) => length,
                // The device is down as long as it is being moved into its namespace.
                Err(error) if error.raw_os_error() == Some(EIO) => {
                    thread::sleep(Duration::from_millis(20));
                    continue;
                }
                Err(_) => return,
            };
            if let Some(packet) = buffer.get(..length) {
                self.carry(from, packet);
            }
        }
    }

    fn carry(&self, from: usize, packet: &[u8]) {
        let to = destination(packet).and_then(|number| number.checked_sub(self.first));
        let Some(to) = to.map(usize::from).filter(|to| *to < self.devices.len()) else {
            return;
        };
        let now = self.begun.elapsed();
        let arrival = lock(&self.wires).pass(now, from, to, packet.len());
        match arrival {
            None => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
            Some(at) if at <= now => self.deliver(to, packet),
            Some(at) => {
                let mut waiting = lock(&self.waiting);
                if waiting.len() < WAITING_MAX {
                    let number = self.carried.fetch_add(1, Ordering::Relaxed);
                    waiting.insert((at, number), (to, packet.to_vec()));
                    self.woken.notify_one();
                }
            }
        }
    }

    fn deliver(&self, to: usize, packet: &[u8]) {
        self.carried.fetch_add(1, Ordering::Relaxed);
        if let Some(device) = self.devices.get(to) {
            // A device that is down or gone loses packets, as a real one does.
            let _ = device.send(packet);
        }
    }

    fn deliver_late(&self) {
        let mut waiting = lock(&self.waiting);
        while !self.stopped.load(Ordering::Relaxed) {
            let next = waiting.first_key_value().map(|((at, _), _)| *at);
            let now = self.begun.elapsed();
            waiting = match next {
                Some(at) if at <= now => {
                    if let Some((_, (to, packet))) = waiting.pop_first() {
                        drop(waiting);
                        self.deliver(to, &packet);
                        waiting = lock(&self.waiting);
                    }
                    continue;
                }
                Some(at) => {
                    self.woken
                        .wait_timeout(waiting, at - now)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self
                    .woken
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

/// Input/output error: what a device that is down answers.
const EIO: i32 = 5;
