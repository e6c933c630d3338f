// SPDX-License-Identifier: Apache-2.0
#include "tests/support/engine.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <ostream>

#include "base/accounts.h"
#include "base/syscall.h"

namespace airlock::test {

std::string Reply::code() const {
  if (!reply) return "(none)";
  const auto* failure = std::get_if<ipc::Failure>(&*reply);
  if (failure == nullptr) return "";
  return failure->error.code().empty() ? "(no code)" : failure->error.code();
}

std::string Reply::text() const {
  if (!reply) return transport;
  const auto* failure = std::get_if<ipc::Failure>(&*reply);
  return failure == nullptr ? "" : failure->error.text();
}

std::ostream& operator<<(std::ostream& stream, const Reply& reply) {
  return stream << "reply " << reply.code() << ": " << reply.text();
}

void Connection::send(const ipc::HelperRequest& request, std::span<const FdRef> fds) {
  const auto bytes = ipc::encode(request);
  ASSERT_TRUE(bytes) << bytes.error().text();
  static_cast<void>(channel_.send(*bytes, fds));
}

Reply Connection::receive(int milliseconds) {
  Reply result;
  for (;;) {
    auto message = channel_.receive(milliseconds);
    if (!message) {
      result.transport = message.error().text();
      return result;
    }
    if (!*message) {
      result.transport = "closed";
      return result;
    }
    auto decoded = ipc::decodeHelperReply((*message)->bytes);
    if (!decoded) {
      result.transport = decoded.error().text();
      return result;
    }
    if (std::holds_alternative<ipc::Progress>(*decoded)) continue;
    result.reply = *std::move(decoded);
    result.fds = std::move((*message)->fds);
    return result;
  }
}

Reply Connection::ask(const ipc::HelperRequest& request, std::span<const FdRef> fds) {
  send(request, fds);
  return receive();
}

int Connection::answers() {
  // A peer that closes with something unread resets the connection, which is told once; what it had
  // sent before still comes, and then its end.
  int count = 0;
  for (int ends = 0; ends < 2;) {
    const Reply reply = receive();
    if (reply.reply) {
      ++count;
    } else {
      ++ends;
    }
  }
  return count;
}

void Connection::close() { channel_ = ipc::Channel(Fd()); }

Engine::Engine(const std::string& dataDirectory)
    : data_(dataDirectory.empty() ? scratch_ / "data" : dataDirectory),
      libexec_(AIRLOCK_BINARY_DIR "/libexec/airlock") {
  ownWhatWeStart();
  ::mkdir(config().c_str(), 0755);
  ::mkdir((config() + "/policy.d").c_str(), 0755);
  policy("50-airlock.policy", readFile(AIRLOCK_SOURCE_DIR "/packaging/policy.d/50-airlock.policy"));
  ask(ipc::CollectGarbageRequest{});  // every directory exists from here on
}

Engine::~Engine() {
  if (listener_) {
    static_cast<void>(listener_->signal(SIGTERM));
    static_cast<void>(listener_->wait(5'000));
  }
}

std::vector<std::string> Engine::pathArguments() const {
  return {"--dir=" + data_, "--local-config=" + config(),
          "--system-config=" + (scratch_ / "vendor")};
}

void Engine::policy(const std::string& name, const std::string& content) const {
  writeFile(config() + "/policy.d/" + name, content);
}

void Engine::trust(const Signer& signer, const std::string& prefix) const {
  trustKey(signer.fingerprint(), signer.publicKey(), prefix);
}

void Engine::trustKey(const std::string& fingerprint, const std::string& content,
                      const std::string& prefix) const {
  const std::string dir =
      config() + "/trustedkeys/" + (prefix.empty() ? "root.d" : "prefix.d/" + prefix);
  must("mkdir -p " + dir);
  writeFile(dir + "/" + fingerprint, content);
}

void Engine::replaceProgram(const std::string& name, const std::string& with,
                            const std::string& mode) {
  const std::string own = scratch_ / "libexec";
  if (libexec_ != own) {
    must("mkdir -p " + own + "; cp --reflink=auto " + libexec_ + "/airlock-* " + own);
    libexec_ = own;
  }
  must("cd " + own + "; [ -e " + name + ".real ] || mv " + name + " " + name + ".real; cp " + with +
       " " + name);
  writeFile(own + "/" + name + ".mode", mode);
}

Connection Engine::start(const StartOptions& options) const {
  auto pair = sys::socketPair().value();
  const Fd program = sys::openPath(this->program("airlock-helper"), O_RDONLY).value();
  std::vector<std::string> arguments = {"airlock-helper",
                                        options.child ? "--child=3" : "--connection=3"};
  for (const std::string& argument : pathArguments()) arguments.push_back(argument);
  std::vector<std::string> environment = options.environment;
  if (!options.fault.empty()) environment.push_back("AIRLOCK_FAULT=" + options.fault);
  if (options.deadline != 0)
    environment.push_back("AIRLOCK_DEADLINE=" + std::to_string(options.deadline));
  Child child = spawn({.executable = program,
                       .arguments = arguments,
                       .environment = environment,
                       .descriptors = {{pair.second, 3}},
                       .identity = {},
                       .limits = {},
                       .noNewPrivileges = false,
                       .dieWithParent = false})
                    .value();
  return Connection(ipc::Channel(std::move(pair.first)), std::move(child));
}

Reply Engine::ask(const ipc::HelperRequest& request, std::span<const FdRef> fds,
                  const StartOptions& options) const {
  Connection connection = start(options);
  Reply reply = connection.ask(request, fds);
  reply.helper = connection.process().wait().value();
  return reply;
}

Reply Engine::import(const std::string& image, const std::optional<std::string>& signature,
                     ipc::ImportRequest request, const StartOptions& options) const {
  std::vector<Fd> files;
  files.push_back(sys::openPath(image, O_RDONLY).value());
  request.hasSignature = signature.has_value();
  if (signature) files.push_back(sys::openPath(*signature, O_RDONLY).value());
  std::vector<FdRef> fds(files.begin(), files.end());
  return ask(request, fds, options);
}

void Engine::listen() {
  const Fd program = sys::openPath(this->program("airlock-helper"), O_RDONLY).value();
  std::vector<std::string> arguments = {"airlock-helper", "--listen"};
  for (const std::string& argument : pathArguments()) arguments.push_back(argument);
  listener_ = spawn({.executable = program,
                     .arguments = arguments,
                     .environment = {},
                     .descriptors = {},
                     .identity = {},
                     .limits = {},
                     .noNewPrivileges = false,
                     .dieWithParent = true})
                  .value();
  ASSERT_TRUE(eventually([&] { return exists(socket()); }));
}

Connection Engine::connectAs(const Identity& identity) const {
  auto pair = sys::socketPair().value();
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (::getppid() != parent) ::_exit(1);
    if (::setgroups(identity.groups.size(), identity.groups.data()) != 0 ||
        ::setgid(identity.gid) != 0 || ::setuid(identity.uid) != 0) {
      ::_exit(2);
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    pair.first.reset();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket().c_str(), sizeof address.sun_path - 1);
    const Fd connected = Fd::own(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (::connect(connected.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
        0)
      ::_exit(3);
    ipc::Channel up(std::move(pair.second));
    const FdRef fds[] = {connected};
    if (!up.send("connected", fds)) ::_exit(4);
    ::pause();
    ::_exit(0);
  }
  pair.second.reset();
  ipc::Channel up(std::move(pair.first));
  auto message = up.receive(10'000);
  Child anchor(pid, sys::pidfdOpen(pid).value());
  if (!message || !*message) throw std::runtime_error("the connecting process failed");
  return Connection(ipc::Channel((*message)->fds.take(0).value()), std::move(anchor));
}

std::vector<ipc::CatalogRecord> Engine::images() const {
  return store::Store::openForReading(data_).value()->images().value();
}

ipc::RunRequest runRequest(const ImageId& image, std::vector<std::string> exec) {
  ipc::AppSpec app{.name = AppName::parse("app").value()};
  app.image = image;
  app.imageName = "example.test/tools/busybox:1.35";
  app.exec = std::move(exec);
  app.environment = {{"PATH", "/bin"}};
  app.capabilities = 0x5fb;  // the default set
  ipc::RunRequest request;
  request.pod.apps.push_back(std::move(app));
  request.podManifest = "{}";
  return request;
}

Streams makeStreams() {
  Streams streams;
  streams.in = sys::openPath("/dev/null", O_RDONLY).value();
  streams.out = Fd::own(::memfd_create("output", MFD_CLOEXEC));
  // One open file: both move the same offset.
  streams.err = sys::duplicate(streams.out).value();
  return streams;
}

std::string Streams::printed() const {
  std::string text(1U << 20, '\0');
  const ssize_t got = ::pread(out.get(), text.data(), text.size(), 0);
  text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return text;
}

RunningPod takePod(Reply& reply) {
  const auto* started = reply.reply ? std::get_if<ipc::Started>(&*reply.reply) : nullptr;
  if (started == nullptr) throw std::runtime_error("no pod was started: " + reply.text());
  return {.id = started->pod,
          .process = reply.fds.take(0).value(),
          .leash = ipc::Channel(reply.fds.take(1).value()),
          .layers = started->layers};
}

std::vector<ipc::LeashEvent> eventsOf(RunningPod& pod, int milliseconds) {
  std::vector<ipc::LeashEvent> events;
  for (;;) {
    auto message = pod.leash.receive(milliseconds);
    if (!message || !*message) return events;
    auto event = ipc::decodeLeashEvent((*message)->bytes);
    if (!event) return events;
    events.push_back(*std::move(event));
  }
}

bool becomesReady(RunningPod& pod) {
  auto message = pod.leash.receive(30'000);
  if (!message || !*message) return false;
  const auto event = ipc::decodeLeashEvent((*message)->bytes);
  if (event && event->kind == ipc::LeashEvent::Kind::Failed)
    std::fprintf(stderr, "the pod did not start: %s\n", event->text.c_str());
  return event && event->kind == ipc::LeashEvent::Kind::Ready;
}

int exitOf(const std::vector<ipc::LeashEvent>& events) {
  if (events.empty() || events.back().kind != ipc::LeashEvent::Kind::PodExited) return -1;
  return events.back().status;
}

Identity memberOfAirlock(uid_t uid) {
  const auto group = findGroup("airlock").value();
  return {uid, uid, group ? std::vector<gid_t>{*group} : std::vector<gid_t>{}};
}

}  // namespace airlock::test
