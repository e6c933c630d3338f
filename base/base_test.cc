// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>

#include "base/digest.h"
#include "base/local_socket.h"
#include "base/log.h"
#include "base/names.h"
#include "base/path.h"
#include "base/process.h"
#include "base/sealed.h"
#include "base/syscall.h"

namespace airlock {
namespace {

// systemd's RestrictSUIDSGID= does this, and so DynamicUser=.
TEST(Paths, OpeningBeneathFollowsNoLinkWithoutOpenat2) {
  char directory[] = "/tmp/airlock-beneath-XXXXXX";
  ASSERT_NE(::mkdtemp(directory), nullptr);
  const std::string top = directory;
  ASSERT_EQ(::mkdir((top + "/real").c_str(), 0755), 0);
  ASSERT_EQ(::symlink("real", (top + "/link").c_str()), 0);
  ASSERT_EQ(::symlink("/etc/passwd", (top + "/real/out").c_str()), 0);
  ::close(::open((top + "/real/file").c_str(), O_CREAT | O_WRONLY, 0644));
  const pid_t child = ::fork();
  if (child == 0) {
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{std::size(code), code};
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) ::_exit(1);
    const Fd dir = sys::openPath(top, O_RDONLY | O_DIRECTORY).value();
    const auto open = [&](const char* path, int flags) {
      return sys::openBeneath(dir, BeneathPath::parse(path).value(), flags);
    };
    if (!open("real/file", O_RDONLY)) ::_exit(2);
    if (!open("real", O_RDONLY | O_DIRECTORY)) ::_exit(3);
    const auto refused = [](const Result<Fd>& result) {
      return !result && (result.error().number() == ELOOP || result.error().number() == ENOTDIR);
    };
    if (!refused(open("link/file", O_RDONLY))) ::_exit(4);
    if (!refused(open("real/out", O_RDONLY))) ::_exit(5);
    if (!refused(open("real/out", O_PATH))) ::_exit(6);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0) << WEXITSTATUS(status);
  std::filesystem::remove_all(top);
}

TEST(Digest, KnownAnswers) {
  // FIPS 180-4 example "abc"; BLAKE2 reference "abc".
  EXPECT_EQ(digestOf(std::string_view("abc")).hex(),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
  Blake2b hash;
  const std::string abc = "abc";
  hash.update({reinterpret_cast<const std::uint8_t*>(abc.data()), abc.size()});
  EXPECT_EQ(TreeDigest(hash.finish()).text(),
            "blake2b-ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
            "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
}

TEST(Digest, T03_OnlyExactTextParses) {
  const std::string good = "sha512-" + std::string(128, 'a');
  EXPECT_TRUE(ImageId::parse(good));
  EXPECT_FALSE(ImageId::parse("sha512-" + std::string(127, 'a')));
  EXPECT_FALSE(ImageId::parse("sha512-" + std::string(129, 'a')));
  EXPECT_FALSE(ImageId::parse("sha512-" + std::string(128, 'A')));
  EXPECT_FALSE(ImageId::parse("sha256-" + std::string(128, 'a')));
  EXPECT_FALSE(ImageId::parse("../../x"));
  EXPECT_FALSE(ImageId::parse(good + std::string(1, '\0')));
}

TEST(Names, ImageNamesFollowTheSpecAndMakeNoOddPaths) {
  EXPECT_TRUE(ImageName::parse("example.com/app-1_2~3"));
  for (const char* bad : {"", "/a", "a/", "A", "a//b", "a/../b", "a/./b", "-a", "a b", "a:b"}) {
    EXPECT_FALSE(ImageName::parse(bad)) << bad;
  }
}

TEST(Names, PodIdReadsBothSpellings) {
  const PodId id = PodId::random();
  EXPECT_EQ(PodId::parse(id.text()).value(), id);
  std::string plain = id.text();
  std::erase(plain, '-');
  EXPECT_EQ(PodId::parse(plain).value(), id);
  EXPECT_EQ(id.text()[14], '4');
  EXPECT_FALSE(PodId::parse("zzz"));
}

TEST(Path, S21_PrefixesEndAtComponents) {
  EXPECT_TRUE(coversPath("example.com/app", "example.com/app"));
  EXPECT_TRUE(coversPath("example.com/app", "example.com/app/sub"));
  EXPECT_TRUE(coversPath("", "anything"));
  EXPECT_FALSE(coversPath("example.com/app", "example.com/application"));
  EXPECT_FALSE(coversPath("example.com/app", "example.com/app-evil"));
  EXPECT_FALSE(coversPath("example.com/app", "example.com/ap"));
}

TEST(Path, NothingThatLeavesTheDirectory) {
  EXPECT_TRUE(BeneathPath::parse("a/b"));
  for (const char* bad : {"", "/a", "a/", "a//b", "..", "a/../b", "./a"}) {
    EXPECT_FALSE(BeneathPath::parse(bad)) << bad;
  }
}

TEST(Log, T18_ControlCharactersNeverReachATerminal) {
  EXPECT_EQ(printable("a\x1b[31mb\r\n"), "a\\x1b[31mb\\x0d\\x0a");
  EXPECT_EQ(printable("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(printable("\xc3"), "\\xc3");
  // What turns the rest of a line around, ends it, or hides in it.
  EXPECT_EQ(printable("a\u202eb"), "a\\xe2\\x80\\xaeb");
  for (const char* mark : {"\u061c", "\u200b", "\u200f", "\u2028", "\u202a", "\u2066", "\ufeff"}) {
    EXPECT_TRUE(printable(mark).starts_with("\\x")) << printable(mark);
  }
  EXPECT_EQ(printable("\u2010 \u20ac \u05d0"), "\u2010 \u20ac \u05d0");
  EXPECT_EQ(quoted("a\"b"), "\"a\\\"b\"");
}

TEST(Sealed, OnlySealedMemfdsAreBelieved) {
  Sealed sealed = Sealed::make("test", "content").value();
  EXPECT_EQ(sealed.read().value(), "content");
  Fd copy = sys::duplicate(sealed.fd()).value();
  EXPECT_TRUE(Sealed::check(std::move(copy), 100));
  EXPECT_EQ(Sealed::check(Fd::own(::memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING)), 100)
                .error()
                .code(),
            "E_FD");
  EXPECT_EQ(Sealed::check(sys::duplicate(sealed.fd()).value(), 3).error().code(), "E_LIMIT");
}

TEST(Process, RunsAProgramWithExactlyItsDescriptors) {
  Fd shell = sys::openPath("/bin/sh", O_RDONLY).value();
  sys::Pipe pipe = sys::pipe().value();
  Fd stray =
      Fd::own(::open("/dev/null", O_RDONLY));  // not close-on-exec: must not arrive all the same
  Child child =
      spawn({.executable = shell,
             .arguments = {"sh", "-c", "for f in /proc/self/fd/*; do echo ${f##*/}; done; exit 3"},
             .environment = {"PATH=/usr/bin:/bin"},
             .descriptors = {{pipe.writeEnd, 1}}})
          .value();
  pipe.writeEnd.reset();
  const std::string out = sys::readAll(pipe.readEnd, 4096).value();
  EXPECT_EQ(child.wait().value().code, 3);
  EXPECT_TRUE(out.starts_with("0\n1\n2\n")) << out;
  EXPECT_LT(out.size(), 10U) << out;  // 0, 1, 2 and the one that lists them
}

TEST(Process, AMissingProgramIsAnError) {
  Fd text = sys::openPath("/etc/passwd", O_RDONLY).value();
  const auto child = spawn({.executable = text, .arguments = {"passwd"}});
  ASSERT_FALSE(child);
  EXPECT_NE(child.error().text().find("start passwd: exec"), std::string::npos)
      << child.error().text();
}

TEST(LocalSocket, APathThatFitsNoAddressIsRefused) {
  EXPECT_TRUE(sys::localAddress(std::string(sizeof(sockaddr_un::sun_path) - 1, 'x')));
  const auto refused = sys::localAddress(std::string(sizeof(sockaddr_un::sun_path), 'x'));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::Invalid);
}
TEST(LocalSocket, WhereNobodyAnswersIsSaid) {
  const auto socket = sys::connectLocal("/nonexistent/socket", SOCK_STREAM);
  ASSERT_FALSE(socket);
  EXPECT_EQ(socket.error().number(), ENOENT);
  EXPECT_NE(socket.error().message().find("/nonexistent/socket"), std::string::npos);
}

TEST(Files, RemoveTreeTakesDeepTreesAndStaysInside) {
  char name[] = "/tmp/airlock-base-XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  Fd top = sys::openPath(name, O_RDONLY | O_DIRECTORY).value();
  Fd at = sys::ensureDirectory(top, Component::parse("tree").value(), 0755).value();
  const Component child = Component::parse("d").value();
  const Fd wide = sys::ensureDirectory(at, Component::parse("0").value(), 0755).value();
  for (int each = 0; each < 100; ++each) {
    const Fd sub =
        sys::ensureDirectory(wide, Component::parse(std::to_string(each)).value(), 0755).value();
    ASSERT_TRUE(sys::ensureDirectory(sub, child, 0755));
  }
  rlimit few{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &few), 0);
  const rlimit before = few;
  few.rlim_cur = 64;
  for (int depth = 0; depth < 1000; ++depth) at = sys::ensureDirectory(at, child, 0755).value();
  ASSERT_EQ(::symlinkat("/etc", at.get(), "link"), 0);
  at.reset();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const auto removed = sys::removeTree(top, Component::parse("tree").value());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_TRUE(removed) << removed.error().text();
  EXPECT_TRUE(sys::list(top).value().empty());
  ::rmdir(name);
  EXPECT_EQ(::access("/etc/passwd", F_OK), 0);
}

TEST(KeyFingerprint, HasAFormForEachKindOfKey) {
  const auto kindOf = [](const std::string& text) {
    const auto fingerprint = KeyFingerprint::parse(text);
    return fingerprint ? std::optional(fingerprint->kind()) : std::nullopt;
  };
  EXPECT_EQ(kindOf(std::string(40, 'a')), KeyFingerprint::Kind::OpenPgp);
  EXPECT_EQ(kindOf("minisign-" + std::string(16, '0')), KeyFingerprint::Kind::Minisign);
  EXPECT_EQ(kindOf("sha256-" + std::string(64, 'f')), KeyFingerprint::Kind::PublicKey);
  for (const std::string& bad :
       {std::string(64, 'f'), "sha256-" + std::string(63, 'f'), "sha256-" + std::string(64, 'F'),
        "sha256-" + std::string(40, 'f'), "minisign-" + std::string(40, 'a'),
        "sha512-" + std::string(64, 'f'), std::string("sha256-")})
    EXPECT_EQ(kindOf(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace airlock
