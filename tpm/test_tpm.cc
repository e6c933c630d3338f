// SPDX-License-Identifier: Apache-2.0
#include "tpm/test_tpm.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/digest.h"
#include "base/limits.h"
#include "base/syscall.h"
#include "ipc/channel.h"
#include "tpm/tpm.h"

namespace airlock::tpm::test {

namespace {

Child start(const char* path, std::vector<std::string> arguments) {
  const Fd program = sys::openPath(path, O_PATH).value();
  Program start{.executable = program, .arguments = std::move(arguments)};
  start.environment = {"PATH=/usr/bin:/bin"};
  return spawn(start).value();
}

// tpm2-tss 3.2.1 reaches swtpm over TCP alone; over a Unix socket it needs somebody in between.
constexpr char kRelay[] = R"(
import os, socket, sys
tpm = socket.socket(socket.AF_UNIX)
tpm.connect(sys.argv[1])
def whole(read):
    data = b''
    while len(data) < 10 or len(data) < int.from_bytes(data[2:6], 'big'):
        more = read(4096)
        if not more: sys.exit(0)
        data += more
    return data
while True:
    tpm.sendall(whole(lambda n: os.read(0, n)))
    os.write(1, whole(tpm.recv))
)";

}  // namespace

std::string shell(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "re");
  char buffer[4096];
  for (std::size_t got; (got = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
    text.append(buffer, got);
  }
  ::pclose(pipe);
  return text;
}

