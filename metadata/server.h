// SPDX-License-Identifier: Apache-2.0
// HTTP of the metadata service: libmicrohttpd on two sockets, in one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "metadata/routes.h"

namespace airlock::metadata {

class Server {
 public:
  // Takes the listening sockets; answers nobody before run().  `url` is where pods ask.
  static Result<std::unique_ptr<Server>> make(Fd pods, Fd registrations, std::string url);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // What must stay open through the confinement.
  std::vector<int> descriptors() const;
  // Until the process is ended; returns only with an error.
  Result<void> run();

 private:
  struct Doors;
  explicit Server(std::string url);
  std::string url_;
  Registry registry_;  // outlives the doors: the end of a connection is told to it
  std::unique_ptr<Doors> doors_;
  Signer signer_;
};

}  // namespace airlock::metadata
