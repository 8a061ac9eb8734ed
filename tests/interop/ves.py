# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0

"""VES v1 by Python's `cryptography` alone: hashes, signatures and decryption, written from the
protocol's description and sharing no code with this project.

usage: python3 ves.py public | sign | event | verify | decrypt      (JSON in, JSON out)
The signing key is the second one of the published vectors, or as VES_SEED says.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import uuid

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SEED = os.environ.get("VES_SEED", "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")


def unhex(text):
    return bytes.fromhex(text.removeprefix("0x"))


def b64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def u32(n):
    return n.to_bytes(4, "big")


def string(data):
    return u32(len(data)) + data


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def show(data):
    return "0x" + data.hex()


def canonical(value):
    """RFC 8785 for ASCII names, texts and whole numbers, which is what these tests use."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def ids(e):
    fields = ("tenant_id", "store_id", "event_id", "source_agent_id")
    return b"".join(uuid.UUID(e[field]).bytes for field in fields)


def names(e):
    fields = ("entity_type", "entity_id", "event_type", "created_at")
    return b"".join(string(e[field].encode()) for field in fields)


def plain_hash(data, salt=b""):
    return sha256(b"VES_PAYLOAD_PLAIN_V1", salt, data)


def signing_hash(e):
    inner = sha256(
        b"VES_EVENTSIG_V1", u32(e["ves_version"]), ids(e), u32(e["agent_key_id"]), names(e),
        u32(e["payload_kind"]), unhex(e["payload_plain_hash"]), unhex(e["payload_cipher_hash"]),
    )
    if e["ves_version"] == 1:
        return inner
    command, base = e.get("command_id"), e.get("base_version")
    return sha256(
        b"VES_EVENTSIG_V2", inner,
        b"\0" if command is None else b"\1" + uuid.UUID(command).bytes,
        b"\0" if base is None else b"\1" + base.to_bytes(8, "big"),
    )


def signer():
    return Ed25519PrivateKey.from_private_bytes(unhex(SEED))


def public(_):
    key = signer().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"public_key": show(key)}


def sign(request):
    return {"signature": show(signer().sign(unhex(request["hash"])))}


def event(fields):
    made = {
        "ves_version": 2,
        "payload_kind": 0,
        "payload_cipher_hash": show(bytes(32)),
        "payload_plain_hash": show(plain_hash(canonical(fields["payload"]))),
        **fields,
    }
    return {**made, "agent_signature": show(signer().sign(signing_hash(made)))}


def aad(e):
    return sha256(
        b"VES_PAYLOAD_AAD_V1", ids(e), u32(e["agent_key_id"]), names(e), unhex(e["payload_plain_hash"])
    )


def cipher_hash(e):
    bundle = e["payload_encrypted"]
    recipients = b"".join(
        u32(r["recipient_kid"]) + string(b64u(r["enc_b64u"])) + string(b64u(r["ct_b64u"]))
        for r in bundle["recipients"]
    )
    return sha256(
        b"VES_PAYLOAD_CIPHER_V1", u32(1), b64u(bundle["nonce_b64u"]), aad(e),
        string(b64u(bundle["ciphertext_b64u"])), b64u(bundle["tag_b64u"]),
        sha256(b"VES_RECIPIENTS_V1", recipients),
    )


def verify(request):
    e = request["event"]
    digest = signing_hash(e)
    key = Ed25519PublicKey.from_public_bytes(unhex(request["public_key"]))
    try:
        key.verify(unhex(e["agent_signature"]), digest)
        signature = True
    except InvalidSignature:
        signature = False
    if e["payload_kind"] == 1:
        payload = show(cipher_hash(e)) == e["payload_cipher_hash"]
    else:
        payload = show(plain_hash(canonical(e["payload"]))) == e["payload_plain_hash"]
    return {"signing_hash": show(digest), "signature": signature, "payload_hash": payload}


# RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
def extract(suite, salt, label, ikm):
    return hmac.digest(salt, b"HPKE-v1" + suite + label + ikm, "sha256")


def expand(suite, prk, label, info, length):
    labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(prk, labelled + b"\1", "sha256")[:length]


def open_hpke(secret, enc, info, ct):
    own = X25519PrivateKey.from_private_bytes(secret)
    own_public = own.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    dh = own.exchange(X25519PublicKey.from_public_bytes(enc))
    kem = b"KEM" + bytes.fromhex("0020")
    shared = expand(kem, extract(kem, b"", b"eae_prk", dh), b"shared_secret", enc + own_public, 32)
    suite = b"HPKE" + bytes.fromhex("002000010002")
    context = b"\0" + extract(suite, b"", b"psk_id_hash", b"") + extract(suite, b"", b"info_hash", info)
    schedule = extract(suite, shared, b"secret", b"")
    key = expand(suite, schedule, b"key", context, 32)
    nonce = expand(suite, schedule, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, ct, b"")


def decrypt(request):
    e = request["event"]
    bundle = e["payload_encrypted"]
    own = next(r for r in bundle["recipients"] if r["recipient_kid"] == request["kid"])
    info = aad(e)
    dek = open_hpke(unhex(request["secret"]), b64u(own["enc_b64u"]), info, b64u(own["ct_b64u"]))
    sealed = b64u(bundle["ciphertext_b64u"]) + b64u(bundle["tag_b64u"])
    plain = AESGCM(dek).decrypt(b64u(bundle["nonce_b64u"]), sealed, info)
    salt, data = plain[:16], plain[16:]
    return {
        "payload": json.loads(data),
        "canonical": canonical(json.loads(data)) == data,
        "plain_hash": show(plain_hash(data, salt)) == e["payload_plain_hash"],
    }


COMMANDS = {"public": public, "sign": sign, "event": event, "verify": verify, "decrypt": decrypt}
name = sys.argv[1]
print(json.dumps(COMMANDS[name](None if name == "public" else json.load(sys.stdin))))
