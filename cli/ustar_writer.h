// SPDX-License-Identifier: Apache-2.0
// An uncompressed ustar archive: evidence as one file, an OCI image as an archive of its layout.
// CLI only; airlock-attest reads the former.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::cli {

// Writes members one after the other, with nothing of where they came from in them: no owner, no
// time.  Names are relative, with "/" between their parts.  E_ARCHIVE: a name that ustar cannot
// hold, or a file of 8 GiB or more.
class UstarWriter {
 public:
  explicit UstarWriter(FdRef out) : out_(out) {}
  Result<void> directory(std::string_view name);
  Result<void> add(std::string_view name, std::string_view content);
  // A file of so many bytes, which `write` puts there, each of them.
  using WriteContent = std::function<Result<void>(FdRef out)>;
  Result<void> add(std::string_view name, std::uint64_t size, const WriteContent& write);
  // The two empty blocks.
  Result<void> finish();

 private:
  enum class Type : char { File = '0', Directory = '5' };
  Result<void> header(std::string_view name, Type type, std::uint64_t size);

  FdRef out_;
};

}  // namespace airlock::cli
