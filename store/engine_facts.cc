// SPDX-License-Identifier: Apache-2.0
#include "store/engine_facts.h"

#include <fcntl.h>

#include <string>

#include "base/process.h"
#include "base/syscall.h"
#include "store/host_layers.h"
#include "store/program_digest.h"

namespace airlock::store {

namespace {

constexpr const char* kPrograms[] = {
    "airlock-fetch", "airlock-helper",           "airlock-measure", "airlock-metadata",
    "airlock-pack",  "airlock-stage1-container", "airlock-systemd", "airlock-verify"};

}  // namespace

Result<ipc::EngineFacts> engineFacts(FdRef runtime, const KeyStore& keys,
                                     const LabelPolicy& labels) {
  ipc::EngineFacts facts;
  facts.version = AIRLOCK_VERSION;
  for (const char* name : kPrograms) {
    const Fd program = TRY(openSibling(name));
    facts.programs.emplace_back(name, TRY(programDigest(runtime, name, program)));
  }
  const Fd bootId = TRY(sys::openPath("/proc/sys/kernel/random/boot_id", O_RDONLY));
  facts.bootId = TRY(sys::readAll(bootId, 64)).substr(0, 36);
  facts.trusted = TRY(keys.all());
  facts.trust = digestOf(trustListing(facts.trusted));
  facts.trustFiles = digestOf(keyFileListing(TRY(keys.files())));
  facts.layers = hostLayers(labels);
  return facts;
}

std::string trustListing(const std::vector<std::pair<std::string, std::string>>& trusted) {
  std::string list;
  for (const auto& [scope, fingerprint] : trusted) list += scope + " " + fingerprint + "\n";
  return list;
}

std::string keyFileListing(const std::map<std::string, ContentDigest>& files) {
  std::string list;
  for (const auto& [path, digest] : files) list += path + " " + digest.text() + "\n";
  return list;
}

}  // namespace airlock::store
