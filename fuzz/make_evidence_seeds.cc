// SPDX-License-Identifier: Apache-2.0
// Writes the seeds of fuzz_evidence, fuzz_firmware_log, fuzz_tpm_attest, fuzz_fleet_policy and
// fuzz_revoked_keys:
// make_evidence_seeds CORPUS-DIRECTORY
#include <fcntl.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "attest/firmware_for_test.h"
#include "base/digest.h"
#include "base/syscall.h"
#include "cli/ustar_writer.h"

namespace {

void write(const std::filesystem::path& path, const std::string& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void writeArchive(const std::filesystem::path& path,
                  const std::map<std::string, std::string>& files) {
  std::filesystem::create_directories(path.parent_path());
  const auto out =
      airlock::sys::openPath(path.string(), O_WRONLY | O_CREAT | O_TRUNC, 0644).value();
  airlock::cli::UstarWriter archive(out);
  for (const auto& [name, content] : files) archive.add(name, content).value();
  archive.finish().value();
}

// With an image that was chosen from an index, and keys; and with an index of other images.
void writeExports(const std::filesystem::path& corpus, std::map<std::string, std::string> files) {
  const std::string manifest = R"({"schemaVersion":2})";
  const auto digest = airlock::ociDigestOf(manifest);
  const auto indexOf = [](const std::string& named) {
    return R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",)"
           R"("manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
           named + R"(","size":19}]})";
  };
  const std::string image = "images/" + digest.text() + "/";
  files[image + "oci-manifest"] = manifest;
  files[image + "oci-index"] = indexOf(airlock::ociText(digest));
  files[image + "signature"] = "a signature";
  files["trusted/prefix.d/example.com/" + std::string(40, 'a')] = "a key";
  files["trusted/rekor.d/sha256-" + std::string(64, 'b')] = "a log";
  files["policy/50-airlock.policy"] = "allow root run *\n";
  writeArchive(corpus / "export", files);
  files[image + "oci-index"] = indexOf("sha256:" + std::string(64, '0'));
  writeArchive(corpus / "export-other-index", files);
}

void writePolicies(const std::filesystem::path& corpus) {
  const auto policy = [&](const char* name, const std::string& members) {
    write(corpus / name, R"({"airlockFleetPolicy":1)" + members + "}");
  };
  const std::string content = "sha512-" + std::string(128, 'a');
  const std::string sha256(64, 'b');
  policy("empty", "");
  policy("host", R"(,"comment":"all","requireHardware":true,"pcr":15,"banks":["sha256"],)"
                 R"("maxRestarts":0,"requireNonce":true,"revokedKeys":["sha256-)" +
                     sha256 + R"(","000b)" + sha256 + R"("],"stage1":[")" + content + R"("])");
  policy("engine", R"(,"engine":{"versions":["0.1.0"],"programs":{"airlock-helper":[")" + content +
                       R"("]},"layers":["seccomp"],"modes":["require","log"],"policies":[")" +
                       content + R"("],"trust":[")" + content + R"("]})");
  policy("images", R"(,"images":{"golden":[{"image":")" + content + R"(","tree":"blake2b-)" +
                       std::string(128, 'c') +
                       R"(","content":"rehash","name":"web"}],"signedBy":[{"prefix":)"
                       R"("example.com/app","key":"0123"}],"content":["verity"],)"
                       R"("allowUnverified":false})");
  policy("pods", R"(,"pods":{"networks":["none"],"callers":[0,1000],"requireAudit":true,)"
                 R"("requireSelinux":true})");
  policy("firmware", R"(,"firmware":{"required":true,"registers":{"sha256":{"7":[")" + sha256 +
                         R"("]}},"kernels":[")" + sha256 + R"("],"loaders":[")" + sha256 +
                         R"("],"commandLines":["quiet"],"requireMeasuredCommandLine":true})");
  policy("unknown", R"(,"image":{})");
}

void writeRevoked(const std::filesystem::path& corpus) {
  const std::string sha256(64, 'd');
  write(corpus / "list", "# sold\n\nsha256-" + sha256 + "  # host17\r\n\t000B" + sha256 + "\n");
  write(corpus / "broken", "sha256-" + sha256 + " sha256-" + sha256 + "\n");
  write(corpus / "trust",
        "key\texample.com\tabcd\nverified\tsha256-" + sha256 + "\tabcd\nstray\ta\tb\n");
}

}  // namespace

int main(int argc, char** argv) {
  using namespace airlock::attest;  // NOLINT: one program, one subject
  if (argc != 2) {
    static_cast<void>(std::fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]));
    return 2;
  }
  const std::filesystem::path corpus = argv[1];
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(AIRLOCK_VECTORS "/evidence")) {
    files[entry.path().filename().string()] = read(entry.path());
  }
  writeArchive(corpus / "evidence" / "good", files);
  for (const auto& [name, content] : files) {
    auto fewer = files;
    fewer.erase(name);
    writeArchive(corpus / "evidence" / ("without-" + name), fewer);
  }
  writeExports(corpus / "evidence", files);
  write(corpus / "tpm_attest" / "quote", '\0' + files["quote"]);
  write(corpus / "tpm_attest" / "signature", '\1' + files["quote.sig"]);
  write(corpus / "tpm_attest" / "area", '\2' + files["ak.pub"]);
  write(corpus / "tpm_attest" / "cut", '\0' + files["quote"].substr(0, 60));
  write(corpus / "firmware_log" / "boot", test::usualBoot().bytes());
  test::FirmwareLogWriter banks({airlock::tpm::kSha256, airlock::tpm::kSha384});
  write(corpus / "firmware_log" / "banks", banks.bytes());
  write(corpus / "firmware_log" / "grub",
        banks.add(8, FirmwareType::Ipl, "grub_cmd: boot", "boot").bytes());
  write(corpus / "firmware_log" / "cut", test::usualBoot().bytes().substr(0, 300));
  writePolicies(corpus / "fleet_policy");
  writeRevoked(corpus / "revoked_keys");
  return 0;
}
