# SPDX-License-Identifier: Apache-2.0
"""The registry half of evil_httpd.py: /v2/SCENARIO/image/… is a repository that breaks one rule, /token/… its token
servers.  Every repository has the same image of three layers, unless its scenario is about that."""
import base64
import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.parse

OCI = "application/vnd.oci.image."
MANIFEST, INDEX, CONFIG = OCI + "manifest.v1+json", OCI + "index.v1+json", OCI + "config.v1+json"
LAYER = OCI + "layer.v1.tar+gzip"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
COSIGN = "application/vnd.dev.cosign.simplesigning.v1+json"
USER = "Basic " + base64.b64encode(b"user:canary").decode()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def to_json(value):
    return json.dumps(value).encode()


def descriptor(media_type, data, **more):
    return {"mediaType": media_type, "digest": digest(data), "size": len(data), **more}


class Image:
    def __init__(self, layer_type=LAYER, architecture="amd64", **layer_extra):
        self.layers = [b"".join(hashlib.sha256(b"%d %d" % (n, i)).digest() for i in range(size // 32))
                       for n, size in enumerate((1 << 20, 3 << 19, 64))]
        self.config = to_json({"os": "linux", "architecture": architecture, "rootfs": {
            "type": "layers", "diff_ids": [digest(layer) for layer in self.layers]}})
        self.manifest = to_json({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, self.config),
                                 "layers": [descriptor(layer_type, layer, **layer_extra) for layer in self.layers]})
        self.blobs = {digest(data): data for data in (*self.layers, self.config)}


IMAGE = Image()
PLATFORM = {"os": "linux", "architecture": "amd64"}
ARM = {"os": "linux", "architecture": "arm64", "variant": "v8"}


def index_of(*manifests):
    return to_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(manifests)})


OTHER = Image(architecture="arm64")
TWO = index_of(descriptor(MANIFEST, OTHER.manifest, platform=ARM), descriptor(MANIFEST, IMAGE.manifest, platform=PLATFORM))
NESTED = index_of(descriptor(INDEX, TWO, platform=PLATFORM))
LYING_NESTED = index_of(descriptor(MANIFEST, TWO, platform=PLATFORM))
SCHEMA1 = to_json({"schemaVersion": 1, "name": "image", "tag": "1", "fsLayers": []})
PAYLOAD = b'{"critical":{"type":"cosign container image signature"}}'
SIGNATURE_MANIFEST = to_json({
    "schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, b"{}"),
    "layers": [descriptor(COSIGN, PAYLOAD, annotations={"dev.cosignproject.cosign/signature": "MEUC"})]})
BUNDLE_BLOB = b'{"mediaType":"' + BUNDLE.encode() + b'"}'
BUNDLE_MANIFEST = to_json({"schemaVersion": 2, "mediaType": MANIFEST,
                           "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
                           "layers": [descriptor(BUNDLE, BUNDLE_BLOB)]})
REFERRERS = index_of(descriptor(MANIFEST, b"other", artifactType="application/spdx+json"),
                     descriptor(MANIFEST, BUNDLE_MANIFEST, artifactType=BUNDLE))
SIGNED = {digest(b"{}"): b"{}", digest(PAYLOAD): PAYLOAD, digest(BUNDLE_BLOB): BUNDLE_BLOB}

# What the tag "1" leads to, where it is not IMAGE's manifest, and further documents by digest.
TAGS = {
    "index": (TWO, INDEX), "nested": (NESTED, INDEX), "lying-nested": (LYING_NESTED, INDEX),
    "schema1": (SCHEMA1, "application/vnd.docker.distribution.manifest.v1+prettyjws"),
    "foreign": (Image(OCI + "layer.nondistributable.v1.tar+gzip").manifest, MANIFEST),
    "unknown-layer": (Image("application/x-unknown").manifest, MANIFEST),
    "arm": (OTHER.manifest, MANIFEST),
    "urls": (Image(urls=["https://good.example/trap"]).manifest, MANIFEST),
    "no-image": (SIGNATURE_MANIFEST, MANIFEST),
    "long-manifest": (b" " * (5 << 20), MANIFEST),
}
DOCUMENTS = {digest(data): (data, kind) for data, kind in
             ((IMAGE.manifest, MANIFEST), (OTHER.manifest, MANIFEST), (TWO, INDEX), (BUNDLE_MANIFEST, MANIFEST))}
