# SPDX-License-Identifier: Apache-2.0
"""What is measured with: a busybox image and a large one, the same bytes for every contender."""
import hashlib
import json
import os
import pathlib
import platform
import random
import shutil
import subprocess

from workshop import MIB, Problem, quietly, surroundings

SEED = "airlock-bench-1"
PREFIX = "bench.example"
SMALL, LARGE = f"{PREFIX}/busybox", f"{PREFIX}/large"
APPLETS = ("true", "sh", "sleep", "cat")
FILES, RANDOM_FILES = 8000, 10
RANDOM_BYTES = 15 * 10**6
TOTAL_BYTES = 300 * 10**6
SMALL_FILE, LARGE_FILE = 48 << 10, 2 * MIB


def make_busybox(root):
    busybox = shutil.which("busybox")
    if busybox is None:
        raise Problem("busybox is missing: apt-get install busybox-static")
    (root / "bin").mkdir(parents=True)
    shutil.copy(busybox, root / "bin/busybox")
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    for directory in ("dev", "etc", "proc", "sys", "tmp"):
        (root / directory).mkdir()
    (root / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")


def _files_of_this_system():
    found = []
    for top in ("/usr/bin", "/usr/include", "/usr/lib", "/usr/share"):
        for directory, _, names in os.walk(top):
            for name in names:
                path = os.path.join(directory, name)
                try:
                    info = os.lstat(path)
                except OSError:
                    continue
                if os.path.isfile(path) and not os.path.islink(path) and 0 < info.st_size <= LARGE_FILE:
                    found.append((hashlib.sha256(f"{SEED}{path}".encode()).digest(), path, info.st_size))
    return [(path, size) for _, path, size in sorted(found)]


def _choose(files):
    """Small files for their number, then larger ones in place of some until their size is right."""
    wanted, budget = FILES - RANDOM_FILES, TOTAL_BYTES - RANDOM_BYTES
    small = [entry for entry in files if entry[1] <= SMALL_FILE]
    large = [entry for entry in files if entry[1] > SMALL_FILE]
    chosen = small[:wanted]
    total = sum(size for _, size in chosen)
    while large and chosen and total < budget:
        bigger, smaller = large.pop(0), chosen.pop()
        chosen.insert(0, bigger)
        total += bigger[1] - smaller[1]
    if len(chosen) < wanted or total < budget * 0.9:
        raise Problem(f"/usr has too little for the large image: {len(chosen)} files, {total >> 20} MiB")
    return [path for path, _ in chosen]


def make_large(root):
    sources = _choose(_files_of_this_system())
    for index, source in enumerate(sources):
        directory = root / "data" / f"{index // 100:03}"
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, directory / f"{index % 100:02}-{os.path.basename(source)[:80]}")
    generator = random.Random(SEED)
    noise = root / "data/random"
    noise.mkdir()
    for index in range(RANDOM_FILES):
        (noise / f"{index:02}").write_bytes(generator.randbytes(RANDOM_BYTES // RANDOM_FILES))


class Content:
    """Trees, image files and signatures, all below one directory."""

    def __init__(self, workshop):
        self.top = workshop.disk / "content"
        self.top.mkdir()
        self.gnupg = self.top / "gnupg"
        self.gnupg.mkdir(mode=0o700)
        self.environment = surroundings(GNUPGHOME=self.gnupg)
        quietly("gpg", "--quiet", "--batch", "--passphrase", "", "--quick-generate-key", f"Bench <bench@{PREFIX}>",
                "ed25519", "sign", "never", environment=self.environment)
        self.key = self.top / "key.asc"
        self.key.write_text(quietly("gpg", "--armor", "--export", environment=self.environment))

    def close(self):
        quietly("gpgconf", "--kill", "all", environment=self.environment)

    def root(self, name):
        return self.top / name.rsplit("/", 1)[1] / "rootfs"

    def image(self, name):
        return self.top / f"{name.rsplit('/', 1)[1]}.aci"

    def make(self, name, maker):
        """An unpacked tree and a signed gzip ACI of it; the same bytes each time on the same system."""
        root = self.root(name)
        root.mkdir(parents=True)
        maker(root)
        arch = {"x86_64": "amd64"}.get(platform.machine(), platform.machine())
        manifest = {"acKind": "ImageManifest", "acVersion": "0.8.11", "name": name,
                    "labels": [{"name": "os", "value": "linux"}, {"name": "arch", "value": arch}],
                    "app": {"exec": ["/bin/true"], "user": "0", "group": "0"}}
        (root.parent / "manifest").write_text(json.dumps(manifest))
        tar = self.top / "tar"
        quietly("tar", "--create", "--file", tar, "--sort=name", "--mtime=@0", "--owner=0", "--group=0",
                "--numeric-owner", "--directory", root.parent, "manifest", "rootfs")
        with open(tar, "rb") as source, open(self.image(name), "wb") as target:
            subprocess.run(["gzip", "--no-name", "-6"], stdin=source, stdout=target, check=True)
        tar.unlink()
        quietly("gpg", "--batch", "--armor", "--detach-sign", self.image(name), environment=self.environment)

    def sizes(self, name):
        total = count = 0
        for directory, _, names in os.walk(self.root(name)):
            count += len(names)
            total += sum(os.lstat(os.path.join(directory, entry)).st_size for entry in names)
        return {"files": count, "bytes": total, "compressed": self.image(name).stat().st_size}


def remove_tree(path):
    if pathlib.Path(path).exists():
        shutil.rmtree(path)
