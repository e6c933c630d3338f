// SPDX-License-Identifier: Apache-2.0
#include "tpm/hierarchy.h"

#include <sodium/crypto_auth_hmacsha256.h>
#include <sodium/utils.h>
#include <sys/random.h>

#include <algorithm>
#include <string>
#include <utility>

namespace airlock::tpm {

namespace {

// Response codes of format one carry the number of a session (Part 2, 6.6.2).
constexpr TSS2_RC kFormatOneMask = 0x0bf;

std::string nameFor(const Hierarchy& hierarchy) {
  return hierarchy.handle == TPM2_RH_OWNER ? "owner" : "endorsement";
}
std::string flagFor(const Hierarchy& hierarchy) {
  return hierarchy.handle == TPM2_RH_OWNER ? "--owner-auth-file" : "--endorsement-auth-file";
}

void append(Bytes& bytes, std::uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<std::uint8_t>(number >> shift & 0xff));
  }
}
void append(Bytes& bytes, std::span<const std::uint8_t> more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}
std::span<const std::uint8_t> bytesOf(const TPM2B_NONCE& nonce) {
  return std::span(nonce.buffer, std::min<std::size_t>(nonce.size, sizeof nonce.buffer));
}

struct State {
  TPMA_PERMANENT permanent = 0;
  TPMA_STARTUP_CLEAR enabled = 0;
  bool hasPassword(const Hierarchy& hierarchy) const {
    return (permanent & (hierarchy.handle == TPM2_RH_OWNER ? TPMA_PERMANENT_OWNERAUTHSET
                                                           : TPMA_PERMANENT_ENDORSEMENTAUTHSET)) !=
           0;
  }
  bool isEnabled(const Hierarchy& hierarchy) const {
    return (enabled & (hierarchy.handle == TPM2_RH_OWNER ? TPMA_STARTUP_CLEAR_SHENABLE
                                                         : TPMA_STARTUP_CLEAR_EHENABLE)) != 0;
  }
};

Result<State> readState(Connection& connection) {
  TPMS_CAPABILITY_DATA data{};
  TPMI_YES_NO more = 0;
  TRY(connection.run("GetCapability(TPM_PROPERTIES)", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_GetCapability(sys, nullptr, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_PERMANENT, 2,
                                  &more, &data, nullptr);
  }));
  const TPML_TAGGED_TPM_PROPERTY& properties = data.data.tpmProperties;
  if (data.capability != TPM2_CAP_TPM_PROPERTIES || properties.count != 2 ||
      properties.tpmProperty[0].property != TPM2_PT_PERMANENT ||
      properties.tpmProperty[1].property != TPM2_PT_STARTUP_CLEAR) {
    return malformedAnswer("GetCapability(TPM_PROPERTIES)");
  }
  return State{properties.tpmProperty[0].value, properties.tpmProperty[1].value};
}

std::string joined(const std::vector<std::string>& texts, const char* between) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : between) + text;
  return all;
}

}  // namespace

Bytes nameOf(TPM2_HANDLE handle) {
  Bytes name;
  append(name, handle);
  return name;
}

Result<void> expectUsable(Connection& connection, std::span<const Hierarchy> needed) {
  const State state = TRY(readState(connection));
  std::vector<std::string> closed;
  std::vector<std::string> flags;
  for (const Hierarchy& hierarchy : needed) {
    const std::string name = nameFor(hierarchy);
    if (!state.isEnabled(hierarchy)) {
      return refuse(ErrorKind::Denied, "E_TPM_AUTH",
                    "the TPM's " + name + " hierarchy is switched off until it is reset",
                    "the firmware or a boot script did that: tpm2_getcap properties-variable");
    }
    const bool has = state.hasPassword(hierarchy);
    if (has && !hierarchy.password) {
      closed.push_back(name);
      flags.push_back(flagFor(hierarchy) + "=FILE");
    } else if (!has && hierarchy.password) {
      return refuse(ErrorKind::Denied, "E_TPM_PASSWORD",
                    "the TPM's " + name + " hierarchy has no password, and one was given",
                    "leave out " + flagFor(hierarchy) + "; the TPM may have been cleared");
    }
  }
  if (closed.empty()) return {};
  return refuse(ErrorKind::Denied, "E_TPM_AUTH",
                "the TPM's " + joined(closed, " and ") +
                    (closed.size() == 1 ? " hierarchy has a password, which was not given"
                                        : " hierarchies have passwords, which were not given"),
                "give it in a file that only root reads: " + joined(flags, " "));
}

