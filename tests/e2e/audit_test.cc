// SPDX-License-Identifier: Apache-2.0
// The questions of an auditor, as they are typed; what is written for somebody elsewhere; and the
// page, as a browser shows it.
#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>
#include <regex>

#include "tests/e2e/world.h"
#include "tests/support/oci_images.h"

namespace airlock::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class AuditCommands : public World {
 protected:
  void SetUp() override {
    World::SetUp();
    if (IsSkipped()) return;
    fetch(Who::Alice);
    done(Who::Alice, std::string("run ") + kImage + " --exec=/bin/true");
    airlock(Who::Stranger, std::string("run ") + kImage + " --exec=/bin/true");
    pod_ = lines(done(Who::Alice, "list --no-legend --full"))[0].substr(0, 36);
  }
  nlohmann::json json(const std::string& arguments) {
    return nlohmann::json::parse(done(Who::Root, "--json " + arguments));
  }
  std::string imageId() { return json("audit query --op=import")[0]["line"]["subject"]["image"]; }
  std::string at(const std::string& name) const { return engine_->scratch(name); }
  // What an auditor has of this host: its attestation key, keys that it trusts, too, and
  // host.evidence.
  void exportEvidence(const std::string& flags = "") {
    done(Who::Root, "attest init");
    done(Who::Root, "attest enroll -o " + at("enrolled"));
    must("mkdir -p " + at("keys") + "; cp -r " + engine_->config() + "/trustedkeys " + at("keys") +
         "; chmod -R a+rX " + at("keys") + " " + at("enrolled"));
    done(Who::Root, "audit export --since-boot --quote " + flags + " -o " + at("host.evidence"));
  }
  std::string trusted() const { return " --trust=" + at("keys"); }
  Outcome verify(const std::string& file, const std::string& more) {
    return airlock(Who::Stranger,
                   "audit verify " + at(file) + " --ak=" + at("enrolled/ak.pem") + more);
  }
  // host.evidence as a directory, without that member.
  void without(const std::string& member, const std::string& made) const {
    must("mkdir " + at(made) + "; tar -xf " + at("host.evidence") + " -C " + at(made) + "; rm " +
         at(made) + "/" + member + "; chmod -R a+rX " + at(made));
  }
  std::string pod_;
};

TEST_F(AuditCommands, AnswerWhatRanAcceptedByWhom) {
  const std::string ran = done(
      Who::Root, "audit query --op=run --since=1h --fields=user,name,key,rule,result --no-legend");
  EXPECT_THAT(ran, HasSubstr(site_->signer().fingerprint()));
  EXPECT_THAT(ran, HasSubstr("example.test/tools/busybox"));
  EXPECT_THAT(ran, HasSubstr("allow "));
  EXPECT_EQ(lines(ran).size(), 3U) << ran;  // allowed, done, and the stranger's
  EXPECT_EQ(done(Who::Root, "audit query --until=1h --no-legend"), "");
  EXPECT_EQ(lines(done(Who::Root, "audit query --refused --user=4243 --no-legend")).size(), 1U);
  // Who may run nothing is refused before it is known what it is that would run.
  EXPECT_EQ(lines(done(Who::Root, "audit query --no-legend --op=run --image=example.test")).size(),
            2U);
  EXPECT_EQ(json("audit query --op=import").size(), 1U);
  const std::string shown = done(Who::Root, "audit show " + pod_);
  EXPECT_THAT(shown, AllOf(HasSubstr("run  allowed"), HasSubstr("run  done"),
                           HasSubstr("by        4242"), HasSubstr("signed by"),
                           HasSubstr("measured  PCR 15"), HasSubstr("network   none"),
                           HasSubstr("capabilities 00000000"), HasSubstr("seccomp filter sha512-"),
                           HasSubstr("enforced  seccomp"), HasSubstr("follows   sha256-")));
  EXPECT_THAT(done(Who::Root, "audit show 0"), HasSubstr("0  "));
  EXPECT_THAT(airlock(Who::Root, "audit show 4000").err, HasSubstr("has nothing of"));
  EXPECT_THAT(airlock(Who::Stranger, "audit query").err, HasSubstr("group airlock-audit"));
}

