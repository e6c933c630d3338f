// SPDX-License-Identifier: Apache-2.0
// The wall around libcapnp: frame checks before it, its exceptions behind it, checked fields.  Only
// the .cc files of ipc/ may use it; nobody else includes a capnp header.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/limits.h"
#include "base/names.h"
#include "base/result.h"
#include "ipc/capnp.h"

namespace airlock::ipc::codec {

// --- frame ---
// The bytes in aligned memory, once they are known to be a frame: at most `most` bytes, whole
// words, at most limits::kMessageSegments segments whose sizes are exactly the rest.  E_FRAME
// otherwise. https://capnproto.org/encoding.html#serialization-over-a-stream
class Frame {
 public:
  static Result<Frame> admit(std::string_view bytes, std::size_t most);
  kj::ArrayPtr<const capnp::word> words() const { return {words_.get(), count_}; }
  capnp::ReaderOptions limits() const;

 private:
  Frame(std::unique_ptr<capnp::word[]> words, std::size_t count)
      : words_(std::move(words)), count_(count) {}
  std::unique_ptr<capnp::word[]> words_;
  std::size_t count_;
};

// Runs body(context); what kj throws in it becomes E_FRAME.  kj takes no backtrace and writes no
// line.
Result<void> guard(void (*body)(void*), void* context);
template <class Body>
Result<void> guarded(Body& body) {
  return guard([](void* context) { (*static_cast<Body*>(context))(); }, &body);
}

// `read` makes a Result<T> of Wire::Reader.
template <class Wire, class Read>
auto decode(std::string_view bytes, std::size_t most, Read read)
    -> std::invoke_result_t<Read, typename Wire::Reader> {
  const Frame frame = TRY(Frame::admit(bytes, most));
  std::optional<std::invoke_result_t<Read, typename Wire::Reader>> result;
  auto body = [&] {
    capnp::FlatArrayMessageReader message(frame.words(), frame.limits());
    result.emplace(read(message.getRoot<Wire>()));
  };
  TRY(guarded(body));
  return std::move(*result);
}

// The bytes of the only segment with its table, E_LIMIT when there are more than `most`.
Result<std::string> flatten(capnp::MessageBuilder& message, std::size_t most);

// `write` fills a Wire::Builder.  The same values give the same bytes: one segment, allocated in
// the order of writing.
template <class Wire, class Write>
Result<std::string> build(std::size_t most, Write write) {
  Result<std::string> result;
  auto body = [&] {
    // As large as a message may be: whatever needs a second segment is over the limit.
    capnp::MallocMessageBuilder message(static_cast<capnp::uint>(most / sizeof(capnp::word)),
                                        capnp::AllocationStrategy::FIXED_SIZE);
    write(message.initRoot<Wire>());
    result = flatten(message, most);
  };
  TRY(guarded(body));
  return result;
}

// As build(), and the bytes pass `check`, which is the decoder: we never send what our own other
// side would refuse.
template <class Wire, class Write, class Check>
Result<std::string> encode(std::size_t most, Write write, Check check) {
  std::string bytes = TRY(build<Wire>(most, std::move(write)));
  TRY(check(std::string_view(bytes)));
  return bytes;
}

// --- values out of a message ---
// A value that is well framed and not allowed.
std::unexpected<Error> badValue(std::string_view field, std::string_view why);

Result<std::string> readText(capnp::Text::Reader text, std::string_view field,
                             std::size_t most = limits::kTextBytes);
Result<std::string> readBytes(capnp::Data::Reader data, std::string_view field,
                              std::size_t most = limits::kTextBytes);  // free of NUL
Result<PodId> readPodId(capnp::Data::Reader data, std::string_view field);
Result<std::vector<PodId>> readPodIds(capnp::Data::Reader data, std::string_view field);

template <class Name>
Result<Name> readName(capnp::Text::Reader text, std::string_view field) {
  return inContext(Name::parse(TRY(readText(text, field))), field);
}

template <class Kind>
Result<Kind> readDigest(capnp::Data::Reader data, std::string_view field) {
  auto digest = Kind::fromBytes({data.begin(), data.size()});
  if (!digest) return badValue(field, "is not a digest of the right length");
  return digest;
}

// `read` makes a Result<T> of one element.
template <class List, class Read>
auto readList(List list, std::size_t most, std::string_view field, Read read)
    -> Result<std::vector<typename decltype(read(list[0]))::value_type>> {
  if (list.size() > most) return badValue(field, "has too many elements");
  std::vector<typename decltype(read(list[0]))::value_type> values;
  values.reserve(list.size());
  for (const auto element : list) values.push_back(TRY(read(element)));
  return values;
}
Result<std::vector<std::string>> readTexts(capnp::List<capnp::Text>::Reader list, std::size_t most,
                                           std::string_view field);

// --- values into a message ---
inline capnp::Text::Reader text(const std::string& value) { return {value.c_str(), value.size()}; }
inline capnp::Data::Reader raw(std::string_view value) {
  return {reinterpret_cast<const kj::byte*>(value.data()), value.size()};
}
template <std::size_t N>
capnp::Data::Reader raw(const std::array<std::uint8_t, N>& value) {
  return {value.data(), value.size()};
}
template <class Tag>
capnp::Data::Reader raw(const Digest<Tag>& value) {
  return raw(value.bytes());
}
inline capnp::Data::Reader raw(const ImageId& value) {
  return {value.bytes().data(), value.bytes().size()};
}
inline capnp::Data::Reader raw(const PodId& value) { return raw(value.bytes()); }
std::string joined(const std::vector<PodId>& ids);

// A line for people, so that sending never fails for its sake: cut at limits::kTextBytes, and
// escaped if it is not UTF-8 or has a NUL.
std::string shown(std::string_view value);

template <class Items>
capnp::uint count(const Items& items) {
  return static_cast<capnp::uint>(std::min<std::size_t>(items.size(), limits::kSealedBytes));
}
// `write` gets (element builder, item).
template <class List, class Items, class Write>
void writeList(List list, const Items& items, Write write) {
  for (capnp::uint i = 0; i < list.size(); ++i) write(list[i], items[i]);
}
void writeTexts(capnp::List<capnp::Text>::Builder list, const std::vector<std::string>& texts);
void writeShown(capnp::List<capnp::Text>::Builder list, const std::vector<std::string>& texts);

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};

}  // namespace airlock::ipc::codec
