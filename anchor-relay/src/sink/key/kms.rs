// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Keys in a cloud's key service. Credentials come from where the service's own tools take them.

use super::{Key, KeyError};

#[cfg(feature = "aws-kms")]
pub(super) async fn aws(id: &str) -> Result<Key, KeyError> {
    use alloy::signers::aws::AwsSigner;
    use aws_sdk_kms::error::DisplayErrorContext;
    let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let client = aws_sdk_kms::Client::new(&config);
    let signer = AwsSigner::new(client, id.to_owned(), None)
        .await
        .map_err(|error| KeyError::Remote {
            service: "AWS KMS",
            reason: DisplayErrorContext(&error).to_string(),
        })?;
    Ok(Key::new(signer, format!("AWS KMS key {id}")))
}

#[cfg(not(feature = "aws-kms"))]
pub(super) async fn aws(_: &str) -> Result<Key, KeyError> {
    Err(KeyError::NotBuilt {
        service: "AWS KMS",
        feature: "aws-kms",
    })
}

#[cfg(feature = "gcp-kms")]
pub(super) async fn gcp(name: &str) -> Result<Key, KeyError> {
    use alloy::signers::gcp::{
        GcpKeyRingRef, GcpSigner, KeySpecifier,
        gcloud_sdk::{
            GoogleApi,
            google::cloud::kms::v1::key_management_service_client::KeyManagementServiceClient,
        },
    };
    let fail = |reason: String| KeyError::Remote {
        service: "Google Cloud KMS",
        reason,
    };
    let parts: Vec<&str> = name.split('/').collect();
    let [
        "projects",
        project,
        "locations",
        location,
        "keyRings",
        ring,
        "cryptoKeys",
        key,
        "cryptoKeyVersions",
        version,
    ] = parts.as_slice()
    else {
        return Err(fail(
            "key.gcp_kms must be projects/…/locations/…/keyRings/…/cryptoKeys/…/cryptoKeyVersions/…"
                .into(),
        ));
    };
    let version = version
        .parse()
        .map_err(|_| fail("key.gcp_kms must end with the number of a key version".into()))?;
    let ring = GcpKeyRingRef::new(project, location, ring);
    let url = "https://cloudkms.googleapis.com";
    let client = GoogleApi::from_function(KeyManagementServiceClient::new, url, None)
        .await
        .map_err(|error| fail(error.to_string()))?;
    let signer = GcpSigner::new(client, KeySpecifier::new(ring, key, version), None)
        .await
        .map_err(|error| fail(error.to_string()))?;
    Ok(Key::new(signer, format!("Google Cloud KMS key {name}")))
}

#[cfg(not(feature = "gcp-kms"))]
pub(super) async fn gcp(_: &str) -> Result<Key, KeyError> {
    Err(KeyError::NotBuilt {
        service: "Google Cloud KMS",
        feature: "gcp-kms",
    })
}
