// SPDX-License-Identifier: Apache-2.0
// Every name below a data directory, with owner and mode: the only place that knows them.
// docs/store-layout.md is its prose.  The store's owner is root (helper) or the user whose own
// store it is (CLI).
#pragma once

#include <sys/types.h>

#include <string>

#include "base/digest.h"
#include "base/names.h"
#include "base/path.h"

namespace airlock::store {

inline constexpr const char* kSystemDataDirectory = "/var/lib/airlock";
inline constexpr const char* kSystemRuntimeDirectory = "/run/airlock";
inline constexpr const char* kSystemLocalConfig = "/etc/airlock";
inline constexpr const char* kSystemVendorConfig = "/usr/lib/airlock";
// Exists while systemd runs the host (sd_booted(3)).
inline constexpr const char* kSystemdRuns = "/run/systemd/system";

// The runtime directory of a data directory: /run/airlock for the system's, its own `run` for every
// other, so that two engines side by side never meet.
std::string runtimeDirectoryOf(const std::string& dataDirectory);
inline constexpr const char* kHelperSocketName = "helper.sock";

// Names are checked when the program starts using them; a bad one is a bug of ours.
Component name(std::string_view constant);

// clang-format off
// DIR/VERSION                    0644  the store format, "3\n"
// DIR/store/                     0755  (beside it audit/ and audit-end: docs/audit.md)
//   lock                         0600  flock: shared while an import commits, exclusive while files go
//   catalog/<image id>           0644  CatalogRecord; its rename is the moment an image exists
//   name/<name key>/<image id>   0644  empty: an image of this name, as the catalog has it
//   manifest/<image id>          0644  the manifest's bytes
//   signature/<image id>         0644  the detached signature, as it came
//   blob/<blob digest>           0600  the image file, as it came; of an OCI image index, manifest,
//                                      config and each layer, by its own digest
//   tree/<tree digest>           0600  the EROFS image, of an ACI or a layer
//   intent/<random>              0600  CatalogRecord of a commit or removal that has begun
//   mnt/                         0700  where the helper attaches layers, in its own mount namespace
// DIR/uid-ranges/<slot>          0600  the UUID of the pod that has this range
// DIR/mcs/<c1,c2>                0600  the UUID of the pod that has these SELinux categories
// DIR/pod-names/<name>           0644  the UUID of the pod that is called so; .lock 0600
// DIR/pods/{embryo,prepare,prepared,run,exited-garbage,garbage}/<uuid>/
//   record pid                   0644  PodRecord, "<pid> <start time>\n"
//   pod                          0640  pod manifest JSON, of the owner's group: it has the environment
//   spec cgroup                  0600  PodSpec; where its cgroup is, noted before it was made
//   lock                         0644  OFD write lock while the pod lives: only the owner can take one
//   claim                        0600  OFD write lock of who starts a prepared pod, or deletes one
//   status/<app>                 0644  "<exit status>\n"; the directory belongs to the pod's root
//   status/.ready                0644  every app has been exec'ed
//   {upper/<app>,volumes/<name>} 0700  what the app wrote, in fs beside overlayfs's work; empty volumes
//   added/<app>/                 0755  of an app that was added to a sandbox: all of the above but claim and cgroup,
//                                      for this app alone; adding/, removed/: one that is on its way
// clang-format on
inline constexpr int kFormatVersion = 3;
inline constexpr int kOldestFormat = 1;  // that can be migrated, and read as it is

Component catalogName(const ImageId& image);
// The folder of a name in the index: a digest, because names have slashes and are long.
Component nameKey(const ImageName& image);
Component blobName(const BlobDigest& blob);
Component ociBlobName(const OciDigest& blob);
Component treeName(const TreeDigest& tree);
Component podName(const PodId& pod);

}  // namespace airlock::store