TEST_F(AuditCommands, RefuseAQuestionThatWouldFindNothing) {
  const auto refusal = [&](const std::string& flags) {
    const Outcome outcome = airlock(Who::Root, "audit query " + flags);
    EXPECT_EQ(outcome.code, 254) << flags;
    return outcome.err;
  };
  EXPECT_THAT(refusal("--op=runs"), AllOf(HasSubstr("nothing is called"), HasSubstr("sandbox")));
  for (const char* time :
       {"yesterday", "2026-1-5", "2026-11-28T2", "2026-11-28T22:31+01:00", "2026-11-28T22:31:32."})
    EXPECT_THAT(refusal("--since='" + std::string(time) + "'"), HasSubstr("is no time"));
  for (const char* time : {"2026", "2026-1", "1s1"})
    EXPECT_THAT(refusal("--until=" + std::string(time)), HasSubstr("is no time"));
  for (const char* time : {"2000-01", "2000-01-01", "'2000-01-01 10:00'", "2000-01-01T10:00:00Z",
                           "2000-01-01T10:00:00.5Z", "100000h"})
    EXPECT_EQ(
        lines(done(Who::Root, "audit query --op=import --no-legend --since=" + std::string(time)))
            .size(),
        1U)
        << time;
}

TEST_F(AuditCommands, AnswerWhatIsWeakerAndWhoMaySign) {
  done(Who::Alice, "prepare " + std::string(kImage));
  EXPECT_EQ(airlock(Who::Alice, "status --insecure").code, 0);
  EXPECT_TRUE(json("status --insecure " + pod_).is_array());
  const std::string key = site_->signer().fingerprint();
  EXPECT_THAT(done(Who::Root, "trust why example.test/tools/busybox " + key),
              AllOf(HasSubstr("for example.test/tools (prefix.d): counts"), HasSubstr("may sign")));
  const Outcome outside = airlock(Who::Root, "trust why example.test/other " + key);
  EXPECT_EQ(outside.code, 254);
  EXPECT_THAT(outside.out, HasSubstr("is not below it"));
  EXPECT_EQ(airlock(Who::Root, "trust why example.test/other").out,
            "nobody may sign example.test/other\n");
}

TEST_F(AuditCommands, ComparePoliciesOfTwoTimes) {
  EXPECT_THAT(airlock(Who::Root, "policy diff").err, HasSubstr("no policy before"));
  engine_->policy("70-more.policy", "allow user:4243 stop\n");
  airlock(Who::Root, std::string("run ") + kImage + " --exec=/bin/true");
  const Outcome changed = airlock(Who::Root, "policy diff");
  EXPECT_EQ(changed.code, 1);
  EXPECT_THAT(changed.out,
              AllOf(HasSubstr("+++ 70-more.policy"), HasSubstr("+allow user:4243 stop\n"),
                    Not(HasSubstr("60-measure"))));
  const auto changes = json("audit query --op=policy");
  ASSERT_EQ(changes.size(), 2U);
  const std::string first = changes[0]["line"]["subject"]["digest"];
  EXPECT_EQ(done(Who::Root, "policy diff " + first + " " + first), "");
  EXPECT_EQ(airlock(Who::Root, "policy diff " + first).out, changed.out);
  must("printf x >> " + engine_->data() + "/audit/kept/" + first);
  EXPECT_THAT(airlock(Who::Root, "policy diff").err, HasSubstr("another digest"));
}

