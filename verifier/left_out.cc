// SPDX-License-Identifier: Apache-2.0
#include "verifier/left_out.h"

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::verifier {

void LeftOut::add(const std::string& path, Attributes attributes) {
  names_[path] = files_.size();
  files_.push_back(
      {.node = std::nullopt, .attributes = std::move(attributes), .offset = used_, .size = 0});
}

Result<void> LeftOut::append(std::span<const std::uint8_t> bytes) {
  if (!scratch_)
    return fail(ErrorKind::Failed, "a file is left out of a tree that has all of them");
  if (used_ + bytes.size() > limits::kTreeBytes) {
    return refuse(ErrorKind::Invalid, "E_LIMIT",
                  "the files that are left out take more than " +
                      std::to_string(limits::kTreeBytes) + " bytes",
                  "split the image");
  }
  TRY(sys::writeAt(*scratch_, bytes, used_));
  used_ += bytes.size();
  files_.back().size += bytes.size();
  return {};
}

void LeftOut::addName(const std::string& path, ErofsWriter::Node node) {
  names_[path] = files_.size();
  files_.push_back({.node = node, .attributes = {}, .offset = 0, .size = 0});
}

std::optional<std::size_t> LeftOut::find(const std::string& path) const {
  const auto found = names_.find(path);
  return found == names_.end() ? std::nullopt : std::optional(found->second);
}

Result<void> LeftOut::read(std::span<std::uint8_t> piece, std::uint64_t offset) const {
  if (TRY(sys::readAt(*scratch_, piece, offset)) != piece.size())
    return fail(ErrorKind::Failed, "the scratch file ends early");
  return {};
}

void LeftOut::forget() {
  used_ = 0;
  files_.clear();
  names_.clear();
}

}  // namespace airlock::verifier
