// SPDX-License-Identifier: Apache-2.0
// airlock policy diff and airlock trust why
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/path.h"
#include "cli/options.h"
#include "cli/policy_history.h"
#include "cli/text_output.h"
#include "image/oci_reference.h"
#include "store/keystore.h"

namespace airlock::cli {

Result<int> policyDiff(const Options& options, const std::vector<std::string>& arguments) {
  const auto words = TRY(parseFlags(arguments, {}));
  if (words.size() > 2)
    return refuse(ErrorKind::Invalid, "E_USAGE", "policy diff takes two times or digests at most",
                  "Without any: the policy in force, and the one before");
  const PolicyAt before = TRY(policyAt(options, words.empty() ? "^" : words[0]));
  const PolicyAt after = TRY(policyAt(options, words.size() < 2 ? "" : words[1]));
  if (options.json) {
    image::Json document;
    for (const auto& [name, policy] : {std::pair("before", &before), std::pair("after", &after)}) {
      document[name]["since"] = policy->since;
      document[name]["digest"] = policy->digest;
      document[name]["files"] = image::Json::object();
      for (const auto& [file, content] : policy->files) document[name]["files"][file] = content;
    }
    printJson(document);
    return before.digest == after.digest ? 0 : 1;
  }
  out(policyDifference(before, after));
  return before.digest == after.digest ? 0 : 1;  // as diff(1)
}

// Which keys may sign an image, and through which directory: rkt's layout has a key for a prefix,
// for everything below it, and an empty file that takes one away.
Result<int> trustWhy(const Options& options, const std::vector<std::string>& arguments) {
  const auto words = TRY(parseFlags(arguments, {}));
  if (words.empty() || words.size() > 2)
    return refuse(ErrorKind::Invalid, "E_USAGE", "trust why takes NAME [FINGERPRINT]");
  const ImageName name = TRY(inContext(image::imageNameOfPrefix(words[0]), "trust why"));
  std::string wanted = words.size() == 2 ? words[1] : "";
  std::erase(wanted, ' ');
  if (!wanted.starts_with("minisign-") && !wanted.starts_with("sha256-"))
    for (char& c : wanted) c = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  const store::KeyStore keys = TRY(store::KeyStore::open(options.configRoots()));
  const auto trusted = TRY(keys.fingerprintsFor(name));
  bool any = false;
  image::Json document = image::Json::array();
  std::string text;
  for (const auto& [scope, entry] : TRY(keys.all())) {
    const bool masks = entry.starts_with('-');
    const std::string key = masks ? entry.substr(1) : entry;
    if (!wanted.empty() && key != wanted) continue;
    const bool covers = coversPath(scope, name.text());
    const bool counts = covers && !masks && std::ranges::any_of(trusted, [&](const auto& each) {
                          return each.text() == key;
                        });
    any |= counts;
    const std::string where = scope.empty() ? "every image (root.d)" : scope + " (prefix.d)";
    const std::string why = !covers  ? "does not count: " + name.text() + " is not below it"
                            : masks  ? "an empty file takes it away"
                            : counts ? "counts"
                                     : "does not count: an empty file takes it away";
    if (wanted.empty() && !covers) continue;
    text += printable(key) + "\tfor " + printable(where) + ": " + printable(why) + "\n";
    document.push_back({{"fingerprint", key}, {"scope", scope}, {"counts", counts}, {"why", why}});
  }
  if (options.json) {
    printJson({{"name", name.text()}, {"trusted", any}, {"keys", document}});
  } else {
    out(text);
    const std::string who = wanted.empty() ? "somebody" : printable(wanted);
    out(any ? who + " may sign " + name.text() + "\n"
            : (wanted.empty() ? "nobody" : who) +
                  (wanted.empty() ? " may sign " : " may not sign ") + name.text() + "\n");
  }
  return any ? 0 : kExitFailure;
}

}  // namespace airlock::cli
