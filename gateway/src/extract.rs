// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What handlers take out of a request: who asks, parameters, the body. Every refusal is an
//! [`ApiError`].

use crate::{
    App,
    error::{Answer, ApiError, Code},
    keys::{KeyRecord, OPERATOR, Permission},
};
use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, FromRequestParts, Request},
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE},
        request::Parts,
    },
};
use serde::de::DeserializeOwned;
use std::{collections::HashMap, fmt::Display, str::FromStr, sync::Arc};
use ves_primitives::{AgentId, StoreId, TenantId};

/// Longest query that is read, bytes.
const QUERY_BYTES_MAX: usize = 2_048;

/// A stream, by its two ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    /// Its tenant.
    pub tenant: TenantId,
    /// Its store.
    pub store: StoreId,
}

impl Stream {
    /// Its protocol identifier.
    pub fn id(self) -> ves_primitives::StreamId {
        ves_primitives::stream_id(self.tenant, self.store)
    }
}

/// Who asks, and what for that one may.
#[derive(Clone, Debug)]
pub struct Access(pub Arc<KeyRecord>);

impl Access {
    /// Whether it is an operator's key.
    pub fn is_operator(&self) -> bool {
        self.0.tenant == OPERATOR
    }

    fn has(&self, permission: Permission) -> Answer<()> {
        if self.0.permissions.contains(&permission) {
            return Ok(());
        }
        Err(ApiError::forbidden(match permission {
            Permission::Read => "the API key may not read",
            Permission::Write => "the API key may not write",
            Permission::Admin => "the API key may not administer",
        }))
    }

    /// Whether it may do this to a tenant.
    ///
    /// # Errors
    /// 403.
    pub fn tenant(&self, permission: Permission, tenant: TenantId) -> Answer<()> {
        self.has(permission)?;
        if self.is_operator() || self.0.tenant == tenant {
            return Ok(());
        }
        Err(ApiError::forbidden(
            "the API key does not reach this tenant",
        ))
    }

    /// Whether it may do this to a stream.
    ///
    /// # Errors
    /// 403.
    pub fn stream(&self, permission: Permission, stream: Stream) -> Answer<()> {
        self.tenant(permission, stream.tenant)?;
        if self.0.stores.is_empty() || self.0.stores.contains(&stream.store) {
            return Ok(());
        }
        Err(ApiError::store_denied())
    }