TEST_F(AuditCommands, WriteEvidenceThatOtherToolsRead) {
  const std::string file = engine_->scratch("host.evidence");
  done(Who::Root, "audit export --since-boot -o " + file);
  const std::string members = must("tar -tf " + file);
  const std::string image = json("audit query --op=import")[0]["line"]["subject"]["image"];
  for (const std::string& name :
       {std::string("audit.jsonl"), std::string("events.cel"), std::string("kernel-cmdline"),
        "images/" + image + "/manifest", "images/" + image + "/signature",
        "images/" + image + "/record",
        "trusted/prefix.d/example.test/tools/" + site_->signer().fingerprint(),
        std::string("policy/60-measure.policy")}) {
    EXPECT_THAT(members, HasSubstr(name + "\n"));
  }
  EXPECT_EQ(must("tar -xOf " + file + " audit.jsonl"),
            must("cat " + engine_->data() + "/audit/record-*.jsonl"));
  // The chain, by hand: each line has the digest of the one before.
  must("tar -xOf " + file +
       " audit.jsonl | { before=$(printf '%064d' 0); while read -r line; do case $line in "
       "*'\"prev\":\"sha256-'$before'\"'*) ;; *) exit 1;; esac; "
       "before=$(printf %s \"$line\" | sha256sum | cut -d' ' -f1); done; }");
  const auto written = json("audit export --since-boot --overwrite -o " + file);
  EXPECT_EQ(written["file"], file);
  EXPECT_EQ(written["quoted"], false);
  EXPECT_EQ(written["members"].size(), lines(members).size());
  EXPECT_THAT(airlock(Who::Root, "audit export --since-boot -o " + file).err,
              HasSubstr("is there already"));
  EXPECT_THAT(
      airlock(Who::Root, "audit export --since-boot --overwrite -o " + file + " --quote=/").err,
      HasSubstr("there is no quote"));
  const std::string proof = engine_->scratch("pod.evidence");
  done(Who::Root, "audit prove " + pod_.substr(0, 8) + " -o " + proof);
  EXPECT_THAT(must("tar -tf " + proof), HasSubstr("images/" + image + "/manifest"));
  EXPECT_EQ(airlock(Who::Root, "audit prove 00000000-0000-4000-8000-000000000000").code, 254);
  // The same bytes for the same facts.
  done(Who::Root, "audit export --since-boot --overwrite -o " + file);
  const std::string again = engine_->scratch("again.evidence");
  done(Who::Root, "audit export --since-boot -o " + again);
  must("cmp " + file + " " + again);
}

// The way from this host to somebody who does not trust it.
TEST_F(AuditCommands, ExportWhatAnAuditorElsewhereVerifies) {
  done(Who::Alice, std::string("run ") + kImage + " --exec=/bin/true");
  const std::string nonce = "00112233445566778899aabbccddeeff";
  exportEvidence("--nonce=" + nonce);
  must("mkdir -p " + at("nobody/trustedkeys/root.d") + "; chmod -R a+rX " + at("nobody"));
  const Outcome good = verify("host.evidence", trusted() + " --nonce=" + nonce);
  EXPECT_EQ(good.code, 0) << good.out << good.err;
  EXPECT_THAT(good.out, AllOf(HasSubstr("example.test/tools/busybox"), HasSubstr(pod_),
                              HasSubstr(site_->signer().fingerprint()), HasSubstr("software"),
                              HasSubstr("allow group:airlock run image=*")));
  EXPECT_EQ(verify("host.evidence", trusted() + " --nonce=ff" + nonce).code, 21);
  const Outcome unwanted =
      verify("host.evidence", " --json --trust=" + at("nobody") + " --nonce=" + nonce);
  EXPECT_EQ(unwanted.code, 20);
  const auto report = nlohmann::json::parse(unwanted.out);
  for (const auto& pod : report["history"]["pods"])
    EXPECT_THAT(pod["rule"].get<std::string>(), HasSubstr("allow group:airlock run"));
  for (const auto& check : report["checks"])
    EXPECT_NE(check["detail"], "") << check["name"] << ": each says what, or why not";
  // It is whole, and its owner does not want it: what ran is no hearsay.
  EXPECT_THAT(verify("host.evidence", " --trust=" + at("nobody")).out,
              AllOf(HasSubstr("what ran, in this order"), Not(HasSubstr("not to be believed"))));
  must("sed 's/\"uid\":4243/\"uid\":4242/' " + at("host.evidence") + " > " +
       at("changed.evidence"));
  EXPECT_EQ(verify("changed.evidence", trusted() + " --nonce=" + nonce).code, 16);
  // A quote that somebody has made before is taken, too; without a nonce nobody asks how old it is.
  done(Who::Root, "audit prove " + pod_ + " --quote -o " + at("pod.evidence"));
  EXPECT_EQ(verify("pod.evidence", trusted()).code, 0);
}

