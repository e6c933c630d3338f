# SPDX-License-Identifier: Apache-2.0
"""The contenders: Airlock, and its peers as their users start them, with the least work."""
import functools
import http.client
import json
import pathlib
import shutil
import socket
import subprocess

from content import LARGE, PREFIX, SMALL, remove_tree
from workshop import CGROUP, Problem, quietly, surroundings, timed

USER = 65533  # no account has it: policy names it, and it is in no group


def program(name, package):
    path = shutil.which(name)
    if path is None:
        raise Problem(f"{name} is missing: apt-get install {package}")
    return path


class Airlock:
    """An engine side by side with whatever else this machine has, its run state in memory as /run is."""

    def __init__(self, workshop, content, build):
        self.workshop, self.content = workshop, content
        build = pathlib.Path(build).resolve()
        self.cli = build / "bin/airlock"
        self.helper = build / "libexec/airlock/airlock-helper"
        if not self.cli.exists() or not self.helper.exists():
            raise Problem(f"{self.cli} is missing: cmake --preset release && cmake --build --preset release")
        self.top = workshop.disk / "airlock"
        self.data, self.local, self.vendor = self.top / "data", self.top / "etc", self.top / "lib"
        for directory in (self.data / "run", self.local / "policy.d", self.vendor / "policy.d", self.top / "tpm"):
            directory.mkdir(parents=True)
        quietly("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", self.data / "run")
        shipped = pathlib.Path(__file__).resolve().parent.parent / "packaging/policy.d/50-airlock.policy"
        shutil.copy(shipped, self.vendor / "policy.d")
        tpm = self.top / "tpm/data"
        (self.local / "policy.d/40-bench.policy").write_text(
            f"allow user:{USER} run image={PREFIX}\nmeasure mode=require pcr=15 software-tpm={tpm}\n")
        workshop.start("swtpm", [program("swtpm", "swtpm"), "socket", "--tpm2", "--tpmstate", f"dir={self.top}/tpm",
                                 "--server", f"type=unixio,path={tpm}", "--ctrl",
                                 f"type=unixio,path={self.top}/tpm/control", "--flags",
                                 "not-need-init,startup-clear"], tpm.exists)
        quietly(*self.command("trust", f"--prefix={PREFIX}", "--skip-fingerprint-review", content.key))
        self.listener = None
        workshop.at_end.append(self.remove_exited)

    def command(self, *arguments):
        return [str(self.cli), f"--dir={self.data}", f"--local-config={self.local}", f"--system-config={self.vendor}",
                *map(str, arguments)]

    def fetch(self, name):
        return quietly(*self.command("fetch", "--full", self.content.image(name))).strip()

    def listen(self):
        if self.listener is None:
            self.listener = self.workshop.start(
                "helper", [self.helper, "--listen", f"--dir={self.data}", f"--local-config={self.local}",
                           f"--system-config={self.vendor}"], (self.data / "run/helper.sock").exists)
        return self.listener

    def remove(self, name):
        for image in json.loads(quietly(*self.command("image", "list", "--format=json", "--full"))):
            if image["name"] == name:
                quietly(*self.command("image", "rm", image["id"]))

    def remove_exited(self):
        quietly(*self.command("gc", "--grace-period=0s"))


CGROUPS = pathlib.Path("/sys/fs/cgroup")


def refused_by_crun(workshop=None):
    """Hierarchies that crun must not see: it refuses a hybrid whose cgroup v2 part has a controller, and a process of
    real-time priority cannot move in a v1 hierarchy that gives its groups no time of that kind."""
    controllers = CGROUPS / "unified/cgroup.controllers"
    hidden = [CGROUPS / "unified"] if controllers.exists() and controllers.read_text().strip() else []
    if workshop is not None and workshop.priority and (CGROUPS / "cpu/cpu.rt_runtime_us").exists():
        hidden.append(CGROUPS / "cpu")
    return hidden


def kind_of_cgroups():
    if (CGROUPS / "cgroup.controllers").exists():
        return "v2"
    if refused_by_crun():
        return "v1 and v2 (crun and podman are shown v1 alone: crun refuses both)"
    return "v1 and v2" if (CGROUPS / "unified/cgroup.procs").exists() else "v1"


