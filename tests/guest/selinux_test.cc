// SPDX-License-Identifier: Apache-2.0
// SELinux, enforcing: what an ordinary day of the engine needs is allowed, without one denial, and
// what docs/boundaries.md says about labels is denied.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/guest/selinux_questions.h"
#include "tests/guest/support.h"

namespace airlock::test {
namespace {

const std::string kRun = std::string("airlock run ") + kGuestImage;

class Selinux : public Guest {
 protected:
  // From here on denials() are new.
  void SetUp() override { before_ = denials().size(); }
  std::vector<std::string> newDenials() const {
    std::vector<std::string> all = denials();
    all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(before_));
    return all;
  }
  static Outcome unconfined(Who who, const std::string& script) {
    return as(
        who, "runcon unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023 sh -c '" + script + "'");
  }
  // A pod that sleeps; returns its UUID.
  static std::string sleeper(const std::string& options = "") {
    const std::string file = "/tmp/selinux-uuid";
    must("rm -f " + file);
    must("setsid airlock run --uuid-file-save=" + file + " " + options + " " + kGuestImage +
         " --exec=/bin/sleep -- 600 >/dev/null 2>&1 </dev/null & exit 0");
    EXPECT_TRUE(eventually([&] { return exists(file) && readFile(file).size() >= 36; }));
    const std::string pod = readFile(file).substr(0, 36);
    done(Who::Root, "airlock status --wait-ready=60s " + pod);
    return pod;
  }
  static std::string labelOf(const std::string& pod) {
    for (const std::string& line : lines(done(Who::Root, "airlock status " + pod)))
      if (line.starts_with("selinux=")) return line.substr(8);
    return {};
  }
  static std::string levelOf(const std::string& label) {
    return label.substr(label.find(":s0") + 1);
  }