TEST_F(AuditCommands, RefuseKeysThatAreNotThoseThatWereMeasured) {
  exportEvidence();
  const std::string key = "trusted/prefix.d/example.test/tools/" + site_->signer().fingerprint();
  without(key, "keyless.evidence");
  const Outcome keyless = verify("keyless.evidence", trusted());
  EXPECT_EQ(keyless.code, 16) << keyless.out;
  EXPECT_THAT(keyless.out, AllOf(HasSubstr("E_ATTEST_KEYS"), HasSubstr("is missing")));
  const auto put = [&](const std::string& member) {
    must("cd " + at("keyless.evidence") + "; mkdir -p $(dirname " + member + "); echo other > " +
         member + "; chmod -R a+rX .");
  };
  put(key);
  EXPECT_THAT(verify("keyless.evidence", trusted()).out,
              AllOf(HasSubstr("E_ATTEST_KEYS"), HasSubstr("another content")));
  put("trusted/root.d/" + std::string(40, 'a'));
  EXPECT_THAT(verify("keyless.evidence", trusted()).out,
              AllOf(HasSubstr("E_ATTEST_KEYS"), HasSubstr("was not trusted")));
}

// The signature of an ACI is over its file, which an export does not have.
TEST_F(AuditCommands, VerifySignaturesAgainWhereTheImagesFileIsGiven) {
  exportEvidence();
  const std::string signer = site_->signer().fingerprint();
  EXPECT_THAT(verify("host.evidence", trusted()).out,
              AllOf(HasSubstr(signer + " (as the measured engine says)"), HasSubstr("--image")));
  must("cp " + site_->fileOf("busybox") + " " + at("its.aci") + "; cp " + site_->fileOf("foreign") +
       " " + at("foreign.aci") + "; chmod a+r " + at("its.aci") + " " + at("foreign.aci"));
  const std::string given =
      trusted() + " --image=" + at("its.aci") + " --image=" + at("foreign.aci");
  const Outcome again = verify("host.evidence", given);
  EXPECT_EQ(again.code, 0) << again.out << again.err;
  EXPECT_THAT(again.out, AllOf(HasSubstr(signer + " (verified again)"),
                               HasSubstr("1 verified again"), Not(HasSubstr("engine says")),
                               HasSubstr("foreign.aci was given, and no record is about it")));
  EXPECT_EQ(verify("host.evidence", " --image=" + at("its.aci")).code, 2);
  const Outcome noImage = verify("host.evidence", trusted() + " --image=" + at("enrolled/ak.pem"));
  EXPECT_EQ(noImage.code, 1);
  EXPECT_THAT(noImage.err, HasSubstr("ak.pem: not an image"));
  EXPECT_EQ(verify("host.evidence", trusted() + " --image=" + at("none.aci")).code, 1);
  // Where the evidence has no signature, it is looked for beside the file.
  without("images/" + imageId() + "/signature", "bare.evidence");
  const Outcome bare = verify("bare.evidence", given);
  EXPECT_EQ(bare.code, 1) << bare.out;
  EXPECT_THAT(bare.err, HasSubstr("its.aci.asc"));
  const auto sign = [&](const std::string& like) {
    must("cp " + site_->fileOf(like) + ".asc " + at("its.aci.asc") + "; chmod a+r " +
         at("its.aci.asc"));
  };
  sign("busybox");
  EXPECT_THAT(verify("bare.evidence", given).out, HasSubstr("1 verified again"));
  sign("foreign");
  const Outcome foreign = verify("bare.evidence", given);
  EXPECT_EQ(foreign.code, 20) << foreign.out;
  EXPECT_THAT(foreign.out, HasSubstr("E_ATTEST_POLICY_SIGNER"));
}

