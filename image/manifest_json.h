// SPDX-License-Identifier: Apache-2.0
// The parts that image and pod manifests share, to and from Json.  For .cc files of this folder
// only.
#pragma once

#include <string>
#include <vector>

#include "image/json_reader.h"
#include "image/manifest.h"

namespace airlock::image {

// Members of `object`, checked; empty when absent.
Result<std::vector<Label>> readLabels(const ObjectReader& object, std::string_view key);
Result<std::vector<Annotation>> readAnnotations(const ObjectReader& object, std::string_view key);
Result<std::vector<Isolator>> readIsolators(const ObjectReader& object, std::string_view key);
Result<ImageName> readImageName(const ObjectReader& object, std::string_view key);
Result<AppName> readAppName(const ObjectReader& object, std::string_view key);
Result<Port> readPort(const Json& value, std::string where);
Result<App> readApp(const Json& value, std::string where);
// acKind and acVersion; the version.
Result<std::string> readHeader(const ObjectReader& object, std::string_view kind);

Json writeLabels(const std::vector<Label>& labels);
Json writeAnnotations(const std::vector<Annotation>& annotations);
Json writeIsolators(const std::vector<Isolator>& isolators);
Json writePort(const Port& port);
Json writeApp(const App& app);

}  // namespace airlock::image
