// SPDX-License-Identifier: Apache-2.0
// Files of an image that do not get into a rendered tree, kept aside while the image is read: a
// hard link to one of them may get into it all the same.  For the role unpack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "verifier/erofs_writer.h"

namespace airlock::verifier {

class LeftOut {
 public:
  // `scratch` is an empty file; it grows by the content of what is left out.  Without one nothing
  // may be left out.
  explicit LeftOut(std::optional<FdRef> scratch) : scratch_(scratch) {}

  struct File {
    std::optional<ErofsWriter::Node> node;  // where it got into the tree under the name of a link
    Attributes attributes;
    std::uint64_t offset = 0;  // in the scratch file
    std::uint64_t size = 0;
  };
  // A file that was left out; its content follows in append().
  void add(const std::string& path, Attributes attributes);
  Result<void> append(std::span<const std::uint8_t> bytes);
  // A link that was left out: another name of a file of the tree, or of one that is left out.
  void addName(const std::string& path, ErofsWriter::Node node);
  void addName(const std::string& path, std::size_t file) { names_[path] = file; }

  std::optional<std::size_t> find(const std::string& path) const;
  File& at(std::size_t file) { return files_[file]; }
  // Hands the content of a file to `use`, in pieces.
  template <class Use>
  Result<void> content(const File& file, Use use) const {
    std::vector<std::uint8_t> buffer(kPiece);
    for (std::uint64_t done = 0; done < file.size;) {
      const auto piece =
          std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), file.size - done));
      TRY(read(piece, file.offset + done));
      TRY(use(std::span<const std::uint8_t>(piece)));
      done += piece.size();
    }
    return {};
  }

  // The next image begins: its links name none of these.
  void forget();

 private:
  static constexpr std::size_t kPiece = 256 * 1024;
  Result<void> read(std::span<std::uint8_t> piece, std::uint64_t offset) const;

  std::optional<FdRef> scratch_;
  std::uint64_t used_ = 0;
  std::vector<File> files_;
  std::unordered_map<std::string, std::size_t> names_;
};

}  // namespace airlock::verifier
