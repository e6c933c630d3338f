// SPDX-License-Identifier: Apache-2.0
#include "cli/trusted_keys.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "base/sealed.h"
#include "base/syscall.h"
#include "cli/fetch_client.h"
#include "cli/options.h"
#include "cli/own_paths.h"
#include "cli/own_store.h"
#include "cli/text_output.h"
#include "store/keystore.h"
#include "store/roles.h"

namespace airlock::cli {

namespace {

constexpr int kInspectMilliseconds = 30'000;
constexpr std::size_t kAnswerBytes = 256;

// One line of stdin without its newline; nullopt at the end.  Byte by byte: what follows belongs to
// somebody else.
Result<std::optional<std::string>> readLine() {
  std::string line;
  for (;;) {
    std::array<std::uint8_t, 1> byte{};
    if (TRY(sys::read(FdRef(STDIN_FILENO), byte)) == 0) {
      if (line.empty()) return std::nullopt;
      return line;
    }
    if (byte[0] == '\n') return line;
    if (line.size() < kAnswerBytes) line += static_cast<char>(byte[0]);
  }
}

Result<bool> askToTrust() {
  for (;;) {
    note("Are you sure you want to trust this key (yes/no)?\n");
    const auto line = TRY(readLine());
    if (!line) return refuse(ErrorKind::Failed, "E_NO_TTY", "error reviewing key: no answer");
    if (*line == "yes") return true;
    if (*line == "no") return false;
    note("Please enter 'yes' or 'no'\n");
  }
}

struct KeyPlace {
  std::string directory;  // trustedkeys/root.d or trustedkeys/prefix.d/P, absolute
  bool ownStoreOnly = false;
};
KeyPlace placeOf(const Options& options, const KeyScope& scope) {
  KeyPlace place;
  std::string root = options.localConfig;
  if (::geteuid() != 0 && ::access(root.c_str(), W_OK) != 0 && !options.userConfig.empty()) {
    root = options.userConfig;
    place.ownStoreOnly = true;
  }
  const std::string kind = scope.log ? "rekor.d" : scope.prefix ? "prefix.d" : "root.d";
  place.directory =
      root + "/trustedkeys/" + kind + (scope.prefix ? "/" + scope.prefix->text() : "");
  return place;
}

Result<bool> alreadyTrusted(const Options& options, const KeyScope& scope,
                            const KeyFingerprint& fingerprint) {
  // The last directory that has a file of that name decides; an empty one says no.
  bool trusted = false;
  for (const std::string& root : options.configRoots()) {
    const store::KeyStore keys = TRY(store::KeyStore::open({root}));
    const auto all =
        TRY(keys.all(scope.log ? store::KeyStore::Of::Log : store::KeyStore::Of::Signer));
    for (const auto& [where, key] : all) {
      if (where != scope.text()) continue;
      if (key == fingerprint.text()) trusted = true;
      if (key == "-" + fingerprint.text()) trusted = false;
    }
  }
  return trusted;
}

Result<void> addKey(const Options& options, const KeyScope& scope, const std::string& content,
                    const KeyFingerprint& fingerprint) {
  const KeyPlace place = placeOf(options, scope);
  auto directory = makeDirectories(place.directory, 0755);
  if (!directory) {
    return std::unexpected(
        std::move(directory.error())
            .in("error adding key")
            .withHint("Trusted keys are the administrator's: use sudo, or --local-config"));
  }
  TRY(sys::replaceFile(*directory, TRY(Component::parse(fingerprint.text())), content, 0644));
  const std::string path = place.directory + "/" + fingerprint.text();
  note((scope.prefix ? "Added key for prefix \"" + scope.text() + "\" at \""
                     : "Added root key at \"") +
       printable(path) + "\"\n");
  if (place.ownStoreOnly) {
    note("warning: the key counts for your own store only; " + printable(options.localConfig) +
         " is the administrator's\n");
  }
  return {};
}

void tellHowToTrust(const std::string& prefix) {
  note("pubkey: To trust the key for \"" + prefix + "\", do one of the following:\n" +
       "pubkey:  - call " + programName() + " with --trust-keys-from-https\n" +
       "pubkey:  - run: " + programName() + " trust --prefix \"" + prefix + "\"\n");
}

// Those of the advertised keys that count for the name already.  A prefix that advertises none is
// as good: its keys came another way.
std::string knownKeys(const Options& options, const ImageName& name,
                      const std::vector<KeyFingerprint>& trusted) {
  const auto network = fetchOptions(options);
  if (!network) return "";  // the download says why
  const auto keys = fetchKeys({.options = *network, .prefix = name.text()});
  if (!keys) return "";
  std::string text;
  for (const FetchedKey& key : *keys) {
    const auto facts = inspectKey(key.content);
    if (!facts || std::ranges::find(trusted, facts->fingerprint) == trusted.end()) continue;
    text += keyText("", KeyScope{name}, key.url, *facts) + "Key \"" + printable(key.url) +
            "\" already in the keystore\n";
  }
  return text;
}

Result<std::string> offerAdvertised(const Options& options, const ImageName& name) {
  const ImageStore images = TRY(ImageStore::choose(options));
  const auto trusted = TRY(TRY(images.keys()).fingerprintsFor(name));
  if (!trusted.empty()) return knownKeys(options, name, trusted);
  const std::vector<FetchedKey> keys =
      TRY(fetchKeys({.options = TRY(fetchOptions(options)), .prefix = name.text()}));
  const KeyScope scope{name};
  for (const FetchedKey& key : keys) {
    const bool silently =
        options.trustKeysFromHttps && key.url.starts_with("https://") && !options.insecure.tls;
    TRY(offerKey(options, scope, {key.url, key.content}, silently ? Review::Skip : Review::Ask));
  }
  return "";
}

}  // namespace

Result<ipc::KeyFacts> inspectKey(const std::string& content) {
  if (content.size() > limits::kKeyFileBytes) {
    return refuse(ErrorKind::Invalid, "E_LIMIT", "the key file is larger than a key can be");
  }
  const Sealed bytes = TRY(Sealed::make("key", content));
  const std::array<FdRef, 1> fds = {bytes.fd()};
  store::Role role = TRY(store::Role::start(TRY(store::RoleStarter::create()), "inspect-key",
                                            ipc::InspectKeyJob{}, fds));
  return role.finish<ipc::KeyFacts>(kInspectMilliseconds);
}

namespace {
std::string labelOf(KeyFingerprint::Kind kind) {
  switch (kind) {
    case KeyFingerprint::Kind::OpenPgp:
      return "gpg key fingerprint is: ";
    case KeyFingerprint::Kind::Minisign:
      return "minisign key id is: ";
    case KeyFingerprint::Kind::PublicKey:
      return "public key fingerprint is: ";
  }
  std::unreachable();
}
}  // namespace

std::string keyText(const char* before, const KeyScope& scope, const std::string& source,
                    const ipc::KeyFacts& facts) {
  std::string text = before + std::string("prefix: \"") + scope.text() + "\"\nkey: \"" +
                     printable(source) + "\"\n";
  text += labelOf(facts.fingerprint.kind()) + spacedFingerprint(facts.fingerprint.text()) + "\n";
  for (const std::string& subkey : facts.subkeys) {
    text += "    Subkey fingerprint: " + spacedFingerprint(subkey) + "\n";
  }
  for (const std::string& identity : facts.userIds) text += "\t" + printable(identity) + "\n";
  return text;
}

Result<Verdict> offerKey(const Options& options, const KeyScope& scope, const OfferedKey& key,
                         Review review) {
  const ipc::KeyFacts facts = TRY(inspectKey(key.content));
  const std::string source = printable(key.source);
  if (scope.log && facts.fingerprint.kind() != KeyFingerprint::Kind::PublicKey) {
    return refuse(ErrorKind::Invalid, "E_KEY", "a transparency log has a plain public key (PEM)",
                  "Its operator publishes it; Rekor's is at /api/v1/log/publicKey");
  }
  note(keyText("pubkey: ", scope, key.source, facts));
  if (TRY(alreadyTrusted(options, scope, facts.fingerprint))) {
    note("Key \"" + source + "\" already in the keystore\n");
    return Verdict::AlreadyThere;
  }
  if (review == Review::Ask) {
    if (!canAsk()) {
      if (scope.prefix) tellHowToTrust(scope.text());
      return refuse(
          ErrorKind::Failed, "E_NO_TTY",
          "error reviewing key: unable to ask user to review fingerprint due to lack of tty",
          "Compare the fingerprint, then use --skip-fingerprint-review");
    }
    if (!TRY(askToTrust())) {
      note("pubkey: not trusting \"" + source + "\"\n");
      return Verdict::Refused;
    }
  }
  note("Trusting \"" + source + "\" for prefix \"" + scope.text() + "\" " +
       (review == Review::Ask ? "after" : "without") + " fingerprint review.\n");
  TRY(addKey(options, scope, key.content, facts.fingerprint));
  return Verdict::Added;
}

Result<Removal> removeKey(const Options& options, const KeyScope& scope,
                          const KeyFingerprint& fingerprint) {
  if (!TRY(alreadyTrusted(options, scope, fingerprint))) {
    return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                  "key " + fingerprint.text() + " is not trusted for " +
                      (scope.prefix ? "prefix " + quoted(scope.text()) : "every image"),
                  "See " + programName() + " trust list");
  }
  const KeyPlace place = placeOf(options, scope);
  const Component name = TRY(Component::parse(fingerprint.text()));
  Removal removal{.path = place.directory + "/" + fingerprint.text()};
  const auto done = [&]() -> Result<void> {
    const Fd directory = TRY(makeDirectories(place.directory, 0755));
    if (sys::openBeneath(directory, name, O_PATH | O_NOFOLLOW)) TRY(sys::unlink(directory, name));
    if (!TRY(alreadyTrusted(options, scope, fingerprint))) return {};
    // It is in a directory that others maintain: a file of that name and no content hides it.
    removal.masks = true;
    return sys::replaceFile(directory, name, "", 0644);
  }();
  if (!done) {
    return std::unexpected(
        Error(done.error())
            .in("error removing key")
            .withHint("Trusted keys are the administrator's: use sudo, or --local-config"));
  }
  return removal;
}

