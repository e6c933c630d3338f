# SPDX-License-Identifier: Apache-2.0
"""An image of five layers in a registry on loopback, and the ways to get it where it can be started."""
import base64
import hashlib
import http.client
import json
import platform
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request

import peaks
from content import LARGE, remove_tree
from engines import Contender, program
from workshop import quietly, surroundings

LAYERS = 5
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
MEDIA_TYPES = {"gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
               "zstd": "application/vnd.oci.image.layer.v1.tar+zstd"}
PACKERS = {"gzip": ["gzip", "--no-name", "-6"], "zstd": ["zstd", "--quiet", "-3", "-T1"]}
REPOSITORY = "bench/layers"
STACKED = 20  # layers of the image whose start is compared with that of one layer

# What any engine must do with these bytes: fetch them, hash them as they are and as they become.  Two at a time.
PIPELINE = r"""
set -euo pipefail
layer() {
  curl --silent --fail "$1" | tee >(openssl dgst -sha256 >&2) | %s | openssl dgst -sha256
}
export -f layer
printf '%%s\n' "$@" | xargs --max-procs=2 --max-args=1 bash -c 'layer "$1"' bash
"""
UNPACKERS = {"gzip": "igzip --decompress --stdout", "zstd": "zstd --quiet --decompress --stdout"}


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Registry:
    """Debian's, over plain HTTP on loopback, with our images in it; what signs them is made here, too."""

    def __init__(self, workshop):
        self.workshop, self.port = workshop, _free_port()
        self.top = workshop.disk / "registry"
        self.top.mkdir()
        (self.top / "config.yml").write_text(
            f"version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {self.top}/blobs\n"
            f"http:\n  addr: 127.0.0.1:{self.port}\n")
        workshop.start("registry", [program("docker-registry", "docker-registry"), "serve", self.top / "config.yml"],
                       self._answers)
        self.key = self.top / "key"
        quietly("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.key)
        self.public_key = self.top / "key.pub"
        self.public_key.write_text(quietly("openssl", "pkey", "-in", self.key, "-pubout"))

    def _answers(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
            connection.request("GET", "/v2/")
            return connection.getresponse().status == 200
        except OSError:
            return False

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    def url(self, what):
        return f"http://{self.host}/v2/{REPOSITORY}/{what}"

    def name(self, tag):
        return f"{self.host}/{REPOSITORY}:{tag}"

    def _send(self, method, url, data=b"", kind="application/octet-stream"):
        request = urllib.request.Request(url, data, {"Content-Type": kind}, method=method)
        return urllib.request.urlopen(request)

    def put_blob(self, data):
        place = urllib.parse.urljoin(self.url(""), self._send("POST", self.url("blobs/uploads/")).headers["Location"])
        self._send("PUT", f"{place}&digest={digest_of(data)}", data)
        return {"digest": digest_of(data), "size": len(data)}

    def put_image(self, tag, config, layers):
        """Layers: what put_blob() answered, with a media type. Signed as cosign signs."""
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": layers,
                    "config": {"mediaType": CONFIG, **self.put_blob(json.dumps(config).encode())}}
        data = json.dumps(document).encode()
        self._send("PUT", self.url(f"manifests/{tag}"), data, MANIFEST)
        claim = json.dumps({"critical": {"identity": {"docker-reference": f"{self.host}/{REPOSITORY}"},
                                         "image": {"docker-manifest-digest": digest_of(data)},
                                         "type": "cosign container image signature"}, "optional": None}).encode()
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=claim,
                                   stdout=subprocess.PIPE, check=True).stdout
        layer = {"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", **self.put_blob(claim),
                 "annotations": {"dev.cosignproject.cosign/signature": base64.b64encode(signature).decode()}}
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": [layer],
                    "config": {"mediaType": CONFIG, **self.put_blob(b"{}")}}
        self._send("PUT", self.url(f"manifests/{digest_of(data).replace(':', '-')}.sig"),
                   json.dumps(document).encode(), MANIFEST)


def _tar(root, names):
    """With the directories that they are in, as every tool that makes layers writes them."""
    parents = sorted({name.rpartition("/")[0] for name in names} - {""})
    done = subprocess.run(["tar", "--create", "--sort=name", "--mtime=@0", "--owner=0", "--group=0",
                           "--numeric-owner", "--directory", root, "--no-recursion", *parents, "--recursion",
                           "--files-from=-"], input="\n".join(names).encode(), stdout=subprocess.PIPE, check=True)
    return done.stdout


def _pack(tar, how):
    program(PACKERS[how][0], PACKERS[how][0])
    return subprocess.run(PACKERS[how], input=tar, stdout=subprocess.PIPE, check=True).stdout


