// SPDX-License-Identifier: Apache-2.0
// What a person types about pods: prepared ones, manifests, names, what the apps find in them.
#include <regex>
#include <thread>

#include "base/syscall.h"
#include "tests/e2e/world.h"

namespace airlock::test {
namespace {

class Pods : public World {
 protected:
  static std::string trimmed(std::string text) {
    while (text.ends_with('\n')) text.pop_back();
    return text;
  }
  // An image of our own, signed as the site's are.
  std::string image(const std::string& name, const std::string& app, const std::string& prepare) {
    const std::string path = makeImage(
        engine_->scratch(name + ".aci"),
        {.prepare = prepare,
         .manifest =
             R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.test/tools/)" +
             name +
             R"(","labels":[{"name":"version","value":"1"},{"name":"os","value":"linux"},)"
             R"({"name":"arch","value":"amd64"}],"app":)" +
             app + "}",
         .keepOwners = true});
    site_->signer().sign(path);
    return path;
  }
  std::string idOf(const std::string& name) {
    for (const ipc::CatalogRecord& record : engine_->images())
      if (record.name.text() == name) return record.image.text();
    return "";
  }
};

TEST_F(Pods, ArePreparedNowAndRunLater) {
  fetch(Who::Alice);
  const std::string file = engine_->scratch("home") + "/uuid";
  const std::string pod = trimmed(
      done(Who::Alice, std::string("prepare --quiet --set-env=COLOUR=blue --uuid-file-save=") +
                           file + " " + kImage +
                           " --name=web --user-label=tier=front -- -c 'echo "
                           "$COLOUR; hostname; cat /etc/hosts /etc/resolv.conf; exit 3'"));
  ASSERT_EQ(pod.size(), 36U);
  EXPECT_EQ(readFile(file), pod);
  const std::string row = done(Who::Alice, "list --no-legend");
  EXPECT_TRUE(std::regex_search(row, std::regex("web\t.*prepared"))) << row;
  EXPECT_NE(done(Who::Alice, "status " + pod).find("state=prepared\n"), std::string::npos);
  EXPECT_EQ(airlock(Who::Alice, "enter " + pod).code, 254);
  EXPECT_NE(airlock(Who::Alice, "stop " + pod).err.find("is not running"), std::string::npos);

  const Outcome ran = airlock(Who::Alice,
                              "run-prepared --hostname=front --dns=192.0.2.1 --dns-search=a.test "
                              "--hosts-entry=192.0.2.2=db --uuid-file=" +
                                  file);
  EXPECT_EQ(ran.code, 3) << ran.err;
  EXPECT_EQ(ran.out,
            "blue\nfront\n127.0.0.1\tlocalhost front\n::1\tlocalhost ip6-localhost\n192.0.2.2\tdb\n"
            "search a.test\nnameserver 192.0.2.1\n")
      << ran.err;
  EXPECT_NE(done(Who::Alice, "status " + pod).find("state=exited\n"), std::string::npos);
  const Outcome again = airlock(Who::Alice, "run-prepared " + pod);
  EXPECT_EQ(again.code, 254);
  EXPECT_NE(again.err.find("pod \"" + pod + "\" is not prepared"), std::string::npos) << again.err;
  const std::string json = done(Who::Alice, "list --format=json");
  EXPECT_NE(json.find(R"("user_labels":{"tier":"front"})"), std::string::npos) << json;
}

TEST_F(Pods, ThatWerePreparedGoOnWithoutTheirCaller) {
  fetch(Who::Alice);
  const std::string pod = trimmed(done(
      Who::Alice, std::string("prepare ") + kImage + " --name=web -- -c 'echo up; sleep 1000'"));
  EXPECT_EQ(done(Who::Alice, "run-prepared --detach " + pod), pod + "\n");
  EXPECT_NE(done(Who::Alice, "status --wait-ready=10s " + pod).find("state=running\n"),
            std::string::npos);
  EXPECT_TRUE(eventually([&] { return airlock(Who::Alice, "logs --plain " + pod).out == "up\n"; }));
  done(Who::Alice, "stop --force " + pod);
}

TEST_F(Pods, AreReadyWhenTheirAppsRun) {
  fetch(Who::Root);
  const std::string file = image("slow",
                                 R"({"exec":["/bin/sleep","1000"],"user":"0","group":"0",)"
                                 R"("eventHandlers":[{"name":"pre-start","exec":["/bin/sh","-c",)"
                                 R"("while ! test -e /go/now; do sleep 0.1; done"]}]})",
                                 "true");
  done(Who::Root, "fetch " + file + " --signature=" + file + ".asc");
  must("mkdir " + engine_->scratch("go"));
  const std::string uuid = engine_->scratch("uuid");
  std::thread caller([&] {
    airlock(Who::Root, "run --uuid-file-save=" + uuid +
                           " --volume=go,kind=host,source=" + engine_->scratch("go") + " " +
                           idOf("example.test/tools/slow") + " --mount=volume=go,target=/go");
  });
  ASSERT_TRUE(eventually([&] { return exists(uuid) && readFile(uuid).size() == 36; }));
  const std::string pod = readFile(uuid);
  const std::string ready = engine_->data() + "/pods/run/" + pod + "/status/.ready";
  EXPECT_NE(done(Who::Root, "status --wait-ready=500ms " + pod).find("state=running"),
            std::string::npos);
  EXPECT_FALSE(exists(ready));
  writeFile(engine_->scratch("go") + "/now", "");
  done(Who::Root, "status --wait-ready " + pod);
  EXPECT_TRUE(exists(ready));
  done(Who::Root, "stop --force " + pod);
  caller.join();
}

TEST_F(Pods, OfSomebodyElseAreNotStartedWithOnesOwnRights) {
  fetch(Who::Alice);
  must("mkdir " + engine_->scratch("home") + "/data; chown 4242 " + engine_->scratch("home") +
       "/data");
  const std::string pod = trimmed(
      done(Who::Alice, "prepare --volume=d,kind=host,source=" + engine_->scratch("home") +
                           "/data " + kImage + " --mount volume=d,target=/data --exec=/bin/true"));
  const Outcome outcome = airlock(Who::Root, "run-prepared " + pod);
  EXPECT_EQ(outcome.code, 254);
  EXPECT_NE(outcome.err.find("would be opened with your rights"), std::string::npos) << outcome.err;
  EXPECT_EQ(airlock(Who::Alice, "run-prepared " + pod).code, 0);
}

TEST_F(Pods, AreExactlyWhatAManifestSays) {
  fetch(Who::Root);
  const std::string id = idOf("example.test/tools/busybox");
  const std::string file = engine_->scratch("pod.json");
  const auto manifest = [&](const std::string& apps, const std::string& rest) {
    writeFile(file,
              R"({"acVersion":"1.30.0","acKind":"PodManifest","apps":[)" + apps + "]" + rest + "}");
  };
  const auto app = [&](const std::string& name, const std::string& script,
                       const std::string& more) {
    return R"({"name":")" + name + R"(","image":{"id":")" + id.substr(0, 71) +
           R"("},"app":{"exec":["/bin/sh","-c",")" + script + R"("],"user":"0","group":"0"})" +
           more + "}";
  };
  manifest(
      app("one", "echo one; echo x > /shared/f", R"(,"mounts":[{"volume":"s","path":"/shared"}])") +
          "," +
          app("two", "touch /x || echo sealed",
              R"(,"readOnlyRootFS":true,"mounts":[{"volume":"own","path":"/own",)"
              R"("appVolume":{"name":"own","kind":"empty","mode":"0700"}}])"),
      R"(,"volumes":[{"name":"s","kind":"empty"}],"userAnnotations":{"a":"b"})");
  const std::string printed = done(Who::Root, "run --pod-manifest=" + file);
  EXPECT_NE(printed.find("one\n"), std::string::npos) << printed;
  EXPECT_NE(printed.find("sealed\n"), std::string::npos) << printed;
  const std::string pod = trimmed(done(Who::Root, "prepare --pod-manifest=" + file));
  const std::string kept = done(Who::Root, "cat-manifest --pretty-print=false " + pod);
  EXPECT_NE(kept.find("\"id\":\"" + id + "\""), std::string::npos) << "whole ids are kept";
  EXPECT_NE(kept.find(R"("userAnnotations":{"a":"b"})"), std::string::npos) << kept;
  EXPECT_EQ(airlock(Who::Root, "run-prepared " + pod).code, 0);

  for (const char* flag : {"--set-env=A=B ", "--inherit-env ", "--volume=v,kind=empty ",
                           "--port=http:80 ", "--local ", "--user-label=a=b "}) {
    refused(Who::Root, std::string("run ") + flag + "--pod-manifest=" + file,
            "conflicting flags set with --pod-manifest (see --help)");
  }
  refused(Who::Root, "prepare --pod-manifest=" + file + " " + kImage,
          "conflicting flags set with --pod-manifest (see --help)");
  manifest("", "");
  refused(Who::Root, "run --pod-manifest=" + file, "pod must contain at least one application");
  manifest(app("one", "true", ""), R"(,"ports":[{"name":"http","hostPort":8080}])");
  refused(Who::Root, "run --pod-manifest=" + file, "port \"http\" cannot be forwarded");
  manifest(app("one", "true", ""),
           R"(,"isolators":[{"name":"resource/memory","value":{"limit":"1G"}}])");
  refused(Who::Root, "run --pod-manifest=" + file, "isolator resource/memory of the whole pod");
  manifest(R"({"name":"one","image":{"id":"sha512-00"}})", "");
  refused(Who::Root, "run --pod-manifest=" + file, "app one: ");
}

