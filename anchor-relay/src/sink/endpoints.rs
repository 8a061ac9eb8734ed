// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The L2's JSON-RPC endpoints: one is used until it fails, then the next one that is not resting.

use crate::clock::now;
use alloy::{network::Ethereum, providers::RootProvider};
use serde::Serialize;
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Rest after the first failure; doubles with each further one.
const FIRST_REST: Duration = Duration::from_secs(1);
/// Longest rest.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// One endpoint as `/stats` shows it. Paths and passwords of its URL may be secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EndpointStats {
    /// Host and port.
    pub endpoint: String,
    /// Calls that failed since the start.
    pub errors: u64,
    /// Does it rest after failures?
    pub resting: bool,
    /// Is it the one in use?
    pub active: bool,
}

#[derive(Debug, Default)]
struct Breaker {
    failures: u32,
    errors: u64,
    until: Option<Instant>,
}

#[derive(Debug)]
struct Endpoint {
    name: String,
    provider: RootProvider<Ethereum>,
    breaker: Mutex<Breaker>,
}

impl Endpoint {
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All endpoints of one chain.
#[derive(Debug)]
pub(super) struct Endpoints {
    list: Vec<Endpoint>,
    active: AtomicUsize,
}

impl Endpoints {
    /// From URLs separated by commas.
    pub(super) fn new(urls: &str) -> Result<Self, String> {
        let mut list: Vec<Endpoint> = Vec::new();
        for (n, text) in urls.split(',').map(str::trim).enumerate() {
            // Its place, not its text: that may hold a key.
            let url: alloy::transports::http::reqwest::Url = text
                .parse()
                .map_err(|error| format!("URL {} of the L2: {error}", n + 1))?;
            let host = url.host_str().unwrap_or("?");
            let mut name = match url.port_or_known_default() {
                Some(port) => format!("{host}:{port}"),
                None => host.to_owned(),
            };
            // Two keys of one provider are two endpoints.
            if list.iter().any(|known| known.name == name) {
                name = format!("{name}#{}", n + 1);
            }
            list.push(Endpoint {
                name,
                provider: RootProvider::new_http(url),
                breaker: Mutex::default(),
            });
        }
        Ok(Self {
            list,
            active: AtomicUsize::new(0),
        })
    }

    /// Providers that are there already.
    #[cfg(test)]
    pub(super) fn of(providers: Vec<RootProvider<Ethereum>>) -> Self {
        let named = providers.into_iter().enumerate();
        let list = named.map(|(n, provider)| Endpoint {
            name: format!("endpoint {n}"),
            provider,
            breaker: Mutex::default(),
        });
        Self {
            list: list.collect(),
            active: AtomicUsize::new(0),
        }
    }

    fn index(&self) -> usize {
        self.active.load(Ordering::Relaxed).min(self.list.len() - 1)
    }

    /// The one in use.
    pub(super) fn provider(&self) -> &RootProvider<Ethereum> {
        &self.list[self.index()].provider
    }

    /// All but the one in use.
    pub(super) fn others(&self) -> impl Iterator<Item = &RootProvider<Ethereum>> {
        let active = self.index();
        self.list
            .iter()
            .enumerate()
            .filter(move |(n, endpoint)| {
                let resting = endpoint.breaker().until.is_some_and(|at| at > now());
                *n != active && !resting
            })
            .map(|(_, endpoint)| &endpoint.provider)
    }

    /// The one in use answered.
    pub(super) fn worked(&self) {
        let mut breaker = self.list[self.index()].breaker();
        breaker.failures = 0;
        breaker.until = None;
    }

    /// The one in use did not answer: it rests, another takes over.
    pub(super) fn failed(&self) {
        let active = self.index();
        {
            let mut breaker = self.list[active].breaker();
            let rest = FIRST_REST
                .saturating_mul(1 << breaker.failures.min(6))
                .min(LONGEST_REST);
            breaker.failures = breaker.failures.saturating_add(1);
            breaker.errors = breaker.errors.saturating_add(1);
            breaker.until = Some(now() + rest);
        }
        // The one that may be asked again first; without a rest that is at once. Of equals the next.
        let count = self.list.len();
        let next = (1..=count)
            .map(|step| (active + step) % count)
            .min_by_key(|n| {
                let until = self.list[*n].breaker().until;
                until.filter(|at| *at > now())
            })
            .unwrap_or(active);
        if next != active {
            tracing::warn!(
                from = self.list[active].name,
                to = self.list[next].name,
                "another endpoint of the L2 takes over"
            );
            self.active.store(next, Ordering::Relaxed);
        }
    }

    pub(super) fn stats(&self) -> Vec<EndpointStats> {
        let active = self.index();
        let one = |(n, endpoint): (usize, &Endpoint)| {
            let breaker = endpoint.breaker();
            EndpointStats {
                endpoint: endpoint.name.clone(),
                errors: breaker.errors,
                resting: breaker.until.is_some_and(|at| at > now()),
                active: n == active,
            }
        };
        self.list.iter().enumerate().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d12_a_failing_endpoint_rests_and_the_next_one_takes_over() {
        let all = Endpoints::new("http://a:1/secret, http://b:2").unwrap();
        assert_eq!(all.stats()[0].endpoint, "a:1");
        all.failed();
        let stats = all.stats();
        assert!(stats[0].resting && !stats[0].active && stats[1].active);
        assert_eq!(stats[0].errors, 1);
        assert_eq!(
            all.others().count(),
            0,
            "nothing is broadcast to one that rests"
        );
        // Both rest: the one that may be asked first is asked.
        all.failed();
        assert!(all.stats()[0].active);
        all.worked();
        assert!(!all.stats()[0].resting);
    }

    #[test]
    fn d15_an_endpoint_that_is_no_url_is_named_by_its_place() {
        let error = Endpoints::new("http://a,http://b:key-in-a-port").unwrap_err();
        assert!(error.starts_with("URL 2 of the L2: "), "{error}");
        assert!(!error.contains("key"), "{error}");
    }

    #[test]
    fn d12_two_urls_of_one_host_are_two_endpoints() {
        let all = Endpoints::new("http://a:1/one,http://a:1/two").unwrap();
        let names: Vec<String> = all.stats().into_iter().map(|s| s.endpoint).collect();
        assert_eq!(names, ["a:1", "a:1#2"]);
    }
}
