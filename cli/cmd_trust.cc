// SPDX-License-Identifier: Apache-2.0
// airlock trust, trust list and trust remove
#include <fcntl.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "cli/command.h"
#include "cli/fetch_client.h"
#include "cli/go_format.h"
#include "cli/options.h"
#include "cli/text_output.h"
#include "cli/trusted_keys.h"
#include "image/json.h"
#include "image/oci_reference.h"
#include "store/keystore.h"

namespace airlock::cli {

namespace {

struct TrustFlags {
  std::string prefix;
  bool root = false;
  bool log = false;
  bool skipReview = false;
  bool allowHttp = false;
};

std::unexpected<Error> usage(std::string message, std::string hint = {}) {
  return refuse(ErrorKind::Invalid, "E_USAGE", std::move(message), std::move(hint));
}

Result<KeyScope> scopeOf(const TrustFlags& flags) {
  if (!flags.prefix.empty() && flags.root)
    return usage("--root and --prefix usage mutually exclusive");
  if (flags.root || (flags.log && flags.prefix.empty())) return KeyScope{{}, flags.log};
  if (flags.prefix.empty()) {
    return usage("missing --prefix or --root", "See " + programName() + " help trust");
  }
  const std::size_t scheme = flags.prefix.find("://");
  if (scheme != std::string::npos) {
    return usage("--prefix must not contain a URL scheme, omit " +
                 printable(flags.prefix.substr(0, scheme + 3)));
  }
  return KeyScope{TRY(inContext(image::imageNameOfPrefix(flags.prefix), "--prefix")), flags.log};
}

Result<std::vector<OfferedKey>> keysAt(const Options& options, const TrustFlags& flags,
                                       const std::string& location) {
  const bool https = location.starts_with("https://");
  const bool http = location.starts_with("http://");
  if (http && !flags.allowHttp && !options.insecure.pubkey) {
    return usage("--insecure-allow-http required for http URLs");
  }
  if (https || http) {
    ipc::FetchKeysJob job{.options = TRY(fetchOptions(options)), .url = location};
    job.options.allowHttp = http;
    std::vector<OfferedKey> offered;
    for (FetchedKey& key : TRY(fetchKeys(std::move(job))))
      offered.push_back({std::move(key.url), std::move(key.content)});
    return offered;
  }
  if (location.find("://") != std::string::npos)
    return usage("only local files and http or https URLs supported");
  const auto file = sys::openPath(location, O_RDONLY | O_NONBLOCK);
  if (!file) {
    return refuse(file.error().kind(), "E_NOT_FOUND",
                  "error opening key " + airlock::quoted(location) + ": " + file.error().message());
  }
  return std::vector{
      OfferedKey{location, TRY(inContext(sys::readAll(*file, limits::kKeyFileBytes), location))}};
}

Result<std::vector<OfferedKey>> discovered(const Options& options, const TrustFlags& flags,
                                           const KeyScope& scope) {
  if (scope.log) return usage("--transparency-log needs a key: a file or a URL");
  if (!scope.prefix) return usage("--root needs a key: a file or a URL");
  ipc::FetchKeysJob job{.options = TRY(fetchOptions(options)), .prefix = scope.text()};
  job.options.allowHttp = job.options.allowHttp || flags.allowHttp;
  auto keys = fetchKeys(std::move(job));
  if (!keys) {
    return refuse(
        keys.error().kind(), keys.error().code(),
        "error determining key location: prefix meta discovery error: " + keys.error().message(),
        keys.error().hint());
  }
  if (keys->empty()) {
    return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                  "meta discovery on " + scope.text() + " resulted in no keys");
  }
  std::vector<OfferedKey> offered;
  for (FetchedKey& key : *keys) offered.push_back({std::move(key.url), std::move(key.content)});
  return offered;
}

// A fingerprint as it may be shown: in capitals, and in groups of four digits.
std::string asStored(std::string text) {
  std::erase(text, ' ');
  if (text.starts_with("minisign-") || text.starts_with("sha256-")) return text;
  for (char& c : text) c = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

// A key for no name in particular.  As rkt, in five lines: it is the one refusal here after which
// people have to choose.
Result<int> unbounded(const Options& options) {
  constexpr const char* what =
      "aborting due to implicit unbounded trust (root domain); please specify --prefix or --root";
  if (options.json) return usage(what, "A key under --root may sign every image");
  note(std::string("trust: ") + what + "\n");
  note("To trust a key for images of one name, and of all names below it:\n    " + programName() +
       " trust --prefix=example.com/foo [PUBKEY]\nTo trust it for every image (not recommended):\n"
       "    " +
       programName() + " trust --root PUBKEY\n");
  return kExitFailure;
}

}  // namespace

Result<int> trustList(const Options& options, const std::vector<std::string>& arguments) {
  if (!TRY(parseFlags(arguments, {})).empty()) return usage("trust list takes no argument");
  const store::KeyStore keys = TRY(store::KeyStore::open(options.configRoots()));
  image::Json document = image::Json::array();
  std::vector<std::vector<std::string>> rows = {{"PREFIX", "FINGERPRINT", "STATE"}};
  for (const auto of : {store::KeyStore::Of::Signer, store::KeyStore::Of::Log}) {
    const bool log = of == store::KeyStore::Of::Log;
    for (const auto& [scope, key] : TRY(keys.all(of))) {
      const bool masked = key.starts_with('-');
      const std::string fingerprint = masked ? key.substr(1) : key;
      rows.push_back({scope.empty() ? "(every image)" : scope, fingerprint,
                      masked ? "disabled"
                      : log  ? "transparency log"
                             : "trusted"});
      document.push_back({{"prefix", scope},
                          {"fingerprint", fingerprint},
                          {"trusted", !masked},
                          {"transparency_log", log}});
    }
  }
  if (options.json) {
    printJson(document);
  } else {
    out(tabulate(rows));
  }
  return 0;
}

Result<int> trustRemove(const Options& options, const std::vector<std::string>& arguments) {
  TrustFlags flags;
  const std::vector<std::string> words =
      TRY(parseFlags(arguments, {textFlag("prefix", flags.prefix), boolFlag("root", flags.root),
                                 boolFlag("transparency-log", flags.log)}));
  if (words.empty()) {
    return usage("must provide at least one fingerprint", "See " + programName() + " trust list");
  }
  const KeyScope scope = TRY(scopeOf(flags));
  for (const std::string& word : words) {
    const KeyFingerprint fingerprint = TRY(KeyFingerprint::parse(asStored(word)));
    const Removal removal = TRY(removeKey(options, scope, fingerprint));
    out((removal.masks ? "disabled the key with the empty file " : "removed ") +
        printable(removal.path) + "\n");
  }
  return 0;
}

Result<int> trust(const Options& options, const std::vector<std::string>& arguments) {
  TrustFlags flags;
  const std::vector<std::string> locations =
      TRY(parseFlags(arguments, {textFlag("prefix", flags.prefix), boolFlag("root", flags.root),
                                 boolFlag("transparency-log", flags.log),
                                 boolFlag("skip-fingerprint-review", flags.skipReview),
                                 boolFlag("insecure-allow-http", flags.allowHttp)}));
  if (flags.prefix.empty() && !flags.root && !flags.log && !locations.empty())
    return unbounded(options);
  const KeyScope scope = TRY(scopeOf(flags));
  std::vector<OfferedKey> keys;
  if (locations.empty()) keys = TRY(discovered(options, flags, scope));
  for (const std::string& location : locations) {
    for (OfferedKey& key : TRY(keysAt(options, flags, location))) keys.push_back(std::move(key));
  }
  bool refused = false;
  for (const OfferedKey& key : keys) {
    auto verdict = offerKey(options, scope, key, flags.skipReview ? Review::Skip : Review::Ask);
    if (!verdict) {
      Error error = std::move(verdict.error());
      return refuse(error.kind(), error.code(), "error adding keys: " + error.message(),
                    error.hint());
    }
    if (*verdict == Verdict::Refused) refused = true;
  }
  // rkt ends with 0 here; a script has to see that nothing is trusted now.
  return refused ? kExitFailure : 0;
}

}  // namespace airlock::cli