TemporaryDirectory::TemporaryDirectory() {
  std::string name = std::filesystem::temp_directory_path() / "airlock-tpm-XXXXXX";
  path_ = ::mkdtemp(name.data());
  fd_ = sys::openPath(path_, O_RDONLY | O_DIRECTORY).value();
}
TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}
bool TemporaryDirectory::has(const std::string& name) const {
  return std::filesystem::exists(path_ + "/" + name);
}
std::string TemporaryDirectory::read(const std::string& name) const {
  std::ifstream file(path_ + "/" + name, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}
void TemporaryDirectory::write(const std::string& name, const std::string& content) const {
  std::ofstream(path_ + "/" + name, std::ios::binary | std::ios::trunc) << content;
}

// An authority below our own directory: the usual one is the machine's, and would stay.
void Swtpm::manufacture(const std::string& banks, bool certified) {
  const std::string& at = directory_.path();
  std::string command = "swtpm_setup --tpm2 --tpmstate '" + at +
                        "/state' --overwrite --pcr-banks " + (banks.empty() ? "sha256" : banks);
  if (certified) {
    directory_.write("localca.conf", "statedir = " + at + "\nsigningkey = " + at +
                                         "/ca-key.pem\nissuercert = " + at +
                                         "/ca.pem\ncertserial = " + at + "/serial\n");
    directory_.write("options",
                     "--platform-manufacturer Airlock\n--platform-version 1\n"
                     "--platform-model test\n");
    directory_.write("setup.conf",
                     "create_certs_tool = swtpm_localca\ncreate_certs_tool_config = " + at +
                         "/localca.conf\ncreate_certs_tool_options = " + at + "/options\n");
    command += " --create-ek-cert --create-platform-cert --config '" + at + "/setup.conf'";
  }
  const std::string said = shell(command + " 2>&1; echo \"=$?\"");
  EXPECT_TRUE(said.ends_with("=0\n")) << said;
}
std::string Swtpm::issuer() const { return directory_.path() + "/ca.pem"; }

Swtpm::Swtpm(const std::string& banks, bool certified) {
  std::filesystem::create_directory(directory_.path() + "/state");
  const std::string state = directory_.path() + "/state";
  if (!banks.empty() || certified) manufacture(banks, certified);
  directory_.write("relay.py", kRelay);
  child_.emplace(start(
      "/usr/bin/swtpm",
      {"swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + state, "--server",
       "type=unixio,path=" + directory_.path() + "/s", "--ctrl",
       "type=unixio,path=" + directory_.path() + "/c", "--flags", "not-need-init,startup-clear"}));
  for (int i = 0; i < 500 && !directory_.has("s"); ++i) ::poll(nullptr, 0, 10);
}
Swtpm::~Swtpm() = default;

Fd Swtpm::connect() const {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s/s", directory_.path().c_str());
  Fd fd = Fd::own(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  for (int i = 0; i < 500; ++i) {
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) break;
    ::poll(nullptr, 0, 10);
  }
  return fd;
}
void Swtpm::signal(int number) {
  ASSERT_TRUE(child_->signal(number));
  if (number != SIGKILL) return;
  ASSERT_TRUE(child_->wait());
}
void Swtpm::loseState() {
  tools("tpm2_pcrread sha256:0");  // by its answer it has read the state
  std::filesystem::rename(directory_.path() + "/state", directory_.path() + "/lost");
}
void Swtpm::reboot() {
  shell("swtpm_ioctl --unix '" + directory_.path() + "/c' -i 2>&1");
  tools("tpm2_startup --clear");
}
std::string Swtpm::tools(const std::string& command) const {
  return shell("TPM2TOOLS_TCTI='cmd:/usr/bin/python3 " + directory_.path() + "/relay.py " +
               directory_.path() + "/s' " + command + " 2>&1");
}

namespace {

// The read end of a pipe that holds it.
Result<Fd> pipeWith(const std::string& content) {
  sys::Pipe pipe = TRY(sys::pipe());
  TRY(sys::writeAll(pipe.writeEnd, content));
  return std::move(pipe.readEnd);
}

Result<ipc::MeasureReply> runJob(const ipc::MeasureJob& job, FdRef directory, const Swtpm* tpm,
                                 RunOptions options) {
  sys::SocketPair pair = TRY(sys::socketPair());
  const Fd program =
      TRY(sys::openPath(AIRLOCK_BINARY_DIR "/libexec/airlock/airlock-measure", O_PATH));
  Program start{.executable = program, .arguments = {"airlock-measure"}};
  if (!options.fault.empty()) start.environment.push_back("AIRLOCK_FAULT=" + options.fault);
  start.descriptors = {{pair.second.ref(), ipc::kChannelFd}, {FdRef(2), 2}};
  Child child = TRY(spawn(start));
  pair.second.reset();

  ipc::Channel channel(std::move(pair.first));
  ipc::MeasureJob sent = job;
  Fd device;
  if (options.device) device = std::move(*options.device);
  if (tpm != nullptr && !device.valid()) device = tpm->connect();
  sent.hasTpm = device.valid();
  std::vector<FdRef> fds{directory};
  if (sent.hasTpm) fds.push_back(device);
  std::vector<Fd> passwords;
  for (const auto* password : {&options.ownerPassword, &options.endorsementPassword}) {
    if (*password) passwords.push_back(TRY(pipeWith(**password)));
  }
  fds.insert(fds.end(), passwords.begin(), passwords.end());
  if (sent.attest) {
    sent.attest->request.hasOwnerPassword = options.ownerPassword.has_value();
    sent.attest->request.hasEndorsementPassword = options.endorsementPassword.has_value();
  }
  const std::string bytes = TRY(ipc::encode(sent));
  TRY(channel.send(bytes, fds));
  device.reset();
  auto answer = channel.receive(60'000);
  const ExitStatus status = TRY(child.wait());
  if (!answer || !*answer) {
    return refuse(ErrorKind::Failed, "E_DIED", "airlock-measure ended with " + status.text());
  }
  ipc::MeasureReply reply = TRY(ipc::decodeMeasureReply((*answer)->bytes));
  if (auto* failure = std::get_if<ipc::Failure>(&reply)) return fail(std::move(failure->error));
  return reply;
}

}  // namespace

Result<ipc::Measured> runMeasure(const ipc::MeasureJob& job, FdRef directory, const Swtpm* tpm,
                                 RunOptions options) {
  return std::get<ipc::Measured>(TRY(runJob(job, directory, tpm, std::move(options))));
}
Result<ipc::Attested> runAttest(const ipc::MeasureJob& job, FdRef directory, const Swtpm* tpm,
                                RunOptions options) {
  return std::get<ipc::Attested>(TRY(runJob(job, directory, tpm, std::move(options))));
}
std::string readPage(const std::string& name) {
  const Fd page = sys::openPath(std::string(AIRLOCK_SOURCE_DIR "/docs/") + name, O_RDONLY).value();
  return sys::readAll(page, limits::MiB).value();
}
ipc::MeasureJob attestJob(decltype(ipc::AttestRequest::what) what) {
  ipc::MeasureJob job = makeJob(ipc::MeasureMode::Log);
  job.images.clear();
  job.attest = ipc::AttestJob{.request = {std::move(what)}, .callerUid = 1000};
  return job;
}
std::string fileOf(const ipc::Attested& attested, const std::string& name) {
  for (const ipc::AttestedFile& file : attested.files) {
    if (file.name == name) return file.content;
  }
  ADD_FAILURE() << "no file " << name;
  return {};
}
std::string factOf(const ipc::Attested& attested, const std::string& name) {
  for (const auto& [key, value] : attested.facts) {
    if (key == name) return value;
  }
  return {};
}

ipc::MeasureJob makeJob(ipc::MeasureMode mode) {
  ipc::MeasureJob job;
  job.mode = mode;
  job.engine.version = "0.1.0";
  job.engine.bootId = "11111111-2222-3333-4444-555555555555";
  job.engine.programs = {{"airlock-helper", digestOf(std::string_view("helper"))}};
  job.engine.policy = digestOf(std::string_view("policy"));
  job.engine.policySummary = "allow group:airlock run *";
  job.engine.trusted = {{"example.com", "0123456789abcdef0123456789abcdef01234567"}};
  job.engine.trust =
      digestOf(std::string_view("example.com 0123456789abcdef0123456789abcdef01234567\n"));
  job.engine.layers = {{"seccomp", true, "55 calls"}};
  ipc::ImageFacts image;
  image.image = *ImageId::parse("sha512-" + std::string(128, 'a'));
  image.name = "example.com/app";
  image.labels = {{"version", "1.0"}};
  image.content = "rehash";
  image.signers = {"0123456789abcdef0123456789abcdef01234567"};
  job.images = {image};
  return job;
}
ipc::MeasureJob podJob(ipc::MeasureMode mode) {
  ipc::MeasureJob job = makeJob(mode);
  ipc::PodFacts pod;
  pod.pod = PodId::random();
  pod.manifest = digestOf(std::string_view("manifest"));
  pod.stage1 = "container";
  pod.apps = {{"app", job.images[0].image}};
  pod.network = "none";
  pod.volumes = {"data:host:ro"};
  job.event = pod;
  return job;
}
std::string podOf(const ipc::MeasureJob& job) {
  return std::get<ipc::PodFacts>(*job.event).pod.text();
}

Result<Replay> replayIn(const TemporaryDirectory& directory) {
  return replayText(directory.read("events.cel"));
}
std::vector<std::string> typesOf(const Replay& replay) {
  std::vector<std::string> types;
  for (const Record& record : replay.records) types.push_back(record.event.type);
  return types;
}

Replay expectAgreement(const TemporaryDirectory& directory, const Swtpm& tpm, std::uint32_t pcr) {
  auto replay = replayIn(directory);
  EXPECT_TRUE(replay) << replay.error().text();
  if (!replay) return {};
  auto device = Tpm::open(tpm.connect());
  EXPECT_TRUE(device) << device.error().text();
  const auto banks = device->activeBanks(pcr);
  EXPECT_TRUE(banks) << banks.error().text();
  const auto values = device->read(pcr, *banks);
  EXPECT_TRUE(values) << values.error().text();
  EXPECT_EQ(replay->chain.values, *values);
  return *replay;
}

}  // namespace airlock::tpm::test