TEST_F(Pods, CanBeCalledByTheirNames) {
  fetch(Who::Alice);
  const std::string pod = trimmed(done(
      Who::Alice, std::string("prepare --pod-name=front-end ") + kImage + " --exec=/bin/true"));
  EXPECT_NE(done(Who::Alice, "status front-end").find("name=front-end\n"), std::string::npos);
  const std::string table = done(Who::Alice, "list");
  EXPECT_NE(table.find("POD NAME"), std::string::npos) << table;
  EXPECT_NE(table.find("front-end"), std::string::npos) << table;
  refused(Who::Alice, std::string("prepare --pod-name=front-end ") + kImage, "has the name");
  done(Who::Alice, "run-prepared front-end");
  EXPECT_EQ(done(Who::Alice, "rm front-end"), "\"" + pod + "\"\n");
  EXPECT_EQ(done(Who::Alice, "list").find("POD NAME"), std::string::npos);
  done(Who::Alice, std::string("prepare --pod-name=front-end ") + kImage);
  // Nobody's pod can stand in for another by its name.
  const std::string beginning = pod.substr(0, 8);
  const std::string two =
      trimmed(done(Who::Alice, std::string("prepare ") + kImage + " --exec=/bin/true"));
  const std::string name = two.substr(0, 8);
  done(Who::Alice, "prepare --pod-name=" + name + " " + kImage);
  const Outcome outcome = airlock(Who::Alice, "status " + name);
  EXPECT_EQ(outcome.code, 254);
  EXPECT_NE(outcome.err.find("the beginning of another's UUID"), std::string::npos) << outcome.err;
}

