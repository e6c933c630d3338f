// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/reach.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace airlock::fetch {
namespace {

struct Range4 {
  std::uint32_t network;
  int bits;
  Reach reach;
};
constexpr std::uint32_t quad(unsigned a, unsigned b, unsigned c, unsigned d) {
  return a << 24 | b << 16 | c << 8 | d;
}
// IANA's registry of special-purpose IPv4 addresses (RFC 6890); the documentation networks are
// nobody's and stay World.
constexpr auto kRanges4 = std::to_array<Range4>({
    {quad(0, 0, 0, 0), 8, Reach::Machine},
    {quad(127, 0, 0, 0), 8, Reach::Machine},
    {quad(169, 254, 0, 0), 16, Reach::Link},
    {quad(224, 0, 0, 0), 3, Reach::Link},  // multicast, reserved, broadcast
    {quad(10, 0, 0, 0), 8, Reach::Site},
    {quad(172, 16, 0, 0), 12, Reach::Site},
    {quad(192, 168, 0, 0), 16, Reach::Site},
    {quad(100, 64, 0, 0), 10, Reach::Site},
    {quad(192, 0, 0, 0), 24, Reach::Site},
    {quad(198, 18, 0, 0), 15, Reach::Site},
});

Reach reachOf4(std::uint32_t address) {
  for (const Range4& range : kRanges4) {
    if ((address ^ range.network) >> (32 - range.bits) == 0) return range.reach;
  }
  return Reach::World;
}

std::uint32_t fourBytes(const std::uint8_t* bytes) {
  return quad(bytes[0], bytes[1], bytes[2], bytes[3]);
}

bool startsWith(const in6_addr& address, std::initializer_list<std::uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), std::begin(address.s6_addr));
}

Reach reachOf6(const in6_addr& address) {
  const std::uint8_t* bytes = address.s6_addr;
  if (IN6_IS_ADDR_UNSPECIFIED(&address) || IN6_IS_ADDR_LOOPBACK(&address)) return Reach::Machine;
  if (IN6_IS_ADDR_V4MAPPED(&address) || IN6_IS_ADDR_V4COMPAT(&address))
    return reachOf4(fourBytes(bytes + 12));
  if (startsWith(address, {0x00, 0x64, 0xff, 0x9b}))
    return reachOf4(fourBytes(bytes + 12));                                      // NAT64, RFC 6052
  if (startsWith(address, {0x20, 0x02})) return reachOf4(fourBytes(bytes + 2));  // 6to4, RFC 3056
  if (bytes[0] == 0xff || IN6_IS_ADDR_LINKLOCAL(&address)) return Reach::Link;
  if ((bytes[0] & 0xfe) == 0xfc || IN6_IS_ADDR_SITELOCAL(&address)) return Reach::Site;
  return Reach::World;
}

}  // namespace

Reach reachOf(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in four;
    std::memcpy(&four, &address, sizeof four);
    return reachOf4(ntohl(four.sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 six;
    std::memcpy(&six, &address, sizeof six);
    return reachOf6(six.sin6_addr);
  }
  return Reach::Machine;
}

Reach reachOf(const std::string& host) {
  in_addr four;
  if (::inet_aton(host.c_str(), &four) != 0) return reachOf4(ntohl(four.s_addr));
  in6_addr six;
  if (::inet_pton(AF_INET6, host.substr(0, host.find('%')).c_str(), &six) == 1)
    return reachOf6(six);
  std::string name = host;
  if (name.ends_with('.')) name.pop_back();
  if (name == "localhost" || name.ends_with(".localhost")) return Reach::Machine;
  return Reach::World;
}

std::string text(Reach reach) {
  switch (reach) {
    case Reach::Machine:
      return "this machine itself";
    case Reach::Link:
      return "a link-local or reserved address";
    case Reach::Site:
      return "a private network";
    case Reach::World:
      return "the public network";
  }
  return "an unknown network";
}

}  // namespace airlock::fetch
