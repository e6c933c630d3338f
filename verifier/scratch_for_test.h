// SPDX-License-Identifier: Apache-2.0
// A temporary directory, files as descriptors, and programs of the host for the tests of verifier/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace airlock::verifier {

// Gone, with all that is in it, at the end; GnuPG's agent for it is stopped.
class Scratch {
 public:
  Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch();

  std::string path(std::string_view name) const { return directory_ + "/" + std::string(name); }
  std::string read(std::string_view name) const;
  void write(std::string_view name, std::string_view content) const;
  // Runs a shell command in the directory, which is also its GNUPGHOME; a failure fails the test,
  // with the output.
  std::string shell(const std::string& command) const;
  // An empty directory of its own for each call.
  std::string emptyDirectory();

 private:
  std::string directory_;
  int count_ = 0;
};

// A memfd with this content, its offset at the end as the writer of a file leaves it.
Fd fileOf(std::string_view content);
std::string contentOf(FdRef file);
// A pipe that delivers this content; the writing process ends with it.
Fd pipeOf(const std::string& content);

// Bytes that do not compress, the same for the same seed.
std::string noise(std::size_t size, std::uint32_t seed = 1);

}  // namespace airlock::verifier