TEST_F(Pods, EmptyVolumesBeginAsWhatTheImageHasThere) {
  trust();
  const std::string path = image(
      "seeded",
      R"({"exec":["/bin/sh"],"user":"0","group":"0","mountPoints":[{"name":"data","path":"/data"}]})",
      "mkdir -p rootfs/data/sub; echo hello > rootfs/data/sub/file; chmod 0640 "
      "rootfs/data/sub/file\n"
      "ln -s ../nowhere rootfs/data/link\n"
      "chown -hR 1000:2000 rootfs/data; chmod 2750 rootfs/data");
  const std::string script =
      " -- -c 'cd /data; ls -lnR . | grep -v total; ls -lnd .; cat sub/file; echo more > sub/new'";
  const Outcome outcome = airlock(Who::Root, "run " + path + script);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("warning: no volume specified for mount point \"data\", implicitly "
                             "creating an \"empty\" volume. This volume will be removed when the "
                             "pod is garbage-collected."),
            std::string::npos)
      << outcome.err;
  for (const char* expected : {"link -> ../nowhere", "hello\n"})
    EXPECT_NE(outcome.out.find(expected), std::string::npos) << outcome.out;
  EXPECT_TRUE(std::regex_search(outcome.out, std::regex("drwxr-s---.* 1000 +2000 .* \\.\n")))
      << outcome.out;
  EXPECT_TRUE(std::regex_search(outcome.out, std::regex("-rw-r----- +1 1000 +2000 .* file\n")))
      << outcome.out;
  // Who asks for an owner gets that one, with the same content; a host volume is left alone.
  const Outcome asked =
      airlock(Who::Root, "run --volume=data,kind=empty,uid=7,gid=8,mode=0711 " + path + script);
  EXPECT_TRUE(std::regex_search(asked.out, std::regex("drwx--x--x.* 7 +8 .* \\.\n"))) << asked.out;
  EXPECT_NE(asked.out.find("hello\n"), std::string::npos);
  must("mkdir " + engine_->scratch("host"));
  done(Who::Root, "run --volume=data,kind=host,source=" + engine_->scratch("host") + " " + path +
                      " -- -c 'ls -A /data | grep . && exit 1; exit 0'");
}

