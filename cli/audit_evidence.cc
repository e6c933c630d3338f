// SPDX-License-Identifier: Apache-2.0
#include "cli/audit_evidence.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"
#include "base/syscall.h"
#include "cli/audit_lines.h"
#include "cli/helper_client.h"
#include "cli/quote_client.h"
#include "store/layout.h"
#include "store/store.h"

namespace airlock::cli {

namespace {

constexpr const char* kFirmwareLog = "/sys/kernel/security/tpm0/binary_bios_measurements";
constexpr std::size_t kOwnNonceBytes = 32;
// What `attest quote` writes (docs/measurement.md).
constexpr std::array<const char*, 8> kQuoteFiles = {"quote",        "quote.sig",     "pcrs",
                                                    "ak.pub",       "ek.crt",        "events.cel",
                                                    "firmware.log", "kernel-cmdline"};

Result<std::optional<std::string>> contentOf(FdRef directory, const Component& name,
                                             std::size_t limit) {
  auto content = sys::readFile(directory, name, limit);
  if (!content && content.error().kind() == ErrorKind::Missing) return std::optional<std::string>();
  if (!content) return std::unexpected(std::move(content.error()));
  return std::optional(*std::move(content));
}

// Every regular file below, by its name there; a later call replaces what an earlier one has found.
Result<void> addTree(FdRef directory, const std::string& above, std::size_t limit, int depth,
                     EvidenceFiles& evidence) {
  if (depth > 16) return refuse(ErrorKind::Invalid, "E_EVIDENCE", above + " is too deep");
  for (const std::string& entry : TRY(sys::list(directory))) {
    const Fd file =
        TRY(sys::openBeneath(directory, TRY(Component::parse(entry)), O_RDONLY | O_NONBLOCK));
    const struct stat info = TRY(sys::status(file));
    const std::string name = above + "/" + entry;
    if (S_ISDIR(info.st_mode)) {
      TRY(addTree(file, name, limit, depth + 1, evidence));
    } else if (S_ISREG(info.st_mode)) {
      evidence[name] = TRY(sys::readAll(file, limit));
    }
  }
  return {};
}

Result<void> addDirectory(const std::string& path, const std::string& name, std::size_t limit,
                          EvidenceFiles& evidence) {
  const auto directory = sys::openPath(path, O_RDONLY | O_DIRECTORY);
  if (!directory && directory.error().kind() == ErrorKind::Missing) return {};
  if (!directory) return std::unexpected(directory.error());
  return addTree(*directory, name, limit, 0, evidence);
}

Result<void> addImage(const Options& options, const store::Store& store,
                      const ipc::CatalogRecord& image, EvidenceFiles& evidence,
                      std::vector<std::string>& notes) {
  const std::string above = "images/" + image.image.text() + "/";
  const Component name = store::catalogName(image.image);
  for (const auto& [folder, member] :
       {std::pair("catalog", "record"), std::pair("manifest", "manifest"),
        std::pair("signature", "signature")}) {
    const Fd directory = TRY(store.folder(folder));
    if (auto content = TRY(contentOf(directory, name, limits::kSealedBytes)))
      evidence[above + member] = *std::move(content);
  }
  if (image.image.oci() == nullptr) return {};
  // Its files are root's; whoever may run it may read them.
  auto opened = askHelper(options, ipc::OpenImageRequest{.image = image.image, .tree = false}, {});
  if (!opened && opened.error().kind() == ErrorKind::Denied) {
    notes.push_back("the manifest of " + printable(image.name.text()) +
                    " is left out: who may run an image may read it");
    return {};
  }
  const HelperAnswer answer = TRY(std::move(opened));
  // In the order of Store::openFiles: manifest, config, and the index if there is one.
  constexpr std::size_t kIndex = 2;
  if (answer.fds.size() <= kIndex)
    return refuse(ErrorKind::Failed, "E_HELPER", "the helper answered another question");
  evidence[above + "oci-manifest"] =
      TRY(sys::readAll(answer.fds.front(), limits::kOciManifestBytes));
  // What is signed may be the index.
  if (image.index)
    evidence[above + "oci-index"] =
        TRY(sys::readAll(answer.fds[kIndex], limits::kOciManifestBytes));
  return {};
}

}  // namespace

Result<std::string> thisBoot() {
  const Fd file = TRY(sys::openPath("/proc/sys/kernel/random/boot_id", O_RDONLY));
  return TRY(sys::readAll(file, 64)).substr(0, 36);
}

Result<void> addLines(const Options& options, const std::string& boot, EvidenceFiles& evidence,
                      std::vector<audit::Line>& lines) {
  const Fd directory = TRY(openAuditRecord(options));
  std::size_t last = 0;  // behind the last line of that boot
  // The last line before that boot, and torn ones behind it: it shows that none is left out.
  std::vector<audit::Line> before;
  TRY(audit::readRecord(directory, [&](const audit::Line& line) -> Result<void> {
    const bool ours = line.word("boot") == boot;
    if (last == 0 && !ours) {
      if (!line.torn) before.clear();
      before.push_back(line);
      return {};
    }
    lines.push_back(line);
    if (ours) last = lines.size();
    return {};
  }));
  lines.resize(last);
  if (lines.empty())
    return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                  "nothing was recorded in boot " + printable(boot));
  std::string& text = evidence["audit.jsonl"];
  for (const auto* part : {&before, &lines}) {
    for (const audit::Line& line : *part) text += line.text + "\n";
  }
  return {};
}

