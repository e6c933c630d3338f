// SPDX-License-Identifier: Apache-2.0
// Tells the service manager how the pod is: sd_notify(3) of this process, from what the pod says.
// run.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "ipc/pod_spec.h"

namespace airlock::cli {

class Notifier {
 public:
  // `socket` as in NOTIFY_SOCKET; nobody is told anything when it is empty or cannot be used.
  // `apps`: those that notify.  Without one the pod is ready when all its apps run.
  Notifier(const std::string& socket, std::vector<std::string> apps);

  void podIsReady();
  // What an app says is the pod's word: from Kind::Notify alone, an app that is known, and one
  // line. The pod is ready, stops, or is alive (WATCHDOG) when all its apps that notify have said
  // so.
  void appSays(const ipc::LeashEvent& event);
  void podStops();

 private:
  struct App {
    std::string name;
    std::uint32_t said = 0;
  };
  bool allSaid(std::uint32_t what) const;
  void tellReady();
  void tell(std::string_view line);

  Fd socket_;
  std::vector<App> apps_;
  bool running_ = false;
  bool told_ = false;  // READY, and nothing that takes it back
  bool stopping_ = false;
};

}  // namespace airlock::cli
