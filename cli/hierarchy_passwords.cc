// SPDX-License-Identifier: Apache-2.0
#include "cli/hierarchy_passwords.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <span>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"

namespace airlock::cli {

namespace {

constexpr char kOwnerFlag[] = "owner-auth-file";
constexpr char kEndorsementFlag[] = "endorsement-auth-file";

std::unexpected<Error> badFile(std::string what, std::string hint = {}) {
  return refuse(ErrorKind::Invalid, "E_TPM_PASSWORD", std::move(what), std::move(hint));
}

// Zeroed at its end, however that comes.
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  ~Buffer() { ::explicit_bzero(bytes_.data(), bytes_.size()); }
  Result<std::span<const std::uint8_t>> fill(FdRef from);

 private:
  // Room for a line's end, and for one byte that shows that there is more.
  std::array<std::uint8_t, limits::kPasswordBytes + 3> bytes_{};
};

Result<std::span<const std::uint8_t>> Buffer::fill(FdRef from) {
  std::size_t size = 0;
  while (size < bytes_.size()) {
    const std::size_t got = TRY(sys::read(from, std::span(bytes_).subspan(size)));
    if (got == 0) break;
    size += got;
  }
  if (size > 0 && bytes_[size - 1] == '\n') --size;
  if (size > 0 && bytes_[size - 1] == '\r') --size;
  if (size == 0) return badFile("there is no password in it");
  if (size > limits::kPasswordBytes) {
    return badFile("there are more than " + std::to_string(limits::kPasswordBytes) +
                   " bytes in it, which no TPM takes as a password");
  }
  return std::span<const std::uint8_t>(bytes_).first(size);
}

Result<Fd> openPassword(const std::string& path) {
  Fd file = TRY(sys::openPath(path, O_RDONLY));
  const struct stat info = TRY(sys::status(file));
  if (S_ISREG(info.st_mode) && (info.st_mode & (S_IROTH | S_IWOTH)) != 0) {
    return badFile("everyone on this machine can " +
                       std::string((info.st_mode & S_IROTH) != 0 ? "read" : "write") + " it",
                   "chmod 0600 " + printable(path) + "; and the password is known by now");
  }
  return file;
}

// A pipe holds it all before anyone reads: it is smaller than what every pipe takes at once.
Result<Fd> pipeFrom(const std::string& path) {
  std::optional<Fd> file;
  if (path != "-") {
    file = TRY(openPassword(path));
  } else if (::isatty(STDIN_FILENO) == 1) {
    return badFile("a terminal would show it",
                   "systemd-ask-password | airlock attest ... asks without that");
  }
  Buffer buffer;
  const auto password = TRY(buffer.fill(file ? file->ref() : FdRef(STDIN_FILENO)));
  sys::Pipe pipe = TRY(sys::pipe());
  TRY(sys::writeAll(pipe.writeEnd, password));
  return std::move(pipe.readEnd);
}

}  // namespace

std::vector<Flag> passwordFlags(PasswordFiles& files) {
  return {textFlag(kOwnerFlag, files.owner), textFlag(kEndorsementFlag, files.endorsement)};
}

Result<WithPasswords> withPasswords(const PasswordFiles& files, ipc::AttestRequest request) {
  if (files.owner == "-" && files.endorsement == "-") {
    return refuse(ErrorKind::Invalid, "E_USAGE", "standard input can hold one password only");
  }
  WithPasswords result{.request = std::move(request), .pipes = {}};
  result.request.hasOwnerPassword = !files.owner.empty();
  result.request.hasEndorsementPassword = !files.endorsement.empty();
  for (const auto& [flag, path] :
       {std::pair(kOwnerFlag, &files.owner), std::pair(kEndorsementFlag, &files.endorsement)}) {
    if (path->empty()) continue;
    result.pipes.push_back(TRY(inContext(pipeFrom(*path), std::string("--") + flag)));
  }
  return result;
}

}  // namespace airlock::cli
