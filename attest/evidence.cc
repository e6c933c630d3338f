// SPDX-License-Identifier: Apache-2.0
#include "attest/evidence.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "attest/refusal.h"
#include "base/digest.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/names.h"

namespace airlock::attest {

namespace {

constexpr std::size_t kBlock = 512;

std::unexpected<Error> badArchive(std::string what) {
  return refuseEvidence("E_ATTEST_EVIDENCE", "the evidence " + std::move(what),
                        "evidence is a directory, or one uncompressed ustar archive of its files");
}

// The fields of a POSIX ustar header (IEEE Std 1003.1, "ustar Interchange Format").
class Header {
 public:
  explicit Header(std::string_view block) : block_(block) {}

  bool isZero() const { return block_.find_first_not_of('\0') == block_.npos; }
  // "ustar\0" and version "00"; GNU's own format differs here.
  bool isUstar() const { return block_.substr(257, 8) == std::string_view("ustar\00000", 8); }
  char type() const { return block_[156]; }
  std::optional<std::uint64_t> size() const { return octal(block_.substr(124, 12)); }

  bool checksumFits() const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kBlock; ++i) {
      sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(block_[i]);
    }
    return octal(block_.substr(148, 8)) == sum;
  }

  std::string name() const {
    const std::string_view prefix = text(block_.substr(345, 155));
    const std::string_view name = text(block_.substr(0, 100));
    return prefix.empty() ? std::string(name) : std::string(prefix) + '/' + std::string(name);
  }

 private:
  static std::string_view text(std::string_view field) { return field.substr(0, field.find('\0')); }

  // Digits, then spaces and NULs; nothing in base 256.
  static std::optional<std::uint64_t> octal(std::string_view field) {
    const std::size_t digits = field.find_first_not_of("01234567");
    if (digits == 0 || digits == field.npos) return std::nullopt;
    if (field.find_first_not_of(std::string_view("\0 ", 2), digits) != field.npos) {
      return std::nullopt;
    }
    std::uint64_t value = 0;
    for (const char c : field.substr(0, digits)) value = value * 8 + static_cast<unsigned>(c - '0');
    return value;
  }

  std::string_view block_;
};

// One part of a path, or several: keys stand in directories by the names that they are for.
bool isPath(std::string_view path) {
  if (path.size() > limits::kPathBytes) return false;
  while (true) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    if (part.empty() || part.size() > limits::kNameBytes || part == "." || part == "..") {
      return false;
    }
    if (end == path.size()) return true;
    path.remove_prefix(end + 1);
  }
}

std::optional<std::string_view>* topLevel(Evidence& evidence, std::string_view name) {
  if (name == "quote") return &evidence.quote;
  if (name == "quote.sig") return &evidence.signature;
  if (name == "pcrs") return &evidence.registers;
  if (name == "ak.pub") return &evidence.attestationKey;
  if (name == "ek.crt") return &evidence.certificate;
  if (name == "events.cel") return &evidence.log;
  if (name == "firmware.log") return &evidence.firmwareLog;
  if (name == "kernel-cmdline") return &evidence.kernelCommandLine;
  if (name == "audit.jsonl") return &evidence.audit;
  return nullptr;
}

std::optional<std::string_view>* ofImage(ImageEvidence& image, std::string_view name) {
  if (name == "manifest") return &image.manifest;
  if (name == "oci-manifest") return &image.ociManifest;
  if (name == "oci-index") return &image.ociIndex;
  if (name == "signature") return &image.signature;
  if (name == "record") return &image.record;
  return nullptr;
}

// False: no file of that name belongs to evidence, or it is there already.
bool place(Evidence& evidence, std::string_view path, std::string_view content) {
  const std::size_t slash = path.find('/');
  if (slash == path.npos) {
    auto* field = topLevel(evidence, path);
    if (field == nullptr || *field) return false;
    *field = content;
    return true;
  }
  const std::string_view directory = path.substr(0, slash);
  const std::string_view rest = path.substr(slash + 1);
  if (directory == "trusted" || directory == "policy") {
    auto& files = directory == "trusted" ? evidence.trusted : evidence.policy;
    return isPath(rest) && files.emplace(rest, content).second;
  }
  const std::size_t second = rest.find('/');
  if (directory != "images" || second == rest.npos) return false;
  const std::string id(rest.substr(0, second));
  if (!ImageId::parse(id)) return false;
  auto* field = ofImage(evidence.images[id], rest.substr(second + 1));
  if (field == nullptr || *field) return false;
  *field = content;
  return true;
}

bool isKnownDirectory(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty() || path == "." || path == "images" || path == "trusted" || path == "policy") {
    return true;
  }
  if (path.starts_with("trusted/") || path.starts_with("policy/")) return isPath(path);
  return path.starts_with("images/") && ImageId::parse(path.substr(7)).has_value();
}

// Adds one member, and says how many blocks it takes with its header.
Result<std::size_t> readMember(Evidence& evidence, std::string_view rest) {
  const Header header(rest.substr(0, kBlock));
  if (!header.isUstar() || !header.checksumFits()) {
    return badArchive("has a member whose header is not one of ustar");
  }
  std::string path = header.name();
  if (path.starts_with("./")) path.erase(0, 2);
  const auto size = header.size();
  if (!size) return badArchive("has a member whose size is not a number");
  if (header.type() == '5') {
    if (*size != 0 || !isKnownDirectory(path)) {
      return badArchive("has the directory " + airlock::quoted(path) + ", which we do not know");
    }
    return kBlock;
  }
  if (header.type() != '0') {
    return badArchive("has " + airlock::quoted(path) + ", which is no regular file");
  }
  const std::uint64_t padded = (*size + kBlock - 1) / kBlock * kBlock;
  if (*size > rest.size() || padded > rest.size() - kBlock) {
    return badArchive("ends within " + airlock::quoted(path));
  }
  const std::string_view content = rest.substr(kBlock, *size);
  if (rest.substr(kBlock + *size, padded - *size).find_first_not_of('\0') != rest.npos) {
    return badArchive("has something between its files");
  }
  if (!place(evidence, path, content)) {
    return badArchive("has the file " + airlock::quoted(path) +
                      ", which we do not know or which it has twice");
  }
  return kBlock + static_cast<std::size_t>(padded);
}

}  // namespace

Result<Evidence> readEvidence(std::string_view archive) {
  if (archive.size() > limits::kEvidenceBytes) return badArchive("is too large");
  Evidence evidence;
  std::size_t files = 0;
  while (archive.size() >= kBlock) {
    if (Header(archive.substr(0, kBlock)).isZero()) {
      if (archive.size() < 2 * kBlock || archive.find_first_not_of('\0') != archive.npos) {
        return badArchive("has something after its end");
      }
      return evidence;
    }
    if (++files > limits::kEvidenceFiles) return badArchive("has too many files");
    archive.remove_prefix(TRY(readMember(evidence, archive)));
  }
  return badArchive("has no end: it was cut, or it is no ustar archive");
}

}  // namespace airlock::attest
