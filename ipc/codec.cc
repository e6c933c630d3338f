// SPDX-License-Identifier: Apache-2.0
#include "ipc/codec.h"

#include <kj/exception.h>

#include <array>
#include <cstring>

#include "base/log.h"

namespace airlock::ipc::codec {

namespace {
constexpr std::size_t kWord = sizeof(capnp::word);

std::unexpected<Error> badFrame(std::string_view why) {
  return refuse(ErrorKind::Invalid, "E_FRAME", "not a message: " + std::string(why));
}

std::uint32_t littleEndian(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[at + i])) << (8 * i);
  }
  return value;
}

// A hostile message must not make this process walk its stack or fill a log.
class QuietCallback final : public kj::ExceptionCallback {
 public:
  StackTraceMode stackTraceMode() override { return StackTraceMode::NONE; }
  void logMessage(kj::LogSeverity, const char*, int, int, kj::String&&) override {}
};

bool endsInsideSequence(std::string_view text, std::size_t at) {
  return at < text.size() && (static_cast<std::uint8_t>(text[at]) & 0xc0) == 0x80;
}
}  // namespace

Result<Frame> Frame::admit(std::string_view bytes, std::size_t most) {
  if (bytes.size() > most) return badFrame("longer than " + std::to_string(most) + " bytes");
  if (bytes.empty() || bytes.size() % kWord != 0) return badFrame("not whole words");
  const std::uint64_t segments = std::uint64_t{littleEndian(bytes, 0)} + 1;
  if (segments > limits::kMessageSegments) return badFrame("too many segments");
  const std::uint64_t tableBytes = (4 * (segments + 1) + kWord - 1) / kWord * kWord;
  if (tableBytes > bytes.size()) return badFrame("the segment table is cut off");
  std::uint64_t total = tableBytes;
  for (std::uint64_t i = 0; i < segments; ++i) {
    total += std::uint64_t{littleEndian(bytes, 4 * (i + 1))} * kWord;
  }
  if (total != bytes.size()) return badFrame("the segments are not as long as their table says");
  if (segments % 2 == 0 && littleEndian(bytes, 4 * (segments + 1)) != 0) {
    return badFrame("the padding of the segment table is not zero");
  }
  const std::size_t count = bytes.size() / kWord;
  auto words = std::make_unique_for_overwrite<capnp::word[]>(count);
  std::memcpy(words.get(), bytes.data(), bytes.size());
  return Frame(std::move(words), count);
}

capnp::ReaderOptions Frame::limits() const {
  capnp::ReaderOptions options;
  // Each word may be visited about twice; a message whose pointers overlap to say more is refused.
  options.traversalLimitInWords = 2 * count_ + 64;
  options.nestingLimit = limits::kMessageNesting;
  return options;
}

// kj checks that a callback stands on the real stack; AddressSanitizer would put it elsewhere.
__attribute__((no_sanitize_address)) Result<void> guard(void (*body)(void*), void* context) {
  const QuietCallback quiet;
  try {
    body(context);
  } catch (const kj::Exception& exception) {
    return badFrame(printable(std::string_view(exception.getDescription().cStr()).substr(0, 200)));
  }
  return {};
}

Result<std::string> flatten(capnp::MessageBuilder& message, std::size_t most) {
  const auto segments = message.getSegmentsForOutput();
  if (segments.size() != 1 || (segments[0].size() + 1) * kWord > most) {
    return refuse(ErrorKind::Invalid, "E_LIMIT",
                  "the message would be longer than " + std::to_string(most) + " bytes");
  }
  const auto body = segments[0].asBytes();
  const auto words = static_cast<std::uint32_t>(segments[0].size());
  std::string bytes(kWord + body.size(), '\0');
  for (std::size_t i = 0; i < 4; ++i) bytes[4 + i] = static_cast<char>((words >> (8 * i)) & 0xff);
  std::memcpy(bytes.data() + kWord, body.begin(), body.size());
  return bytes;
}

std::unexpected<Error> badValue(std::string_view field, std::string_view why) {
  return refuse(ErrorKind::Invalid, "E_REQUEST", std::string(field) + " " + std::string(why));
}

Result<std::string> readText(capnp::Text::Reader text, std::string_view field, std::size_t most) {
  const std::string_view value(text.cStr(), text.size());
  if (value.size() > most) {
    return badValue(field, "is longer than " + std::to_string(most) + " bytes");
  }
  if (value.contains('\0')) return badValue(field, "has a NUL byte");
  if (!isUtf8(value)) return badValue(field, "is not UTF-8");
  return std::string(value);
}

Result<std::string> readBytes(capnp::Data::Reader data, std::string_view field, std::size_t most) {
  const std::string_view value(reinterpret_cast<const char*>(data.begin()), data.size());
  if (value.size() > most) {
    return badValue(field, "is longer than " + std::to_string(most) + " bytes");
  }
  if (value.contains('\0')) return badValue(field, "has a NUL byte");
  return std::string(value);
}

Result<PodId> readPodId(capnp::Data::Reader data, std::string_view field) {
  if (data.size() != std::tuple_size_v<std::remove_cvref_t<decltype(PodId().bytes())>>) {
    return badValue(field, "is not an id of 16 bytes");
  }
  return PodId::parse(toHex({data.begin(), data.size()}));
}

Result<std::vector<PodId>> readPodIds(capnp::Data::Reader data, std::string_view field) {
  constexpr std::size_t bytes = 16;
  if (data.size() % bytes != 0 || data.size() / bytes > limits::kPodUidSlots) {
    return badValue(field, "is not a list of ids");
  }
  std::vector<PodId> ids;
  for (std::size_t at = 0; at < data.size(); at += bytes) {
    ids.push_back(TRY(readPodId(data.slice(at, at + bytes), field)));
  }
  return ids;
}

Result<std::vector<std::string>> readTexts(capnp::List<capnp::Text>::Reader list, std::size_t most,
                                           std::string_view field) {
  return readList(list, most, field,
                  [&](capnp::Text::Reader element) { return readText(element, field); });
}

std::string joined(const std::vector<PodId>& ids) {
  std::string bytes;
  for (const PodId& id : ids) bytes.append(id.bytes().begin(), id.bytes().end());
  return bytes;
}

std::string shown(std::string_view value) {
  std::string text = isUtf8(value) && !value.contains('\0') ? std::string(value) : printable(value);
  if (text.size() > limits::kTextBytes) {
    std::size_t end = limits::kTextBytes;
    while (end > 0 && endsInsideSequence(text, end)) --end;
    text.resize(end);
  }
  return text;
}

void writeTexts(capnp::List<capnp::Text>::Builder list, const std::vector<std::string>& texts) {
  for (capnp::uint i = 0; i < list.size(); ++i) list.set(i, text(texts[i]));
}
void writeShown(capnp::List<capnp::Text>::Builder list, const std::vector<std::string>& texts) {
  for (capnp::uint i = 0; i < list.size(); ++i) list.set(i, text(shown(texts[i])));
}

}  // namespace airlock::ipc::codec
