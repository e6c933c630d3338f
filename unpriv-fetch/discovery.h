// SPDX-License-Identifier: Apache-2.0
// Meta discovery over the network: asks the pages that image/discovery.h names.  The fetcher only.
#pragma once

#include <string>
#include <vector>

#include "base/names.h"
#include "base/result.h"
#include "unpriv-fetch/client.h"
#include "unpriv-fetch/events.h"

namespace airlock::fetch {

// A URL and how far the server that named it reaches (reach.h).
struct Named {
  Url url;
  Reach by = Reach::Machine;
};

struct Endpoint {
  Named image;
  Named signature;
};

// The first endpoint of the first page, from https://NAME?ac-discovery=1 upwards, that has one for
// this name and these labels; plain http is asked after https, and only with allowHttp (test F02).
// E_DISCOVERY with one reason per page; E_TLS, E_CONNECT or E_TIMEOUT when the host itself cannot
// be talked to, where asking it for more pages would lead nowhere.
Result<Endpoint> discoverImage(Client& client, const ImageName& name,
                               const std::vector<Label>& labels);

// All key URLs of the first page that has one for this prefix; at most limits::kKeyUrls (E_LIMIT).
Result<std::vector<Named>> discoverKeys(Client& client, const ImageName& prefix);

}  // namespace airlock::fetch
