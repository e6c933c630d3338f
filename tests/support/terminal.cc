// SPDX-License-Identifier: Apache-2.0
#include "tests/support/terminal.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "base/syscall.h"

namespace airlock::test {

OnTerminal::OnTerminal(const std::string& script, const std::vector<std::string>& environment) {
  const winsize size{.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
  int master = -1;
  child_ = ::forkpty(&master, nullptr, nullptr, &size);
  if (child_ < 0) throw std::runtime_error("forkpty");
  if (child_ == 0) {
    ::clearenv();
    ::putenv(
        const_cast<char*>("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
    ::putenv(const_cast<char*>("LC_ALL=C.UTF-8"));
    ::putenv(const_cast<char*>("TERM=dumb"));
    for (const std::string& variable : environment) ::putenv(::strdup(variable.c_str()));
    ::execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
    ::_exit(127);
  }
  master_ = Fd::own(master);
}

OnTerminal::~OnTerminal() {
  if (child_ < 0) return;
  ::kill(child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
}

void OnTerminal::type(const std::string& keys) {
  typedAt_ = text_.size();
  static_cast<void>(sys::writeAll(master_, keys));
}

bool OnTerminal::read(int milliseconds) {
  pollfd waiting{.fd = master_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&waiting, 1, milliseconds) <= 0) return true;
  char bytes[4096];
  const ssize_t count = ::read(master_.get(), bytes, sizeof bytes);
  if (count <= 0) return false;  // EIO: nobody has the other side any more
  for (const char c : std::string(bytes, static_cast<std::size_t>(count)))
    if (c != '\r') text_ += c;
  constexpr std::string_view kWhereIsTheCursor = "\x1b[6n";
  for (std::size_t at = text_.find(kWhereIsTheCursor); at != text_.npos;
       at = text_.find(kWhereIsTheCursor))
    text_.erase(at, kWhereIsTheCursor.size());
  return true;
}

bool OnTerminal::says(const std::string& words) {
  const std::int64_t start = sys::now();
  const auto said = [&] { return text_.find(words, typedAt_) != std::string::npos; };
  while (!said()) {
    if (sys::now() - start > 20'000 || !read(100)) return said();
  }
  return true;
}

int OnTerminal::wait() {
  while (read(100)) continue;
  int status = 0;
  ::waitpid(child_, &status, 0);
  child_ = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace airlock::test