void tellTrustedPrefixes(const Options& options) {
  const auto images = ImageStore::choose(options);
  const auto keys = images ? images->keys() : std::unexpected(images.error());
  const auto all = keys ? keys->all() : std::unexpected(keys.error());
  if (!all) return;  // the refusal itself has been told
  constexpr std::size_t kMost = 8;
  std::set<std::string> scopes;
  for (const auto& [scope, key] : *all) {
    if (!key.starts_with('-'))
      scopes.insert(scope.empty() ? "every image" : airlock::quoted(scope));
  }
  std::string text;
  for (const std::string& scope : scopes) {
    if (&scope != &*scopes.begin()) text += ", ";
    text += scope;
    if (text.size() > kMost * limits::kHostnameBytes) break;
  }
  inform(scopes.empty() ? "no key is trusted for anything yet" : "keys are trusted for " + text);
}

std::string discoverKeysFor(const Options& options, const ImageName& name) {
  const auto offered = offerAdvertised(options, name);
  if (offered) return *offered;
  // The download that follows meets the same network, and says so.
  const std::string& code = offered.error().code();
  const bool network = code == "E_CONNECT" || code == "E_TIMEOUT" || code == "E_TLS";
  if (network && !options.debug) return "";
  note("image: error adding keys: " + printable(offered.error().message()) + "\n");
  return "";
}

}  // namespace airlock::cli
