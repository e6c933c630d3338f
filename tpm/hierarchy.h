// SPDX-License-Identifier: Apache-2.0
// Commands that a hierarchy of the TPM has to authorise (TPM 2.0 part 1, 13 and 19).  The measuring
// process only.
//
// A password never goes to the TPM: it is the key of the HMAC of a session over what is asked
// (19.6), so that who listens to the bus does not read it, and who changes the command on its way
// is found.  The session has no salt: that would take the RSA or elliptic curves of another library
// in a process that starts before every pod.  Who listens can try guesses at the password at home.
#pragma once

#include <tss2/tss2_sys.h>

#include <span>
#include <vector>

#include "base/result.h"
#include "tpm/connection.h"
#include "tpm/hash.h"
#include "tpm/password.h"

namespace airlock::tpm {

struct Hierarchy {
  TPM2_HANDLE handle;  // TPM2_RH_OWNER or TPM2_RH_ENDORSEMENT
  const std::optional<Password>& password;
};
inline Hierarchy ownerOf(const Passwords& passwords) { return {TPM2_RH_OWNER, passwords.owner}; }
inline Hierarchy endorsementOf(const Passwords& passwords) {
  return {TPM2_RH_ENDORSEMENT, passwords.endorsement};
}

// Whether each of `needed` can be used with what was given: asked for before a chip works for a
// minute, and told in one line.  E_TPM_AUTH (a password is needed and was not given, or the
// hierarchy is switched off), E_TPM_PASSWORD (one was given for a hierarchy that has none).
Result<void> expectUsable(Connection& connection, std::span<const Hierarchy> needed);

// The name of what a handle stands for, as an HMAC covers it: a permanent object or a session goes
// by its number (Part 1, 16).
Bytes nameOf(TPM2_HANDLE handle);

// A command of TPM 2.0 part 3 whose first handle is a hierarchy, and what of it is covered.
struct Covered {
  const char* what;  // for errors: "EvictControl"
  TPM2_CC code;
  std::vector<Bytes> names;  // of the handles behind the hierarchy's
};

// The session of one command that proves the password without telling it.
class PasswordSession {
 public:
  static Result<PasswordSession> start(Connection& connection, const Hierarchy& hierarchy);
  PasswordSession(PasswordSession&& other) noexcept;
  PasswordSession& operator=(PasswordSession&&) = delete;
  ~PasswordSession();
  // For the command whose parameters have been laid out in `sys`.
  TSS2L_SYS_AUTH_COMMAND authorise(TSS2_SYS_CONTEXT* sys, const Covered& covered) const;
  // Only the TPM that knows the password answers so.
  bool isAnswered(TSS2_SYS_CONTEXT* sys, const Covered& covered,
                  const TSS2L_SYS_AUTH_RESPONSE& answer) const;

 private:
  PasswordSession(Connection& connection, const Hierarchy& hierarchy)
      : connection_(&connection), hierarchy_(hierarchy) {}
  Bytes proof(const Bytes& content, std::span<const std::uint8_t> newer,
              std::span<const std::uint8_t> older, TPMA_SESSION attributes) const;
  Connection* connection_;
  Hierarchy hierarchy_;
  TPM2_HANDLE handle_ = 0;
  TPM2B_NONCE ours_{};
  TPM2B_NONCE theirs_{};
};

// What the TPM refused, for people.  E_TPM_PASSWORD: it is the wrong one, which was tried once;
// E_TPM_LOCKOUT; otherwise `error`.
Error explained(Error error, TSS2_RC code, const Hierarchy& hierarchy);

// Runs it: `layOut(sys)` is its Tss2_Sys_…_Prepare, `command(sys, authorisation, answer)` the whole
// of it with the same parameters.
template <class LayOut, class Command>
Result<void> runAs(Connection& connection, const Hierarchy& hierarchy, const Covered& covered,
                   LayOut layOut, Command command) {
  TSS2L_SYS_AUTH_RESPONSE answer{};
  TSS2_RC code = TSS2_RC_SUCCESS;
  if (!hierarchy.password) {
    auto done = connection.run(covered.what, [&](TSS2_SYS_CONTEXT* sys) {
      return code = command(sys, &kEmptyPassword, &answer);
    });
    if (!done) return fail(explained(std::move(done.error()), code, hierarchy));
    return {};
  }
  const PasswordSession session = TRY(PasswordSession::start(connection, hierarchy));
  bool answered = false;
  auto done = connection.run(covered.what, [&](TSS2_SYS_CONTEXT* sys) {
    code = layOut(sys);
    if (code != TSS2_RC_SUCCESS) return code;
    const TSS2L_SYS_AUTH_COMMAND authorisation = session.authorise(sys, covered);
    code = command(sys, &authorisation, &answer);
    answered = code == TSS2_RC_SUCCESS && session.isAnswered(sys, covered, answer);
    return code;
  });
  if (!done) return fail(explained(std::move(done.error()), code, hierarchy));
  return answered ? Result<void>() : malformedAnswer(covered.what);
}

}  // namespace airlock::tpm