class Contender:
    """One thing that is timed in turn with others; what is in before() and after() is not timed."""

    def __init__(self, name, workshop, argv, environment=None, uid=None, hidden=(), before=None, after=None):
        self.name, self.argv, self.environment = name, list(map(str, argv)), environment or surroundings()
        self.workshop, self.uid, self.hidden = workshop, uid, hidden
        self.before, self.after = before or (lambda: None), after or (lambda: None)
        self.log = workshop.log(name.replace(" ", "-").replace("/", "-"))
        self.samples = []

    def turn(self):
        self.before()
        self.workshop.settle()
        sample = timed(self.argv, self.environment, self.log, self.uid, self.hidden,
                       self.workshop.priority)
        self.after()
        if sample.status != 0:
            text = self.log.read_text(errors="replace")[-600:] if self.log.exists() else ""
            raise Problem(f"{self.name}: exit status {sample.status}: {text}")
        return sample


# --- starting /bin/true


def airlock_as_root(engine):
    return Contender("airlock", engine.workshop, engine.command("run", SMALL), after=engine.remove_exited)


def airlock_as_user(engine):
    engine.listen()
    contender = Contender("airlock, user", engine.workshop, engine.command("run", SMALL),
                          uid=USER, after=engine.remove_exited)
    contender.log.touch()
    contender.log.chmod(0o666)
    return contender


def airlock_and_rm(engine):
    """For orientation: crun and podman --rm leave no container; Airlock's pod stays for its status until rm or gc."""
    uuid = engine.workshop.memory / "uuid"
    script = 'uuid=$1; shift; "$@" run --uuid-file-save="$uuid" %s && "$@" rm --uuid-file="$uuid"' % SMALL
    return Contender("airlock run, then rm", engine.workshop,
                     [shutil.which("sh"), "-c", script, "sh", uuid, *engine.command()])


def _seccomp_of_podman():
    """Debian's container profile for a process without further capabilities, in the runtime's words: the same filter
    that podman gives its containers."""
    source = pathlib.Path("/usr/share/containers/seccomp.json")
    if not source.exists():
        raise Problem("/usr/share/containers/seccomp.json is missing: apt-get install golang-github-containers-common")
    profile = json.loads(source.read_text())
    rules = []
    for entry in profile["syscalls"]:
        includes, excludes = entry.get("includes") or {}, entry.get("excludes") or {}
        if includes.get("caps") or excludes.get("arches") or "minKernel" in includes:
            continue
        if includes.get("arches") and "amd64" not in includes["arches"]:
            continue
        rule = {"names": entry["names"], "action": entry["action"]}
        if entry.get("args"):
            rule["args"] = entry["args"]
        if entry.get("errnoRet") is not None:
            rule["errnoRet"] = entry["errnoRet"]
        rules.append(rule)
    return {"defaultAction": profile["defaultAction"], "defaultErrnoRet": profile.get("defaultErrnoRet", 38),
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], "syscalls": rules}


def _bundle(workshop, content):
    bundle = workshop.disk / "bundle"
    if bundle.exists():
        return bundle
    bundle.mkdir()
    shutil.copytree(content.root(SMALL), bundle / "rootfs", symlinks=True)
    quietly("sh", "-c", 'cd "$1" && crun spec', "sh", bundle)
    config = json.loads((bundle / "config.json").read_text())
    config["process"].update(terminal=False, args=["/bin/true"])
    config["root"]["readonly"] = False
    config["linux"]["seccomp"] = _seccomp_of_podman()
    kinds = [entry["type"] for entry in config["linux"]["namespaces"]]
    config["linux"]["namespaces"] += [{"type": kind} for kind in ("cgroup",) if kind not in kinds]
    (bundle / "config.json").write_text(json.dumps(config))
    return bundle


def crun(workshop, content):
    return _crun("crun", workshop, content)


def crun_without_cgroup(workshop, content):
    """For orientation: without the part of crun's work that differs most between hosts."""
    return _crun("crun, no cgroup", workshop, content, "--cgroup-manager=disabled")


