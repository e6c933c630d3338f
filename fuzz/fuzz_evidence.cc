// SPDX-License-Identifier: Apache-2.0
// A whole archive of evidence, appraised: there is always a verdict, and a report of it.  Nothing
// that was not signed by the key below is accepted.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "attest/appraise.h"
#include "attest/exported_files.h"
#include "attest/report.h"
#include "attest/signers.h"
#include "base/digest.h"

using namespace airlock::attest;  // NOLINT: one program, one subject

namespace {

std::vector<TrustedKey> inventory() {
  ::setenv("TSS2_LOG", "all+NONE", 1);
  prepareOpenssl();
  // Whose evidence is among the seeds.
  std::ifstream file(AIRLOCK_VECTORS "/ak.pem");
  std::ostringstream text;
  text << file.rdbuf();
  auto keys = readInventory(text.str());
  if (!keys) std::abort();
  return std::move(*keys);
}

// A log that is about the image and the keys of the seeds called "export".
History recorded() {
  History history;
  ImageRecord image;
  image.image = airlock::ociDigestOf(R"({"schemaVersion":2})").text();
  image.name = "example.com/web";
  history.images.push_back(image);
  TrustRecord trust;
  trust.keys = {{"example.com", std::string(40, 'a')}};
  history.trusts.push_back(trust);
  history.policies.push_back({});
  return history;
}

// What an export has besides quote and log.
void checkExport(std::string_view bytes) {
  static const History history = recorded();
  const auto evidence = readEvidence(bytes);
  if (!evidence) return;
  static_cast<void>(checkPolicyFiles(*evidence, history));
  static_cast<void>(checkKeyFiles(*evidence, history));
  const bool good = checkManifests(*evidence).has_value();
  // Nothing is offered for verifying that is not what its image is called by.
  if (listSignatures(*evidence, history).has_value() != good) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<TrustedKey> keys = inventory();
  static const FleetPolicy policy;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string nonce("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16);
  const auto appraisal =
      appraise(bytes, {.nonce = nonce, .inventory = keys, .policy = &policy, .roots = nullptr});
  if (!appraisal) std::abort();
  if (appraisal->checks.empty()) std::abort();
  checkExport(bytes);
  if (textReport(*appraisal).empty() || jsonReport(*appraisal).empty()) std::abort();
  return 0;
}
