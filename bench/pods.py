# SPDX-License-Identifier: Apache-2.0
"""A pod of two apps beside two containers, and what a thousand pods on disk cost."""
import shutil
import time

import engines
import peaks
import report
from content import SMALL
from engines import Contender
from workshop import quietly, surroundings

MANY, COLLECTED = 1000, 500
LIST_TARGET_MS = 100.0


def pair_of_apps(engine):
    argv = engine.command("run", SMALL, "--name=one", "---", SMALL, "--name=two")
    return Contender("airlock, two apps", engine.workshop, argv, after=engine.remove_exited)


def pair_of_containers(workshop, content):
    """Two at the same time, as a script would that has no pods; over when both are."""
    one = engines.crun(workshop, content)
    script = '"$@"-one & one=$!; "$@"-two; two=$?; wait $one && exit $two'
    return Contender("crun, twice at once", workshop, [shutil.which("sh"), "-c", script, "sh", *one.argv],
                     hidden=one.hidden)


def memory_of_pair(engine, workshop, content):
    """The largest sum of what was resident that a start can have had: the peaks of all its processes."""
    log = workshop.log("pair-memory")
    found = {}
    for contender in (pair_of_apps(engine), pair_of_containers(workshop, content)):
        argv = contender.argv
        if contender.hidden:  # the processes that hide it are tiny beside what is asked for
            argv = [shutil.which("unshare"), "--mount", "sh", "-c",
                    f'umount --lazy {" ".join(map(str, contender.hidden))} && exec "$@"', "sh", *argv]
        ends = peaks.ends_of(argv, surroundings(), log)
        found[contender.name] = {"sum_kib": sum(end.peak_kib for end in ends),
                                 "largest_kib": max(end.peak_kib for end in ends)}
        contender.after()
    return found


def timed_ms(engine, *arguments, rounds):
    samples = []
    for _ in range(rounds):
        begin = time.monotonic()
        quietly(*engine.command(*arguments))
        samples.append((time.monotonic() - begin) * 1e3)
    return report.median(samples)


def start_ms(engine, rounds):
    """Without a collection in between, which would look at all pods."""
    samples = []
    uuid = engine.workshop.memory / "uuid"
    for _ in range(rounds):
        begin = time.monotonic()
        quietly(*engine.command("run", f"--uuid-file-save={uuid}", SMALL))
        samples.append((time.monotonic() - begin) * 1e3)
        quietly(*engine.command("rm", f"--uuid-file={uuid}"))
    return report.median(samples)


def many(engine, rounds, tell):
    """Finished pods, as a host has them that collects once a day."""
    found = {"start_with_none_ms": start_ms(engine, rounds)}
    for number in range(MANY):
        quietly(*engine.command("run", SMALL))
        if number % 100 == 99:
            tell(f"  {number + 1} of {MANY} pods")
    uuid = quietly(*engine.command("list", "--full", "--no-legend")).split()[0]
    found["start_with_many_ms"] = start_ms(engine, rounds)
    found["list_ms"] = timed_ms(engine, "list", rounds=rounds)
    found["list_json_ms"] = timed_ms(engine, "list", "--format=json", rounds=rounds)
    found["status_ms"] = timed_ms(engine, "status", uuid, rounds=rounds)
    found["status_prefix_ms"] = timed_ms(engine, "status", uuid[:8], rounds=rounds)
    # One collection of half of them, so that its time is of the number that is promised.
    for pod in [line.split()[0] for line in
                quietly(*engine.command("list", "--full", "--no-legend")).splitlines()][COLLECTED:]:
        quietly(*engine.command("rm", pod))
    begin = time.monotonic()
    quietly(*engine.command("gc", "--grace-period=0s"))
    found["gc_ms"] = (time.monotonic() - begin) * 1e3
    return found


def text(found):
    lines = [f"with {MANY} finished pods: list {found['list_ms']:.0f} ms (target < {LIST_TARGET_MS:.0f}), "
             f"list --format=json {found['list_json_ms']:.0f} ms, status {found['status_ms']:.0f} ms, by a prefix "
             f"{found['status_prefix_ms']:.0f} ms",
             f"start with none of them {found['start_with_none_ms']:.1f} ms, with all "
             f"{found['start_with_many_ms']:.1f} ms",
             f"gc of {COLLECTED}: {found['gc_ms']:.0f} ms, {found['gc_ms'] / COLLECTED:.1f} ms each"]
    return "\n".join(lines)

