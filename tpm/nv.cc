// SPDX-License-Identifier: Apache-2.0
#include "tpm/nv.h"

#include <algorithm>

#include "base/limits.h"

namespace airlock::tpm {

namespace {
constexpr UINT16 kChunkBytes = 512;  // every TPM reads so much of its NV memory at once
}  // namespace

Result<bool> exists(Connection& connection, TPM2_HANDLE handle) {
  TPMS_CAPABILITY_DATA data{};
  TPMI_YES_NO more = 0;
  TRY(connection.run("GetCapability(HANDLES)", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_GetCapability(sys, nullptr, TPM2_CAP_HANDLES, handle, 1, &more, &data, nullptr);
  }));
  const TPML_HANDLE& handles = data.data.handles;
  if (data.capability != TPM2_CAP_HANDLES || handles.count > TPM2_MAX_CAP_HANDLES) {
    return malformedAnswer("GetCapability(HANDLES)");
  }
  return handles.count > 0 && handles.handle[0] == handle;
}

Result<std::string> readNv(Connection& connection, std::uint32_t index, const Hierarchy& owner) {
  TPM2B_NV_PUBLIC area{};
  TPM2B_NAME name{};
  TRY(connection.run("NV_ReadPublic", [&](TSS2_SYS_CONTEXT* sys) {
    return Tss2_Sys_NV_ReadPublic(sys, index, nullptr, &area, &name, nullptr);
  }));
  const UINT16 size = area.nvPublic.dataSize;
  if (size > limits::kCertificateBytes || name.size > sizeof name.name) {
    return refuse(ErrorKind::Unsupported, "E_ATTEST_CERTIFICATE",
                  "what the TPM has at " + hexOf(index) + " is too large: " + std::to_string(size) +
                      " bytes");
  }
  const bool byItself = (area.nvPublic.attributes & TPMA_NV_AUTHREAD) != 0;
  const Covered covered{"NV_Read", TPM2_CC_NV_Read, {Bytes(name.name, name.name + name.size)}};
  std::string content;
  while (content.size() < size) {
    const auto offset = static_cast<UINT16>(content.size());
    const auto wanted = static_cast<UINT16>(std::min<int>(kChunkBytes, size - offset));
    TPM2B_MAX_NV_BUFFER chunk{};
    TSS2L_SYS_AUTH_RESPONSE answer{};
    if (byItself) {
      TRY(connection.run("NV_Read", [&](TSS2_SYS_CONTEXT* sys) {
        return Tss2_Sys_NV_Read(sys, index, index, &kEmptyPassword, wanted, offset, &chunk,
                                &answer);
      }));
    } else {
      TRY(runAs(
          connection, owner, covered,
          [&](TSS2_SYS_CONTEXT* sys) {
            return Tss2_Sys_NV_Read_Prepare(sys, TPM2_RH_OWNER, index, wanted, offset);
          },
          [&](TSS2_SYS_CONTEXT* sys, const TSS2L_SYS_AUTH_COMMAND* authorisation,
              TSS2L_SYS_AUTH_RESPONSE* answered) {
            return Tss2_Sys_NV_Read(sys, TPM2_RH_OWNER, index, authorisation, wanted, offset,
                                    &chunk, answered);
          }));
    }
    if (chunk.size != wanted) return malformedAnswer("NV_Read");
    content.append(reinterpret_cast<const char*>(chunk.buffer), chunk.size);
  }
  return content;
}

}  // namespace airlock::tpm
