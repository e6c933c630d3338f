// SPDX-License-Identifier: Apache-2.0
// Image files that an auditor has, to look at signatures again that are over the file: audit verify
// --image.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/fd.h"
#include "base/names.h"
#include "base/result.h"
#include "ipc/verify_messages.h"
#include "store/roles.h"

namespace airlock::cli {

class GivenImage {
 public:
  // The file is copied first, so that what is hashed and what is verified are the same bytes; its
  // id is the hash of what airlock-verify inflates of it.  E_FD, E_LIMIT, or what is wrong with it.
  static Result<GivenImage> open(const store::RoleStarter& starter, const std::string& path);

  const ImageId& image() const { return image_; }
  const std::string& path() const { return path_; }

  // FILE.asc.  Missing: there is none.
  Result<std::string> signatureBeside() const;
  // Which of the signatures in the signature file `signature` are good for this image.
  Result<ipc::Authenticated> authenticate(const store::RoleStarter& starter,
                                          std::string_view signature,
                                          const std::vector<ipc::TrustedKey>& keys) const;

 private:
  GivenImage(std::string path, Fd copy, ImageId image)
      : path_(std::move(path)), copy_(std::move(copy)), image_(std::move(image)) {}
  std::string path_;
  Fd copy_;  // without a name
  ImageId image_;
};

}  // namespace airlock::cli
