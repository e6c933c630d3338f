// SPDX-License-Identifier: Apache-2.0
#include "cli/attest_client.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "base/accounts.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"
#include "base/syscall.h"
#include "cli/in_message.h"
#include "cli/ustar_writer.h"
#include "ipc/one_job.h"
#include "tpm/canonical.h"

namespace airlock::cli {

namespace {

constexpr int kAnswerMilliseconds = 330'000;  // a little more than the processor time that it has
constexpr int kDepth = 16;                    // trusted/prefix.d/example.com/…
constexpr std::size_t kPemLine = 64;

std::unexpected<Error> noRegularFile(const std::string& path) {
  return refuse(ErrorKind::Invalid, "E_EVIDENCE",
                "evidence has regular files alone, and " + airlock::quoted(path) + " is none");
}
// What evidence may have in all, so that a directory of files with holes fills no memory.
struct Room {
  std::uint64_t bytes = limits::kEvidenceBytes;
  std::size_t files = limits::kEvidenceFiles;

  Result<void> take(off_t size) {
    if (files-- == 0 || size < 0 || static_cast<std::uint64_t>(size) > bytes) {
      files = 0;
      return refuse(ErrorKind::Invalid, "E_EVIDENCE", "the evidence is too large");
    }
    bytes -= static_cast<std::uint64_t>(size);
    return {};
  }
};

// What is in the directory is put in whatever its name: airlock-attest knows which belong there.
Result<void> addDirectory(UstarWriter& archive, FdRef directory, const std::string& prefix,
                          int depth, Room& room) {
  for (const std::string& name : TRY(sys::list(directory))) {
    const std::string path = prefix + name;
    const Component component = TRY(Component::parse(name));
    const auto opened = sys::openBeneath(directory, component, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!opened && opened.error().number() == ELOOP) return noRegularFile(path);
    if (!opened) return inMessage(Result<void>(std::unexpected(opened.error())), "the evidence");
    const Fd& file = *opened;
    const struct stat status = TRY(sys::status(file));
    if (S_ISDIR(status.st_mode) && depth > 1) {
      TRY(addDirectory(archive, file, path + '/', depth - 1, room));
    } else if (S_ISREG(status.st_mode)) {
      TRY(room.take(status.st_size));
      TRY(archive.add(path, TRY(inContext(sys::readAll(file, limits::kEvidenceBytes), path))));
    } else {
      return noRegularFile(path);
    }
  }
  return {};
}

std::string pemOf(std::string_view der, const std::string& label) {
  std::string text = "-----BEGIN " + label + "-----\n";
  const std::string base64 = tpm::toBase64(der);
  for (std::size_t at = 0; at < base64.size(); at += kPemLine) {
    text += base64.substr(at, kPemLine) + '\n';
  }
  return text + "-----END " + label + "-----\n";
}

// What makers publish, in PEM or DER.
struct Published {
  const char* label;  // of its PEM
  std::size_t mostBytes;
};
constexpr Published kCertificates{"CERTIFICATE", limits::kRootsBytes};
constexpr Published kCrls{"X509 CRL", limits::kCrlBytes};

Result<std::string> pemText(FdRef file, const std::string& name, const Published& what) {
  std::string bytes = TRY(inContext(sys::readAll(file, what.mostBytes), name));
  if (bytes.starts_with('\x30')) return pemOf(bytes, what.label);
  if (!bytes.ends_with('\n')) bytes += '\n';
  return bytes;
}

// A file, or every file of a directory.
Result<std::string> gather(const std::string& path, const std::string& flag,
                           const Published& what) {
  const Fd opened = TRY(inMessage(sys::openPath(path, O_RDONLY | O_NONBLOCK), flag));
  const struct stat status = TRY(sys::status(opened));
  if (!S_ISDIR(status.st_mode)) return pemText(opened, path, what);
  std::string text;
  for (const std::string& name : TRY(sys::list(opened))) {
    // His own directory, in which links are usual: c_rehash(1) makes them.
    const Fd file = TRY(inMessage(sys::openPath(path + "/" + name, O_RDONLY | O_NONBLOCK), flag));
    if (S_ISDIR(TRY(sys::status(file)).st_mode)) continue;
    text += TRY(inMessage(pemText(file, name, what), flag));
  }
  return text;
}

}  // namespace

Result<Fd> blankFile(const char* debugName) {
  Fd file = Fd::own(::memfd_create(debugName, MFD_CLOEXEC));
  if (!file.valid()) return failErrno("memfd_create");
  return file;
}

Result<void> rewind(FdRef file) {
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return failErrno("rewind");
  return {};
}

Result<Fd> fileWith(const char* debugName, std::string_view content) {
  Fd file = TRY(blankFile(debugName));
  TRY(sys::writeAll(file, content));
  TRY(rewind(file));
  return file;
}

Result<std::string> contentOf(FdRef file) {
  TRY(rewind(file));
  return sys::readAll(file, limits::kReportBytes);
}

Result<Fd> openEvidence(const std::string& path) {
  if (path == "-") {
    return fileWith("evidence", TRY(sys::readAll(FdRef(STDIN_FILENO), limits::kEvidenceBytes)));
  }
  Fd file = TRY(sys::openPath(path, O_RDONLY | O_NONBLOCK));
  const struct stat status = TRY(sys::status(file));
  if (!S_ISDIR(status.st_mode)) return file;
  Fd out = TRY(blankFile("evidence"));
  UstarWriter archive(out);
  Room room;
  TRY(addDirectory(archive, file, "", kDepth, room));
  TRY(archive.finish());
  TRY(rewind(out));
  return out;
}

Result<Fd> openRoots(const std::string& path) {
  const std::string text = TRY(gather(path, "--ek-roots", kCertificates));
  if (text.size() > limits::kRootsBytes) {
    return refuse(ErrorKind::Invalid, "E_ATTEST_ROOTS", "--ek-roots: too many certificates");
  }
  return fileWith("ek-roots", text);
}

Result<Fd> openCrls(const std::vector<std::string>& paths) {
  std::string text;
  for (const std::string& path : paths) text += TRY(gather(path, "--crl", kCrls));
  if (text.size() > limits::kCrlBytes) {
    return refuse(ErrorKind::Invalid, "E_ATTEST_CRLS", "--crl: more than can be looked through");
  }
  return fileWith("crl", text);
}

Result<ipc::Appraised> askAttest(const ipc::AppraiseJob& job, std::span<const FdRef> fds) {
  std::optional<Identity> identity;
  if (::geteuid() == 0) {
    const Account account = TRY(requireUser(kVerifyUser));
    identity = Identity{account.uid, account.gid, {}};
  }
  const std::string answer = TRY(ipc::ask({.program = "airlock-attest",
                                           .identity = identity,
                                           .bytes = TRY(ipc::encode(job)),
                                           .fds = fds,
                                           .milliseconds = kAnswerMilliseconds}));
  ipc::AppraiseReply reply = TRY(ipc::decodeAppraiseReply(answer));
  if (auto* failure = std::get_if<ipc::Failure>(&reply)) {
    return std::unexpected(std::move(failure->error));
  }
  return std::get<ipc::Appraised>(std::move(reply));
}

}  // namespace airlock::cli
