// SPDX-License-Identifier: Apache-2.0
// airlock image list, cat-manifest, verify and rm
#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/go_format.h"
#include "cli/options.h"
#include "cli/own_store.h"
#include "cli/text_output.h"
#include "image/json.h"
#include "store/pod_dir.h"
#include "store/signature_demand.h"

namespace airlock::cli {

namespace {

constexpr std::size_t kShortDigits = 12;  // as rkt's table has it

struct Listed {
  ipc::CatalogRecord record;
  std::int64_t lastUsed = 0;
  std::uint64_t shared = 0;  // of its size: what other images have, too
  std::string name() const { return displayName(record.name, record.labels); }
  std::uint64_t size() const { return record.blobBytes + record.treeBytes + record.manifestBytes; }
};

struct Field {
  std::string_view name;
  const char* header;
  std::string (*cell)(const Listed& image, bool full, std::int64_t now);
  bool (*before)(const Listed& one, const Listed& other);
};

std::string timeCell(std::int64_t time, bool full, std::int64_t now) {
  return full ? goTime(time) : humanizeTime(time, now);
}

constexpr Field kFields[] = {
    {"id", "ID",
     [](const Listed& image, bool full, std::int64_t) {
       return full ? image.record.image.text() : image.record.image.shortText(kShortDigits);
     },
     [](const Listed& a, const Listed& b) { return a.record.image < b.record.image; }},
    {"name", "NAME",
     [](const Listed& image, bool, std::int64_t) { return printable(image.name()); },
     [](const Listed& a, const Listed& b) { return a.name() < b.name(); }},
    {"size", "SIZE",
     [](const Listed& image, bool full, std::int64_t) {
       return full ? std::to_string(image.size()) : humanizeBytes(image.size());
     },
     [](const Listed& a, const Listed& b) { return a.size() < b.size(); }},
    {"shared", "SHARED",
     [](const Listed& image, bool full, std::int64_t) {
       return full ? std::to_string(image.shared) : humanizeBytes(image.shared);
     },
     [](const Listed& a, const Listed& b) { return a.shared < b.shared; }},
    {"importtime", "IMPORT TIME",
     [](const Listed& image, bool full, std::int64_t now) {
       return timeCell(image.record.importedAt, full, now);
     },
     [](const Listed& a, const Listed& b) { return a.record.importedAt < b.record.importedAt; }},
    {"lastused", "LAST USED",
     [](const Listed& image, bool full, std::int64_t now) {
       return timeCell(image.lastUsed, full, now);
     },
     [](const Listed& a, const Listed& b) { return a.lastUsed < b.lastUsed; }},
    {"latest", "LATEST",
     [](const Listed& image, bool, std::int64_t) {
       return std::string(image.record.latest ? "true" : "false");
     },
     [](const Listed& a, const Listed& b) { return !a.record.latest && b.record.latest; }},
    {"signer", "SIGNER",
     [](const Listed& image, bool full, std::int64_t) {
       if (image.record.signers.empty()) return std::string("not verified");
       const ipc::Signer& signer = image.record.signers.front();
       // Of a plain public key as much as of an image's id.
       const std::string& key = signer.fingerprint.text();
       const bool plain = signer.fingerprint.kind() == KeyFingerprint::Kind::PublicKey;
       if (full) return key;
       return signer.userId.empty() ? key.substr(0, plain ? 19 : key.size())
                                    : printable(signer.userId);
     },
     [](const Listed& a, const Listed& b) {
       return a.record.signers.size() < b.record.signers.size();
     }},
};

Result<std::vector<const Field*>> fieldsOf(const std::string& list, const char* flag) {
  std::vector<const Field*> fields;
  std::string_view rest = list;
  for (bool more = true; more;) {
    const std::size_t comma = rest.find(',');
    const std::string_view word = rest.substr(0, comma);
    const auto found = std::ranges::find(kFields, word, &Field::name);
    if (found == std::end(kFields)) {
      return refuse(ErrorKind::Invalid, "E_USAGE",
                    "unknown field " + airlock::quoted(word) + " in --" + flag,
                    "It takes id, name, size, shared, importtime, lastused, latest, signer");
    }
    fields.push_back(&*found);
    more = comma != rest.npos;
    if (more) rest.remove_prefix(comma + 1);
  }
  return fields;
}

// The files of an image are its own, or several images have the same.
void countShared(std::vector<Listed>& images) {
  std::map<TreeDigest, std::size_t> trees;
  std::map<BlobDigest, std::size_t> blobs;
  for (const Listed& image : images) {
    ++trees[image.record.tree];
    ++blobs[image.record.blob];
  }
  for (Listed& image : images) {
    if (trees[image.record.tree] > 1) image.shared += image.record.treeBytes;
    if (blobs[image.record.blob] > 1) image.shared += image.record.blobBytes;
  }
}

// An image was last used when it was imported or started; where an older engine has not noted that,
// when the newest pod with it was made.
Result<std::vector<Listed>> listImages(const ImageStore& images) {
  const auto opened = TRY(images.open());
  if (!opened) return std::vector<Listed>{};
  std::map<ImageId, std::int64_t> used;
  if (const auto pods = TRY(store::PodDirectory::openForReading(opened->top()))) {
    for (const store::Pod& pod : TRY(pods->list())) {
      for (const ipc::PodApp& app : pod.record.apps) {
        used[app.image] = std::max(used[app.image], pod.record.createdAt);
      }
    }
  }
  std::vector<Listed> listed;
  for (ipc::CatalogRecord& record : TRY(opened->images())) {
    const std::int64_t last = std::max(opened->lastUsed(record), used[record.image]);
    listed.push_back({std::move(record), last});
  }
  countShared(listed);
  return listed;
}

image::Json toJson(const std::vector<Listed>& images) {
  image::Json document = image::Json::array();
  for (const Listed& image : images) {
    image::Json signers = image::Json::array();
    for (const ipc::Signer& signer : image.record.signers) {
      signers.push_back({{"fingerprint", signer.fingerprint.text()},
                         {"identity", signer.userId},
                         {"kind", ipc::toString(store::kindOf(signer))}});
    }
    image::Json dependencies = image::Json::array();
    for (const ipc::Dependency& part : image.record.dependencies) {
      dependencies.push_back(
          {{"id", part.image.text()}, {"name", displayName(part.name, part.labels)}});
    }
    document.push_back({{"id", image.record.image.text()},
                        {"name", image.name()},
                        {"import_time", image.record.importedAt},
                        {"last_used_time", image.lastUsed},
                        {"size", image.size()},
                        {"shared_size", image.shared},
                        {"tree", image.record.tree.text()},
                        {"signers", signers},
                        {"dependencies", dependencies},
                        {"origin", image.record.origin},
                        {"verity", image.record.verity.has_value()},
                        {"verity_digest", image.record.verity ? image.record.verity->text() : ""}});
  }
  return document;
}

Result<std::string> oneOperand(const std::vector<std::string>& operands) {
  if (operands.size() == 1) return operands.front();
  return refuse(ErrorKind::Invalid, "E_USAGE",
                operands.empty() ? "must provide one image" : "takes only one image");
}

// What `image verify` says of one image.
image::Json verdictOn(const ipc::CatalogRecord& record, const ipc::ImageVerified& found,
                      bool holds) {
  return {{"image", record.image.text()},
          {"name", displayName(record.name, record.labels)},
          {"holds", holds},
          {"treeIntact", found.treeIntact},
          {"signatureHolds", found.signatureHolds},
          {"detail", found.detail}};
}

}  // namespace

Result<int> imageList(const Options& options, const std::vector<std::string>& arguments) {
  std::string fieldList = "id,name,size,importtime,lastused";
  std::string sortList = "importtime";
  std::string order = "asc";
  std::string format;
  bool full = false;
  bool noLegend = false;
  const auto operands =
      TRY(parseFlags(arguments, {textFlag("fields", fieldList), textFlag("sort", sortList),
                                 textFlag("order", order), textFlag("format", format),
                                 boolFlag("full", full), boolFlag("no-legend", noLegend)}));
  if (!operands.empty()) return refuse(ErrorKind::Invalid, "E_USAGE", "takes no argument");
  if (format.empty() && options.json) format = "json-pretty";
  if (!format.empty() && format != "json" && format != "json-pretty") {
    return refuse(ErrorKind::Invalid, "E_USAGE",
                  "invalid value " + airlock::quoted(format) + " for --format",
                  "It takes json or json-pretty");
  }
  if (order != "asc" && order != "desc") {
    return refuse(ErrorKind::Invalid, "E_USAGE",
                  "invalid value " + airlock::quoted(order) + " for --order",
                  "It takes asc or desc");
  }
  const auto fields = TRY(fieldsOf(fieldList, "fields"));
  const auto keys = TRY(fieldsOf(sortList, "sort"));
  std::vector<Listed> images = TRY(listImages(TRY(ImageStore::choose(options))));
  std::ranges::sort(images, [&](const Listed& one, const Listed& other) {
    for (const Field* key : keys) {
      const bool less = key->before(one, other);
      if (less != key->before(other, one)) return order == "asc" ? less : !less;
    }
    return one.record.image < other.record.image;
  });
  if (!format.empty()) {
    printJson(toJson(images),
              format == "json" ? image::JsonStyle::Compact : image::JsonStyle::Pretty);
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  if (!noLegend) {
    rows.emplace_back();
    for (const Field* field : fields) rows.back().emplace_back(field->header);
  }
  const std::int64_t now = wallClock();
  for (const Listed& image : images) {
    rows.emplace_back();
    for (const Field* field : fields) rows.back().push_back(field->cell(image, full, now));
  }
  out(tabulate(rows));
  return 0;
}

Result<int> imageCatManifest(const Options& options, const std::vector<std::string>& arguments) {
  bool pretty = true;
  const auto operands = TRY(parseFlags(arguments, {boolFlag("pretty-print", pretty)}));
  const ImageStore images = TRY(ImageStore::choose(options));
  const ipc::CatalogRecord record = TRY(images.resolve(TRY(oneOperand(operands))));
  const auto opened = TRY(images.open());
  if (!opened) return refuse(ErrorKind::Missing, "E_STORE", "the store went away");
  const std::string manifest = TRY(opened->manifest(record));
  const image::Json document =
      TRY(inContext(image::parseJson(manifest, limits::kManifestBytes), "the manifest"));
  printJson(document, pretty ? image::JsonStyle::Pretty : image::JsonStyle::Compact);
  return 0;
}

Result<int> imageVerify(const Options& options, const std::vector<std::string>& arguments) {
  std::vector<std::string> operands = TRY(parseFlags(arguments, {}));
  const ImageStore images = TRY(ImageStore::choose(options));
  if (operands.empty()) {  // all of them
    for (const Listed& image : TRY(listImages(images)))
      operands.push_back(image.record.image.text());
  }
  bool allHold = true;
  image::Json document = image::Json::array();
  for (const std::string& operand : operands) {
    // One that cannot be asked about must not hide what is wrong with the next.
    const auto record = images.resolve(operand);
    const auto found = record ? images.verify(*record) : std::unexpected(record.error());
    if (!found) {
      note(errorText("image verify", found.error(), options));
      allHold = false;
      continue;
    }
    const bool signedOnce = !record->signers.empty();
    const bool holds = found->treeIntact && (found->signatureHolds || !signedOnce);
    allHold = allHold && holds;
    document.push_back(verdictOn(*record, *found, holds));
    if (options.json) continue;
    const std::string name = printable(displayName(record->name, record->labels));
    const std::string shown =
        "\"" + (operand == record->image.text() ? name : printable(operand)) + "\"";
    if (holds) {
      out("successfully verified checksum for image: " + shown + " (\"" + record->image.text() +
          "\")\n");
      out(signedOnce ? "successfully verified signature for image: " + shown + "\n"
                     : "image " + shown + " was imported without a signature\n");
    } else {
      note("image verify: verification failed for image " + name + " (" + record->image.text() +
           "): " + printable(found->detail) +
           ". Remove it with `airlock image rm` and fetch it again\n");
    }
  }
  if (options.json) printJson(document);
  return allHold ? 0 : kExitFailure;
}

Result<int> imageRemove(const Options& options, const std::vector<std::string>& arguments) {
  const auto operands = TRY(parseFlags(arguments, {}));
  if (operands.empty())
    return refuse(ErrorKind::Invalid, "E_USAGE", "must provide at least one image");
  const ImageStore images = TRY(ImageStore::choose(options));
  std::size_t removed = 0;
  std::size_t left = 0;
  for (const std::string& operand : operands) {
    const auto record = images.resolve(operand);
    const Result<void> done =
        record ? images.remove(*record) : Result<void>(std::unexpected(record.error()));
    if (!done) {
      note(errorText("rm", done.error(), options));
      ++left;
      continue;
    }
    out("successfully removed aci for image: \"" + record->image.text() + "\"\n");
    ++removed;
  }
  if (removed > 0) note("rm: " + std::to_string(removed) + " image(s) successfully removed\n");
  if (left > 0) note("rm: " + std::to_string(left) + " image(s) cannot be removed\n");
  return left > 0 ? kExitFailure : 0;
}

}  // namespace airlock::cli
