// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

#include <cstring>

namespace airlock {

namespace {
ErrorKind kindOf(int number) {
  switch (number) {
    case EACCES:
    case EPERM:
      return ErrorKind::Denied;
    case ENOENT:
      return ErrorKind::Missing;
    case EBUSY:
    case EAGAIN:
      return ErrorKind::Busy;
    case ENOSYS:
    case EOPNOTSUPP:
    case ENODEV:
      return ErrorKind::Unsupported;
    case EINVAL:
    case ELOOP:
    case ENAMETOOLONG:
      return ErrorKind::Invalid;
    default:
      return ErrorKind::Failed;
  }
}
}  // namespace

Error Error::fromErrno(int number, std::string_view what) {
  char buffer[128];
  Error error(kindOf(number), std::string(what) + ": " + strerror_r(number, buffer, sizeof buffer));
  error.number_ = number;
  return error;
}

std::string Error::text() const {
  std::string text = context_ + message_;
  if (!hint_.empty()) text += ". " + hint_;
  return text;
}

Error&& Error::in(std::string_view context) && {
  context_ = std::string(context) + ": " + context_;
  return std::move(*this);
}

Error&& Error::withHint(std::string hint) && {
  hint_ = std::move(hint);
  return std::move(*this);
}

Error&& Error::withCode(std::string_view code) && {
  code_ = code;
  return std::move(*this);
}

}  // namespace airlock
