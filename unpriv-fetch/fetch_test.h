// SPDX-License-Identifier: Apache-2.0
// Runs the real airlock-fetch against tests/servers/evil_httpd.py in a network of the test's own.
// Tests only.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/process.h"
#include "ipc/channel.h"
#include "ipc/fetch_messages.h"

namespace airlock::fetch {

// 1 MiB: what every well-behaved path of the server serves.
std::string imageBytes();

// A job that has been handed to a fetcher of its own.
struct Running {
  Child child;
  ipc::Channel channel;
  Fd output;
  Fd signature;
};
struct Outcome {
  std::vector<ipc::FetchEvent> events;  // all but the last
  ipc::FetchEvent last = ipc::FetchNote{};
  ExitStatus status;
  std::string output;
  std::string signature;

  std::string code() const;     // of the Failure, else ""
  std::string failure() const;  // its text
  const ipc::FetchedImage* image() const { return std::get_if<ipc::FetchedImage>(&last); }
  const ipc::FetchedKeys* keys() const { return std::get_if<ipc::FetchedKeys>(&last); }
  std::vector<std::string> notes() const;
  std::vector<ipc::FetchProgress> progress() const;
  std::optional<ipc::FetchFound> found() const;  // the last one
};

// Name of a door of the server for a URL: "" is https on 443.
std::string at(const std::string& door, const std::string& path);

class Fetch : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();
  void SetUp() override;

  // A job for a URL, without a signature, with the test's own authority.
  static ipc::FetchImageJob imageJob(const std::string& url);
  static ipc::FetchImageJob nameJob(const std::string& name, std::vector<Label> labels = {});
  static ipc::FetchKeysJob keysJob(const std::string& prefix);
  // `source` and `others` are what comes with a FetchOciJob before and after the CA bundle.
  static Running start(const ipc::FetchJob& job, const std::string& before = "",
                       bool asRoot = false, FdRef source = FdRef(-1),
                       std::vector<FdRef> others = {});
  static Outcome finish(Running running);
  static Outcome fetch(const ipc::FetchJob& job, const std::string& before = "") {
    return finish(start(job, before));
  }
  // The code of the Failure that a GET of the scenario ends with.
  static std::string codeOf(const std::string& scenario) {
    return fetch(imageJob("https://example.com/s/" + scenario + "/x.aci")).code();
  }
  // Lines of the server's log since the test began.
  static std::vector<std::string> requests();
  static ExitStatus probe(const std::string& attempt);
  // Where the test server's certificates and files are.
  static std::string directory();

 private:
  static std::string skipReason_;
};

}  // namespace airlock::fetch
