// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The routes: one module for each part of the peer's API.

pub mod agents;
pub mod anchoring;
pub mod commitments;
pub mod compliance;
pub mod entities;
pub mod ingest;
pub mod ops;
pub mod reads;

use crate::{
    App,
    server::{Door, door},
};
use axum::{
    middleware::from_fn_with_state,
    routing::{MethodRouter, get, post},
};
use std::sync::Arc;

/// A method and the path it is for.
pub type RouteName = (&'static str, &'static str);

/// Every route, each behind its door.
pub struct Routes {
    app: Arc<App>,
    parts: Vec<(&'static str, MethodRouter<Arc<App>>)>,
    names: Vec<RouteName>,
}

impl Routes {
    fn add(
        &mut self,
        methods: &[&'static str],
        path: &'static str,
        always_open: bool,
        router: MethodRouter<Arc<App>>,
    ) {
        let state = Door {
            app: self.app.clone(),
            route: path,
            always_open,
        };
        self.parts
            .push((path, router.layer(from_fn_with_state(state, door))));
        self.names
            .extend(methods.iter().map(|method| (*method, path)));
    }

    fn get(&mut self, path: &'static str, router: MethodRouter<Arc<App>>) {
        self.add(&["get"], path, false, router);
    }

    fn post(&mut self, path: &'static str, router: MethodRouter<Arc<App>>) {
        self.add(&["post"], path, false, router);
    }

    /// All of them.
    pub fn all(app: &Arc<App>) -> Self {
        let mut routes = Self {
            app: app.clone(),
            parts: Vec::new(),
            names: Vec::new(),
        };
        routes.add(&["get"], "/health", true, get(ops::health));
        routes.add(&["get"], "/ready", true, get(ops::ready));
        routes.get("/metrics", get(ops::metrics));
        routes.get("/openapi.json", get(ops::openapi));
        routes.post("/api/v1/ves/events/ingest", post(ingest::ingest));
        routes.get("/api/v1/ves/events", get(reads::events));
        routes.get("/api/v1/events", get(reads::events_where_the_peer_has_them));
        routes.get("/api/v1/ves/head", get(reads::head));
        routes.get("/api/v1/head", get(reads::head_where_the_peer_has_it));
        routes.get(
            "/api/v1/ves/entities/{entity_type}/{entity_id}",
            get(entities::history),
        );
        routes.get(
            "/api/v1/entities/{entity_type}/{entity_id}",
            get(entities::history_where_the_peer_has_it),
        );
        routes.add(
            &["get", "post"],
            "/api/v1/ves/commitments",
            false,
            get(commitments::list).post(commitments::create),
        );
        routes.get("/api/v1/ves/commitments/{batch_id}", get(commitments::get));
        routes.get(
            "/api/v1/ves/proofs/{sequence_number}",
            get(commitments::inclusion),
        );
        routes.post("/api/v1/ves/proofs/verify", post(commitments::verify));
        routes.post("/api/v1/agents/keys", post(agents::register));
        routes.get("/api/v1/agents/{agent_id}/signing-keys", get(agents::keys));
        routes.post(
            "/api/v1/ves/compliance/{event_id}/inputs",
            post(compliance::inputs),
        );
        routes.add(
            &["get", "post"],
            "/api/v1/ves/compliance/{event_id}/proofs",
            false,
            get(compliance::list).post(compliance::submit),
        );
        routes.get(
            "/api/v1/ves/compliance/proofs/{proof_id}",
            get(compliance::get),
        );
        routes.get(
            "/api/v1/ves/compliance/proofs/{proof_id}/verify",
            get(compliance::verify),
        );
        routes.get("/v1/commitments/pending", get(anchoring::pending));
        routes.post(
            "/v1/commitments/{batch_id}/anchored",
            post(anchoring::anchored),
        );
        routes
    }

    /// What there is.
    pub fn names(&self) -> &[RouteName] {
        &self.names
    }

    /// Paths with what answers there.
    pub fn into_parts(self) -> Vec<(&'static str, MethodRouter<Arc<App>>)> {
        self.parts
    }
}