Error explained(Error error, TSS2_RC code, const Hierarchy& hierarchy) {
  const TSS2_RC plain = code & kFormatOneMask;
  if (code == TPM2_RC_LOCKOUT) {
    return Error(ErrorKind::Denied,
                 "the TPM is locked, since somebody guessed too often at a password of it")
        .withCode("E_TPM_LOCKOUT")
        .withHint(
            "wait as long as it says (tpm2_getcap properties-variable), or "
            "tpm2_dictionarylockout --clear-lockout");
  }
  if (!hierarchy.password || (plain != TPM2_RC_BAD_AUTH && plain != TPM2_RC_AUTH_FAIL)) {
    return error;
  }
  return Error(ErrorKind::Denied, "the password that was given for the TPM's " +
                                      nameFor(hierarchy) + " hierarchy is not its password")
      .withCode("E_TPM_PASSWORD")
      .withHint("it was tried once, and nothing was changed");
}

Result<PasswordSession> PasswordSession::start(Connection& connection, const Hierarchy& hierarchy) {
  constexpr TPMT_SYM_DEF kNoEncryption{.algorithm = TPM2_ALG_NULL, .keyBits = {}, .mode = {}};
  constexpr UINT16 kNonceBytes = 32;
  PasswordSession session(connection, hierarchy);
  session.ours_.size = kNonceBytes;
  if (::getrandom(session.ours_.buffer, kNonceBytes, 0) != kNonceBytes) {
    return failErrno("get random bytes");
  }
  TPM2B_ENCRYPTED_SECRET noSalt{};
  TRY(connection.run("StartAuthSession", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_StartAuthSession(sys, TPM2_RH_NULL, TPM2_RH_NULL, nullptr, &session.ours_,
                                     &noSalt, TPM2_SE_HMAC, &kNoEncryption, TPM2_ALG_SHA256,
                                     &session.handle_, &session.theirs_, nullptr);
  }));
  return session;
}

PasswordSession::PasswordSession(PasswordSession&& other) noexcept
    : connection_(other.connection_),
      hierarchy_(other.hierarchy_),
      handle_(std::exchange(other.handle_, 0)),
      ours_(other.ours_),
      theirs_(other.theirs_) {}

PasswordSession::~PasswordSession() {
  if (handle_ == 0) return;
  static_cast<void>(connection_->run("FlushContext", [this](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_FlushContext(sys, handle_);
  }));
}

// authHMAC (Part 1, 19.6.5): of a session that is neither bound nor salted the key is the password.
Bytes PasswordSession::proof(const Bytes& content, std::span<const std::uint8_t> newer,
                             std::span<const std::uint8_t> older, TPMA_SESSION attributes) const {
  const auto key = hierarchy_.password->bytes();
  Bytes message = hash(kSha256, content);
  append(message, newer);
  append(message, older);
  message.push_back(attributes);
  Bytes result(crypto_auth_hmacsha256_BYTES);
  crypto_auth_hmacsha256_state state;
  ::crypto_auth_hmacsha256_init(&state, key.data(), key.size());
  ::crypto_auth_hmacsha256_update(&state, message.data(), message.size());
  ::crypto_auth_hmacsha256_final(&state, result.data());
  ::sodium_memzero(&state, sizeof state);
  return result;
}

TSS2L_SYS_AUTH_COMMAND PasswordSession::authorise(TSS2_SYS_CONTEXT* sys,
                                                  const Covered& covered) const {
  std::size_t size = 0;
  const std::uint8_t* parameters = nullptr;
  Bytes content;
  append(content, covered.code);
  append(content, nameOf(hierarchy_.handle));
  for (const Bytes& name : covered.names) append(content, name);
  if (Tss2_Sys_GetCpBuffer(sys, &size, &parameters) == TSS2_RC_SUCCESS) {
    append(content, std::span(parameters, size));
  }
  const Bytes mac = proof(content, bytesOf(ours_), bytesOf(theirs_), TPMA_SESSION_CONTINUESESSION);
  TSS2L_SYS_AUTH_COMMAND authorisation{
      .count = 1,
      .auths = {{.sessionHandle = handle_,
                 .nonce = ours_,
                 .sessionAttributes = TPMA_SESSION_CONTINUESESSION,
                 .hmac = {.size = static_cast<UINT16>(mac.size()), .buffer = {}}}}};
  std::ranges::copy(mac, authorisation.auths[0].hmac.buffer);
  return authorisation;
}

bool PasswordSession::isAnswered(TSS2_SYS_CONTEXT* sys, const Covered& covered,
                                 const TSS2L_SYS_AUTH_RESPONSE& answer) const {
  std::size_t size = 0;
  const std::uint8_t* parameters = nullptr;
  if (answer.count != 1 || Tss2_Sys_GetRpBuffer(sys, &size, &parameters) != TSS2_RC_SUCCESS) {
    return false;
  }
  Bytes content;
  append(content, TPM2_RC_SUCCESS);
  append(content, covered.code);
  append(content, std::span(parameters, size));
  const TPMS_AUTH_RESPONSE& given = answer.auths[0];
  const Bytes mac = proof(content, bytesOf(given.nonce), bytesOf(ours_), given.sessionAttributes);
  return given.hmac.size == mac.size() &&
         ::sodium_memcmp(given.hmac.buffer, mac.data(), mac.size()) == 0;
}

}  // namespace airlock::tpm