    /// Whether it may speak for an agent.
    ///
    /// # Errors
    /// 403 if it is bound to another one.
    pub fn agent(&self, agent: AgentId) -> Answer<()> {
        match self.0.agent {
            Some(bound) if bound != agent => {
                Err(ApiError::forbidden("the API key is bound to another agent"))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is an operator's with this permission.
    ///
    /// # Errors
    /// 403.
    pub fn operator(&self, permission: Permission) -> Answer<()> {
        self.has(permission)?;
        if self.is_operator() {
            return Ok(());
        }
        Err(ApiError::forbidden("an operator's API key is needed"))
    }

    /// The streams to look through for something that has no stream in its address: what the query
    /// names, or else all that the key names.
    ///
    /// # Errors
    /// 400 if neither names any, 403 if the key does not reach what the query names.
    pub fn streams(&self, query: &Query) -> Answer<Vec<Stream>> {
        let (tenant, store) = (query.find("tenant_id")?, query.find("store_id")?);
        let tenant = match tenant {
            Some(tenant) => tenant,
            None if self.is_operator() => {
                return Err(ApiError::missing("tenant_id: an operator's key needs it"));
            }
            None => self.0.tenant,
        };
        let stores = match store {
            Some(store) => vec![store],
            None => self.0.stores.clone(),
        };
        if stores.is_empty() {
            return Err(ApiError::missing(
                "store_id: the API key reaches all stores of its tenant, so name one",
            ));
        }
        let streams: Vec<Stream> = stores
            .into_iter()
            .map(|store| Stream { tenant, store })
            .collect();
        for stream in &streams {
            self.stream(Permission::Read, *stream)?;
        }
        Ok(streams)
    }
}

/// The text of the API key that a request carries.
fn credential(headers: &HeaderMap) -> Answer<&str> {
    let text = |name: &str| match headers.get(name) {
        None => Ok(None),
        Some(value) => value
            .to_str()
            .map(|text| Some(text.trim()))
            .map_err(|_| ApiError::invalid_api_key()),
    };
    if let Some(key) = text("x-api-key")? {
        return Ok(key);
    }
    let Some(value) = text(AUTHORIZATION.as_str())? else {
        return Err(ApiError::missing_auth());
    };
    if value.starts_with("ss_") {
        return Ok(value);
    }
    match value.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("apikey") => Ok(key.trim()),
        // The peer's documents say `Bearer <api-key>`, although its code takes tokens only.
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => {
            let key = key.trim();
            if key.starts_with("ss_") {
                Ok(key)
            } else {
                Err(ApiError::invalid_jwt())
            }
        }
        _ => Err(ApiError::missing_auth()),
    }
}

impl FromRequestParts<Arc<App>> for Access {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Answer<Self> {
        let refused = |why: &str, error| {
            app.metrics.refused.with_label_values(&[why]).inc();
            Err(error)
        };
        let key = match credential(&parts.headers) {
            Ok(key) => key,
            Err(error) => return refused("credential", error),
        };
        let Some(record) = app.keys.find(key) else {
            return refused("credential", ApiError::invalid_api_key());
        };
        tracing::Span::current().record("key", record.id.as_str());
        if let Err(wait) = app.limits.key(&record.id, record.per_minute) {
            return refused("rate", ApiError::rate_limited(wait));
        }
        Ok(Self(record))
    }
}

/// The query's parameters.
#[derive(Clone, Debug, Default)]
pub struct Query(HashMap<String, String>);

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let mut decoded = [0u8];
                hex::decode_to_slice(digits, &mut decoded).ok()?;
                decoded[0]
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// 400 if it is too long, not well-formed, or names a parameter twice.
    pub fn parse(query: &str) -> Answer<Self> {
        if query.len() > QUERY_BYTES_MAX {
            return Err(ApiError::value("the query is too long"));
        }
        let mut found = HashMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let malformed = || ApiError::value("the query is not well-formed");
            let name = decoded(name).ok_or_else(malformed)?;
            let value = decoded(value).ok_or_else(malformed)?;
            if found.insert(name, value).is_some() {
                return Err(ApiError::value("the query names a parameter twice"));
            }
        }
        Ok(Self(found))
    }

    /// A parameter, if it is there.
    ///
    /// # Errors
    /// 400 if it is not a `T`.
    pub fn find<T: FromStr<Err: Display>>(&self, name: &str) -> Answer<Option<T>> {
        self.0
            .get(name)
            .map(|text| {
                text.parse()
                    .map_err(|error| ApiError::value(format!("{name}: {error}")))
            })
            .transpose()
    }

    /// A parameter that must be there.
    ///
    /// # Errors
    /// 400 if it is missing or not a `T`.
    pub fn get<T: FromStr<Err: Display>>(&self, name: &str) -> Answer<T> {
        self.find(name)?
            .ok_or_else(|| ApiError::missing(format!("{name} is missing")))
    }

    /// The stream that `tenant_id` and `store_id` name.
    ///
    /// # Errors
    /// 400 if one is missing or no UUID.
    pub fn stream(&self) -> Answer<Stream> {
        Ok(Stream {
            tenant: self.get("tenant_id")?,
            store: self.get("store_id")?,
        })
    }

