# SPDX-License-Identifier: Apache-2.0
# What stage1 is told, and what it says (docs/stage1-contract.md).
@0xf5cb2262ef363fb8;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("airlock::ipc::wire");
using Types = import "types.capnp";

# Everything stage1 needs to know about a pod.  Written by the CLI inside a RunRequest (hostile: checked against policy)
# and again by the helper into the sealed memfd that stage1 gets as fd 5, at most 4 MiB.  Same pod, same bytes: the
# helper's copy is hashed and measured.  Checked: counts, unique names of apps and volumes, each mount names a volume,
# absolute targets, apps or `sandbox`, a terminal only with a single app and without own streams, the journal's volume, the number of
# sockets.  A violation is E_REQUEST and nothing of the pod exists.
struct PodSpec {
  id @0 :Data;                # 16 bytes; ignored in a RunRequest, set by the helper
  hostname @1 :Text;          # "" means airlock-<UUID>, "rkt-" rkt-<UUID>; else at most 64 letters, digits, '-' and '.', and no '-' at the end
  network @2 :Network;
  terminal @3 :Bool;
  apps @4 :List(AppSpec);     # 1 to 16; none with `sandbox`
  volumes @5 :List(VolumeSpec);
  selinuxProcess @6 :Text;    # label of every process of the payload; set by the helper, "" where SELinux is off
  selinuxMount @7 :Text;      # label of what the pod writes; likewise
  hasCgroups @8 :Bool;        # each app's cgroup comes as a descriptor; set by the helper
  watchdogMicroseconds @9 :UInt64;  # what apps with `notify` find as WATCHDOG_USEC; 0: nobody watches
  journal @10 :Text;          # the read-only Host volume that holds this pod's journal; "": none
  resolvConf @11 :GivenFile;  # /etc/resolv.conf of every app
  hosts @12 :GivenFile;       # /etc/hosts of every app
  sandbox @13 :Bool;          # it has no app: apps are added while it runs, and it ends when it is told to
}
# A file that the pod's apps find in their roots.  Part of PodSpec.
struct GivenFile {
  rule @0 :Rule;
  content @1 :Data;           # at most 16 KiB; empty with `usual` and `none`

  enum Rule {
    usual @0;                 # what the stage1 makes of its own, where the image has none
    none @1;                  # nothing is made: the image's own, or none
    add @2;                   # what the stage1 makes of its own, then `content`, in place of the image's
    replace @3;               # `content`, in place of the image's
  }
}
enum Network {
  loopback @0;
  host @1;                    # only when policy allows
}

