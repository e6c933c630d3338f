# SPDX-License-Identifier: Apache-2.0
"""When which process of a command began, exec'd and ended, by the kernel's trace events: cheap enough to believe."""
import os
import re
import time
from collections import defaultdict
from dataclasses import dataclass

from workshop import Problem, launch, quietly

LINE = re.compile(r"^\s*(.+)-(\d+)\s+\[\d+\]\s+(?:\S+\s+)?([\d.]+): (\w+)(?:: |\(| -> )(.*)$")
FIELD = re.compile(r"(\w+)=(\S+)")
# They wait for another process: what they cost is counted there.
WAITING = {"read", "recvmsg", "recvfrom", "poll", "ppoll", "wait4", "waitid", "epoll_wait", "rt_sigtimedwait", "pause",
           "exit", "exit_group", "execve", "execveat", "clone3", "select", "pselect6", "rt_sigreturn"}


@dataclass
class Event:
    at: float
    pid: int
    name: str  # of the program, as the kernel has it at that moment
    kind: str
    fields: dict


class Tracer:
    """A trace instance of its own, in a tracefs of our mount namespace."""

    def __init__(self, workshop, system_calls=False):
        tracefs = workshop.top / "tracefs"
        if not tracefs.exists():
            tracefs.mkdir()
            quietly("mount", "-t", "tracefs", "tracefs", tracefs)
        self.top = tracefs / "instances" / f"airlock-bench-{os.getpid()}"
        self.top.mkdir(exist_ok=True)
        self._write("trace_clock", "mono")
        self._write("buffer_size_kb", "16384")
        for event in ("sched_process_fork", "sched_process_exec", "sched_process_exit"):
            self._write(f"events/sched/{event}/enable", "1")
        self._write("events/syscalls/enable", "1" if system_calls else "0")

    def _write(self, name, value):
        (self.top / name).write_text(value)

    def close(self):
        self._write("tracing_on", "0")
        self._write("events/enable", "0")
        self.top.rmdir()

    def record(self, argv, environment, log):
        """(begin, end, events of the command's processes) of one run, in seconds of the monotonic clock."""
        self._write("trace", "")
        self._write("tracing_on", "1")
        begin = time.clock_gettime(time.CLOCK_MONOTONIC)
        pid = launch(list(map(str, argv)), environment, log)
        _, status = os.waitpid(pid, 0)
        end = time.clock_gettime(time.CLOCK_MONOTONIC)
        time.sleep(0.05)  # what ends after the command
        self._write("tracing_on", "0")
        if status != 0:
            raise Problem(f"{argv[0]}: wait status {status}")
        return begin, end, self._read(pid)

    def _read(self, root):
        family, events = {root}, []
        with open(self.top / "trace", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                match = LINE.match(line)
                if match is None:
                    continue
                name, pid, at, kind, rest = match.groups()
                pid = int(pid)
                fields = dict(FIELD.findall(rest)) if kind.startswith("sched_") else {"result": " -> " in line}
                if kind == "sched_process_fork":
                    child = int(fields["child_pid"])
                    if pid in family:
                        family.add(child)
                    elif child != root:
                        continue
                elif pid not in family:
                    continue
                events.append(Event(float(at), pid, name.strip(), kind.removeprefix("sched_process_"), fields))
        return events


def system_calls(events):
    """Seconds in each system call of each program, those that wait for another process left out."""
    entered, spent = {}, defaultdict(float)
    for event in events:
        if not event.kind.startswith("sys_"):
            continue
        call = event.kind.removeprefix("sys_")
        if not event.fields["result"]:
            entered[event.pid] = (call, event.at)
        elif entered.get(event.pid, ("",))[0] == call and call not in WAITING:
            spent[(event.name, call)] += event.at - entered.pop(event.pid)[1]
    return spent


def hops(begin, end, events):
    """The marks of a start of `airlock run` with one app, as [(what ended here, time)], in order."""
    def find(kind, name=None, pid=None, after=0.0):
        return next((event for event in events if event.kind == kind and event.at >= after
                     and (name is None or event.name.startswith(name)) and (pid is None or event.pid == pid)), None)

    def need(event, what):
        if event is None:
            raise Problem(f"the trace has no {what}")
        return event

    cli = need(find("exec", "airlock"), "exec of airlock")
    helper_fork = need(find("fork", pid=cli.pid, after=cli.at), "fork of the helper")
    helper = need(find("exec", "airlock-helper"), "exec of the helper")
    marks = [("airlock: exec", cli.at), ("airlock: options, store, manifest, request", helper_fork.at),
             ("helper: clone and exec", helper.at)]
    measure = find("exec", "airlock-measure")
    last = helper.at
    if measure is not None:
        fork = need(next((event for event in events if event.kind == "fork" and event.pid == helper.pid
                          and int(event.fields["child_pid"]) == measure.pid), None), "fork of measure")
        done = need(find("exit", pid=measure.pid), "end of measure")
        marks += [("helper: policy, image, pod directory, digests", fork.at), ("measure: clone and exec", measure.at),
                  ("measure: log and TPM, until its end", done.at)]
        last = done.at
    pod_fork = need(find("fork", pid=helper.pid, after=last), "fork of the pod")
    stage1 = need(find("exec", pid=int(pod_fork.fields["child_pid"])), "exec of stage1")
    app_fork = need(find("fork", pid=stage1.pid, after=stage1.at), "fork of the app")
    app = need(find("exec", pid=int(app_fork.fields["child_pid"])), "exec of the app")
    app_end = need(find("exit", pid=app.pid), "end of the app")
    pod_end = need(find("exit", pid=stage1.pid), "end of stage1")
    cli_end = need(find("exit", pid=cli.pid), "end of airlock")
    marks += [("helper: until the pod's namespaces are begun", pod_fork.at),
              ("helper: namespaces, id maps, mounts, record, exec of stage1", stage1.at),
              ("stage1: the pod's tree, /proc /dev /sys", app_fork.at),
              ("stage1: confinement, exec of the app", app.at),
              ("the app: /bin/true", app_end.at), ("stage1: status, end", pod_end.at),
              ("airlock: until its end", cli_end.at), ("kernel: the rest of its end", end)]
    return [("", begin), *marks]
