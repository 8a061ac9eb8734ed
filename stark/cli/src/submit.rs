// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `prove-submit`: the sequencer's endpoints (VES-STARK B8). The amount never leaves this machine.

use crate::{
    budget::Step,
    bundle::{Bundle, PROOF_TYPE, PROOF_VERSION, Subject},
    cli::ProveSubmit,
    error::{Failure, Result},
    events,
    json::{self, Members},
    output::{Report, Ui},
    prove,
    secret::Secret,
};
use reqwest::{
    Url,
    blocking::{Client, RequestBuilder},
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
    redirect,
};
use serde_json::{Value, json};
use std::{io::Read, time::Duration};
use ves_primitives::{ComplianceInputs, EventId, Policy, compliance_proof_hash};
use zeroize::Zeroizing;

/// Longest answer that is read.
const MAX_ANSWER: u64 = 1 << 20;
/// For connection and answer together.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Holds the sequencer's API key.
const API_KEY: &str = "STATESET_API_KEY";

/// `prove-submit`.
///
/// # Errors
/// Wrong arguments, an amount over the limit, or a sequencer that does not play along.
pub(crate) fn run(ui: &Ui, args: &ProveSubmit) -> Result<Report> {
    let policy = args.policy.policy()?;
    let sequencer = Sequencer::connect(&args.sequencer_url)?;
    let secret = Secret::from_args(&args.amount, args.event_id)?;
    ui.progress("fetching the public inputs…");
    let mut inputs = sequencer.inputs(args.event_id, &policy)?;
    if let Some(path) = &args.authorization_receipt {
        prove::bind_receipt(&mut inputs, path)?;
    }
    let commitment = secret.commit(args.binding.currency)?;
    if *inputs.commitment.get_or_insert(commitment) != commitment {
        return Err(Failure::bad_input(
            "other_commitment",
            "the sequencer's inputs hold a commitment that amount and salt do not open",
        )
        .hint("give the payload salt the commitment was made with: --payload-salt"));
    }
    let step = Step::begin(
        &args.total,
        &policy,
        &secret,
        args.binding.currency,
        (inputs.tenant_id, inputs.store_id),
    )?;
    let subject = Subject {
        inputs,
        currency: args.binding.currency,
        genesis: args.binding.chain.genesis,
        totals: step.as_ref().map(Step::totals).transpose()?,
    };
    let amount = secret.opening()?;
    let openings = match &step {
        None => vec![amount],
        Some(step) => step.openings(amount)?,
    };
    let bundle = prove::make(ui, subject, &openings)?;
    ui.progress("submitting the proof…");
    let kept = step.as_ref().map(Step::keep).transpose()?;
    let id = sequencer.submit(&bundle).map_err(|failure| match &kept {
        None => failure,
        Some(kept) => kept.failed(failure),
    })?;
    if let Some(kept) = &kept {
        kept.accepted()?;
    }
    let proof_hash = hex::encode(compliance_proof_hash(&bundle.proof));
    let report = Report::new("ves.stark.prove-submit")
        .field("proofId", &id)
        .field("eventId", args.event_id)
        .field("proofHash", &proof_hash)
        .field("witnessCommitmentHex", hex::encode(commitment))
        .field("publicInputsHash", hex::encode(inputs.public_inputs_hash()))
        .line(format!("Submitted proof_id={id}"))
        .pair("proof hash", proof_hash)
        .pair("commitment", hex::encode(commitment));
    if !args.verify {
        return Ok(report);
    }
    ui.progress("waiting for the sequencer's verdict…");
    if !sequencer.verdict(&id)? {
        return Err(Failure::invalid(
            "refused_by_sequencer",
            format!("the sequencer says that proof {id} is not valid"),
        ));
    }
    Ok(report.field("valid", true).line("Verified valid=true"))
}

/// A sequencer's HTTP interface.
struct Sequencer {
    base: Url,
    client: Client,
    authorization: Option<HeaderValue>,
}

impl Sequencer {
    fn connect(url: &str) -> Result<Self> {
        let bad = || Failure::usage("sequencer_url", "--sequencer-url is no http(s) URL");
        let base = Url::parse(url).map_err(|_| bad())?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(bad());
        }
        let authorization = authorization()?;
        if authorization.is_some() && base.scheme() == "http" && !is_loopback(&base) {
            return Err(Failure::usage(
                "insecure_url",
                "the API key would cross the network in the clear",
            )
            .hint(format!("use https, or unset {API_KEY}")));
        }
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("ves-stark/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| Failure::network("http_client", "cannot set up an HTTP client"))?;
        Ok(Self {
            base,
            client,
            authorization,
        })
    }

    /// The canonical inputs of an event. They must be of this event and policy, and hash to what
    /// the sequencer says.
    fn inputs(&self, event: EventId, policy: &Policy) -> Result<ComplianceInputs> {
        let request = json!({
            "policyId": policy.id(),
            "policyParams": params(policy),
        });
        let answer = self.post(&[&event.to_string(), "inputs"], &request)?;
        read_inputs(&answer, event, policy)
            .map_err(|failure| Failure::network("bad_answer", failure.message))
    }

