// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/log.h"
#include "base/syscall.h"
#include "cli/go_format.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {

constexpr std::size_t kColumns = 80;
constexpr std::size_t kSizeColumns = 18;  // ioprogress keeps them for the figures
constexpr std::int64_t kRedrawMilliseconds = 200;

std::string sizes(std::uint64_t done, std::uint64_t total) {
  return decimalBytes(done) + "/" + decimalBytes(total);
}

}  // namespace

std::string progressBar(std::string_view label, std::uint64_t done, std::uint64_t total) {
  const std::string name = printable(label) + ": ";
  if (total == 0) return name + decimalBytes(done) + " of an unknown total size";
  const std::size_t width = kColumns - std::min(name.size() + kSizeColumns, kColumns - 1);
  const double part = static_cast<double>(std::min(done, total)) / static_cast<double>(total);
  const auto filled = static_cast<std::size_t>(part * static_cast<double>(width));
  return name + "[" + std::string(filled, '=') + std::string(width - filled, ' ') + "] " +
         sizes(done, total);
}

std::string progressLine(std::string_view label, std::uint64_t done, std::uint64_t total) {
  if (total == 0) return progressBar(label, done, total);
  return printable(label) + ":  " + sizes(done, total);
}

Progress::Progress() {
  const char* term = ::getenv("TERM");
  terminal_ = ::isatty(STDERR_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

void Progress::show(std::string_view label, std::uint64_t done, std::uint64_t total) {
  if (label != label_) finish();
  label_ = label;
  done_ = done;
  total_ = total;
  const std::int64_t now = sys::now();
  if (!terminal_ || (now - drawnAt_ < kRedrawMilliseconds && done != total)) return;
  drawnAt_ = now;
  note("\r" + progressBar(label_, done_, total_) + "\033[K");
}

void Progress::finish() {
  if (label_.empty()) return;
  if (terminal_) {
    note("\r" + progressBar(label_, done_, total_) + "\033[K\n");
  } else {
    note(progressLine(label_, done_, total_) + "\n");
  }
  label_.clear();
  drawnAt_ = 0;
}

}  // namespace airlock::cli