TEST_F(Pods, AnAppIsWhoItsImageAndTheFlagsSay) {
  trust();
  const std::string path = image(
      "who",
      R"({"exec":["/bin/sh","-c","id; pwd; echo $A $B $C $D"],"user":"web","group":"/owned",)"
      R"("supplementaryGIDs":[400,500],"workingDirectory":"/owned",)"
      R"("environment":[{"name":"A","value":"image"},{"name":"B","value":"image"},)"
      R"({"name":"C","value":"image"},{"name":"D","value":"image"}]})",
      "mkdir rootfs/owned; chown 70:80 rootfs/owned; chmod 755 rootfs/owned\n"
      "echo web:x:60:61::/:/bin/sh >> rootfs/etc/passwd; echo staff:x:90: > rootfs/etc/group");
  writeFile(engine_->scratch("env"), "# comment\n\nB=file\nC=file\nD=file\n");
  EXPECT_EQ(
      done(Who::Root, "run --set-env-file=" + engine_->scratch("env") +
                          " --set-env=C=flag --set-env=D=flag " + path + " --environment=D=app"),
      "uid=60(web) gid=80 groups=400,500\n/owned\nimage file flag app\n");
  EXPECT_EQ(done(Who::Root, "run " + path +
                                " --user=/owned --group=staff --supplementary-gids=5 "
                                "--working-dir=/ --exec=/bin/id"),
            "uid=70 gid=90(staff) groups=5\n");
  const Outcome nobody = airlock(Who::Root, "run " + path + " --user=nobody-here");
  EXPECT_EQ(nobody.code, 254);
  EXPECT_NE(nobody.err.find("nobody-here"), std::string::npos) << nobody.err;
  const std::string nothing = image("nothing", R"({"exec":[],"user":"0","group":"0"})", "");
  EXPECT_NE(airlock(Who::Root, "run " + nothing)
                .err.find("image \"example.test/tools/nothing\" has an empty \"exec\" (try "
                          "--exec=BINARY)"),
            std::string::npos);
}

TEST_F(Pods, ResolvConfAndHostsCanBeLeftOrReplaced) {
  trust();
  const std::string path = image("names", R"({"exec":["/bin/sh"],"user":"0","group":"0"})",
                                 "ln -s ../etc/hostname rootfs/etc/hosts\n"
                                 "echo nameserver 192.0.2.9 > rootfs/etc/resolv.conf");
  const std::string show = " -- -c 'cat /etc/resolv.conf; cat /etc/hosts'";
  EXPECT_EQ(done(Who::Root, "run --hostname=h " + path + show), "nameserver 192.0.2.9\nh\n");
  EXPECT_EQ(done(Who::Root, "run --hostname=h --dns=none --hosts-entry=192.0.2.3=x " + path + show),
            "nameserver 192.0.2.9\n127.0.0.1\tlocalhost h\n::1\tlocalhost "
            "ip6-localhost\n192.0.2.3\tx\n");
  EXPECT_EQ(done(Who::Root, "run --dns=host --hosts-entry=host " + path + show),
            must("cat /etc/resolv.conf /etc/hosts"));
  EXPECT_EQ(done(Who::Root,
                 "run --dns=192.0.2.7 --hostname=h " + path + " --readonly-rootfs=true" + show),
            "nameserver 192.0.2.7\nh\n");
}

