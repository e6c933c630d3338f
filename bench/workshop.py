# SPDX-License-Identifier: Apache-2.0
"""A place to measure in: an ext4 of its own, processes that end with it, and a stopwatch."""
import ctypes
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

CLONE_NEWNS = 0x00020000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
MIB = 1 << 20
NOT_OURS = ("/run", "/var/lib", "/dev/shm")
CGROUP = f"airlock-bench-{os.getpid()}"  # and what begins so


class Problem(Exception):
    """Something that the reader can put right; its text says what."""


@dataclass
class Sample:
    seconds: float
    cpu_seconds: float  # of the process and of those that it waited for, and they in turn
    status: int


def unshare_mounts():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        raise Problem(f"no mount namespace of our own: {os.strerror(ctypes.get_errno())}")


def hurry(pid=0):
    """Ahead of whatever else runs on this machine; children inherit it. Sessions and cgroups do not matter to it."""
    os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))


class Workshop:
    """Everything made here is gone on exit, after kill -9 too, but for the directory with the disk's file.

    The mounts live in a mount namespace of this process. The disk is a default ext4 in a file: machines whose own
    root file system has no journal, or is full, would otherwise measure that.
    """

    def __init__(self, where, gibibytes, priority=False):
        self.where, self.gibibytes, self.priority = where, gibibytes, priority
        self.processes, self.at_end = [], []
        self.top = self.disk = self.memory = None

    def __enter__(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: exit(1))
        unshare_mounts()
        if any(pathlib.Path(self.where).resolve().is_relative_to(directory) for directory in NOT_OURS):
            raise Problem(f"the scratch directory must not be below {', '.join(NOT_OURS)}")
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="airlock-bench.", dir=self.where))
        self.top.chmod(0o755)
        try:
            self._mount()
        except BaseException:
            self._remove()
            raise
        return self

    def _mount(self):
        image = self.top / "disk"
        with open(image, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, self.gibibytes << 30)
        quietly("mkfs.ext4", "-q", "-F", image)
        self.disk, self.memory = self.top / "ext4", self.top / "tmpfs"
        self.disk.mkdir()
        self.memory.mkdir()
        quietly("mount", "-o", "loop", image, self.disk)  # detaches the loop device at umount
        device = quietly("findmnt", "--noheadings", "--output", "SOURCE", self.disk).strip()
        # A second page cache, and a kernel thread that copies between the two, is no part of any contender's work.
        quietly("losetup", "--direct-io=on", device)
        # Where programs keep what they do not ask about: ours is empty, and gone with us.
        for directory in (self.memory, *NOT_OURS):
            quietly("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", directory)

    def __exit__(self, *_):
        self._remove()

    def _remove(self):
        for last in self.at_end:
            try:
                last()
            except Problem as problem:
                print(f"left behind: {problem}", file=sys.stderr)
        for process in reversed(self.processes):
            end(process)
        for mount in reversed(self._mounts()):
            subprocess.run(["umount", "--lazy", mount], check=False, stderr=subprocess.DEVNULL)
        for group in pathlib.Path("/sys/fs/cgroup").glob(f"**/{CGROUP}*"):
            for directory, _, _ in os.walk(group, topdown=False):
                try:
                    os.rmdir(directory)
                except OSError as problem:
                    print(f"left behind: {directory}: {problem.strerror}", file=sys.stderr)
        shutil.rmtree(self.top, ignore_errors=True)

    def _mounts(self):
        with open("/proc/self/mounts", encoding="utf-8") as table:
            points = [line.split()[1] for line in table]
        return [point for point in points if point.startswith(f"{self.top}/")]

    def start(self, name, argv, ready, environment=None):
        """Starts a service and waits until ready() says so; it ends with the workshop."""
        with open(self.top / f"{name}.log", "ab") as log:
            process = subprocess.Popen(list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env=environment or surroundings())
        self.processes.append(process)
        if self.priority:
            hurry(process.pid)
        for _ in range(200):
            if ready():
                return process
            if process.poll() is not None:
                break
            time.sleep(0.05)
        raise Problem(f"{name} does not start: {(self.top / f'{name}.log').read_text(errors='replace')[-800:]}")

    def settle(self):
        """What one contender has yet to write is not the next one's to pay for."""
        quietly("sync", "--file-system", self.disk)

    def log(self, name):
        return self.top / f"{name}.log"


def surroundings(**more):
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
            "LC_ALL": "C.UTF-8", **{name: str(value) for name, value in more.items()}}


def quietly(*argv, environment=None, stdin=None):
    """Runs a program that must succeed, and returns what it printed."""
    done = subprocess.run(list(map(str, argv)), env=environment or surroundings(), stdin=stdin or subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise Problem(f"{' '.join(map(str, argv))}: exit status {done.returncode}: "
                      f"{done.stderr.decode(errors='replace').strip()[-800:]}")
    return done.stdout.decode(errors="replace")


def end(process):
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def launch(argv, environment, log):
    """posix_spawn: the cheapest start that Python has, and the same for all."""
    actions = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
               (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
               (os.POSIX_SPAWN_OPEN, 2, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)]
    return os.posix_spawn(argv[0], argv, environment, file_actions=actions)


def timed(argv, environment, log, uid=None, hidden=(), priority=False):
    """Wall time from the start to the end of a program, by a process of our own that may first become another user,
    or take mounts away that only the program shall not see."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if hidden:
                unshare_mounts()
                subprocess.run(["umount", *hidden], check=True)
            if priority:
                hurry()
            if uid is not None:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            os.write(writer, struct.pack("ddq", *_time(list(map(str, argv)), environment, log)))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    if not answer:
        raise Problem(f"{argv[0]} was not started")
    return Sample(*struct.unpack("ddq", answer))


def _time(argv, environment, log):
    begin = time.perf_counter()
    pid = launch(argv, environment, log)
    _, status, usage = os.wait4(pid, 0)
    return time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, os.waitstatus_to_exitcode(status)
