// SPDX-License-Identifier: Apache-2.0
// What a process with one of our labels can do, asked in the guest: copies of this very program
// stand in for the engine's and for an app's, and become what they stand for along the policy's own
// arrows.  Outside of every namespace, so that it is SELinux that answers.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace airlock::test {

// Steps, in order: read:PATH write:PATH create:PATH unlink:PATH stat:PATH tcp udp signal:PID
// trace:PID start:NAME (another of the programs below; what it says comes back under its name).
using Steps = std::vector<std::string>;
// "ok", or the name of the error, for each step.
using Answers = std::map<std::string, std::string>;

// Makes the programs: fetch, verify, helper, stage1, pod in /run/selinux.
void makeProbes();

Answers asFetch(const Steps& steps);
Answers asVerify(const Steps& steps);
Answers asHelper(const Steps& steps);
// `level` is "s0:c1,c2".
Answers asPod(const std::string& level, const Steps& steps);
// What stage1 does that starts an app and says no label.
Answers asStage1(const Steps& steps);

// An app that does nothing until it is killed.
pid_t idlePod(const std::string& level);

}  // namespace airlock::test