BLOBS = {**IMAGE.blobs, **OTHER.blobs, **SIGNED}


def signed_tag(reference, of):
    return reference == "sha256-" + digest(of).partition(":")[2] + ".sig"


def document(scenario, reference):
    if reference == "1" and scenario != "gone":
        return TAGS.get(scenario, (IMAGE.manifest, MANIFEST))
    if scenario in ("signed", "signed-fallback") and signed_tag(reference, IMAGE.manifest):
        return SIGNATURE_MANIFEST, MANIFEST
    if scenario == "signed-index" and signed_tag(reference, TWO):
        return SIGNATURE_MANIFEST, MANIFEST
    if scenario == "signed-fallback" and reference == "sha256-" + digest(IMAGE.manifest)[7:]:
        return REFERRERS, INDEX
    return DOCUMENTS.get(reference)


TAGS["signed-index"] = (TWO, INDEX)


def challenge(request, *fields):
    request.answer("401 Unauthorized", b"{}", *("WWW-Authenticate: " + field for field in fields))


def bearer(realm, scope="repository:x:pull,push"):
    return 'Bearer realm="%s",service="a, \\"b\\"",scope="%s"' % (realm, scope)


REALMS = {
    "token": 'Basic realm="old, \\"clients\\"", ' + bearer("https://example.com/token/user"),
    "token-open": bearer("https://example.com/token/open?a=b"),
    "token-http": bearer("http://example.com/token/user"),
    "token-other": bearer("https://good.example/token/user"),
    "token-file": bearer("file:///etc/shadow"),
    "token-nearer": bearer("https://example.com/token/open"),
    "token-empty": bearer("https://example.com/token/empty"),
    "token-useless": bearer("https://example.com/token/useless"),
    "identity": bearer("https://example.com/token/identity"),
    "unknown-scheme": 'Negotiate, Digest realm="x"',
    "basic": 'Basic realm="test, test"',
}
TOKENS = {"user": "token-of-user", "open": "token-of-anybody", "identity": "token-of-identity", "useless": "useless"}


def authorised(request, scenario):
    """True when the request may go on; else it has been answered."""
    if scenario not in REALMS:
        return True
    wanted = {"basic": USER, "identity": "Bearer token-of-identity", "token": "Bearer token-of-user",
              "token-other": "Bearer token-of-user"}.get(scenario, "Bearer token-of-anybody")
    if request.headers.get("authorization") == wanted:
        return True
    challenge(request, REALMS[scenario])
    return False


def token(request):
    name = request.path.split("/")[2]
    if name == "signed":
        return signed_token(request)
    query = urllib.parse.parse_qs(request.query or request.body.decode())
    scopes = query.get("scope", [""])
    if query.get("service") != ['a, "b"'] or not scopes[0].endswith("/image:pull"):
        return request.answer("400 Bad Request", b"{}")
    if name == "user" and request.headers.get("authorization") != USER:
        return request.answer("401 Unauthorized", b"{}")
    if name == "identity" and (request.method != "POST" or query.get("refresh_token") != ["canary"] or
                               query.get("grant_type") != ["refresh_token"]):
        return request.answer("401 Unauthorized", b"{}")
    key = "access_token" if name == "identity" else "token"
    return request.answer("200 OK", to_json({key: TOKENS.get(name, ""), "expires_in": 300}))


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def integer_at(data, at):
    """An INTEGER of a DER signature as 32 bytes, and where it ends."""
    length = data[at + 1]
    return data[at + 2:at + 2 + length].lstrip(b"\0").rjust(32, b"\0"), at + 2 + length


def signed_token(request):
    """A token that docker-registry takes: ES256 by the server's key, whose certificate is in it."""
    directory = sys.argv[1]
    query = urllib.parse.parse_qs(request.query)
    known = request.headers.get("authorization") == USER
    access = []
    for scope in " ".join(query.get("scope", [])).split():
        kind, name, actions = scope.split(":")
        access.append({"type": kind, "name": name, "actions": actions.split(",") if known else []})
    with open(os.path.join(directory, "good.crt"), encoding="ascii") as file:
        certificate = "".join(line for line in file.read().splitlines() if not line.startswith("-"))
    now = int(time.time())
    claims = {"iss": "test", "sub": "user", "aud": query["service"][0], "exp": now + 300, "nbf": now - 10, "iat": now,
              "jti": str(now), "access": access}
    text = b".".join(base64url(to_json(part)) for part in
                     ({"typ": "JWT", "alg": "ES256", "x5c": [certificate]}, claims))
    der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", os.path.join(directory, "good.key")], input=text,
                         stdout=subprocess.PIPE, check=True).stdout
    first, end = integer_at(der, 2)
    second, _ = integer_at(der, end)
    answer = (text + b"." + base64url(first + second)).decode()
    return request.answer("200 OK", to_json({"token": answer, "expires_in": 300}), "Content-Type: application/json")