def _crun(name, workshop, content, *options):
    path = program("crun", "crun")
    state = workshop.memory / "crun"
    argv = [path, f"--root={state}", *options, "run", "--bundle", _bundle(workshop, content), f"{CGROUP}-crun"]
    return Contender(name, workshop, argv, hidden=refused_by_crun(workshop))


def bubblewrap(workshop, content):
    path = program("bwrap", "bubblewrap")
    return Contender("bwrap", workshop, [path, "--unshare-all", "--bind", content.root(SMALL), "/", "--proc", "/proc",
                                         "--dev", "/dev", "/bin/true"])


class Podman:
    """A podman with its storage on the workshop's disk and its run state in memory."""

    def __init__(self, workshop, content):
        self.workshop, self.content = workshop, content
        self.path = program("podman", "podman")
        self.top, runtime = workshop.disk / "podman", workshop.memory / "podman"
        self.top.mkdir()
        runtime.mkdir()
        (self.top / "containers.conf").write_text(
            '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=30000:30000"]\n'
            '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\nruntime = "crun"\n')
        (self.top / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self.top}/storage"\nrunroot = "{runtime}"\n')
        self.environment = surroundings(CONTAINERS_CONF=self.top / "containers.conf",
                                        CONTAINERS_STORAGE_CONF=self.top / "storage.conf", TMPDIR=self.top)
        self.options = ["--root", self.top / "storage", "--runroot", runtime, "--storage-driver", "overlay",
                        "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--tmpdir", runtime / "tmp"]

    def command(self, *arguments):
        return [str(self.path), *map(str, self.options), *map(str, arguments)]

    def __call__(self, *arguments, stdin=None):
        return quietly(*self.command(*arguments), environment=self.environment, stdin=stdin).strip()

    def import_tree(self, name, tag):
        tar = subprocess.Popen(["tar", "--create", "--directory", str(self.content.root(name)), "."],
                               stdout=subprocess.PIPE)
        self("import", "--quiet", "-", tag, stdin=tar.stdout)
        tar.stdout.close()
        if tar.wait() != 0:
            raise Problem("tar failed")

    def start(self):
        self.import_tree(SMALL, "localhost/busybox:bench")
        argv = self.command("run", "--network=none", "--rm", "--pull=never", f"--cgroup-parent=/{CGROUP}-podman",
                            "localhost/busybox:bench", "/bin/true")
        return Contender("podman", self.workshop, argv, environment=self.environment,
                         hidden=refused_by_crun(self.workshop))

    def serve(self):
        """A registry on loopback that holds the large image, pushed by this podman."""
        port = _free_port()
        config = self.top / "registry.yml"
        config.write_text(f"version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: "
                          f"{self.top}/registry\nhttp:\n  addr: 127.0.0.1:{port}\n")
        self.workshop.start("registry", [program("docker-registry", "docker-registry"), "serve", config],
                            functools.partial(_answers, port))
        tag = f"127.0.0.1:{port}/large:bench"
        self.import_tree(LARGE, tag)
        self("push", "--quiet", "--tls-verify=false", "--compression-format", "gzip", tag)
        self("rmi", "--force", tag)
        return tag

    def pull(self):
        tag = self.serve()
        return Contender("podman pull", self.workshop, self.command("pull", "--quiet", "--tls-verify=false", tag),
                         environment=self.environment, after=lambda: self("rmi", "--force", tag))


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _answers(port):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        connection.request("GET", "/v2/")
        return connection.getresponse().status == 200
    except OSError:
        return False


# --- from a signed file to an image that can be started


def airlock_import(engine):
    return Contender("airlock fetch", engine.workshop, engine.command("fetch", engine.content.image(LARGE)),
                     after=functools.partial(engine.remove, LARGE))


def gpg_and_tar(workshop, content):
    program("bsdtar", "libarchive-tools")
    target = workshop.disk / "unpacked"
    script = ('gpg --quiet --batch --trust-model always --verify "$1.asc" "$1" && '
              'bsdtar --extract --file "$1" --directory "$2" && sync --file-system "$2"')
    return Contender("gpg + bsdtar", workshop, [shutil.which("sh"), "-c", script, "sh", content.image(LARGE), target],
                     environment=content.environment, before=target.mkdir, after=lambda: remove_tree(target))
