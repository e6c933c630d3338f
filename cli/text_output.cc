// SPDX-License-Identifier: Apache-2.0
#include "cli/text_output.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/syscall.h"
#include "cli/in_message.h"
#include "cli/options.h"

namespace airlock::cli {

namespace {

// Of this process's stdout: where it ended, nothing is written any more, so that no reader takes
// two ends of an output for all of it.
Result<void>& wrote() {
  static Result<void> result;
  return result;
}

// With a capital, unless it begins with a command.
std::string sentence(std::string text) {
  const bool lower = text.front() >= 'a' && text.front() <= 'z';
  if (lower && !text.starts_with("airlock"))
    text.front() = static_cast<char>(text.front() - 'a' + 'A');
  return text;
}

// Commands in the hints of other processes, as the user has to write them.
std::string asCalled(std::string hint) {
  if (programName() == "airlock") return hint;
  for (const char* verb : {"trust", "fetch", "image", "list", "gc", "rm", "help"}) {
    const std::string ours = "airlock " + std::string(verb);
    for (std::size_t at = hint.find(ours); at != hint.npos; at = hint.find(ours, at + 1))
      hint.replace(at, ours.size(), programName() + " " + verb);
  }
  return hint;
}

// Outermost first.
std::vector<std::string> contextsOf(const Error& error) {
  constexpr std::string_view separator = ": ";
  const std::string all = error.text();
  std::string_view left(all);
  left = left.substr(0, left.rfind(error.message()));
  std::vector<std::string> contexts;
  for (std::size_t end = left.find(separator); end != left.npos; end = left.find(separator)) {
    contexts.emplace_back(left.substr(0, end));
    left.remove_prefix(end + separator.size());
  }
  return contexts;
}

}  // namespace

void out(std::string_view text) {
  if (wrote()) wrote() = sys::writeAll(FdRef(STDOUT_FILENO), text);
}
void note(std::string_view text) { static_cast<void>(sys::writeAll(FdRef(STDERR_FILENO), text)); }

Result<void> outputIsWhole() {
  if (wrote() || wrote().error().number() == EPIPE) return {};
  return inMessage(wrote(), "standard output");
}

void inform(std::string_view text) { note(programName() + ": " + std::string(text) + "\n"); }

void printJson(const image::Json& document, image::JsonStyle style) {
  out(image::writeJson(document, style) + "\n");
}

std::string errorText(const std::string& command, const Error& error, const Options& options) {
  if (options.json) {
    image::Json document;
    document["command"] = command;
    document["code"] = error.code();
    document["message"] = error.message();
    document["hint"] = error.hint();
    return image::writeJson(document, image::JsonStyle::Compact) + "\n";
  }
  // The hint follows as a sentence of its own.
  std::string last = error.message();
  if (!error.hint().empty()) last += ". " + sentence(asCalled(error.hint()));
  std::string text = command.empty() ? "" : command + ": ";
  if (!options.debug) return printable(text + last) + "\n";
  if (!error.code().empty()) last += " [" + error.code() + "]";
  // rkt's form: a line for each step on the way down to what went wrong.
  std::string indent;
  for (const std::string& context : contextsOf(error)) {
    text += printable(context) + "\n";
    indent += "  ";
    text += indent + "└─";
  }
  return text + printable(last) + "\n";
}

std::string spacedFingerprint(const std::string& fingerprint) {
  constexpr std::size_t openPgpDigits = 40;
  constexpr std::size_t group = 4;
  if (fingerprint.size() != openPgpDigits) return printable(fingerprint);
  std::string text;
  for (std::size_t i = 0; i < fingerprint.size(); i += group) {
    if (i > 0) text += i == openPgpDigits / 2 ? "  " : " ";
    for (std::size_t j = i; j < i + group; ++j) {
      const char c = fingerprint[j];
      text += c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
    }
  }
  return text;
}

bool canAsk() { return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1; }

}  // namespace airlock::cli
