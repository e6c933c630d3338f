// SPDX-License-Identifier: Apache-2.0
// What is inside the programs: libraries, symbols, sizes, and tables that must agree.
#include <gtest/gtest.h>

#include <set>

#include "image/capabilities.h"
#include "priv-helper/capabilities.h"
#include "tests/support/shell.h"

namespace airlock::test {
namespace {

std::string program(const std::string& name) {
  return AIRLOCK_BINARY_DIR "/" + (name == "airlock" ? "bin/airlock" : "libexec/airlock/" + name);
}

std::vector<std::string> librariesOf(const std::string& name) {
  return lines(
      must("readelf -d " + program(name) + " | sed -n 's/.*(NEEDED).*\\[\\(.*\\)\\]/\\1/p'"));
}

void expectNone(const std::string& name, const std::vector<std::string>& libraries) {
  for (const std::string& used : librariesOf(name)) {
    for (const std::string& unwanted : libraries) {
      EXPECT_FALSE(used.starts_with(unwanted)) << name << " links " << used;
    }
  }
}

TEST(Boundary, HelperLinksNoParser) {
  const std::vector<std::string> unwanted = {
      "libarchive", "libcurl", "libgpgme", "libgumbo", "libssl",  "libcrypto",  "libz",
      "libzstd",    "liblzma", "libbz2",   "libisal",  "libtss2", "libseccomp", "libxml2"};
  expectNone("airlock-helper", unwanted);
  // A static program names no library: its symbols say what is in it.
  const std::string symbols = must("nm -C " + program("airlock-helper"));
  ASSERT_NE(symbols.find("airlock::helper::"), symbols.npos) << "symbols are there to be read";
  for (const char* function : {"archive_read_new",
                               "curl_easy_init",
                               "gpgme_new",
                               "SSL_new",
                               "ZSTD_decompress",
                               "inflateInit",
                               "isal_inflate",
                               "BZ2_bzDecompress",
                               "lzma_code",
                               "nlohmann::",
                               "gumbo_parse",
                               "Esys_",
                               "Tss2_",
                               "EVP_",
                               "ASN1_",
                               "d2i_",
                               "PEM_read",
                               "airlock::image::",
                               "airlock::verifier::",
                               "airlock::fetch::"}) {
    EXPECT_EQ(symbols.find(function), symbols.npos) << function;
  }
}

TEST(Boundary, CliLinksNoParserOfForeignFormats) {
  expectNone("airlock", {"libarchive", "libcurl", "libgpgme", "libgumbo", "libssl", "libzstd",
                         "liblzma", "libbz2", "libisal"});
}

// A variable or a name in a configuration could load code into whoever uses tpm2-tss's loader.
TEST(Boundary, M13_MeasureLoadsNoTransportByName) {
  expectNone("airlock-measure", {"libtss2-tcti", "libtss2-esys", "libtss2-fapi", "libdl"});
  const std::string symbols = must("nm -CD " + program("airlock-measure"));
  ASSERT_NE(symbols.find("Tss2_Sys_Quote"), symbols.npos) << "symbols are there to be read";
  for (const char* function : {"Tss2_TctiLdr", "dlopen"})
    EXPECT_EQ(symbols.find(function), symbols.npos) << function;
}

TEST(Boundary, NoProgramHasASetuidBitOrFileCapabilities) {
  for (const char* name : {"airlock", "airlock-helper", "airlock-fetch", "airlock-verify",
                           "airlock-measure", "airlock-stage1-container"}) {
    EXPECT_EQ(must("find " + program(name) + " -perm /6000"), "");
    EXPECT_EQ(must("getcap " + program(name)), "");
  }
}

TEST(Boundary, HelperStaysSmallAndWithinItsLayer) {
  must(AIRLOCK_SOURCE_DIR "/tools/budget");
  must(AIRLOCK_SOURCE_DIR "/tools/check-layers");
}

TEST(Boundary, HelperAndCliMeanTheSameDefaultCapabilities) {
  EXPECT_EQ(helper::kDefaultCapabilities, image::kDefaultCapabilities);
}

// I09: nothing that a helper could open by its name.
TEST(Boundary, HelperTakesNoDirectoryFromARequest) {
  const std::string schema = must("sed 's/#.*//' " AIRLOCK_SOURCE_DIR "/ipc/schema/helper.capnp");
  for (const char* name : {"path", "dir", "url", "uri", "file"}) {
    const std::string pattern =
        std::string("grep -niE '^ *[a-z]*") + name + "[a-z]* *@[0-9]+ *:Text' || true";
    EXPECT_EQ(must(pattern, {.input = schema}), "") << name;
  }
}

}  // namespace
}  // namespace airlock::test
