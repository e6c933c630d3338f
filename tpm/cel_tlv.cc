// SPDX-License-Identifier: Apache-2.0
#include "tpm/cel_tlv.h"

#include <cstdint>

#include "base/limits.h"
#include "tpm/canonical.h"

namespace airlock::tpm {

namespace {

constexpr std::uint8_t kRecnum = 0;
constexpr std::uint8_t kPcr = 1;
constexpr std::uint8_t kDigests = 3;
constexpr std::uint8_t kContent = 0xa1;  // ours; the specification's end at 8
constexpr std::uint8_t kEventType = 0;
constexpr std::uint8_t kEventPayload = 1;
constexpr std::size_t kHead = 5;  // type, and a length of four bytes

std::string bigEndian(std::uint64_t value, int bytes) {
  std::string text;
  while (bytes-- > 0) text.push_back(static_cast<char>(value >> (8 * bytes) & 0xff));
  return text;
}
std::uint64_t number(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

std::string field(std::uint8_t type, std::string_view value) {
  return bigEndian(type, 1) + bigEndian(value.size(), 4).append(value);
}

// Takes the next field off `rest`, which must be of this type.
Result<std::string_view> take(std::string_view& rest, std::uint8_t type) {
  if (rest.size() < kHead || static_cast<std::uint8_t>(rest[0]) != type) {
    return damaged("a record does not have the fields that it must have, in their order");
  }
  const std::uint64_t size = number(rest.substr(1, kHead - 1));
  if (size > rest.size() - kHead) return damaged("a record is torn");
  const std::string_view value = rest.substr(kHead, static_cast<std::size_t>(size));
  rest.remove_prefix(kHead + static_cast<std::size_t>(size));
  return value;
}

Result<Banks> takeDigests(std::string_view rest) {
  Banks digests;
  while (!rest.empty()) {
    // The type of a digest is the TPM's number for its algorithm.
    const auto algorithm = static_cast<std::uint8_t>(rest[0]);
    const std::string_view value = TRY(take(rest, algorithm));
    digests.push_back({algorithm, Bytes(value.begin(), value.end())});
  }
  return digests;
}

}  // namespace

std::string encodeTlv(const Record& record) {
  std::string digests;
  for (const BankValue& digest : record.digests) {
    digests += field(static_cast<std::uint8_t>(digest.algorithm),
                     {reinterpret_cast<const char*>(digest.value.data()), digest.value.size()});
  }
  return field(kRecnum, bigEndian(record.number, 8)) + field(kPcr, bigEndian(record.pcr, 1)) +
         field(kDigests, digests) +
         field(kContent,
               field(kEventType, record.event.type) + field(kEventPayload, record.event.payload));
}

Result<std::vector<Record>> parseTlv(std::string_view bytes) {
  if (bytes.size() > limits::kEventLogBytes) return damaged("the log is too large");
  std::vector<Record> records;
  while (!bytes.empty()) {
    const std::string_view start = bytes;
    Record record;
    const std::string_view recnum = TRY(take(bytes, kRecnum));
    const std::string_view pcr = TRY(take(bytes, kPcr));
    record.number = number(recnum);
    record.pcr = static_cast<std::uint32_t>(number(pcr.substr(0, 1)));
    record.digests = TRY(takeDigests(TRY(take(bytes, kDigests))));
    std::string_view content = TRY(take(bytes, kContent));
    record.event.type = TRY(take(content, kEventType));
    record.event.payload = TRY(take(content, kEventPayload));
    for (const BankValue& digest : record.digests) {
      if (findHash(digest.algorithm) == nullptr) {
        return damaged("a record has a digest of an unknown algorithm");
      }
    }
    // Whatever is not exactly as we write it ends here, or at the log's own reader.
    if (encodeTlv(record) != start.substr(0, start.size() - bytes.size())) {
      return damaged("a record is spelled otherwise");
    }
    records.push_back(TRY(parseRecord(encodeRecord(record))));
  }
  return records;
}

}  // namespace airlock::tpm