class Images:
    """The large content in five layers, with gzip and with zstd; one that shares four of them; one of many layers."""

    def __init__(self, workshop, content):
        self.registry = Registry(workshop)
        self.layers = {}
        root = content.root(LARGE)
        parts = [[] for _ in range(LAYERS)]
        for number, directory in enumerate(sorted(entry.name for entry in (root / "data").iterdir())):
            parts[number % LAYERS].append(f"data/{directory}")
        tars = [_tar(root, part) for part in parts]
        for how in PACKERS:
            self.layers[how] = self._image(how, how, tars)
        # The same but for the last layer, which is as large as before.
        (root / "data/another").write_text("another")
        self._image("gzip-2", "gzip", tars[:-1] + [_tar(root, parts[-1] + ["data/another"])])
        self.bytes = sum(len(tar) for tar in tars)

    def stacked(self, root):
        """One image in one layer, and in twenty: busybox, and a file for each further layer."""
        names = [str(entry.relative_to(root)) for entry in sorted(root.iterdir())]
        base = _tar(root, names)
        extra = root.parent / "extra"
        extra.mkdir()
        for number in range(STACKED - 1):
            (extra / f"file-{number:02}").write_text(str(number))
        files = [f"file-{number:02}" for number in range(STACKED - 1)]
        self._image("one", "gzip", [_tar(root, names)])
        self._image("many", "gzip", [base] + [_tar(extra, [name]) for name in files])

    def _image(self, tag, how, tars):
        layers = [{"mediaType": MEDIA_TYPES[how], **self.registry.put_blob(_pack(tar, how))} for tar in tars]
        arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        config = {"architecture": arch, "os": "linux", "config": {"Entrypoint": ["/bin/true"]},
                  "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]}}
        self.registry.put_image(tag, config, layers)
        return layers

    def sizes(self, how):
        return {"layers": LAYERS, "bytes": self.bytes, "compressed": sum(layer["size"] for layer in self.layers[how])}


class Airlock:
    """What the engine of the other parts does with these."""

    def __init__(self, engine, images):
        self.engine, self.images = engine, images
        registry = images.registry
        name = registry.name("")[:-1].replace(":", "~")
        (engine.local / "policy.d/41-layers.policy").write_text(f"allow root * image={name} kinds=cosign\n")
        quietly(*engine.command("trust", f"--prefix={registry.host}/{REPOSITORY}", "--skip-fingerprint-review",
                                registry.public_key))

    def command(self, verb, tag):
        return self.engine.command("--insecure-options=http", verb, f"docker://{self.images.registry.name(tag)}")

    def remove(self):
        for image in json.loads(quietly(*self.engine.command("image", "list", "--format=json", "--full"))):
            if f"/{REPOSITORY}:" in image["name"]:
                quietly(*self.engine.command("image", "rm", image["id"]))

    def fetch(self, how):
        return Contender("airlock fetch", self.engine.workshop, self.command("fetch", how), after=self.remove)

    def fetch_shared(self):
        def first():
            quietly(*self.command("fetch", "gzip"))
        return Contender("airlock fetch, four of five layers stored", self.engine.workshop,
                         self.command("fetch", "gzip-2"), before=first, after=self.remove)

    def start(self, tag, name):
        quietly(*self.command("fetch", tag))
        return Contender(name, self.engine.workshop, self.command("run", tag), after=self.engine.remove_exited)

    def memory(self, how):
        """Peak of each process, and of all together at any time as far as looks every few milliseconds see it."""
        log = self.engine.workshop.log("oci-memory")
        found = peaks.peaks(peaks.ends_of(self.command("fetch", how), surroundings(), log))
        self.remove()
        together = peaks.peak_together(self.command("fetch", how), surroundings(), log)
        self.remove()
        return {"of_each": found, "together_kib": together}


def podman_pull(podman, images, how):
    tag = images.registry.name(how)
    return Contender("podman pull", podman.workshop, podman.command("pull", "--quiet", "--tls-verify=false", tag),
                     environment=podman.environment, after=lambda: podman("rmi", "--force", tag))


def skopeo_and_umoci(workshop, images, how):
    program("skopeo", "skopeo")
    program("umoci", "umoci")
    top = workshop.disk / "unpacked"
    script = ('skopeo copy --quiet --insecure-policy --src-tls-verify=false "docker://$1" "oci:$2/layout:it" && '
              'umoci unpack --image "$2/layout:it" "$2/bundle"')
    return Contender("skopeo copy + umoci unpack", workshop,
                     [shutil.which("sh"), "-c", script, "sh", images.registry.name(how), top],
                     before=top.mkdir, after=lambda: remove_tree(top))


def pipeline(workshop, images, how):
    program("igzip", "isal")
    urls = [images.registry.url(f"blobs/{layer['digest']}") for layer in images.layers[how]]
    return Contender("curl | igzip | sha256", workshop,
                     [shutil.which("bash"), "-c", PIPELINE % UNPACKERS[how], "bash", *urls])
