// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The document at `/openapi.json`, which is also `gateway/openapi.json`.

use crate::api;
use serde::Serialize;
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::security::{ApiKey, ApiKeyValue, SecurityScheme},
};

/// An error: of the door keeper `{error: text, code: name}`, of all others `{error: {…}}`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code)]
pub enum ErrorBody {
    /// Most errors.
    Structured {
        /// What went wrong.
        error: ErrorDetails,
    },
    /// Of credentials and rate limits.
    Door {
        /// What went wrong, for people.
        error: String,
        /// `missing_auth`, `invalid_api_key`, `invalid_jwt`, `insufficient_permissions`,
        /// `store_access_denied` or `rate_limited`.
        code: String,
    },
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code)]
pub struct ErrorDetails {
    /// Number, also in `x-error-code`.
    code: u16,
    /// For people.
    message: String,
    /// Seconds after which another try makes sense.
    retry_after: Option<u64>,
    /// What it is about.
    resource_id: Option<String>,
    /// What a program needs to do better.
    #[schema(value_type = Option<Object>)]
    details: Option<serde_json::Value>,
}

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        for (name, header, text) in [
            ("api_key", "x-api-key", "ss_…"),
            ("authorization", "Authorization", "ApiKey ss_…"),
        ] {
            let value = ApiKeyValue::with_description(header, text);
            components.add_security_scheme(name, SecurityScheme::ApiKey(ApiKey::Header(value)));
        }
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "VES gateway",
        description = "The HTTP API of the VES sequencer in front of a node of the chain."
    ),
    paths(
        api::ops::health,
        api::ops::ready,
        api::ops::metrics,
        api::ops::openapi,
        api::ingest::ingest,
        api::reads::events,
        api::reads::events_where_the_peer_has_them,
        api::reads::head,
        api::reads::head_where_the_peer_has_it,
        api::entities::history,
        api::entities::history_where_the_peer_has_it,
        api::commitments::list,
        api::commitments::create,
        api::commitments::get,
        api::commitments::inclusion,
        api::commitments::verify,
        api::agents::register,
        api::agents::keys,
        api::compliance::inputs,
        api::compliance::list,
        api::compliance::submit,
        api::compliance::get,
        api::compliance::verify,
        api::anchoring::pending,
        api::anchoring::anchored,
    ),
    security(("api_key" = []), ("authorization" = [])),
    modifiers(&Security)
)]
struct Document;

/// The document.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// Its text, as served and as committed.
pub fn document_text() -> String {
    let mut text = document().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}