    /// Submits a proof; returns its id.
    fn submit(&self, bundle: &Bundle) -> Result<String> {
        let inputs = &bundle.subject.inputs;
        let mut request = json!({
            "proofType": PROOF_TYPE,
            "proofVersion": PROOF_VERSION,
            "policyId": inputs.policy.id(),
            "policyParams": params(&inputs.policy),
            "proofB64": json::to_base64(&bundle.proof),
            "witnessCommitment": inputs.commitment.map(hex::encode),
            "publicInputs": events::to_json(inputs),
        });
        if let Some(totals) = bundle.subject.totals {
            request["previousTotalCommitment"] = hex::encode(totals.previous).into();
            request["newTotalCommitment"] = hex::encode(totals.new).into();
        }
        let answer = self.post(&[&inputs.event_id.to_string(), "proofs"], &request)?;
        ["proofId", "proof_id", "id"]
            .iter()
            .find_map(|name| answer.get(name)?.as_str())
            .filter(|id| {
                (1..=128).contains(&id.len())
                    && id
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            })
            .map(str::to_owned)
            .ok_or_else(|| Failure::network("bad_answer", "the sequencer's answer has no proof id"))
    }

    /// Whether the sequencer finds a stored proof valid.
    fn verdict(&self, id: &str) -> Result<bool> {
        let answer = self.send(self.client.get(self.url(&["proofs", id, "verify"])?))?;
        ["valid", "isValid", "is_valid"]
            .iter()
            .find_map(|name| answer.get(name)?.as_bool())
            .ok_or_else(|| Failure::network("bad_answer", "the sequencer gives no verdict"))
    }

    fn url(&self, parts: &[&str]) -> Result<Url> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::usage("sequencer_url", "--sequencer-url has no path"))?
            .pop_if_empty()
            .extend(["api", "v1", "ves", "compliance"])
            .extend(parts);
        Ok(url)
    }

    fn post(&self, parts: &[&str], body: &Value) -> Result<Value> {
        let request = self
            .client
            .post(self.url(parts)?)
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string());
        self.send(request)
    }

    fn send(&self, request: RequestBuilder) -> Result<Value> {
        let request = match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value.clone()),
            None => request,
        };
        let answer = request.send().map_err(|error| {
            let (code, what) = if error.is_timeout() {
                ("timeout", "the sequencer did not answer in time")
            } else {
                ("unreachable", "the sequencer cannot be reached")
            };
            Failure::network(code, format!("{what}: {}", error.without_url()))
        })?;
        let status = answer.status();
        let mut text = String::new();
        let read = answer.take(MAX_ANSWER + 1).read_to_string(&mut text);
        if !status.is_success() {
            return Err(refusal(status.as_u16()));
        }
        if read.is_err() || text.len() as u64 > MAX_ANSWER {
            return Err(Failure::network(
                "bad_answer",
                "the sequencer's answer is broken off, too long or no text",
            ));
        }
        json::parse(&text, "the sequencer's answer")
            .map_err(|failure| Failure::network("bad_answer", failure.message))
    }
}

/// What a status means. The body is not repeated: it might echo a request.
fn refusal(status: u16) -> Failure {
    let (code, what) = match status {
        401 => ("unauthorized", "it does not accept the API key"),
        403 => ("forbidden", "the API key may not do this"),
        404 => ("not_found", "it does not know this event or proof"),
        409 => ("conflict", "it already has another proof for this"),
        _ => ("refused", "it refused the request"),
    };
    let failure = Failure::network(code, format!("the sequencer answered {status}: {what}"));
    match status {
        401 => failure.hint(format!("set {API_KEY}")),
        _ => failure,
    }
}

fn read_inputs(answer: &Value, event: EventId, policy: &Policy) -> Result<ComplianceInputs> {
    let members = Members::of(answer, "the sequencer's answer")?;
    let inputs = events::from_json(members.required("publicInputs")?, "the sequencer's inputs")?;
    if members.spelled::<EventId>("eventId")? != event || inputs.event_id != event {
        return Err(members.bad("eventId"));
    }
    prove::expected(inputs, policy)?;
    if members.hex("publicInputsHash")? != inputs.public_inputs_hash() {
        return Err(members.bad("publicInputsHash"));
    }
    Ok(inputs)
}

/// The policy's parameters as JSON.
fn params(policy: &Policy) -> Value {
    // The canonical text is JSON by construction.
    serde_json::from_str(&policy.params_json()).unwrap_or_default()
}

/// The header with the API key, if there is one.
fn authorization() -> Result<Option<HeaderValue>> {
    let Some(key) = std::env::var_os(API_KEY) else {
        return Ok(None);
    };
    let bad = || Failure::usage("api_key", format!("{API_KEY} is no header value"));
    let key = Zeroizing::new(key.into_string().map_err(|_| bad())?);
    let header = Zeroizing::new(format!("ApiKey {}", key.as_str()));
    let mut value = HeaderValue::from_str(&header).map_err(|_| bad())?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}