    /// `limit`, at least 1 and at most `max`; `default` if it is not there.
    ///
    /// # Errors
    /// 400 if it is no such number.
    pub fn limit(&self, default: u32, max: u32) -> Answer<u32> {
        match self.find("limit")? {
            None => Ok(default),
            Some(limit) if (1..=max).contains(&limit) => Ok(limit),
            Some(_) => Err(ApiError::value(format!(
                "limit: expected a number from 1 to {max}"
            ))),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

/// What stands in the one variable part of the path.
///
/// # Errors
/// 400 if it is not a `T`.
pub fn part<T: FromStr<Err: Display>>(what: &str, text: &str) -> Answer<T> {
    text.parse()
        .map_err(|error| ApiError::value(format!("{what}: {error}")))
}

/// The one variable part of a path.
pub struct Part(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Part {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        axum::extract::Path::<String>::from_request_parts(parts, state)
            .await
            .map(|path| Self(path.0))
            .map_err(|_| ApiError::value("the path is not well-formed"))
    }
}

/// The two variable parts of a path.
pub struct TwoParts(pub String, pub String);

impl<S: Send + Sync> FromRequestParts<S> for TwoParts {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        axum::extract::Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path((first, second))| Self(first, second))
            .map_err(|_| ApiError::value("the path is not well-formed"))
    }
}

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Answer<Self> {
        let (parts, body) = request.into_parts();
        let kind = parts
            .headers
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
        if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                Code::Body,
                "content-type: expected application/json",
            ));
        }
        let limit = app.settings.body_bytes;
        let too_large = || {
            ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                Code::PayloadTooLarge,
                format!("the body may have at most {limit} bytes"),
            )
        };
        let announced = parts.headers.get(CONTENT_LENGTH);
        let announced = announced.and_then(|n| n.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|announced| announced > limit as u64) {
            return Err(too_large());
        }
        let bytes = to_bytes(body, limit).await.map_err(|error| {
            if is_length_limit(&error) {
                too_large()
            } else {
                ApiError::new(
                    StatusCode::BAD_REQUEST,
                    Code::Body,
                    "the body broke off before its end",
                )
            }
        })?;
        read_json(&bytes).map(Self)
    }
}

fn is_length_limit(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("length limit") {
            return true;
        }
        cause = error.source();
    }
    false
}

fn read_json<T: DeserializeOwned>(bytes: &Bytes) -> Answer<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        let code = if !error.is_data() {
            Code::Body
        } else if text.starts_with("missing field") {
            Code::MissingField
        } else {
            Code::FieldValue
        };
        ApiError::new(StatusCode::BAD_REQUEST, code, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_strictly() {
        let query = Query::parse("tenant_id=11111111-1111-4111-8111-111111111111&limit=7").unwrap();
        assert_eq!(query.get::<TenantId>("tenant_id").unwrap().0[0], 0x11);
        assert_eq!(query.limit(100, 1000).unwrap(), 7);
        assert_eq!(query.find::<u64>("from").unwrap(), None);
        assert!(query.get::<u64>("from").is_err());
        assert!(query.get::<u64>("tenant_id").is_err());
        assert!(query.limit(1, 6).is_err());
        assert_eq!(
            Query::parse("a=%C3%A9+b").unwrap().0["a"],
            "\u{e9} b".to_owned()
        );
        let long = "a".repeat(QUERY_BYTES_MAX + 1);
        for text in ["a=1&a=2", "a=%", "a=%f", "a=%zz", "a=%ff", long.as_str()] {
            assert!(Query::parse(text).is_err(), "{text}");
        }
        assert!(Query::parse("limit=0").unwrap().limit(1, 2).is_err());
    }

    #[test]
    fn a_key_is_taken_from_every_place_where_the_peer_takes_it() {
        let found = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            credential(&headers).map(str::to_owned)
        };
        for (name, value) in [
            ("x-api-key", "ss_1"),
            ("authorization", "ss_1"),
            ("authorization", "ApiKey ss_1"),
            ("authorization", "apikey  ss_1"),
            ("authorization", "Bearer ss_1"),
        ] {
            assert_eq!(found(name, value).unwrap(), "ss_1");
        }
        assert!(found("authorization", "Bearer eyJhbGciOi").is_err());
        assert!(found("authorization", "Basic c3M6").is_err());
        assert!(found("authorization", "nothing").is_err());
        assert!(credential(&HeaderMap::new()).is_err());
    }
}
