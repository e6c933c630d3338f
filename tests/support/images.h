// SPDX-License-Identifier: Apache-2.0
// Keys, signatures and images made with the real tools.  Tests only.
#pragma once

#include <string>

#include "tests/support/shell.h"

namespace airlock::test {

// A GnuPG home with one signing key.
class Signer {
 public:
  struct Options {
    std::string created;  // "20200101T000000": as gpg's --faked-system-time; empty: now
    std::string expires = "never";
    bool revoked = false;  // after everything that is to be signed has been signed: see revoke()
    std::string home;      // of a signer made before; empty: a new key
  };
  Signer();
  explicit Signer(const Options& options);
  ~Signer();

  const std::string& home() const { return home_; }
  const std::string& fingerprint() const { return fingerprint_; }  // 40 hex digits, lower case
  std::string publicKey() const;                                   // armored
  // Writes FILE.asc beside the file and returns its path; `options` are gpg's.
  std::string sign(const std::string& file, const std::string& options = "") const;
  // The file in an OpenPGP signed message, as containers signs an image.
  std::string signMessage(const std::string& file, const std::string& options = "") const;
  void revoke();

 private:
  std::string gpg(const std::string& arguments) const;
  Scratch scratch_;
  std::string home_;
  std::string fakedTime_;
  std::string fingerprint_;
};

struct ImageOptions {
  std::string name = "example.test/tools/busybox";
  std::string version = "1.35";
  std::string compress = "gzip -nc";  // a filter; "cat" for none
  std::string archiver = "tar";       // or "bsdtar"
  std::string prepare;                // shell, run in the image's directory before it is packed
  std::string manifest;               // instead of the ordinary one
  bool keepOwners = false;            // with tar: as `prepare` made them; else all is root's
};
// An ACI with Debian's static busybox and links for its applets.  Returns the path.
std::string makeImage(const std::string& path, const ImageOptions& options = {});
// The same from a tar that `python` (a script with `tar`, a tarfile opened for writing, and
// helpers) writes after the manifest and rootfs/: for entries that tar itself would not write.
std::string makeHostileImage(const std::string& path, const std::string& python);

}  // namespace airlock::test
