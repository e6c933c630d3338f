// SPDX-License-Identifier: Apache-2.0
// How far an address reaches, and the rule that no server sends us nearer than it is itself.  The
// fetcher only.
//
// What the user names may be anywhere: a registry on this machine is the user's own wish.  What a
// *server* names (a redirect, a template on a discovery page, a key's URL) must reach at least as
// far as that server: a page of the World cannot make us ask the Site's intranet, this Link's
// neighbours (169.254.169.254 and its credentials) or this Machine's own ports.  The check is made
// on the address that is connected to, not on its name, so a name that changes between two look-ups
// gains nothing (test F12).
#pragma once

#include <sys/socket.h>

#include <compare>
#include <string>

namespace airlock::fetch {

enum class Reach {
  Machine,  // loopback, the unspecified address
  Link,     // link-local, multicast, reserved
  Site,     // private (RFC 1918, RFC 6598, RFC 4193), benchmarking
  World,
};

// An IPv6 address that carries an IPv4 one (mapped, NAT64, 6to4) reaches as far as that.
// An address of another family is Machine.
Reach reachOf(const sockaddr& address);
// Of a host of a URL that somebody else (a proxy) will resolve: literal addresses and "localhost"
// are judged as above, every other name is World.
Reach reachOf(const std::string& host);

std::string text(Reach reach);  // for messages: "this machine", "this link" …

}  // namespace airlock::fetch
