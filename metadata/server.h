// SPDX-License-Identifier: Apache-2.0
// HTTP of the metadata service: libmicrohttpd on two sockets, in one thread.
#pragma once

#include <memory>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "metadata/routes.h"

namespace airlock::metadata {

class Server {
 public:
  // Takes the listening sockets; answers nobody before run().
  static Result<std::unique_ptr<Server>> make(Fd pods, Fd registrations);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // What must stay open through the confinement.
  std::vector<int> descriptors() const;
  // Until the process is ended; returns only with an error.
  Result<void> run();

 private:
  struct Doors;
  Server();
  std::unique_ptr<Doors> doors_;
  Registry registry_;
  Signer signer_;
};

}  // namespace airlock::metadata
