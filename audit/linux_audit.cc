// SPDX-License-Identifier: Apache-2.0
// One message and its acknowledgement, by hand: libaudit would be one more library in the helper,
// for this (docs/decisions/0039).
#include "audit/linux_audit.h"

#include <linux/audit.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/accounts.h"
#include "base/fd.h"

namespace airlock::audit {

namespace {

// linux/audit.h leaves 2500 to 2999 to programs; these are libaudit's numbers for machines.
constexpr std::uint16_t kVirtControl = 2500;
constexpr std::uint16_t kVirtMachineId = 2502;
constexpr int kPatienceMilliseconds = 200;
constexpr std::size_t kMostText = 4096;

// As audit writes a text that it did not choose: quoted when it is plain, else in hex.
std::string field(const char* name, const std::string& value) {
  const bool plain =
      std::ranges::all_of(value, [](char c) { return c > ' ' && c < '\x7f' && c != '"'; });
  if (plain) return std::string(" ") + name + "=\"" + value + "\"";
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(value.data());
  return std::string(" ") + name + "=" + toHex({bytes, value.size()});
}

void send(std::uint16_t type, const std::string& text) {
  const Fd socket =
      Fd::own(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_AUDIT));
  if (!socket.valid() || text.size() > kMostText) return;
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(NLMSG_LENGTH(text.size() + 1));
  header.nlmsg_type = type;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  header.nlmsg_seq = 1;
  std::vector<char> message(NLMSG_SPACE(text.size() + 1));
  std::memcpy(message.data(), &header, sizeof header);
  std::memcpy(message.data() + NLMSG_HDRLEN, text.data(), text.size());
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (::sendto(socket.get(), message.data(), message.size(), 0,
               reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) < 0)
    return;
  // Taken when it is acknowledged; whether it was, changes nothing here.
  pollfd polled{socket.get(), POLLIN, 0};
  if (::poll(&polled, 1, kPatienceMilliseconds) > 0) {
    std::array<char, 1024> answer;
    static_cast<void>(::recv(socket.get(), answer.data(), answer.size(), 0));
  }
}

const char* controlOf(const Entry& entry) {
  if (entry.code == kAllowed) {  // what it comes to is a line of its own, but for a stop
    return entry.op == "stop" || entry.op == "app-stop" ? "stop" : nullptr;
  }
  for (const char* op : {"run", "run-prepared", "sandbox", "app-start"})
    if (entry.op == op) return "start";
  if (entry.op == "enter") return "enter";
  if (entry.op == "stop" || entry.op == "app-stop") return "stop";
  return nullptr;
}

}  // namespace

std::string virtControlText(const Entry& entry) {
  const char* control = controlOf(entry);
  if (control == nullptr || !entry.pod) return {};
  const bool success = entry.code == kAllowed || entry.code == kDone;
  std::string text = std::string("virt=airlock op=") + control + " reason=" + entry.op;
  text += field("vm", "airlock-" + entry.pod->text()) + " uuid=" + entry.pod->text();
  if (entry.who) text += field("acct", userName(entry.who->uid));
  if (!success) text += " code=" + entry.code;
  return text + " exe=\"airlock-helper\" hostname=? addr=? terminal=? res=" +
         (success ? "success" : "failed");
}

void tellKernel(const Entry& entry) {
  const std::string text = virtControlText(entry);
  if (text.empty()) return;
  send(kVirtControl, text);
  if (entry.label.empty() || text.find("op=start") == text.npos) return;
  send(kVirtMachineId, "virt=airlock" + field("vm", "airlock-" + entry.pod->text()) +
                           " uuid=" + entry.pod->text() + " vm-ctx=" + entry.label +
                           " img-ctx=? model=selinux hostname=? addr=? terminal=? res=success");
}

}  // namespace airlock::audit
