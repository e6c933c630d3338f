# SPDX-License-Identifier: Apache-2.0
# What airlock-systemd is asked to arrange for a pod that waits to start, and what came of it.
@0xd7a1f04c6be89325;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("airlock::ipc::wire");
using Types = import "types.capnp";

# Sent once by the helper that started the process, no descriptors.  The numbers are the helper's own view, from the
# kernel.  Whatever fails, the pod starts all the same: nothing here is a condition of it.
struct SystemdJob {
  pod @0 :Data;
  leader @1 :UInt32;          # PID 1 of the pod, waiting
  caller @2 :UInt32;          # whose unit decides where the pod belongs
  asRkt @3 :Bool;             # the machine is called rkt-<UUID>, as its host name is
}

# Sent once by airlock-systemd, no descriptors.  For display; where the pod is, the helper reads from the kernel.
struct SystemdReply {
  union {
    unset @0 :Void;           # refused
    failure @1 :Types.Failure;
    arranged @2 :Arranged;
  }
}
# What systemd and machined know of the pod now.
struct Arranged {
  unit @0 :Text;              # that the pod ends with: its own scope, or its caller's unit
  machine @1 :Text;           # its name with machined; empty: not registered
  why @2 :Text;               # why not
}
