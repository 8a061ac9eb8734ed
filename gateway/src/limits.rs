// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How many requests a key and an address may make.

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock, clock::DefaultClock};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

type ByKey = DefaultKeyedRateLimiter<String>;

/// Rate limits by API key and by address. The burst is a minute's worth, as in the peer's windows.
pub struct Limits {
    per_key: NonZeroU32,
    by_address: DefaultKeyedRateLimiter<IpAddr>,
    /// One limiter for each rate that keys have.
    by_key: Mutex<HashMap<NonZeroU32, Arc<ByKey>>>,
    clock: DefaultClock,
}

impl Limits {
    /// Requests per minute of a key without a rate of its own, and of an address.
    pub fn new(per_key: NonZeroU32, per_address: NonZeroU32) -> Self {
        Self {
            per_key,
            by_address: RateLimiter::keyed(Quota::per_minute(per_address)),
            by_key: Mutex::default(),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a request from an address.
    ///
    /// # Errors
    /// How long to wait.
    pub fn address(&self, address: IpAddr) -> Result<(), Duration> {
        self.by_address
            .check_key(&network(address))
            .map_err(|refused| refused.wait_time_from(self.clock.now()))
    }

    /// Counts a request with a key.
    ///
    /// # Errors
    /// How long to wait.
    pub fn key(&self, id: &str, rate: Option<NonZeroU32>) -> Result<(), Duration> {
        let rate = rate.unwrap_or(self.per_key);
        let limiter = self
            .by_key
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(rate)
            .or_insert_with(|| Arc::new(RateLimiter::keyed(Quota::per_minute(rate))))
            .clone();
        limiter
            .check_key(&id.to_owned())
            .map_err(|refused| refused.wait_time_from(self.clock.now()))
    }

    /// Forgets who has not asked for long, so that memory does not grow with the addresses seen.
    pub fn forget_idle(&self) {
        self.by_address.retain_recent();
        self.by_address.shrink_to_fit();
        let by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        for limiter in by_key.values() {
            limiter.retain_recent();
        }
    }
}

/// What one subscriber has: an IPv4 address, or 64 bits of an IPv6 address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let mut octets = v6.octets();
            octets[8..].fill(0);
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(n: u32) -> NonZeroU32 {
        NonZeroU32::new(n).unwrap()
    }

    #[test]
    fn who_asked_too_often_waits_and_others_do_not() {
        let limits = Limits::new(rate(2), rate(1));
        assert!(limits.key("a", None).is_ok());
        assert!(limits.key("a", None).is_ok());
        let wait = limits.key("a", None).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(60));
        assert!(limits.key("b", None).is_ok());
        assert!(limits.key("a", Some(rate(3))).is_ok(), "a rate of its own");
        assert!(limits.address("192.0.2.1".parse().unwrap()).is_ok());
        assert!(limits.address("192.0.2.1".parse().unwrap()).is_err());
        assert!(limits.address("192.0.2.2".parse().unwrap()).is_ok());
        limits.forget_idle();
        assert!(limits.address("192.0.2.1".parse().unwrap()).is_err());
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        let limits = Limits::new(rate(1), rate(1));
        assert!(limits.address("2001:db8::1".parse().unwrap()).is_ok());
        assert!(limits.address("2001:db8::2".parse().unwrap()).is_err());
        assert!(limits.address("2001:db8:0:1::2".parse().unwrap()).is_ok());
        assert!(limits.address("192.0.2.1".parse().unwrap()).is_ok());
        assert!(limits.address("::ffff:192.0.2.1".parse().unwrap()).is_err());
    }
}
