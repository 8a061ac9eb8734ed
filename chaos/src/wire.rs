// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What happens to a packet on its way: a pure machine with a seed, asked with the time.

use rand::Rng;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use std::time::Duration;

/// A device that is slower than its queue loses what would wait longer.
const QUEUE_MAX: Duration = Duration::from_millis(500);

/// State of the way from one device to another.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Link {
    /// Nothing passes.
    pub(crate) cut: bool,
    /// Share of packets that are lost.
    pub(crate) loss: f64,
    /// Mean delay.
    pub(crate) delay: Duration,
    /// Largest difference from it.
    pub(crate) jitter: Duration,
    /// Share of packets that overtake the delayed ones.
    pub(crate) reorder: f64,
}

/// All links, and what is on its way.
pub(crate) struct Wires {
    links: Vec<Vec<Link>>,
    /// When the last packet arrives that was sent in order.
    last: Vec<Vec<Duration>>,
    /// Bits per second that a device may send.
    rates: Vec<Option<u64>>,
    /// When a device has sent what it was given.
    busy: Vec<Duration>,
    rng: ChaCha8Rng,
}

impl Wires {
    /// Perfect links between so many devices.
    pub(crate) fn new(devices: usize, seed: u64) -> Self {
        Self {
            links: vec![vec![Link::default(); devices]; devices],
            last: vec![vec![Duration::ZERO; devices]; devices],
            rates: vec![None; devices],
            busy: vec![Duration::ZERO; devices],
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Sets one direction.
    pub(crate) fn set(&mut self, from: usize, to: usize, link: Link) {
        if let Some(place) = self.links.get_mut(from).and_then(|row| row.get_mut(to)) {
            *place = link;
        }
    }

    /// Limits what a device may send.
    pub(crate) fn limit(&mut self, from: usize, bits_per_second: Option<u64>) {
        if let Some(rate) = self.rates.get_mut(from) {
            *rate = bits_per_second;
        }
    }

    /// Perfect links again. What is on its way arrives.
    pub(crate) fn heal(&mut self) {
        for row in &mut self.links {
            row.fill(Link::default());
        }
        self.rates.fill(None);
    }

    /// When a packet arrives that is sent now; none if it is lost.
    pub(crate) fn pass(
        &mut self,
        now: Duration,
        from: usize,
        to: usize,
        bytes: usize,
    ) -> Option<Duration> {
        let link = *self.links.get(from)?.get(to)?;
        if link.cut || (link.loss > 0.0 && self.rng.gen_bool(link.loss.min(1.0))) {
            return None;
        }
        let mut leaves = now;
        if let Some(rate) = *self.rates.get(from)? {
            let busy = self.busy.get_mut(from)?;
            let start = now.max(*busy);
            if start - now > QUEUE_MAX {
                return None;
            }
            let bits = u64::try_from(bytes).ok()?.saturating_mul(8);
            leaves = start + Duration::from_micros(bits.saturating_mul(1_000_000) / rate.max(1));
            *busy = leaves;
        }
        let last = self.last.get_mut(from)?.get_mut(to)?;
        if link.reorder > 0.0 && self.rng.gen_bool(link.reorder.min(1.0)) {
            return Some(leaves);
        }
        let jitter = u64::try_from(link.jitter.as_micros()).ok()?;
        let added = Duration::from_micros(self.rng.gen_range(0..=jitter.saturating_mul(2)));
        let arrives = leaves + link.delay.saturating_sub(link.jitter) + added;
        // What is delayed keeps its order; only `reorder` breaks it.
        *last = arrives.max(*last);
        Some(*last)
    }
}

/// The last number of a packet's IPv4 destination; none for anything else.
pub(crate) fn destination(packet: &[u8]) -> Option<u8> {
    let version = packet.first()? >> 4;
    (version == 4).then(|| packet.get(19).copied()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_perfect_link_delays_nothing() {
        let mut wires = Wires::new(3, 1);
        assert_eq!(wires.pass(5 * MS, 0, 2, 1_500), Some(5 * MS));
    }

    #[test]
    fn a_cut_is_of_one_direction_and_heals() {
        let mut wires = Wires::new(2, 1);
        let cut = Link {
            cut: true,
            ..Link::default()
        };
        wires.set(0, 1, cut);
        assert_eq!(wires.pass(MS, 0, 1, 100), None);
        assert!(wires.pass(MS, 1, 0, 100).is_some());
        wires.heal();
        assert!(wires.pass(MS, 0, 1, 100).is_some());
    }

    #[test]
    fn a_share_of_the_packets_is_lost() {
        let mut wires = Wires::new(2, 7);
        let lossy = Link {
            loss: 0.05,
            ..Link::default()
        };
        wires.set(0, 1, lossy);
        let passed = (0..10_000).filter(|_| wires.pass(MS, 0, 1, 100).is_some());
        let passed = passed.count();
        assert!((9_350..9_650).contains(&passed), "{passed}");
    }

    #[test]
    fn delay_stays_in_its_bounds_and_keeps_the_order() {
        let mut wires = Wires::new(2, 7);
        let slow = Link {
            delay: 200 * MS,
            jitter: 100 * MS,
            ..Link::default()
        };
        wires.set(0, 1, slow);
        let mut last = Duration::ZERO;
        for packet in 0..1_000u32 {
            let now = MS * packet * 400;
            let arrives = wires.pass(now, 0, 1, 100).unwrap();
            assert!((100 * MS..=300 * MS).contains(&(arrives - now)));
            assert!(arrives >= last);
            last = arrives;
        }
    }

    #[test]
    fn some_packets_overtake_others_where_that_is_asked() {
        let mut wires = Wires::new(2, 7);
        let mixed = Link {
            delay: 50 * MS,
            reorder: 0.25,
            ..Link::default()
        };
        wires.set(0, 1, mixed);
        let arrivals: Vec<_> = (0..100u32)
            .map(|packet| wires.pass(MS * packet, 0, 1, 100).unwrap())
            .collect();
        assert!(arrivals.windows(2).any(|pair| pair[1] < pair[0]));
    }

    #[test]
    fn a_slow_device_sends_at_its_rate_and_drops_what_would_wait_too_long() {
        let mut wires = Wires::new(3, 7);
        wires.limit(0, Some(1_000_000));
        let sent = (0..200).filter_map(|_| wires.pass(Duration::ZERO, 0, 1, 1_250));
        let arrivals: Vec<_> = sent.collect();
        // 10 ms each, half a second of them.
        assert_eq!(arrivals[0], 10 * MS);
        assert_eq!(arrivals.len(), 51);
        assert_eq!(
            wires.pass(Duration::ZERO, 1, 0, 1_250),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn the_same_seed_makes_the_same_fate() {
        let fate = |seed| {
            let mut wires = Wires::new(2, seed);
            let lossy = Link {
                loss: 0.5,
                jitter: 9 * MS,
                ..Link::default()
            };
            wires.set(0, 1, lossy);
            (0..64u32)
                .map(|n| wires.pass(MS * n, 0, 1, 60))
                .collect::<Vec<_>>()
        };
        assert_eq!(fate(3), fate(3));
        assert_ne!(fate(3), fate(4));
    }

    #[test]
    fn only_ipv4_has_a_destination() {
        let mut packet = vec![0u8; 20];
        packet[0] = 0x45;
        packet[19] = 7;
        assert_eq!(destination(&packet), Some(7));
        assert_eq!(destination(&packet[..19]), None);
        packet[0] = 0x60;
        assert_eq!(destination(&packet), None);
        assert_eq!(destination(&[]), None);
    }
}
