// SPDX-License-Identifier: Apache-2.0
// Bars of downloads on a terminal; elsewhere one line per download.  CLI only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace airlock::cli {

// "Downloading ACI: [=====     ] 1.2 MB/2.65 MB", 80 columns; "LABEL: X of an unknown total size"
// when total is 0.
std::string progressBar(std::string_view label, std::uint64_t done, std::uint64_t total);
// "Downloading ACI:  2.65 MB/2.65 MB": without a terminal.
std::string progressLine(std::string_view label, std::uint64_t done, std::uint64_t total);

class Progress {
 public:
  // Draws on stderr when it is a terminal and TERM is not "dumb".
  Progress();
  explicit Progress(bool terminal) : terminal_(terminal) {}
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(std::string_view label, std::uint64_t done, std::uint64_t total);
  // Ends the line of what is being shown; before any other line is printed.
  void finish();

 private:
  bool terminal_;
  std::string label_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
  std::int64_t drawnAt_ = 0;
};

}  // namespace airlock::cli
