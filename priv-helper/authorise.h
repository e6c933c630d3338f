// SPDX-License-Identifier: Apache-2.0
// The one place where policy is asked.  Helper only.  Authorised<T> is the proof: nothing
// privileged happens without one, and only this file's functions can make it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "ipc/helper_messages.h"
#include "ipc/peer.h"
#include "ipc/records.h"
#include "policy/policy.h"
#include "store/keystore.h"

namespace airlock::helper {

using policy::Policy;
using policy::Rule;
using policy::Verb;

class Authoriser;

template <class T>
class Authorised {
 public:
  const T& operator*() const { return value_; }
  const T* operator->() const { return &value_; }
  const std::string& rule() const { return rule_; }  // the policy line that allows it

 private:
  friend class Authoriser;
  Authorised(T value, std::string rule) : value_(std::move(value)), rule_(std::move(rule)) {}
  T value_;
  std::string rule_;
};

// What is asked, once the names in it are known.
struct ImportQuestion {
  std::string image;
  bool skipSignature;
  const ipc::CatalogRecord* found = nullptr;  // once it has been verified
};
struct RunQuestion {
  ipc::PodSpec pod;
  std::vector<ipc::CatalogRecord> images;  // one per app, in order
  std::vector<uid_t> volumeOwners;         // of the host volumes' directories, in order
  bool hostSockets = false;                // one of the descriptors is an IP socket of the host's
};
struct OwnedQuestion {
  Verb verb;
  uid_t owner;
};

class Authoriser {
 public:
  Authoriser(const Policy& policy, const store::KeyStore& keys, uid_t uid,
             std::vector<gid_t> groups)
      : policy_(policy), keys_(keys), uid_(uid), groups_(std::move(groups)) {}

  // Refusals are E_DENIED (or the code named) with the line, or the lack of one, and what to do.
  Result<Authorised<ImportQuestion>> import(ImportQuestion question) const;
  // Does a rule let this image in unsigned, for its digest?
  bool pins(const ImageName& name, const ImageId& image) const;
  // Also that each image's signer is trusted for its name today (E_SIG_UNTRUSTED): a key that was
  // taken away stops the next start of an image that is already in the store.
  Result<Authorised<RunQuestion>> run(RunQuestion question) const;
  // A pod without an app, for which no image speaks: some line lets the peer run something, on this
  // network.  Each app is asked for when it comes.
  Result<Authorised<RunQuestion>> sandbox(RunQuestion question) const;
  Result<Authorised<OwnedQuestion>> owned(OwnedQuestion question) const;
  Result<Authorised<Verb>> plain(Verb verb) const;
  // Whoever may run images of this name reads all that is in them anyway.
  Result<Authorised<Verb>> read(const ImageName& name) const;
  // May this peer ask for anything under this verb at all?  Asked before foreign bytes are touched.
  Result<void> some(Verb verb) const;

 private:
  Result<const Rule*> ruleFor(Verb verb, const std::optional<std::string>& image) const;
  std::unexpected<Error> denied(Verb verb, const std::string& what, const Rule* rule) const;
  bool matches(const Rule& rule, Verb verb) const;

  const Policy& policy_;
  const store::KeyStore& keys_;
  uid_t uid_;
  std::vector<gid_t> groups_;
};

}  // namespace airlock::helper
