// SPDX-License-Identifier: Apache-2.0
// Files by name, of a layout or an archive.  The fetcher only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace airlock::fetch {

// A file that is to be read as a stream.
struct FileWish {
  std::string path;
  std::function<Result<void>(std::string_view)> take;
  std::function<Result<void>()> finish;  // after the last byte
};

class LocalFiles {
 public:
  virtual ~LocalFiles() = default;
  // All of it.  Missing; E_LIMIT: more than `most` bytes; E_PATH: not such a file.
  virtual Result<std::string> read(const std::string& path, std::size_t most) = 0;
  // Each of them, in an order of its own.
  virtual Result<void> stream(std::span<const FileWish> wishes) = 0;
};

}  // namespace airlock::fetch
