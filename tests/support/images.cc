// SPDX-License-Identifier: Apache-2.0
#include "tests/support/images.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

namespace airlock::test {

Signer::Signer() : Signer(Options{}) {}

Signer::Signer(const Options& options)
    : home_(options.home.empty() ? scratch_.path() : options.home), fakedTime_(options.created) {
  ::chmod(home_.c_str(), 0700);
  if (options.home.empty()) {
    gpg("--passphrase '' --quick-gen-key 'Test Signer <signer@example.test>' ed25519 sign " +
        options.expires);
  }
  for (const std::string& line : lines(gpg("--list-keys --with-colons"))) {
    if (line.starts_with("fpr:") && fingerprint_.empty())
      fingerprint_ = line.substr(line.find_first_not_of(':', 4));
  }
  fingerprint_ = fingerprint_.substr(0, 40);
  std::ranges::transform(fingerprint_, fingerprint_.begin(), ::tolower);
}

Signer::~Signer() { shell("GNUPGHOME=" + home_ + " gpgconf --kill all"); }

std::string Signer::gpg(const std::string& arguments) const {
  const std::string faked = fakedTime_.empty() ? "" : "--faked-system-time " + fakedTime_ + " ";
  return must("GNUPGHOME=" + home_ + " gpg -q --batch --yes --no-tty " + faked + arguments);
}

std::string Signer::publicKey() const { return gpg("--armor --export"); }

std::string Signer::sign(const std::string& file, const std::string& options) const {
  gpg(options + " --armor --output " + file + ".asc --detach-sign " + file);
  return file + ".asc";
}

std::string Signer::signMessage(const std::string& file, const std::string& options) const {
  gpg(options + " --output " + file + ".gpg --sign " + file);
  return readFile(file + ".gpg");
}

void Signer::revoke() {
  must("cd " + home_ +
       "; sed 's/^:-----BEGIN/-----BEGIN/' openpgp-revocs.d/*.rev > revocation.asc");
  gpg("--import " + home_ + "/revocation.asc");
}

std::string makeImage(const std::string& path, const ImageOptions& options) {
  const Scratch work;
  const std::string manifest =
      !options.manifest.empty()
          ? options.manifest
          : R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":")" + options.name +
                R"(","labels":[{"name":"version","value":")" + options.version +
                R"("},{"name":"os","value":"linux"},{"name":"arch","value":"amd64"}],)"
                R"("app":{"exec":["/bin/sh"],"user":"0","group":"0"}})";
  writeFile(work / "manifest", manifest);
  const std::string owner = options.archiver == "bsdtar" ? "--uid 0 --gid 0 --format pax"
                            : options.keepOwners         ? "--numeric-owner"
                                                         : "--owner=0 --group=0 --numeric-owner";
  must("cd " + work.path() +
       "\n"
       "mkdir -p rootfs/bin rootfs/etc rootfs/tmp rootfs/data\n"
       "chmod 1777 rootfs/tmp\n"
       "cp /bin/busybox rootfs/bin/\n"
       "for a in sh id ps cat ls true false echo sleep grep kill mkdir touch mount hostname env; "
       "do ln -s busybox rootfs/bin/$a; done\n"
       "echo root:x:0:0::/:/bin/sh > rootfs/etc/passwd\n" +
       options.prepare + "\n" + options.archiver + " " + owner +
       " -cf image.tar manifest rootfs\n" + options.compress + " < image.tar > " + path);
  return path;
}

std::string makeHostileImage(const std::string& path, const std::string& python) {
  const Scratch work;
  writeFile(
      work / "make.py",
      "import io, tarfile\n"
      "manifest = "
      "b'{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"example.test/tools/"
      "busybox\","
      "\"labels\":[{\"name\":\"version\",\"value\":\"1.35\"},{\"name\":\"os\",\"value\":\"linux\"},"
      "{\"name\":\"arch\",\"value\":\"amd64\"}]}'\n"
      "tar = tarfile.open('" +
          path +
          "', 'w:gz', format=tarfile.GNU_FORMAT)\n"
          "def add(name, kind=tarfile.REGTYPE, content=b'', link='', mode=0o644):\n"
          "    entry = tarfile.TarInfo(name)\n"
          "    entry.type, entry.linkname, entry.mode = kind, link, mode\n"
          "    if kind in (tarfile.CHRTYPE, tarfile.BLKTYPE): entry.devmajor, entry.devminor = 1, "
          "3\n"
          "    entry.size = len(content)\n"
          "    tar.addfile(entry, io.BytesIO(content))\n"
          "add('manifest', content=manifest)\n"
          "add('rootfs', tarfile.DIRTYPE, mode=0o755)\n" +
          python + "\ntar.close()\n");
  must("/usr/bin/python3 " + (work / "make.py"));
  return path;
}

}  // namespace airlock::test
