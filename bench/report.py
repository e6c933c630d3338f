# SPDX-License-Identifier: Apache-2.0
"""What the numbers mean: medians, ratios of the same round, and the machine that they come from."""
import os
import platform
import shutil
import statistics
import subprocess

import engines


def median(values):
    return statistics.median(values)


def ratio(ours, theirs):
    """Of samples of one round each: what drifts with the machine drifts in both."""
    return median([a.seconds / b.seconds for a, b in zip(ours, theirs)])


def _first_line(path, key):
    try:
        with open(path, encoding="utf-8") as file:
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith(key)), "unknown")
    except OSError:
        return "unknown"


def _version(*argv):
    if shutil.which(argv[0]) is None:
        return None
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    lines = done.stdout.decode(errors="replace").splitlines()
    return lines[0].strip() if lines else None


def machine():
    peers = [_version(*argv) for argv in (("podman", "--version"), ("crun", "--version"), ("bwrap", "--version"),
                                          ("gpg", "--version"), ("bsdtar", "--version"),
                                          ("docker-registry", "--version"), ("swtpm", "--version"))]
    return {"kernel": platform.release(), "processor": _first_line("/proc/cpuinfo", "model name"),
            "processors": os.cpu_count(), "memory": _first_line("/proc/meminfo", "MemTotal"),
            "cgroup": engines.kind_of_cgroups(),
            "peers": [version for version in peers if version]}


def load():
    return [round(value, 2) for value in os.getloadavg()]


def contest(contenders, rounds, warm, tell):
    """A B C A B C …; each contender's samples, in order of the rounds."""
    for number in range(-warm, rounds):
        for contender in contenders:
            sample = contender.turn()
            if number >= 0:
                contender.samples.append(sample)
        tell(f"  round {number + 1} of {rounds}" if number >= 0 else "  warming up")
    return contenders


def summary(contenders, targets):
    """One row per contender. targets: name of a peer -> (largest ratio ours / theirs)."""
    ours = contenders[0]
    rows = []
    for contender in contenders:
        seconds = [sample.seconds for sample in contender.samples]
        row = {"name": contender.name, "median_ms": median(seconds) * 1e3, "least_ms": min(seconds) * 1e3,
               "most_ms": max(seconds) * 1e3,
               "cpu_ms": median([sample.cpu_seconds for sample in contender.samples]) * 1e3,
               "samples_ms": [round(value * 1e3, 3) for value in seconds]}
        if contender is not ours:
            row["ours_over_this"] = ratio(ours.samples, contender.samples)
        if contender.name in targets:
            row["target"] = targets[contender.name]
            row["met"] = row["ours_over_this"] <= targets[contender.name]
        rows.append(row)
    return rows


def table(rows):
    lines = ["| what | median ms | least–most | CPU ms | airlock ÷ this | target |", "|---|---|---|---|---|---|"]
    for row in rows:
        share = f"{row['ours_over_this']:.3f}" if "ours_over_this" in row else ""
        target = f"≤ {row['target']:.2f}: {'met' if row['met'] else 'missed'}" if "target" in row else ""
        lines.append(f"| {row['name']} | {row['median_ms']:.1f} | {row['least_ms']:.1f}–{row['most_ms']:.1f} | "
                     f"{row['cpu_ms']:.1f} | {share} | {target} |")
    return "\n".join(lines)
