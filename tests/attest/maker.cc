// SPDX-License-Identifier: Apache-2.0
#include "tests/attest/maker.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace airlock::attest::test {

Maker::Maker(std::string model, Maker* above, const std::string& name) : model_(std::move(model)) {
  directory_.write("ca.cnf",
                   "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=sha256\n"
                   "crlnumber=crlnumber\nunique_subject=no\ncrl_extensions=x\n"
                   "[x]\nauthorityKeyIdentifier=keyid:always\n[i]\nbasicConstraints=critical,"
                   "CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
                   "authorityKeyIdentifier=keyid:always\n");
  directory_.write("index.txt", "");
  directory_.write("crlnumber", "01\n");
  if (above != nullptr) {
    signBy(*above, name);
    return;
  }
  run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key "
      "-out ca.pem -subj '/CN=" +
      name + "' -days 30 -addext keyUsage=critical,keyCertSign,cRLSign");
}

void Maker::signBy(Maker& above, const std::string& name) {
  run("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out "
      "ca.csr -subj '/CN=" +
      name + "'");
  above.directory_.write("next.csr", directory_.read("ca.csr"));
  above.run(
      "openssl x509 -req -in next.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile "
      "ca.cnf -extensions i -out last.pem");
  directory_.write("ca.pem", above.directory_.read("last.pem"));
}

std::string Maker::certify(QuotedHost& host) {
  const std::string at = host.files().path() + "/";
  host.tpm().tools("tpm2_print -t TPM2B_PUBLIC -f pem " + at + "ek.pub > " + directory_.path() +
                   "/ek.pem");
  directory_.write("ek.cnf",
                   "[v]\nsubjectAltName=critical,dirName:tpm\nbasicConstraints=critical,"
                   "CA:FALSE\nextendedKeyUsage=2.23.133.8.1\nkeyUsage=critical,"
                   "keyAgreement,keyEncipherment\nauthorityKeyIdentifier=keyid\n"
                   "subjectKeyIdentifier=hash\n[tpm]\n1.2.23.133.2.1=id:53544D20\n"
                   "2.2.23.133.2.2=" +
                       model_ + "\n3.2.23.133.2.3=id:00010002\n");
  run("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout x.key -subj "
      "/CN=EK -out ek.csr && openssl x509 -req -in ek.csr -CA ca.pem -CAkey ca.key "
      "-CAcreateserial -days 30 -force_pubkey ek.pem -extfile ek.cnf -extensions v "
      "-out last.pem && openssl x509 -in last.pem -outform DER -out ek.crt");
  return directory_.read("ek.crt");
}

void Maker::revoke() {
  run("openssl ca -config ca.cnf -keyfile ca.key -cert ca.pem -revoke last.pem");
}

std::string Maker::crl(const std::string& dates) {
  run("openssl ca -config ca.cnf -keyfile ca.key -cert ca.pem -gencrl " + dates + " -out crl.pem");
  return directory_.read("crl.pem");
}

void Maker::run(const std::string& command) {
  const std::string whole = "cd '" + directory_.path() + "' && (" + command + ") 2> log";
  EXPECT_EQ(std::system(whole.c_str()), 0) << command << "\n" << directory_.read("log");
}

Files siliconEvidence(QuotedHost& host, const std::string& certificate) {
  std::size_t trailing = 0;
  const ipc::MeasureJob job = tpm::test::podJob();
  const tpm::EngineContext context{
      .mode = ipc::MeasureMode::Require,
      .anchor = "hardware",
      .tpm = "STM ",
      .before = {{tpm::kSha256, tpm::Bytes(32)}, {tpm::kSha384, tpm::Bytes(48)}},
      .resets = parseQuote(host.quote().at("quote"), trailing)->resets};
  const std::string log = host.extend({tpm::engineEvent(job.engine, context),
                                       tpm::policyEvent(job.engine), tpm::trustEvent(job.engine)});
  Files files = host.quote();
  files["events.cel"] = log;
  files["ek.crt"] = certificate;
  return files;
}

}  // namespace airlock::attest::test
