// SPDX-License-Identifier: Apache-2.0
#include "cli/journal.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/syscall.h"

namespace airlock::cli {
namespace {

TEST(Journal, AStreamIsRecognisedByDeviceAndInode) {
  const sys::SocketPair pair = sys::socketPair().value();
  const auto info = sys::status(pair.first).value();
  const std::string name = std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
  EXPECT_TRUE(isJournalStream(pair.first, name));
  EXPECT_FALSE(isJournalStream(pair.second, name));
  EXPECT_FALSE(isJournalStream(pair.first, ""));
  EXPECT_FALSE(isJournalStream(FdRef(-1), name));
  const sys::Pipe pipe = sys::pipe().value();
  const auto other = sys::status(pipe.readEnd).value();
  EXPECT_FALSE(isJournalStream(pipe.readEnd,
                               std::to_string(other.st_dev) + ":" + std::to_string(other.st_ino)))
      << "only sockets";
}

TEST(Journal, AUnitIsTheLastOneInACgroupsPath) {
  EXPECT_EQ(unitOf("0::/system.slice/web.service"), "web.service");
  EXPECT_EQ(unitOf("0::/system.slice/web.service/airlock"), "web.service");
  EXPECT_EQ(unitOf("0::/user.slice/user-1.slice/user@1.service/app.slice/x.scope"), "x.scope");
  EXPECT_EQ(unitOf("0::/"), "");
}

TEST(Journal, AStreamBeginsWithItsSevenLines) {
  char directory[] = "/tmp/airlock-journal-XXXXXX";
  ASSERT_NE(::mkdtemp(directory), nullptr);
  const std::string path = std::string(directory) + "/stdout";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path.c_str());
  const Fd server = Fd::own(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(server.get(), 1), 0);
  {
    const auto stream = openJournalStream(path, "web", "web.service");
    ASSERT_TRUE(stream) << stream.error().text();
    ASSERT_TRUE(sys::writeAll(*stream, std::string_view("hello\n")));
  }
  const Fd taken = Fd::own(::accept(server.get(), nullptr, nullptr));
  EXPECT_EQ(sys::readAll(taken, 4096).value(), "web\nweb.service\n6\n1\n0\n0\n0\nhello\n");
  ::unlink(path.c_str());
  ::rmdir(directory);
  EXPECT_EQ(journalSocket(""), "/run/systemd/journal/stdout");
  EXPECT_EQ(journalSocket("web"), "/run/systemd/journal.web/stdout");
}

}  // namespace
}  // namespace airlock::cli
