// SPDX-License-Identifier: Apache-2.0
#include "audit/who.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/accounts.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/syscall.h"

namespace airlock::audit {

namespace {

// A number of audit's; the one that it has for "unset" is none.
std::optional<std::uint32_t> numberIn(FdRef process, const char* name) {
  constexpr std::uint32_t unset = static_cast<std::uint32_t>(-1);
  const auto component = Component::parse(name);
  const auto text = component ? sys::readFile(process, *component, 32)
                              : Result<std::string>(fail(ErrorKind::Missing, "no such file"));
  if (!text) return std::nullopt;  // a kernel without audit
  const auto number = parseNumber(std::string_view(*text).substr(0, text->find('\n')));
  return number == unset ? std::nullopt : number;
}

std::string labelOf(FdRef socket) {
  std::string label(limits::kLabelBytes, '\0');
  auto size = static_cast<socklen_t>(label.size());
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERSEC, label.data(), &size) != 0) return {};
  label.resize(size);
  while (label.ends_with('\0')) label.pop_back();
  // Without SELinux another module may answer, AppArmor for one, whose "unconfined" says nothing.
  return label.find(':') == label.npos ? std::string() : label;
}

}  // namespace

Who identify(const ipc::Peer& peer, FdRef socket) {
  Who who{.uid = peer.uid, .gid = peer.gid, .pid = peer.pid, .selinux = labelOf(socket)};
  const auto process = sys::openPath("/proc/" + std::to_string(peer.pid), O_RDONLY | O_DIRECTORY);
  if (!process) return who;
  const auto login = numberIn(*process, "loginuid");
  const auto session = numberIn(*process, "sessionid");
  bool same = false;
  if (peer.pidfd) {
    same = sys::pidfdSignal(*peer.pidfd, 0).has_value();
  } else {
    const auto info = sys::status(*process);
    same = info && info->st_uid == peer.uid;
  }
  if (!same) return who;
  who.loginUid = login;
  who.session = session;
  return who;
}

}  // namespace airlock::audit