// Of an image for several machines its publisher signs the index.
TEST_F(AuditCommands, FollowASignedIndexToTheImageThatRan) {
  OciTestImage image = makeOciImage({makeBusyboxLayer(at("layer"))});
  const auto entry = [](const std::string& digest, std::size_t size) {
    return R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" + digest +
           R"(","size":)" + std::to_string(size) + "}";
  };
  image.index = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",)"
                R"("manifests":[)" +
                entry("sha256:" + std::string(64, '1'), 7) + "," +
                entry(ociText(*image.id().oci()), image.manifest.size()) + "]}";
  must("cd " + at("") +
       "; openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key 2>/dev/null; "
       "openssl pkey -in key -pubout -out key.pub");
  writeFile(at("claim"),
            R"({"critical":{"identity":{"docker-reference":"registry.test/tools/busybox"},"image":)"
            R"({"docker-manifest-digest":")" +
                ociText(ociDigestOf(image.index)) +
                R"("},"type":"cosign container image signature"},"optional":{}})");
  const std::string signature =
      must("cd " + at("") + "; openssl dgst -sha256 -sign key claim | base64 -w0");
  const std::string fingerprint =
      "sha256-" +
      must("openssl pkey -pubin -in " + at("key.pub") + " -outform DER | sha256sum").substr(0, 64);
  engine_->trustKey(fingerprint, readFile(at("key.pub")), "registry.test/tools");
  const ipc::OciSignature signedIndex{
      .kind = ipc::OciSignature::Kind::Cosign,
      .content = readFile(at("claim")),
      .annotations = R"({"dev.cosignproject.cosign/signature":")" + signature + "\"}"};
  const OciReply imported = importOci(*engine_, image, {.signatures = {signedIndex}});
  ASSERT_EQ(imported.reply.code(), "") << imported.reply.text();
  done(Who::Root, "run registry.test/tools/busybox:1.35 --exec=/bin/true");

  exportEvidence();
  const std::string member = "images/" + image.id().text() + "/oci-index";
  EXPECT_EQ(must("tar -xOf " + at("host.evidence") + " " + member), image.index);
  const Outcome good = verify("host.evidence", trusted() + " --json");
  EXPECT_EQ(good.code, 0) << good.out << good.err;
  std::map<std::string, std::string> known;
  const auto report = nlohmann::json::parse(good.out);
  for (const auto& one : report["history"]["images"]) known[one["name"]] = one["signature"];
  EXPECT_EQ(known["registry.test/tools/busybox"], "verified again");
  EXPECT_EQ(known["example.test/tools/busybox"], "as the measured engine says");
  // Without the index nothing says that what was signed is this image.
  without(member, "bare.evidence");
  const Outcome bare = verify("bare.evidence", trusted() + " --json");
  EXPECT_EQ(bare.code, 20) << bare.out;
  EXPECT_EQ(nlohmann::json::parse(bare.out)["reason"]["code"], "E_ATTEST_POLICY_SIGNER");
}