# One app of a PodSpec.
struct AppSpec {
  name @0 :Text;
  image @1 :Data;             # 64 bytes: SHA-512 of the tar
  imageName @2 :Text;         # for display only
  exec @3 :List(Data);        # never empty
  environment @4 :List(Types.Variable);
  workingDirectory @5 :Data;  # "" or absolute
  user @6 :Text;              # number, name in the image, or "/path" whose owner is meant
  group @7 :Text;
  supplementaryGids @8 :List(UInt32);
  capabilities @9 :UInt64;    # bounding set, bit n = capability n
  noNewPrivileges @10 :Bool;
  readOnlyRoot @11 :Bool;
  mounts @12 :List(MountSpec);
  memoryBytes @13 :UInt64;
  cpuMillis @14 :UInt32;
  cpuShares @15 :UInt32;
  hasOomScoreAdjust @16 :Bool;
  oomScoreAdjust @17 :Int32;  # -1000 to 1000; 0 when hasOomScoreAdjust is false
  hasExtraFilter @18 :Bool;   # its sealed BPF program comes as a descriptor
  pidsMax @19 :UInt32;        # processes and threads; 0: as many as the pod may have
  notify @20 :Bool;           # it gets a NOTIFY_SOCKET
  sockets @21 :List(SocketSpec);  # at most 16 in a pod; each comes as a descriptor
  ownInput @22 :Bool;         # these streams are not the pod's: each comes as a descriptor
  ownOutput @23 :Bool;
  ownErrors @24 :Bool;
  input @25 :StreamMode;      # log is refused; other than inherit is refused with an own stream or a terminal
  output @26 :StreamMode;
  errors @27 :StreamMode;
  preStart @28 :List(Data);   # what runs before the app, as the app; empty: nothing
  postStop @29 :List(Data);   # what runs after it
  stopSignal @30 :UInt8;      # asks it to stop: 1 to 64; 0: SIGTERM
}
# Where a stream of an app leads.
enum StreamMode {
  inherit @0;                 # to the pod's stream, or the app's own
  null @1;
  log @2;                     # PID 1 writes lines to a file in the pod's directory
  stream @3;                  # a pipe of PID 1's, for whoever attaches
  tty @4;                     # a pseudo terminal of the app, for whoever attaches
}
# A socket that somebody else has opened for a port of the app (sd_listen_fds(3)).  Part of AppSpec.
struct SocketSpec {
  port @0 :Text;              # the port's name: what LISTEN_FDNAMES says
  datagram @1 :Bool;          # UDP; else TCP, listening
  number @2 :UInt16;          # what the socket is bound to
}
# Where an app sees a volume.  Part of AppSpec.
struct MountSpec {
  volume @0 :Text;
  target @1 :Data;            # absolute; resolved inside the app's root
  readOnly @2 :Bool;
}
# A volume of a PodSpec.  Nothing is opened by `source`: a host volume comes as a descriptor.
struct VolumeSpec {
  name @0 :Text;
  kind @1 :VolumeKind;
  readOnly @2 :Bool;
  recursive @3 :Bool;
  source @4 :Data;            # for display only
  mode @5 :UInt32;
  uid @6 :UInt32;             # of the pod
  gid @7 :UInt32;
}
enum VolumeKind {
  host @0;
  empty @1;
}

# What an entering process runs.  Sent by the CLI in an EnterRequest; the helper writes its own copy into the sealed
# memfd that stage1's enter call gets as fd 6.
struct EnterSpec {
  app @0 :Text;
  exec @1 :List(Data);        # never empty
  environment @2 :List(Types.Variable);
  terminal @3 :Bool;
}

# To which streams of a running app somebody attaches: the first message on a connection to the pod's attach socket.
# Written by the CLI in an AttachRequest; the helper writes its own copy.  No descriptors.
struct AttachSpec {
  app @0 :Text;
  input @1 :Bool;             # at least one of the three
  output @2 :Bool;
  errors @3 :Bool;
}

# stage1 -> holder of the leash (fd 3).  Sent by the pod's PID 1: believed only as far as the exit code of the run.
# Descriptors: one, the master of the pod's terminal, with `terminal`; none otherwise.  A malformed event is treated as
# the end of the leash.
struct LeashEvent {
  kind @0 :Kind;
  app @1 :Text;
  status @2 :Int32;           # exit code, or 128 + signal
  text @3 :Text;
  notify @4 :UInt32;          # with `notify`, 1 READY, 2 RELOADING, 4 STOPPING, 8 WATCHDOG, 16 STATUS (in text); else 0

  enum Kind {
    unset @0;                 # refused
    ready @1;
    failed @2;
    terminal @3;
    appExited @4;
    podExited @5;
    notify @6;                # what an app has said by sd_notify(3)
    oomKilled @7;             # before appExited; why in `text`
    warning @8;               # what went wrong with `app` and ends nothing, in `text`
  }
}
# holder -> stage1.  No descriptors.  A malformed command is treated as `stop`.
struct LeashCommand {
  kind @0 :Kind;
  signal @1 :Int32;           # 1 to 64 with `signal`, else 0

  enum Kind {
    unset @0;                 # refused
    stop @1;
    signal @2;
  }
}