Result<void> addLogs(const Options& options, EvidenceFiles& evidence) {
  const HelperAnswer answer = TRY(askHelper(options, ipc::ReportRequest{}, {}));
  if (!answer.fds.empty())
    evidence["events.cel"] = TRY(sys::readAll(answer.fds.front(), limits::kEventLogBytes));
  if (const auto file = sys::openPath("/proc/cmdline", O_RDONLY))
    evidence["kernel-cmdline"] = TRY(sys::readAll(*file, limits::kSealedBytes));
  if (const auto file = sys::openPath(kFirmwareLog, O_RDONLY))
    evidence["firmware.log"] = TRY(sys::readAll(*file, limits::kFirmwareLogBytes));
  return {};
}

Result<void> addImages(const Options& options, const std::vector<audit::Line>& lines,
                       EvidenceFiles& evidence, std::vector<std::string>& notes) {
  std::set<std::string> wanted;
  for (const audit::Line& line : lines) {
    if (line.code() != "allowed" || line.word("op") == "image-rm") continue;
    for (const auto& [id, name] : imagesOf(line)) {
      if (!id.empty()) wanted.insert(id);
    }
  }
  const auto store = TRY(store::Store::openForReading(options.dir));
  for (const std::string& text : wanted) {
    const auto image =
        store ? TRY(store->find(TRY(ImageId::parse(text)))) : std::optional<ipc::CatalogRecord>();
    if (image) {
      TRY(addImage(options, *store, *image, evidence, notes));
    } else {
      notes.push_back("image " + text.substr(0, 19) + " is not in the store any more");
    }
  }
  return {};
}

Result<void> addConfiguration(const Options& options, EvidenceFiles& evidence) {
  for (const std::string& root : {options.systemConfig, options.localConfig}) {
    // What else stands beside these is no key (store/keystore.h), and is not measured.
    for (const char* kind : {"/root.d", "/prefix.d", "/rekor.d"})
      TRY(addDirectory(root + "/trustedkeys" + kind, "trusted" + std::string(kind),
                       limits::kKeyFileBytes, evidence));
    TRY(addDirectory(root + "/policy.d", "policy", limits::kPolicyFileBytes, evidence));
  }
  return {};
}

Result<void> addQuote(const std::string& directory, EvidenceFiles& evidence) {
  const Fd opened = TRY(sys::openPath(directory, O_RDONLY | O_DIRECTORY));
  bool quoted = false;
  for (const char* name : kQuoteFiles) {
    auto content = TRY(contentOf(opened, TRY(Component::parse(name)), limits::kEventLogBytes));
    if (!content) continue;
    quoted |= std::string_view(name) == "quote";
    evidence[name] = *std::move(content);
  }
  if (quoted) return {};
  return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                "there is no quote in " + airlock::quoted(directory),
                "Make one: airlock attest quote --nonce HEX -o DIR");
}

Result<void> makeQuote(const Options& options, const std::string& nonce, EvidenceFiles& evidence) {
  ipc::QuoteRequest request;
  if (nonce.empty()) {
    request.nonce.resize(kOwnNonceBytes);
    if (::getrandom(request.nonce.data(), request.nonce.size(), 0) !=
        static_cast<ssize_t>(request.nonce.size()))
      return failErrno("getrandom");
  } else {
    request.nonce = TRY(parseNonce(nonce));
  }
  HostQuote quoted = TRY(obtainQuote(options, request));
  for (auto& [name, content] : quoted.files) evidence[name] = std::move(content);
  return {};
}

}  // namespace airlock::cli
