// SPDX-License-Identifier: Apache-2.0
#include "tpm/transport.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/syscall.h"

namespace airlock::tpm {

namespace {

constexpr std::size_t kHeaderBytes = 10;  // tag, size, response code (TPM 2.0 part 1, 18)

std::uint32_t bigEndian(std::span<const std::uint8_t> bytes) {
  std::uint32_t value = 0;
  for (const std::uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

auto badResponse(const std::string& what) {
  return refuse(ErrorKind::Failed, "E_TPM_RESPONSE", "the TPM's answer is malformed: " + what,
                "what answers there is not a working TPM: check [measure] in the configuration");
}

// `size` bytes from the start of a response, of which at least the header is there.
Result<std::size_t> checkHeader(std::span<const std::uint8_t> response, std::size_t most) {
  const std::uint32_t tag = bigEndian(response.first(2));
  const std::uint32_t size = bigEndian(response.subspan(2, 4));
  // TPM_ST_NO_SESSIONS, TPM_ST_SESSIONS, and TPM_ST_RSP_COMMAND, with which a TPM 1.2 or a refusal
  // answers.
  if (tag != 0x8001 && tag != 0x8002 && tag != 0x00c4) {
    return badResponse("tag " + std::to_string(tag));
  }
  if (size < kHeaderBytes || size > most) {
    return badResponse("its header says " + std::to_string(size) + " bytes");
  }
  return size;
}

}  // namespace

Transport::Transport(Fd device, bool stream)
    : device_(std::move(device)), stream_(stream), deadline_(sys::now() + kAnswerMilliseconds) {}

Result<Transport> Transport::over(Fd device) {
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(device.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
      (type != SOCK_STREAM && type != SOCK_SEQPACKET)) {
    return refuse(ErrorKind::Invalid, "E_TPM_IO", "the TPM is neither a device nor a socket",
                  "check [measure] in the configuration");
  }
  const int flags = ::fcntl(device.get(), F_GETFL);
  if (flags < 0 || ::fcntl(device.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return failErrno("make the TPM's descriptor non-blocking");
  }
  return Transport(std::move(device), type == SOCK_STREAM);
}

Result<void> Transport::wait(short events) {
  for (;;) {
    const std::int64_t left = deadline_ - sys::now();
    pollfd entry{.fd = device_.get(), .events = events, .revents = 0};
    const int ready = left <= 0 ? 0 : ::poll(&entry, 1, static_cast<int>(left));
    if (ready > 0) return {};
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return failErrno("wait for the TPM");
    return refuse(ErrorKind::Failed, "E_TPM_TIMEOUT",
                  "the TPM gave no answer in " +
                      std::to_string(patience_.value_or(kAnswerMilliseconds) / 1000) + " s",
                  "see whether it still works: tpm2_getcap properties-fixed");
  }
}

Result<void> Transport::sendWhole(std::span<const std::uint8_t> command) {
  while (!command.empty()) {
    const ssize_t written = ::write(device_.get(), command.data(), command.size());
    if (written > 0) {
      command = command.subspan(static_cast<std::size_t>(written));
    } else if (written < 0 && errno == EAGAIN) {
      TRY(wait(POLLOUT));
    } else if (written == 0 || errno != EINTR) {
      return fail(Error::fromErrno(written == 0 ? EIO : errno, "send a command to the TPM")
                      .withCode("E_TPM_IO"));
    }
  }
  return {};
}

Result<void> Transport::send(std::span<const std::uint8_t> command) {
  if (broken_) {
    return refuse(ErrorKind::Failed, "E_TPM_IO", "the TPM did not answer an earlier command");
  }
  if (patience_) deadline_ = sys::now() + *patience_;
  auto sent = sendWhole(command);
  broken_ = !sent;
  return sent;
}

Result<std::size_t> Transport::receiveWhole(std::span<std::uint8_t> buffer) {
  std::size_t have = 0;
  std::size_t want = kHeaderBytes;
  while (have < want) {
    TRY(wait(POLLIN));
    // A relay hands out a response by one read; a stream may split it, and has nothing after it.
    const std::size_t room = stream_ ? want - have : buffer.size() - have;
    const ssize_t got = ::read(device_.get(), buffer.data() + have, room);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) {
      return fail(Error::fromErrno(errno, "read the TPM's answer").withCode("E_TPM_IO"));
    }
    if (!stream_ && got == sizeof(int)) {
      int number = 0;
      std::memcpy(&number, buffer.data(), sizeof number);
      return fail(
          Error::fromErrno(number, "the kernel got nothing from the TPM").withCode("E_TPM_IO"));
    }
    if (got == 0) {
      return refuse(ErrorKind::Failed, "E_TPM_IO", "the TPM closed the connection",
                    "a software TPM has ended: start it again");
    }
    have += static_cast<std::size_t>(got);
    if (have >= kHeaderBytes) want = TRY(checkHeader(buffer, buffer.size()));
  }
  if (have != want) return badResponse("it is longer than its header says");
  return want;
}

Result<std::size_t> Transport::receive(std::span<std::uint8_t> buffer) {
  auto received = receiveWhole(buffer);
  broken_ = !received;
  return received;
}

}  // namespace airlock::tpm
