// SPDX-License-Identifier: Apache-2.0
// A hostile caller of the helper: what it sends, how, and how much of it.
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <random>

#include "tests/attack/fixture.h"

namespace airlock::test {
namespace {

// Whatever these bytes are, the helper ends by itself, without a crash.
Reply askBytes(const Engine& engine, const std::string& bytes) {
  Connection connection = engine.start({.deadline = 2'000});
  static_cast<void>(
      ::send(connection.channel().fd().get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
  ::shutdown(connection.channel().fd().get(), SHUT_WR);
  Reply reply = connection.receive(20'000);
  reply.helper = connection.process().wait().value();
  return reply;
}

TEST_F(Attack, I02_TheFourBytesThatBreakTheAsynchronousReader) {
  const HostState before = engine_->state();
  const Reply reply = askBytes(*engine_, "\xff\xff\xff\xff");
  EXPECT_EQ(reply.code(), "E_FRAME") << reply.text();
  EXPECT_TRUE(reply.helper->clean()) << reply.helper->text();
  expectUnchanged(before);
}

TEST_F(Attack, I01_MalformedMessagesEndInARefusal) {
  const HostState before = engine_->state();
  std::mt19937 random(1);  // the same bytes each time
  const std::string good =
      ipc::encode(ipc::HelperRequest(ipc::StopRequest{.pod = PodId::random()})).value();
  for (int i = 0; i < 60; ++i) {
    std::string bytes = good;
    if (i % 3 == 0) {
      bytes.resize(random() % good.size());
    } else if (i % 3 == 1) {
      for (int flips = 0; flips < 4; ++flips)
        bytes[random() % bytes.size()] ^= static_cast<char>(1U << random() % 8);
    } else {
      bytes.assign(8 * (1 + random() % 64), '\0');
      for (char& byte : bytes) byte = static_cast<char>(random());
    }
    const Reply reply = askBytes(*engine_, bytes);
    EXPECT_TRUE(reply.helper->clean()) << i << ": " << reply.helper->text();
    EXPECT_NE(reply.code(), "") << i;
  }
  expectUnchanged(before);
}

TEST_F(Attack, I03_AMessageBeyondTheLimitIsNotRead) {
  const Reply reply = askBytes(*engine_, std::string(64 * 1024 + 8, '\0'));
  EXPECT_EQ(reply.code(), "E_FRAME") << reply.text();
}

TEST_F(Attack, I04_ACallerWhoSaysNothingIsNotKept) {
  AIRLOCK_NEEDS_TEST_HOOKS();
  Connection connection = engine_->start({.deadline = 300});
  const Reply reply = connection.receive(20'000);
  EXPECT_EQ(reply.code(), "E_TIMEOUT") << reply.text();
  EXPECT_TRUE(connection.process().wait().value().clean());
}

TEST_F(Attack, R13_ASocketOfTheHostsNetworkIsAGrantWhateverItIsCalled) {
  const ImageId image = importGood();
  engine_->policy("20-site.policy", "allow root run net=none\n");
  const HostState before = engine_->state();
  const Fd null = sys::openPath("/dev/null", O_RDWR).value();
  const Fd stream = Fd::own(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const Fd datagram = Fd::own(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ipc::RunRequest request = runRequest(image, {"/bin/true"});
  for (const FdRef socket : {stream.ref(), datagram.ref()}) {
    for (std::size_t place = 0; place < 3; ++place) {
      std::vector<FdRef> fds(3, null);
      fds[place] = socket;
      EXPECT_EQ(engine_->ask(request, fds).code(), "E_DENIED") << "as a standard stream";
    }
    request.pod.apps[0].ownErrors = true;
    EXPECT_EQ(engine_->ask(request, std::vector<FdRef>{null, null, null, socket}).code(),
              "E_DENIED");
    request.pod.apps[0].ownErrors = false;
  }
  expectUnchanged(before);
}

TEST_F(Attack, R13_ASocketMustBeTheOneThatIsDeclared) {
  const ImageId image = importGood();
  const HostState before = engine_->state();
  const Fd null = sys::openPath("/dev/null", O_RDWR).value();
  const Fd deaf = Fd::own(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sys::SocketPair local = sys::socketPair().value();
  ipc::RunRequest request = runRequest(image, {"/bin/true"});
  request.pod.apps[0].sockets = {{AppName::parse("http").value(), false, 80}};
  for (const FdRef wrong : {null.ref(), deaf.ref(), local.first.ref()}) {
    EXPECT_EQ(engine_->ask(request, std::vector<FdRef>{null, null, null, wrong}).code(), "E_FD");
  }
  EXPECT_EQ(engine_->ask(request, std::vector<FdRef>(3, null)).code(), "E_FD") << "it is missing";
  EXPECT_EQ(engine_->ask(request, std::vector<FdRef>(5, null)).code(), "E_FD") << "one too many";
  request.pod.apps[0].sockets.clear();
  request.pod.hasCgroups = true;
  EXPECT_EQ(engine_->ask(request, std::vector<FdRef>(4, null)).code(), "E_FD")
      << "what the helper adds itself";
  expectUnchanged(before);
}

TEST_F(Attack, I05_DescriptorsThatNobodyAskedFor) {
  const HostState before = engine_->state();
  const Fd null = sys::openPath("/dev/null", O_RDONLY).value();
  const std::vector<FdRef> one(1, null);
  EXPECT_EQ(engine_->ask(ipc::StopRequest{.pod = PodId::random()}, one).code(), "E_FD");
  const std::vector<FdRef> many(32, null);
  ipc::ImportRequest import = named();
  EXPECT_EQ(engine_->ask(import, many).code(), "E_FD");
  EXPECT_EQ(engine_->ask(import).code(), "E_FD") << "none where one is needed";

  // More than a message may carry: the kernel takes up to 253.
  Connection connection = engine_->start({.deadline = 2'000});
  std::vector<int> numbers(200, null.get());
  std::string bytes = ipc::encode(ipc::HelperRequest(ipc::ReportRequest{})).value();
  std::vector<char> control(CMSG_SPACE(numbers.size() * sizeof(int)));
  iovec part{bytes.data(), bytes.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  cmsghdr* first = CMSG_FIRSTHDR(&header);
  first->cmsg_level = SOL_SOCKET;
  first->cmsg_type = SCM_RIGHTS;
  first->cmsg_len = CMSG_LEN(numbers.size() * sizeof(int));
  std::copy(numbers.begin(), numbers.end(), reinterpret_cast<int*>(CMSG_DATA(first)));
  ASSERT_GT(::sendmsg(connection.channel().fd().get(), &header, 0), 0);
  EXPECT_EQ(connection.receive().code(), "E_FRAME");
  expectUnchanged(before);
}

TEST_F(Attack, I06_DescriptorsOfTheWrongKind) {
  const HostState before = engine_->state();
  std::vector<std::pair<std::string, Fd>> kinds;
  kinds.emplace_back("a directory", sys::openPath("/", O_RDONLY | O_DIRECTORY).value());
  kinds.emplace_back("O_PATH", sys::openPath(image_, O_PATH).value());
  kinds.emplace_back("write only", sys::openPath("/dev/null", O_WRONLY).value());
  const std::string writable = *files_ / "writable";
  writeFile(writable, "x");
  kinds.emplace_back("a file open for writing alone", sys::openPath(writable, O_WRONLY).value());
  kinds.emplace_back("a device", sys::openPath("/dev/zero", O_RDONLY).value());
  kinds.emplace_back("a socket", Fd::own(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)));
  kinds.emplace_back("an eventfd", Fd::own(::eventfd(1, EFD_CLOEXEC)));
  for (const auto& [what, fd] : kinds) {
    ipc::ImportRequest request = named();
    request.skipSignature = true;
    const FdRef image[] = {fd};
    EXPECT_EQ(engine_->ask(request, image).code(), "E_FD") << what;
    // And as the signature of a good image.
    const Fd good = openImage();
    request = named();
    request.hasSignature = true;
    const FdRef both[] = {good, fd};
    EXPECT_EQ(engine_->ask(request, both).code(), "E_FD") << what << " as signature";
  }
  // A regular file by its mode, and yet none whose reading means anything.
  const Fd memory = sys::openPath("/proc/self/mem", O_RDONLY).value();
  ipc::ImportRequest request = named();
  request.skipSignature = true;
  const FdRef fds[] = {memory};
  EXPECT_NE(engine_->ask(request, fds).code(), "");
  expectUnchanged(before);
}

TEST_F(Attack, I06_APipeThatGivesNothingIsGivenUp) {
  AIRLOCK_NEEDS_TEST_HOOKS();
  const HostState before = engine_->state();
  const auto pipe = sys::pipe().value();
  ipc::ImportRequest request = named();
  request.skipSignature = true;
  const FdRef fds[] = {pipe.readEnd};
  EXPECT_EQ(engine_->ask(request, fds, {.deadline = 500}).code(), "E_TIMEOUT");
  expectUnchanged(before);
}

TEST_F(Attack, I06_AnUnsealedProgramIsNoFilter) {
  const ImageId image = importGood();
  const HostState before = engine_->state();
  ipc::RunRequest request = runRequest(image, {"/bin/true"});
  request.pod.apps[0].hasExtraFilter = true;
  const Fd program = Fd::own(::memfd_create("filter", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  sys::writeAll(program, std::string(8, '\0')).value();
  const Streams streams = makeStreams();
  std::vector<FdRef> fds = streams.refs();
  fds.push_back(program);
  const Reply reply = engine_->ask(request, fds);
  EXPECT_NE(reply.code(), "");
  EXPECT_NE(reply.text().find("seal"), std::string::npos) << reply.text();
  expectUnchanged(before);
}

TEST_F(Attack, I10_OnlyOneRequestIsHeard) {
  const ImageId image = importGood();
  Connection connection = engine_->start();
  connection.send(ipc::ReportRequest{});
  connection.send(ipc::RemoveImageRequest{.image = image});
  EXPECT_EQ(connection.answers(), 1);
  EXPECT_TRUE(connection.process().wait().value().clean());
  EXPECT_EQ(engine_->images().size(), 1U);
}

TEST_F(Attack, ACallerWhoDiesHalfWay) {
  const HostState before = engine_->state();
  auto pipe = sys::pipe().value();
  ipc::ImportRequest request = named();
  request.skipSignature = true;
  Connection connection = engine_->start();
  const FdRef fds[] = {pipe.readEnd};
  connection.send(request, fds);
  sys::writeAll(pipe.writeEnd, readFile(image_).substr(0, 60'000)).value();
  connection.close();
  pipe.readEnd.reset();
  pipe.writeEnd.reset();
  EXPECT_TRUE(connection.process().wait().value().clean());
  expectUnchanged(before);
}

TEST_F(Attack, AnImageThatGrowsAndChangesWhileItIsImported) {
  const HostState before = engine_->state();
  const std::string moving = *files_ / "moving.aci";
  must("cp " + image_ + " " + moving);
  const pid_t writer = ::fork();
  if (writer == 0) {
    const Fd file = sys::openPath(moving, O_WRONLY).value();
    const std::string more(4096, 'x');
    for (off_t at = 1'000'000; at < 200'000'000; at += 4096) {
      static_cast<void>(::pwrite(file.get(), more.data(), more.size(), at));
      static_cast<void>(::pwrite(file.get(), more.data(), 8, 100'000));
    }
    ::_exit(0);
  }
  Child grower(writer, sys::pidfdOpen(writer).value());
  const Reply reply = engine_->import(moving, signature_, named());
  EXPECT_EQ(reply.code(), "E_SIG_BAD") << reply.text();
  static_cast<void>(grower.signal(SIGKILL));
  static_cast<void>(grower.wait());
  expectUnchanged(before);
}

TEST_F(Attack, I04_AFloodOfOneUserDoesNotKeepAnotherOut) {
  engine_->listen();
  const HostState before = engine_->state();
  {
    // One process, two hundred connections, not a word on any.
    const pid_t flooder = ::fork();
    if (flooder == 0) {
      std::vector<Connection> all;
      for (int i = 0; i < 200; ++i) {
        try {
          all.push_back(engine_->connectAs({4244, 4244, {}}));
        } catch (const std::exception&) {
        }
      }
      ::pause();
      ::_exit(0);
    }
    Child flood(flooder, sys::pidfdOpen(flooder).value());
    for (int i = 0; i < 5; ++i) {
      Connection alice = engine_->connectAs(memberOfAirlock());
      EXPECT_EQ(alice.ask(ipc::ReportRequest{}).code(), "");
      std::size_t helpers = 0;
      for (const auto& [what, facts] : engine_->state())
        helpers += what.find("(airlock-helper)") != what.npos;
      EXPECT_LE(helpers, 10U) << "the listener, alice's and at most eight";
      shortPause();
    }
    static_cast<void>(flood.signal(SIGKILL));
  }
  expectUnchanged(before);
}

TEST_F(Attack, I11_ACallerWhoNeverReadsIsNotWaitedFor) {
  Connection connection = engine_->start();
  connection.send(ipc::ReportRequest{});
  EXPECT_TRUE(connection.process().wait(30'000).value().has_value());
}

}  // namespace
}  // namespace airlock::test