// Without the group airlock: an auditor starts nothing.
TEST_F(AuditCommands, AMemberOfAirlockAuditExports) {
  const std::string group = must("getent group airlock-audit | cut -d: -f3 | tr -d '\\n'");
  std::string command = "setpriv --reuid=4243 --regid=4243 --groups=" + group + " " +
                        AIRLOCK_BINARY_DIR "/bin/airlock";
  for (const std::string& path : engine_->pathArguments()) command += " " + path;
  const std::string file = at("other/host.evidence");
  const Outcome exported = shell(command + " audit export --since-boot -o " + file);
  EXPECT_EQ(exported.code, 0) << exported.err;
  EXPECT_THAT(must("tar -tf " + file), AllOf(HasSubstr("audit.jsonl\n"), HasSubstr("events.cel\n"),
                                             HasSubstr("/signature\n")));
  EXPECT_EQ(shell(command + " run " + kImage).code, 254);
}

TEST_F(AuditCommands, AnOutputThatWasNotWrittenIsNoSuccess) {
  for (const char* command : {"audit query", "audit show 0", "tpm log", "audit query --json"}) {
    const Outcome full = airlock(Who::Root, std::string(command) + " > /dev/full");
    EXPECT_EQ(full.code, 254) << command;
    EXPECT_THAT(full.err, HasSubstr("standard output: write: No space left on device"));
  }
  EXPECT_EQ(airlock(Who::Root, "audit query | true").err, "");
  // What is said does not get into a file that was opened in the place of a closed stdout.
  done(Who::Root, "audit export --since-boot -o " + at("host.evidence") + " >&-");
  must("tar -tf " + at("host.evidence") + " | grep -qx audit.jsonl");
  must("! grep -qa 'other file' " + at("host.evidence"));
}

TEST_F(AuditCommands, RefuseARecordThatWasChanged) {
  must("sed -i 's/\"uid\":4242/\"uid\":4243/' " + engine_->data() + "/audit/record-*.jsonl");
  const Outcome outcome = airlock(Who::Root, "audit query");
  EXPECT_EQ(outcome.code, 254);
  EXPECT_THAT(outcome.err, HasSubstr("one of them was changed"));
  EXPECT_EQ(airlock(Who::Root, "audit report --html -o -").code, 254);
}

TEST_F(AuditCommands, ThePageNeedsNothingAndEscapesEverything) {
  airlock(Who::Alice, "stop --force '<script>alert(1)</script>'");
  engine_->policy("70-html.policy", "deny user:4243 stop # <img src=x onerror=alert(1)>\n");
  const std::string file = engine_->scratch("report.html");
  done(Who::Root, "audit report --html -o " + file);
  const std::string page = readFile(file);
  EXPECT_THAT(page, AllOf(HasSubstr("What ran"), HasSubstr("Who signed"), HasSubstr("Timeline"),
                          HasSubstr("What was not enforced"), HasSubstr(pod_),
                          HasSubstr(site_->signer().fingerprint())));
  for (const char* never : {"<script", "http://", "https://", "<img", "url(", "@import", "src="})
    EXPECT_THAT(page, Not(HasSubstr(never)));
  if (shell("command -v chromium").code != 0) GTEST_SKIP() << "needs chromium (Debian's)";
  const std::string browser =
      "HOME=" + engine_->scratch("root-home") +
      " chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage "
      "--window-size=1280,2200 ";
  const std::string picture = engine_->scratch("report.png");
  must(browser + "--screenshot=" + picture + " file://" + file + " 2>/dev/null");
  EXPECT_EQ(must("head -c 8 " + picture + " | od -An -tx1 | tr -d ' \\n'"), "89504e470d0a1a0a");
  // A page of one colour would be a few kilobytes.
  EXPECT_GT(readFile(picture).size(), 60'000U);
  const std::string seen = must(browser + "--dump-dom file://" + file + " 2>/dev/null");
  EXPECT_THAT(seen, AllOf(HasSubstr("<table>"), HasSubstr(pod_)));
}

}  // namespace
}  // namespace airlock::test