TEST_F(Pods, ThatAreBrokenAreToldAfterTheOthers) {
  fetch(Who::Alice);
  const auto prepare = [&] {
    return trimmed(done(Who::Alice, std::string("prepare ") + kImage + " --exec=/bin/true"));
  };
  const std::string broken = prepare();
  const std::string whole = prepare();
  must("echo nonsense > " + engine_->data() + "/pods/prepared/" + broken + "/record");
  const Outcome listed = airlock(Who::Alice, "list --full --no-legend");
  EXPECT_EQ(listed.code, 0);
  EXPECT_EQ(lines(listed.out).size(), 1U) << listed.out;
  EXPECT_EQ(listed.out.substr(0, 36), whole);
  EXPECT_TRUE(std::regex_search(
      listed.err,
      std::regex("^1 error\\(s\\) encountered when listing pods:\n-{40}\npod \"" + broken +
                 "\": .*\n-{40}\nmisc:\n  airlock's appc version: 0.8.11\n-{40}\n$")))
      << listed.err;
  EXPECT_EQ(airlock(Who::Alice, "status " + broken).code, 254);
  EXPECT_EQ(airlock(Who::Alice, "rm " + broken).code, 254) << "nobody knows whose it was";
  done(Who::Root, "rm " + broken);
  EXPECT_EQ(airlock(Who::Alice, "list").err, "");
}

TEST_F(Pods, FlagsOfRktThatMeanNothingHereSaySo) {
  fetch(Who::Root);
  const std::string image = std::string(" ") + kImage + " --exec=/bin/true";
  EXPECT_NE(airlock(Who::Root, "run --no-overlay" + image).err.find("--no-overlay changes nothing"),
            std::string::npos);
  for (const char* flag :
       {"--private-users", "--ipc=private", "--ipc=auto",
        "--stage1-name=coreos.com/rkt/stage1-coreos:1.30.0", "--stage1-from-dir=stage1-coreos.aci"})
    EXPECT_EQ(done(Who::Root, std::string("run ") + flag + image), "") << flag;
  refused(Who::Root, "run --ipc=parent" + image, "--ipc=parent would let the pod at");
  refused(Who::Root, "run --stage1-name=coreos.com/rkt/stage1-fly" + image, "stage1-fly");
  refused(Who::Root, "run --stage1-hash=sha512-aa --stage1-name=stage1-coreos" + image,
          "sha512-aa");
  refused(Who::Root, "run --net=none --port=http:80" + image,
          "--port flag does not work with 'none' networking");
  refused(Who::Root, "run --net=host --port=http:80" + image,
          "--port flag does not work with 'host' networking");
  refused(Who::Root, "run --port=http" + image, "\"http\" is not in name:[ip:]port format");
  refused(Who::Root, "run --net=none --mds-register" + image,
          "--mds-register flag does not work with --net=none. Please use 'host', 'default' or an "
          "equivalent network");
  refused(Who::Root, "run --interactive" + image + " " + kImage,
          "interactive option only supports one image");
  refused(Who::Root, "run" + image + image, "multiple apps with name busybox");
  refused(Who::Root, "prepare --net=host" + image, "--net is said when the pod starts");
}

TEST_F(Pods, AreCollectedWithRktsMessages) {
  fetch(Who::Root);
  const std::string prepared =
      trimmed(done(Who::Root, std::string("prepare ") + kImage + " --exec=/bin/true"));
  done(Who::Root, std::string("run ") + kImage + " --exec=/bin/true");
  std::string exited;
  for (const std::string& row : lines(done(Who::Root, "list --no-legend --full")))
    if (row.find("\texited\t") != std::string::npos) exited = row.substr(0, 36);
  const Outcome marked = airlock(Who::Root, "gc --mark-only");
  EXPECT_EQ(marked.out, "");
  EXPECT_EQ(marked.err, "Moving pod \"" + exited + "\" to garbage\n");
  const Outcome waits = airlock(Who::Root, "gc");
  EXPECT_EQ(waits.out, "");
  EXPECT_EQ(waits.err,
            "Pod \"" + exited + "\" not removed: still within grace period (30m0s)\n");
  const Outcome swept = airlock(Who::Root, "gc --grace-period=0 --expire-prepared=0s");
  EXPECT_EQ(swept.code, 0);
  EXPECT_EQ(swept.err, "Moving expired prepared pod \"" + prepared + "\" to garbage\n");
  for (const std::string& pod : {exited, prepared})
    EXPECT_NE(swept.out.find("Garbage collecting pod \"" + pod + "\"\n"), std::string::npos);
  EXPECT_EQ(done(Who::Root, "list --no-legend"), "");
}

}  // namespace
}  // namespace airlock::test