 private:
  std::size_t before_ = 0;
};

TEST_F(Selinux, AnOrdinaryDayOfTheEngineMeetsNoDenial) {
  done(Who::Root, "airlock image verify " + std::string(kGuestImage));
  done(Who::Root, "airlock image list; airlock image cat-manifest " + std::string(kGuestImage));
  done(Who::Root, "airlock doctor");
  for (const Who who : {Who::Root, Who::Alice}) {
    done(who, kRun +
                  " -- -c 'id; ps; ls -l / /dev /proc /sys; cat /proc/meminfo /proc/net/dev; "
                  "echo x >/tmp/x; chmod 700 /tmp/x; mkdir /data/d; echo y >/dev/shm/y; mount'");
    EXPECT_EQ(done(who, kRun + " -- -c 'echo piped' | cat"), "piped\n");
    EXPECT_EQ(as(who, kRun + " -- -c 'exit 42'").code, 42);
    done(who, kRun + " --volume=v,kind=empty --mount=volume=v,target=/mnt -- -c 'echo x >/mnt/x'");
    done(who, kRun + " --name=one -- -c 'echo one' --- " + std::string(kGuestImage) +
                  " --name=two -- -c 'echo two; nc -l -p 99 -w 1; true'");
    done(who, "airlock list; airlock gc --grace-period=0s; airlock gc --grace-period=0s");
  }
  done(Who::Root, kRun + " --net=host -- -c 'cat /etc/resolv.conf /proc/net/dev; true'");
  const std::string pod = sleeper();
  EXPECT_EQ(done(Who::Root, "airlock enter " + pod + " /bin/sh -c 'cat /proc/self/attr/current'"),
            labelOf(pod) + std::string(1, '\0'));
  done(Who::Root, "airlock cat-manifest " + pod + "; airlock stop " + pod + "; airlock rm " + pod);
  done(Who::Root, "airlock tpm log");
  // Alice's own store, without the helper.
  done(Who::Alice,
       "airlock --dir=/home/alice/own --insecure-options=image fetch /run/fixture/busybox.aci");
  // As a login is: the policy's user, and every category.
  for (const Who who : {Who::Root, Who::Alice}) {
    const Outcome outcome = unconfined(who, kRun + " -- -c \"echo hello\"");
    EXPECT_EQ(outcome.out, "hello\n") << outcome.err;
    // Its pipes have every category, too.
    const Outcome piped =
        unconfined(who, "echo in | " + kRun + " -- -c \"cat; echo out; echo err >&2\" 2>&1 | cat");
    EXPECT_TRUE(piped.out.ends_with("\nin\nout\nerr\n")) << piped.out << piped.err;
  }
  const Outcome own = unconfined(
      Who::Alice,
      "airlock --dir=/home/alice/login --insecure-options=image fetch /run/fixture/busybox.aci");
  EXPECT_EQ(own.code, 0) << own.err;
  EXPECT_EQ(newDenials(), std::vector<std::string>());
}

// Pods that are prepared, detached, attached to, exported; images that are looked into.
TEST_F(Selinux, AnotherDayOfTheEngineMeetsNoDenialEither) {
  const std::string image(kGuestImage);
  for (const Who who : {Who::Root, Who::Alice}) {
    const std::string home = who == Who::Root ? "/root/" : "/home/alice/";
    const std::string prepared =
        done(who, "airlock prepare --volume=v,kind=empty --pod-name=later " + image +
                      " --mount=volume=v,target=/usr -- -c 'echo later; ls /usr'")
            .substr(0, 36);
    EXPECT_TRUE(done(who, "airlock run-prepared later").starts_with("later\n"));
    done(who, "airlock rm " + prepared);

    const std::string pod =
        done(who, "airlock run --detach --dns=192.0.2.1 --hosts-entry=192.0.2.2=other " + image +
                      " --stdin=stream --stdout=log --stderr=stream -- -c "
                      "'echo logged; read line; echo got $line >&2; echo kept >/kept'")
            .substr(0, 36);
    EXPECT_EQ(as(who, "echo typed | airlock attach --mode=stdin,stderr " + pod).err, "got typed\n");
    done(who, "airlock status --wait " + pod);
    EXPECT_EQ(done(who, "airlock logs --plain " + pod), "logged\n");
    done(who, "airlock export " + pod + " " + home + "kept.aci");
    done(who, "airlock rm " + pod + "; rm " + home + "kept.aci");

    const std::string terminal =
        done(who, "airlock run --detach " + image +
                      " --stdin=null --stdout=tty --stderr=null -- -c 'tty; sleep 1000'")
            .substr(0, 36);
    EXPECT_EQ(done(who, "airlock attach --mode=list " + terminal), "tty-out\n");
    done(who, "airlock stop " + terminal + "; airlock rm " + terminal);

    done(who, "airlock image export " + image + " " + home + "image.aci");
    done(who, "airlock image extract " + image + " " + home + "extracted");
    done(who, "airlock image render --rootfs-only " + image + " " + home + "rendered");
    EXPECT_EQ(done(who, "ls " + home + "extracted"), "manifest\nrootfs\n");
    done(who, "rm -r " + home + "image.aci " + home + "extracted " + home + "rendered");
    done(who, "airlock image gc --grace-period=24h; airlock config");
  }
  EXPECT_EQ(newDenials(), std::vector<std::string>());
}

// An archive of a layout with two layers, the second of which takes something of the first away.
std::string makeOciArchive(const std::string& path) {
  must(
      "rm -rf /tmp/oci; mkdir -p /tmp/oci/blobs/sha256 /tmp/one/bin /tmp/two; cd /tmp\n"
      "cp /bin/busybox one/bin; for a in sh cat ls sleep; do ln -sf busybox one/bin/$a; done\n"
      "echo 1 > one/first; echo 1 > one/gone; echo 2 > two/second; : > two/.wh.gone\n"
      "blob() { d=$(sha256sum < $1 | cut -d' ' -f1); cp $1 oci/blobs/sha256/$d; "
      "printf '{\"mediaType\":\"%s\",\"digest\":\"sha256:%s\",\"size\":%s}' $2 $d "
      "$(stat -c %s $1); }\n"
      "for l in one two; do tar --owner=0 --group=0 -C $l -czf $l.tar.gz .; done\n"
      "type=application/vnd.oci.image\n"
      "layers=$(blob one.tar.gz $type.layer.v1.tar+gzip),$(blob two.tar.gz "
      "$type.layer.v1.tar+gzip)\n"
      "printf '{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Cmd\":[\"/bin/ls\",\"/\"]"
      "},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:%064d\",\"sha256:%064d\"]}}' 1 2 > "
      "c\n"
      "printf '{\"schemaVersion\":2,\"mediaType\":\"%s\",\"config\":%s,\"layers\":[%s]}' "
      "$type.manifest.v1+json \"$(blob c $type.config.v1+json)\" \"$layers\" > m\n"
      "printf '{\"schemaVersion\":2,\"manifests\":[%s]}' \"$(blob m $type.manifest.v1+json)\" > "
      "oci/index.json\n"
      "printf '{\"imageLayoutVersion\":\"1.0.0\"}' > oci/oci-layout\n"
      "tar -C oci -cf " +
      path + " . && chmod a+r " + path);
  return "oci-archive:" + path;
}

TEST_F(Selinux, ADayWithLayersAndWithAppsThatComeAndGoMeetsNoDenial) {
  const std::string image = makeOciArchive("/tmp/layers.tar");
  // As systemd-tmpfiles makes it at boot, where there is one.
  must("install -d -m 0700 /var/cache/airlock; restorecon /var/cache/airlock");
  const std::string airlock = "airlock --insecure-options=image ";
  const std::string id = done(Who::Root, airlock + "fetch " + image).substr(0, 39);
  EXPECT_EQ(done(Who::Root, airlock + "run " + id + " --exec=/bin/cat -- /first /second"),
            "1\n2\n");
  EXPECT_EQ(as(Who::Root, airlock + "run " + id + " --exec=/bin/cat -- /gone").code, 1);
  done(Who::Root, "airlock image verify " + id + "; airlock image export " + id +
                      " /root/out.tar; airlock image render " + id +
                      " /root/rendered; rm -r "
                      "/root/out.tar /root/rendered");
  done(Who::Alice, "airlock --dir=/home/alice/layers --insecure-options=image fetch " + image);
  for (const Who who : {Who::Root, Who::Alice}) {
    const std::string box = done(who, "airlock app sandbox --detach --pod-name=box").substr(0, 36);
    EXPECT_EQ(done(who, "airlock app add box " + std::string(kGuestImage) +
                            " --name=one --exec=/bin/sleep -- 600"),
              "one\n");
    done(who,
         "airlock app start box --app=one; airlock app list box; airlock app status box "
         "--app=one");
    EXPECT_EQ(done(who, "airlock app exec --app=one box /bin/sh -c 'cat /proc/self/attr/current'"),
              labelOf(box) + std::string(1, '\0'));
    done(who, "airlock app stop box --app=one; airlock logs box; airlock app rm box --app=one");
    done(who, "airlock stop box; airlock status --wait " + box + "; airlock rm " + box);
  }
  done(Who::Root, "airlock gc --grace-period=0s; airlock image rm " + id);
  EXPECT_EQ(newDenials(), std::vector<std::string>());
}

TEST_F(Selinux, L01_EachPodHasTwoCategoriesThatNoOtherHas) {
  const std::string one = labelOf(sleeper());
  const std::string two = labelOf(sleeper());
  EXPECT_THAT(one, ::testing::MatchesRegex("system_u:system_r:airlock_pod_t:s0:c[0-9]+,c[0-9]+"));
  EXPECT_NE(one, two);
}

TEST_F(Selinux, APodReachesNeitherTpmNorKeysNorStoreNorLog) {
  const Peer peer;
  for (const Question& question : peer.questions()) {
    if (!question.name.starts_with("pod_")) continue;
    Answers answers = question.ask();
    EXPECT_EQ(answers["start:pod"], "ok") << question.name;
    for (const std::string& step : question.denied)
      EXPECT_EQ(answers[step], "EACCES") << question.name << " " << step;
  }
}

TEST_F(Selinux, K19_APodReachesNothingOfAnotherPod) {
  const Peer peer;
  const Question question = peer.questions().front();
  Answers answers = question.ask();
  EXPECT_EQ(answers["start:pod"], "ok");
  for (const std::string& step : question.denied) EXPECT_EQ(answers[step], "EACCES") << step;
  // Its own categories are the way in, so it is they that keep others out.
  Answers own = asPod("s0:c3,c4", question.denied);
  for (const std::string& step : question.denied) EXPECT_EQ(own[step], "ok") << step;
}

TEST_F(Selinux, L05_WhatAPodWroteIsItsOwnEvenInASharedVolume) {
  must(
      "mkdir -p /srv/shared; chmod 777 /srv/shared; chcon -t airlock_pod_file_t -l s0 /srv/shared");
  const std::string shared =
      " --volume=v,kind=host,source=/srv/shared --mount=volume=v,target=/mnt";
  done(Who::Root, kRun + shared + " -- -c 'echo secret >/mnt/a; chmod 666 /mnt/a; cat /mnt/a'");
  EXPECT_THAT(must("stat -c %C /srv/shared/a"), ::testing::HasSubstr("airlock_pod_file_t:s0:c"));
  const Outcome other = as(Who::Root, kRun + shared + " -- -c 'cat /mnt/a || echo x >/mnt/a'");
  EXPECT_NE(other.code, 0) << other.out;
  EXPECT_FALSE(other.out.contains("secret"));
}

TEST_F(Selinux, L05_TheUpperLayerHasThePodsLabel) {
  const Peer probes;
  const std::string pod = sleeper();
  const std::string label = labelOf(pod);
  done(Who::Root, "airlock enter " + pod + " /bin/sh -c 'echo x >/data/x'");
  const std::string upper =
      lines(must("echo /var/lib/airlock/pods/run/" + pod + "/upper/*/fs")).front();
  EXPECT_THAT(must("stat -c %C " + upper + "/data/x"), ::testing::HasSubstr(levelOf(label)));
  // Where another pod could look, if it ever got that far.
  must("mkdir -p /run/selinux/upper; chmod -R a+rwX " + upper);
  ASSERT_EQ(::mount(upper.c_str(), "/run/selinux/upper", nullptr, MS_BIND, nullptr), 0);
  const Steps steps = {"read:/run/selinux/upper/data/x", "write:/run/selinux/upper/data/x",
                       "create:/run/selinux/upper/data/y"};
  Answers other = asPod("s0:c1,c2", steps);
  Answers own = asPod(levelOf(label), steps);
  for (const std::string& step : steps) {
    EXPECT_EQ(other[step], "EACCES") << step;
    EXPECT_EQ(own[step], "ok") << step;
  }
  ::umount("/run/selinux/upper");
}

TEST_F(Selinux, VerifyMakesNoSocket) {
  Answers answers = asVerify({"tcp", "udp"});
  EXPECT_EQ(answers["tcp"], "EACCES");
  EXPECT_EQ(answers["udp"], "EACCES");
}

TEST_F(Selinux, FetchReadsNoKeyAndStillSpeaksToServers) {
  const Peer peer;
  for (const Question& question : peer.questions()) {
    if (question.name != "fetch_keys") continue;
    EXPECT_EQ(question.ask()[question.denied.front()], "EACCES");
  }
  EXPECT_EQ(asFetch({"tcp"})["tcp"], "ok");
}

TEST_F(Selinux, TheHelperCannotRewriteTheMeasurementLog) {
  const Peer peer;
  for (const Question& question : peer.questions()) {
    if (question.name != "helper_log") continue;
    Answers answers = question.ask();
    for (const std::string& step : question.denied) EXPECT_EQ(answers[step], "EACCES") << step;
  }
  EXPECT_EQ(
      asHelper({"read:/run/airlock/measure/events.cel"})["read:/run/airlock/measure/events.cel"],
      "ok");
}

TEST_F(Selinux, TheHelperCanOnlyAddToTheAuditRecord) {
  const Peer peer;
  for (const Question& question : peer.questions()) {
    if (question.name != "helper_audit") continue;
    Answers answers = question.ask();
    for (const std::string& step : question.denied) EXPECT_EQ(answers[step], "EACCES") << step;
  }
  const std::string record = "/var/lib/airlock/audit/record-000000000000.jsonl";
  EXPECT_EQ(must("stat -c %C " + record), "system_u:object_r:airlock_audit_t:s0\n");
  EXPECT_EQ(must("stat -c '%a %U %G' " + record), "640 root airlock-audit\n");
  // And it does add: the start that this suite began with is in it.
  EXPECT_NE(done(Who::Root, "airlock audit query --op=run --no-legend"), "");
}

TEST_F(Selinux, NobodyStartsWhatTheDesignHasNoArrowTo) {
  const Peer peer;
  for (const Question& question : peer.questions()) {
    if (!question.name.ends_with("_helper") && question.name != "stage1_label") continue;
    EXPECT_EQ(question.ask()[question.denied.front()], "EACCES") << question.name;
  }
}

}  // namespace
}  // namespace airlock::test
