// SPDX-License-Identifier: Apache-2.0
// A real swtpm, and airlock-measure run as the helper runs it.  Tests of tpm/ only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/process.h"
#include "base/result.h"
#include "ipc/measure_messages.h"
#include "tpm/replay.h"

namespace airlock::tpm::test {

// A directory that is removed with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }
  FdRef fd() const { return fd_.ref(); }
  bool has(const std::string& name) const;
  std::string read(const std::string& name) const;
  void write(const std::string& name, const std::string& content) const;

 private:
  std::string path_;
  Fd fd_;
};

// A software TPM with its own state, started up, on a socket of its own.
class Swtpm {
 public:
  // `banks`: as swtpm_setup --pcr-banks; empty: its default, sha256.  `certified`: with a
  // certificate of its endorsement key (RSA 2048) by an authority of its own.
  explicit Swtpm(const std::string& banks = "", bool certified = false);
  ~Swtpm();
  Fd connect() const;
  void signal(int number);
  void loseState();  // the recipe for failure mode: takes the state directory away
  void reboot();     // as its host's: a reset, and a start with registers at zero
  // What tpm2-tools say: runs `command` with TPM2TOOLS_TCTI set.
  std::string tools(const std::string& command) const;
  std::string issuer() const;  // the file with the certificate of the authority

 private:
  void manufacture(const std::string& banks, bool certified);

  TemporaryDirectory directory_;
  std::optional<Child> child_;
};

struct RunOptions {
  std::string fault;         // AIRLOCK_FAULT
  std::optional<Fd> device;  // instead of a new connection
  std::optional<std::string> ownerPassword = {};
  std::optional<std::string> endorsementPassword = {};
};
// An answer, or what the process left: E_DIED when it ended without one.
Result<ipc::Measured> runMeasure(const ipc::MeasureJob& job, FdRef directory, const Swtpm* tpm,
                                 RunOptions options = {});

// The same for a job with the keys of the TPM.
Result<ipc::Attested> runAttest(const ipc::MeasureJob& job, FdRef directory, const Swtpm* tpm,
                                RunOptions options = {});
ipc::MeasureJob attestJob(decltype(ipc::AttestRequest::what) what);
// The content of the file of that name; fails the test when there is none.
std::string fileOf(const ipc::Attested& attested, const std::string& name);
// The value of the fact of that name; empty without one.
std::string factOf(const ipc::Attested& attested, const std::string& name);

std::string readPage(const std::string& name);  // of docs/
// What `command` prints.
std::string shell(const std::string& command);

ipc::MeasureJob makeJob(ipc::MeasureMode mode);
ipc::MeasureJob podJob(ipc::MeasureMode mode = ipc::MeasureMode::Require);  // with a new pod
std::string podOf(const ipc::MeasureJob& job);

// The log in `directory`, replayed.
Result<Replay> replayIn(const TemporaryDirectory& directory);
std::vector<std::string> typesOf(const Replay& replay);
// It is what the TPM holds, in every bank.
Replay expectAgreement(const TemporaryDirectory& directory, const Swtpm& tpm,
                       std::uint32_t pcr = 15);

}  // namespace airlock::tpm::test
