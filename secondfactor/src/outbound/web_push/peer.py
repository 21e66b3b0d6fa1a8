# What a browser does with a notice, by http_ece and cryptography: prints its keys, then reads a line with
# the Authorization header, a tab and the body in base64, and prints what it says.
import base64, json, os, sys
import http_ece
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives import hashes, serialization


def b64(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


key = ec.generate_private_key(ec.SECP256R1())
point = key.public_key().public_bytes(
    serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
auth = os.urandom(16)
print(json.dumps({"p256dh": b64(point), "auth": b64(auth)}), flush=True)

line = sys.stdin.readline()
if not line:
    sys.exit()
authorization, body = line.rstrip("\n").split("\t")
plain = http_ece.decrypt(base64.b64decode(body), private_key=key, auth_secret=auth)
token, public = authorization.removeprefix("vapid t=").split(", k=")
head, claims, signature = token.split(".")
signature = unb64(signature)
whole = utils.encode_dss_signature(
    int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
sender = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unb64(public))
sender.verify(whole, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
print(json.dumps({"plain": plain.decode(), "head": json.loads(unb64(head)),
                  "claims": json.loads(unb64(claims)), "key": public}), flush=True)