def part_of(request, data):
    first = request.first_byte()
    if first is None:
        return request.answer("200 OK", data, "Accept-Ranges: bytes")
    request.head("206 Partial Content", "Content-Range: bytes %d-%d/%d" % (first, len(data) - 1, len(data)),
                 "Content-Length: %d" % (len(data) - first))
    return request.send(data[first:])


def blob(request, scenario, name, count):
    data = BLOBS.get(name)
    is_layer = name in (digest(layer) for layer in IMAGE.layers[:2])
    if data is None or scenario in ("no-blobs", "gone"):
        return request.answer("404 Not Found")
    if scenario == "wrong-config" and name == digest(IMAGE.config):
        return request.answer("200 OK", data.replace(b"linux", b"linuy"))
    if not is_layer:
        return request.answer("200 OK", data)
    times = count(scenario + name)
    if scenario == "redirected":
        return request.redirect("https://good.example/blobs/" + name)
    if scenario == "redirected-back":
        return request.redirect("https://public.example/blobs-back/" + name)
    if scenario == "redirected-401":
        return request.redirect("https://good.example/blobs-401/" + name)
    if scenario == "wrong-layer":
        return request.answer("200 OK", b"x" + data[1:])
    if scenario == "wrong-length":
        return request.answer("200 OK", data + b"more")
    if scenario == "endless":
        request.head("200 OK")
        while True:
            request.send(data)
    if scenario == "broken" and times == 0:
        request.head("200 OK", "Content-Length: %d" % len(data))
        return request.send(data[:len(data) // 2])
    if scenario == "always-broken":
        request.head("200 OK", "Content-Length: %d" % len(data))
        return request.send(b"")
    if scenario == "no-ranges":
        return request.answer("200 OK", data)
    if scenario == "lying-range" and request.first_byte() is not None:
        request.head("206 Partial Content", "Content-Range: bytes 7-%d/%d" % (len(data) - 1, len(data)))
        return request.send(data[7:])
    return part_of(request, data)


def respond(request, count):
    """True when the request was one of ours."""
    path = request.path.split("/")
    if path[1] == "token":
        token(request)
    elif path[1] == "blobs":
        part_of(request, BLOBS[path[2]])
    elif path[1] == "blobs-back":
        request.redirect("https://example.com/blobs/" + path[2])
    elif path[1] == "blobs-401":
        challenge(request, bearer("https://good.example/token/user"))
    elif path[1] == "lookaside" and path[2] == "image@sha256=" + digest(IMAGE.manifest)[7:]:
        number = int(path[3].rpartition("-")[2])
        request.answer("200 OK", b"signature %d" % number) if number < 3 else request.answer("404 Not Found")
    elif request.path == "/v2/":
        request.answer("200 OK", b"{}", "Docker-Distribution-Api-Version: registry/2.0")
    elif path[1] == "v2" and path[3] == "image":
        repository(request, path[2], path[4], path[5], count)
    else:
        return False
    return True


def repository(request, scenario, kind, reference, count):
    if not authorised(request, scenario):
        return None
    if scenario == "rate":
        return request.answer("429 Too Many Requests", b"", "Retry-After: 86400")
    if scenario == "busy" and count("busy") < 2:
        return request.answer("503 Service Unavailable")
    if kind == "blobs":
        return blob(request, scenario, reference, count)
    if kind == "referrers" and scenario == "signed":
        wanted = urllib.parse.parse_qs(request.query) == {"artifactType": [BUNDLE]}
        return request.answer("200 OK" if wanted else "400 Bad Request", REFERRERS, "Content-Type: " + INDEX)
    found = document(scenario, reference) if kind == "manifests" else None
    if found is None:
        return request.answer("404 Not Found", b"{}")
    # No evidence of anything.
    return request.answer("200 OK", found[0], "Content-Type: " + found[1], "Docker-Content-Digest: sha256:" + "0" * 64)
