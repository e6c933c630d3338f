// SPDX-License-Identifier: Apache-2.0
// Whole conversations about an OCI image with the real airlock-fetch.  Tests only.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "unpriv-fetch/fetch_test.h"

namespace airlock::fetch {

struct OciOutcome {
  std::vector<ipc::FetchEvent> events;  // all but the last
  ipc::FetchEvent last = ipc::FetchNote{};
  std::optional<ipc::OciDocuments> documents;
  std::string documentBytes;
  std::map<std::uint32_t, std::string> layers;  // of those that were said to be done
  std::map<std::uint32_t, std::string> parts;   // what is in the files of the others
  ExitStatus status;

  bool done() const { return std::holds_alternative<ipc::OciDone>(last); }
  const ipc::OciUnchanged* unchanged() const { return std::get_if<ipc::OciUnchanged>(&last); }
  std::string code() const;
  std::string failure() const;
  std::string notes() const;
  // The content of the attachment of that number, and its annotations.
  std::pair<std::string, std::string> attachment(std::size_t number) const;
};

// What the test says of the layers that it wants; by default all, from nothing.
struct Wish {
  std::optional<std::vector<ipc::WantedLayer>> layers;
  std::map<std::uint32_t, std::string> before;  // what is in the files already
  std::string layout;                           // a directory whose files are offered
  std::string signatures;                       // the same, for HEX/N
};

class OciFetch : public Fetch {
 protected:
  // The repository SCENARIO/image of the test server, tag 1.
  static ipc::FetchOciJob ociJob(const std::string& scenario,
                                 const std::string& host = "example.com");
  static OciOutcome converse(Running running, const Wish& wish = {});
  static OciOutcome get(const ipc::FetchOciJob& job, const Wish& wish = {}) {
    return converse(start(job), wish);
  }
  static OciOutcome get(const std::string& scenario) { return get(ociJob(scenario)); }
  // Lines of the server's log that have `part` in them.
  static std::vector<std::string> requestsWith(const std::string& part);
};

ipc::Credential userOf(const std::string& host);

}  // namespace airlock::fetch
