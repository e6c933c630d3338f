// SPDX-License-Identifier: Apache-2.0
#include "cli/text_output.h"

#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/syscall.h"
#include "cli/options.h"

namespace airlock::cli {

namespace {

// A reader that went away is no reason to fail: whatever was asked for has been done.
void put(int fd, std::string_view text) { static_cast<void>(sys::writeAll(FdRef(fd), text)); }

// With a capital, unless it begins with a command.
std::string sentence(std::string text) {
  const bool lower = text.front() >= 'a' && text.front() <= 'z';
  if (lower && !text.starts_with("airlock"))
    text.front() = static_cast<char>(text.front() - 'a' + 'A');
  return text;
}

}  // namespace

void out(std::string_view text) { put(STDOUT_FILENO, text); }
void note(std::string_view text) { put(STDERR_FILENO, text); }
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
  // One line: the hint follows as a sentence of its own.
  std::string text = command.empty() ? "" : command + ": ";
  if (options.debug) {
    text += error.text();
    if (!error.code().empty()) text += " [" + error.code() + "]";
  } else {
    text += error.message();
    if (!error.hint().empty()) text += ". " + sentence(error.hint());
  }
  return printable(text) + "\n";
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
