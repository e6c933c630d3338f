// SPDX-License-Identifier: Apache-2.0
// An image that another one asks for, as its manifest has it.  Part of messages of roles and of the
// helper.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/names.h"

namespace airlock::ipc {

struct WantedImage {
  ImageName name;
  std::string id;  // what its image id begins with, "sha512-2a9f…"; empty: any image of that name
  std::vector<Label> labels;
  std::uint64_t size = 0;  // bytes of the image file; 0: not said
  bool operator==(const WantedImage&) const = default;
};

}  // namespace airlock::ipc
