// SPDX-License-Identifier: Apache-2.0
// Keys and quotes by the airlock command, with tpm2-tools and openssl as the verifier.
#include <gmock/gmock.h>

#include "tests/e2e/world.h"

namespace airlock::test {
namespace {

using testing::HasSubstr;

const std::string kNonce = "00112233445566778899aabbccddeeff00112233";

class AttestCommands : public World {
 protected:
  std::string at(const std::string& name) const { return engine_->scratch(name); }
  void expectGood(const std::string& evidence) {
    must("tpm2_checkquote -u " + at("enrolled/ak.pem") + " -m " + evidence + "/quote -s " +
         evidence + "/quote.sig -g sha256 -q " + kNonce + " 2>&1");
  }
};

TEST_F(AttestCommands, AHostIsInitialisedEnrolledChallengedQuotedAndRevoked) {
  fetch(Who::Root);
  engine_->policy("70-attest.policy", "allow group:airlock attest\n");
  const std::string init = done(Who::Root, "attest init");
  EXPECT_THAT(init, HasSubstr("tpm\tsoftware, IBM SW"));
  EXPECT_THAT(init, HasSubstr("done\tmade"));
  EXPECT_THAT(done(Who::Root, "attest init"), HasSubstr("kept"));

  done(Who::Root, "attest enroll -o " + at("enrolled"));
  EXPECT_EQ(must("ls " + at("enrolled")), "ak.name\nak.pem\nak.pub\nek.pub\n");
  must("printf 'a secret of 32 bytes, of the fleet' | head -c 32 > " + at("sent"));
  must("tpm2_makecredential -Q -T none -u " + at("enrolled/ek.pub") + " -s " + at("sent") +
       " -n $(xxd -p -c 99 " + at("enrolled/ak.name") + ") -o " + at("challenge"));
  done(Who::Root, "attest activate " + at("challenge") + " -o " + at("received"));
  must("cmp " + at("sent") + " " + at("received"));
  EXPECT_EQ(must("stat -c %a " + at("received")), "600\n");

  done(Who::Alice, std::string("run ") + kImage + " --exec=/bin/busybox -- true");
  const std::string quoted =
      done(Who::Alice, "attest quote --nonce=" + kNonce + " -o " + at("home/evidence"));
  EXPECT_THAT(quoted, HasSubstr("tpm\tsoftware: proves nothing"));
  EXPECT_THAT(quoted, HasSubstr("1 of them pods"));
  EXPECT_EQ(must("ls " + at("home/evidence")),
            "ak.pub\nevents.cel\nkernel-cmdline\npcrs\nquote\nquote.sig\n");
  must("cmp /proc/cmdline " + at("home/evidence/kernel-cmdline"));
  must("cmp " + at("enrolled/ak.pub") + " " + at("home/evidence/ak.pub"));
  expectGood(at("home/evidence"));
  // A user whose turn has not come waits for it.
  done(Who::Alice, "attest quote --nonce=" + kNonce + " -o " + at("home/second"));
  expectGood(at("home/second"));

  const std::string name = must("xxd -p -c 99 " + at("enrolled/ak.name"));
  EXPECT_THAT(done(Who::Root, "attest init --force"), HasSubstr("revoked\t" + name));
  EXPECT_THAT(done(Who::Root, "attest revoke"), HasSubstr("done\tremoved"));
  refused(Who::Root, "attest quote --nonce=" + kNonce + " -o " + at("none"), "attestation key");
}

// TPM2_HierarchyChangeAuth: the tools of Debian 12 do not reach a Unix socket.
constexpr char kChangeAuth[] = R"(
import socket, struct, sys
new = sys.argv[3].encode()
body = struct.pack('>II', 0x129, int(sys.argv[2], 16)) + struct.pack('>IIHBH', 9, 0x40000009, 0, 0, 0)
body += struct.pack('>H', len(new)) + new
tpm = socket.socket(socket.AF_UNIX)
tpm.connect(sys.argv[1])
tpm.sendall(struct.pack('>HI', 0x8002, 6 + len(body)) + body)
assert tpm.recv(4096)[6:10] == bytes(4)
)";

TEST_F(AttestCommands, PasswordsOfTheTpmComeFromRootsFilesAndGoNowhereElse) {
  engine_->policy("70-attest.policy", "allow group:airlock attest\n");
  must("cat > " + at("change.py") + " <<'EOF'" + kChangeAuth + "EOF");
  must("python3 " + at("change.py") + " " + tpm_->socket() + " 40000001 canary-of-the-owner");
  must("python3 " + at("change.py") + " " + tpm_->socket() + " 4000000b canary-of-endorsement");
  must("umask 077; echo canary-of-the-owner > " + at("owner") +
       "; printf canary-of-endorsement > " + at("endorsement"));
  const std::string both =
      " --owner-auth-file=" + at("owner") + " --endorsement-auth-file=" + at("endorsement");
  refused(Who::Root, "attest init", "owner and endorsement hierarchies have passwords");
  refused(Who::Root, "attest init --owner-auth-file=" + at("owner"),
          "--endorsement-auth-file=FILE");
  EXPECT_THAT(done(Who::Root, "attest init" + both), HasSubstr("done\tmade"));
  done(Who::Root,
       "attest enroll -o " + at("enrolled") + " --endorsement-auth-file=- < " + at("endorsement"));
  done(Who::Alice, "attest quote --nonce=" + kNonce + " -o " + at("home/e"));
  expectGood(at("home/e"));
  must("echo a-wrong-guess > " + at("wrong") + "; chmod 600 " + at("wrong"));
  refused(Who::Root, "attest revoke --owner-auth-file=" + at("wrong"), "is not its password");
  must("chmod 644 " + at("wrong"));
  refused(Who::Root, "attest revoke --owner-auth-file=" + at("wrong"), "everyone on this machine");
  must("chmod 600 " + at("wrong") + "; : > " + at("wrong"));
  refused(Who::Root, "attest revoke --owner-auth-file=" + at("wrong"), "no password in it");
  refused(Who::Root, "attest init --force --owner-auth-file=- --endorsement-auth-file=-",
          "one password only");
  must("cp " + at("owner") + " " + at("home/owner") + "; chown 4242 " + at("home/owner"));
  refused(Who::Alice, "attest revoke --owner-auth-file=" + at("home/owner"), "are root's");
  EXPECT_THAT(done(Who::Root, "attest revoke" + both), HasSubstr("revoked fingerprint\tsha256-"));
  // In nothing that is kept but the files that it came from.
  must("rm " + at("owner") + " " + at("endorsement") + " " + at("home/owner") + " " +
       at("change.py"));
  must("! grep -raq -e canary-of -e a-wrong-guess " + at("."));
}

TEST_F(AttestCommands, QuotesAreForWhomPolicyLetsAndKeysForRoot) {
  done(Who::Root, "attest init");
  refused(Who::Alice, "attest quote --nonce=" + kNonce + " -o " + at("home/e"),
          "to the group airlock-attest");
  engine_->policy("70-attest.policy", "allow user:4242 attest\n");
  done(Who::Alice, "attest quote --nonce=" + kNonce + " -o " + at("home/e"));
  refused(Who::Stranger, "attest quote --nonce=" + kNonce + " -o " + at("other/e"),
          "policy has no line that lets");
  refused(Who::Alice, "attest init", "are root's");
  refused(Who::Alice, "attest init --force", "are root's");
  refused(Who::Alice, "attest revoke", "are root's");
  refused(Who::Alice, "attest enroll -o " + at("home/x"), "are root's");
  refused(Who::Alice, "attest activate /etc/hostname -o " + at("home/x"), "are root's");
  EXPECT_FALSE(exists(at("home/x")));
  // What is there is not mixed with what is new.
  refused(Who::Alice, "attest quote --nonce=" + kNonce + " -o " + at("home/e"), "is not empty");
  refused(Who::Alice, "attest quote --nonce=1234 -o " + at("home/x"), "16 to 64 bytes");
  refused(Who::Alice, "attest quote -o " + at("home/x"), "--nonce=HEX");
}

TEST_F(AttestCommands, AQuoteOfWhatIsNotMeasuredIsRefused) {
  done(Who::Root, "attest init");
  engine_->policy("60-measure.policy", "measure mode=off software-tpm=" + tpm_->socket() + "\n");
  refused(Who::Root, "attest quote --nonce=" + kNonce + " -o " + at("e"), "nothing is measured");
  engine_->policy("60-measure.policy", tpm_->policyLine("log"));
  tpm_->stop();
  refused(Who::Root, "attest quote --nonce=" + kNonce + " -o " + at("e"), "software TPM");
  refused(Who::Root, "attest enroll -o " + at("e"), "software TPM");
  EXPECT_FALSE(exists(at("e")));
}

TEST_F(AttestCommands, TheHandleOfTheKeyIsThePolicysToSay) {
  engine_->policy("61-key.policy", "measure ak=0x81018007\n");
  EXPECT_THAT(done(Who::Root, "attest init"), HasSubstr("at 0x81018007"));
  const std::string json =
      done(Who::Root, "--json attest quote --pcrs=sha256:0 --nonce=" + kNonce + " -o " + at("e"));
  EXPECT_THAT(json, HasSubstr("\"tpm\": \"software\""));
  // What was asked for, and the log's register.
  EXPECT_THAT(
      must("cat " + at("e/pcrs")),
      testing::ContainsRegex("\"sha256\":\\{\"0\":\"[0-9a-f]{64}\",\"15\":\"[0-9a-f]{64}\"\\}"));
}

}  // namespace
}  // namespace airlock::test
