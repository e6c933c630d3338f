// SPDX-License-Identifier: Apache-2.0
// Pods whose apps come and go while they run: app sandbox, add, start, stop, rm, exec, list,
// status.
#include <regex>
#include <thread>

#include "tests/e2e/world.h"

namespace airlock::test {
namespace {

class Apps : public World {
 protected:
  static std::string trimmed(std::string text) {
    while (text.ends_with('\n')) text.pop_back();
    return text;
  }
  std::string sandbox(Who who, const std::string& flags = "") {
    return trimmed(done(who, "app sandbox --detach " + flags));
  }
  std::string add(Who who, const std::string& pod, const std::string& name,
                  const std::string& script, const std::string& flags = "") {
    return done(who, "app add " + pod + " " + kImage + " --name=" + name + " " + flags +
                         " -- -c '" + script + "'");
  }
  std::string stateOf(const std::string& pod, const std::string& app) {
    const std::string lines = done(Who::Root, "app status " + pod + " --app=" + app);
    std::smatch match;
    return std::regex_search(lines, match, std::regex("state=(.*)")) ? match[1].str() : lines;
  }
  bool becomes(const std::string& pod, const std::string& app, const std::string& state) {
    return eventually([&] { return stateOf(pod, app) == state; });
  }
  std::string logOf(Who who, const std::string& pod, const std::string& app) {
    return airlock(who, "logs --plain --app=" + app + " " + pod).out;
  }
  void collect() {
    done(Who::Root, "gc --grace-period=0s");
    done(Who::Root, "gc --grace-period=0s");
  }
};

TEST_F(Apps, ComeAndGoInAPodThatLivesWithoutThem) {
  fetch(Who::Alice);
  const HostState before = engine_->state();
  const std::string pod = sandbox(Who::Alice, "--hostname=box --user-label=tier=front");
  EXPECT_NE(done(Who::Alice, "status " + pod).find("state=running\n"), std::string::npos);
  EXPECT_EQ(done(Who::Alice, "app list " + pod), "NAME\tSTATE\n");
  EXPECT_TRUE(std::regex_search(done(Who::Alice, "list --no-legend"), std::regex("-\t.*running")));
  for (const char* command : {"enter ", "app exec ", "attach ", "logs "})
    EXPECT_NE(airlock(Who::Alice, command + pod).err.find("the pod has no app"), std::string::npos);
  EXPECT_EQ(done(Who::Alice, "cat-manifest --pretty-print=false " + pod)
                .find(R"({"acVersion":"0.8.11","acKind":"PodManifest","apps":[])"),
            0U);

  EXPECT_EQ(add(Who::Alice, pod, "web", "echo hello; hostname; exec sleep 1000"), "web\n");
  EXPECT_EQ(add(Who::Alice, pod, "job", "echo out; echo err >&2; exit 3"), "job\n");
  EXPECT_EQ(stateOf(pod, "web"), "created");
  done(Who::Alice, "app start " + pod + " --app=web");
  EXPECT_EQ(stateOf(pod, "web"), "running");
  EXPECT_TRUE(eventually([&] { return logOf(Who::Alice, pod, "web") == "hello\nbox\n"; }))
      << logOf(Who::Alice, pod, "web");
  done(Who::Alice, "app start " + pod + " --app=job");
  EXPECT_TRUE(becomes(pod, "job", "exited"));
  EXPECT_NE(done(Who::Alice, "app status " + pod + " --app=job").find("exit_code=3\n"),
            std::string::npos);
  EXPECT_NE(done(Who::Alice, "status " + pod).find("app-job=3\n"), std::string::npos);
  EXPECT_EQ(done(Who::Alice, "app exec --app=web " + pod + " hostname"), "box\n");

  // One is stopped, and the others stay.
  EXPECT_EQ(stateOf(pod, "web"), "running");
  done(Who::Alice, "app stop " + pod + " --app=web");
  EXPECT_EQ(stateOf(pod, "web"), "exited");
  EXPECT_NE(done(Who::Alice, "status " + pod).find("app-web=143\n"), std::string::npos);
  EXPECT_NE(done(Who::Alice, "status " + pod).find("state=running\n"), std::string::npos);
  const std::string manifest = done(Who::Alice, "cat-manifest --pretty-print=false " + pod);
  EXPECT_NE(manifest.find(R"("name":"job")"), std::string::npos) << manifest;
  done(Who::Alice, "app rm " + pod + " --app=job");
  EXPECT_EQ(done(Who::Alice, "app list --no-legend " + pod), "web\texited\n");

  done(Who::Alice, "stop " + pod);
  collect();
  EXPECT_TRUE(eventually([&] { return difference(before, engine_->state()).empty(); }))
      << difference(before, engine_->state());
}

// R01 to R16: what a pod that was run shows of its confinement, an added app and what enters it
// show.
TEST_F(Apps, R01_AreConfinedAsTheAppOfARunIs) {
  fetch(Who::Alice);
  const std::string look =
      "grep -E \"^(Uid|Gid|Groups|Cap.*|NoNewPrivs|Seccomp.*|Umask)\" /proc/self/status; "
      "cat /proc/self/attr/current 2>/dev/null; cat /proc/self/cgroup; "
      "ulimit -a; ls -la /dev /proc/sys/kernel/core_pattern | sed \"s/ [A-Z][a-z][a-z] .* / /\"; "
      "cut -d\" \" -f5,6 /proc/self/mountinfo; grep -c . /proc/kallsyms /proc/keys; ls /sys/fs "
      "/sys/module; "
      "cat /etc/hosts; id; env | grep -v -E \"SHLVL|PWD|OLDPWD\" | sort; "
      "ls /proc/1/root 2>&1; mount -t tmpfs none /tmp 2>&1; "
      "echo x 2>&1 > /proc/sys/kernel/hostname; ls -l /proc/self/fd | grep -c pipe";
  const std::string flags =
      " --readonly-rootfs --memory=64M --pids-limit=50 --user=7 --group=8 "
      "--seccomp=mode=remove,errno=EPERM,acct --supplementary-gids=9 ";
  const std::string run = trimmed(done(Who::Alice, std::string("run --detach --hostname=box ") +
                                                       kImage + " --name=app" + flags + "-- -c '" +
                                                       look + "; echo end; exec sleep 1000'"));
  EXPECT_TRUE(
      eventually([&] { return logOf(Who::Alice, run, "app").find("end\n") != std::string::npos; }));
  const std::string wanted = logOf(Who::Alice, run, "app");
  EXPECT_NE(wanted.find("NoNewPrivs:\t1\n"), std::string::npos) << wanted;
  EXPECT_NE(wanted.find("Seccomp_filters:\t2\n"), std::string::npos) << wanted;

  const std::string pod = sandbox(Who::Alice, "--hostname=box");
  add(Who::Alice, pod, "app", look + "; echo end; exec sleep 1000", flags);
  done(Who::Alice, "app start " + pod + " --app=app");
  EXPECT_TRUE(
      eventually([&] { return logOf(Who::Alice, pod, "app").find("end\n") != std::string::npos; }));
  EXPECT_EQ(logOf(Who::Alice, pod, "app"), wanted);

  const std::string status =
      " sh -c 'grep -E \"^(Uid|Gid|Groups|Cap.*|NoNewPrivs|Seccomp.*|Umask)\" /proc/self/status; "
      "cat /proc/self/cgroup; cut -d\" \" -f5,6 /proc/self/mountinfo'";
  EXPECT_EQ(done(Who::Alice, "app exec --app=app " + pod + status),
            done(Who::Alice, "enter " + run + status));
  // In the pod's group, each app in its own; what watches it is beside PID 1.
  const std::string cgroups = must("cd /sys/fs/cgroup; find . -path '*airlock-" + pod +
                                   "/*' -name cgroup.procs | while read f; do echo "
                                   "$(basename $(dirname $f)) $(wc -l < $f); done | sort");
  if (!cgroups.empty()) {
    EXPECT_EQ(cgroups, "airlock-" + pod + " 0\napp-app 1\ninit 2\n");
  }
  done(Who::Alice, "stop " + run + " " + pod);
}

TEST_F(Apps, ShareWhatAPodsAppsShareAndNothingElse) {
  fetch(Who::Alice);
  const std::string pod = sandbox(Who::Alice);
  add(Who::Alice, pod, "one",
      "echo shared > /dev/shm/f; echo own > /tmp/f; nc -l -p 7000 -e echo hi & exec sleep 1000");
  add(Who::Alice, pod, "two",
      "while ! nc 127.0.0.1 7000; do sleep 0.1; done; cat /dev/shm/f; cat /tmp/f 2>&1; ls /apps "
      "2>&1; exec sleep 1000");
  done(Who::Alice, "app start " + pod + " --app=one");
  done(Who::Alice, "app start " + pod + " --app=two");
  EXPECT_TRUE(eventually([&] { return lines(logOf(Who::Alice, pod, "two")).size() == 4; }));
  EXPECT_EQ(logOf(Who::Alice, pod, "two"),
            "hi\nshared\ncat: can't open '/tmp/f': No such file or directory\n"
            "ls: /apps: No such file or directory\n");
  done(Who::Alice, "stop --force " + pod);
}

TEST_F(Apps, KeepWhatTheyWroteWhenTheyAreStartedAgain) {
  fetch(Who::Alice);
  const std::string data = engine_->scratch("home") + "/data";
  must("mkdir " + data + "; echo mine > " + data + "/f; chown -R 4242:4242 " + data);
  const std::string pod = sandbox(Who::Alice, "--pod-name=box");
  EXPECT_EQ(done(Who::Alice, std::string("app add box ") + kImage +
                                 " --name=job --mnt-volume=name=d,kind=host,source=" + data +
                                 ",target=/data,readOnly=true "
                                 "--mnt-volume=name=e,kind=empty,target=/var/e -- -c 'cat /data/f; "
                                 "touch /data/x 2>&1; echo x >> /var/e/f; echo x >> /f; cat /f "
                                 "/var/e/f'"),
            "job\n");
  const std::string once = "mine\ntouch: /data/x: Read-only file system\n";
  done(Who::Alice, "app start box --app=job");
  EXPECT_TRUE(becomes(pod, "job", "exited"));
  EXPECT_EQ(logOf(Who::Alice, pod, "job"), once + "x\nx\n");
  done(Who::Alice, "app start box --app=job");
  EXPECT_TRUE(becomes(pod, "job", "exited"));
  EXPECT_EQ(logOf(Who::Alice, pod, "job"), once + "x\nx\n" + once + "x\nx\nx\nx\n");
  const std::string json = done(Who::Alice, "app status box --app=job --format=json");
  EXPECT_NE(json.find(R"("exit_code":0)"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("host_path":")" + data + "\""), std::string::npos) << json;
  EXPECT_EQ(done(Who::Alice, "app list --no-legend box"), "job\texited\n");
  EXPECT_NE(airlock(Who::Alice, "app stop box --app=job").err.find("is already stopped"),
            std::string::npos);
  done(Who::Alice, "app rm box --app=job");
  EXPECT_EQ(must("ls -A " + engine_->data() + "/pods/run/" + pod + "/added"), "");
  // What it was called is free again.
  add(Who::Alice, pod, "job", "cat /f 2>&1");
  done(Who::Alice, "app start box --app=job");
  EXPECT_TRUE(becomes(pod, "job", "exited"));
  EXPECT_EQ(logOf(Who::Alice, pod, "job"), "cat: can't open '/f': No such file or directory\n");
  // What an exited pod's added apps have left can be exported.
  done(Who::Alice, "stop box");
  const std::string file = engine_->scratch("home") + "/job.aci";
  done(Who::Alice, "export --app=job " + pod + " " + file);
  EXPECT_NE(must("tar tf " + file).find("rootfs/"), std::string::npos);
}

TEST_F(Apps, AreAttachedToAsThoseOfARun) {
  fetch(Who::Alice);
  const std::string pod = sandbox(Who::Alice);
  add(Who::Alice, pod, "echo", "read line; echo got $line",
      "--stdin=stream --stdout=stream --stderr=null");
  EXPECT_NE(airlock(Who::Alice, "attach --app=echo " + pod).err.find("isn't currently running"),
            std::string::npos);
  done(Who::Alice, "app start " + pod + " --app=echo");
  EXPECT_EQ(done(Who::Alice, "attach --mode=list --app=echo " + pod), "stdin\nstdout\n");
  const std::string typed = engine_->scratch("typed");
  writeFile(typed, "hi there\n");
  const Outcome attached =
      airlock(Who::Alice, "attach --mode=stdin,stdout --app=echo " + pod + " < " + typed);
  EXPECT_EQ(attached.code, 0) << attached.err;
  EXPECT_EQ(attached.out, "got hi there\n");
  EXPECT_TRUE(becomes(pod, "echo", "exited"));
  done(Who::Alice, "stop --force " + pod);
}

TEST_F(Apps, ThatCannotStartSayWhyAndStay) {
  fetch(Who::Alice);
  const std::string pod = sandbox(Who::Alice);
  done(Who::Alice, "app add " + pod + " " + kImage + " --name=bad --exec=/bin/nothing");
  const Outcome outcome = airlock(Who::Alice, "app start " + pod + " --app=bad");
  EXPECT_EQ(outcome.code, 254);
  EXPECT_NE(outcome.err.find("start: app \"bad\" did not start: app bad: "), std::string::npos)
      << outcome.err;
  EXPECT_EQ(lines(outcome.err).size(), 1U) << outcome.err;
  EXPECT_NE(done(Who::Alice, "status " + pod).find("state=running"), std::string::npos);
  done(Who::Alice, "app rm " + pod + " --app=bad");
  done(Who::Alice, "stop " + pod);
}

TEST_F(Apps, AreStoppedByTheirOwnSignalsAndWithTheirPod) {
  fetch(Who::Alice);
  const std::string pod = sandbox(Who::Alice);
  const std::string polite = "trap \"echo bye; exit 5\" TERM; echo up; while :; do sleep 0.1; done";
  add(Who::Alice, pod, "polite", polite);
  add(Who::Alice, pod, "deaf", "trap \"\" TERM; echo up; sleep 1000 & while :; do sleep 1; done");
  for (const char* app : {"polite", "deaf"}) {
    done(Who::Alice, "app start " + pod + " --app=" + app);
    EXPECT_TRUE(eventually([&] { return logOf(Who::Alice, pod, app) == "up\n"; }));
  }
  EXPECT_NE(airlock(Who::Alice, "app start " + pod + " --app=deaf").err.find("already running"),
            std::string::npos);
  EXPECT_NE(airlock(Who::Alice, "app rm " + pod + " --app=deaf").err.find("is running"),
            std::string::npos);
  done(Who::Alice, "app stop --force " + pod + " --app=deaf");
  EXPECT_NE(done(Who::Alice, "app status " + pod + " --app=deaf").find("exit_code=137\n"),
            std::string::npos);
  EXPECT_EQ(stateOf(pod, "polite"), "running");
  // Nothing of a stopped app is left, whoever its parent was.
  EXPECT_EQ(done(Who::Alice,
                 "app exec --app=polite " + pod + " sh -c 'ps | grep -c \"sleep 100[0]\"; true'"),
            "0\n");
  done(Who::Alice, "stop " + pod);
  EXPECT_EQ(logOf(Who::Alice, pod, "polite"), "up\nbye\n");
  EXPECT_NE(done(Who::Alice, "status " + pod).find("app-polite=5\n"), std::string::npos);
}

TEST_F(Apps, AreStartedByThePolicyAndTheKeysOfTheStart) {
  fetch(Who::Alice);
  const std::string pod = sandbox(Who::Alice);
  add(Who::Alice, pod, "web", "true");
  engine_->policy("10-no.policy", "deny user:4242 run image=example.test/tools\n");
  refused(Who::Alice, "app start " + pod + " --app=web", "is forbidden");
  must("rm " + engine_->config() + "/policy.d/10-no.policy");
  done(Who::Root, "trust remove --prefix=example.test/tools " + site_->signer().fingerprint());
  const Outcome untrusted = airlock(Who::Alice, "app start " + pod + " --app=web");
  EXPECT_EQ(untrusted.code, 254);
  EXPECT_NE(untrusted.err.find("trusted"), std::string::npos) << untrusted.err;
  EXPECT_EQ(stateOf(pod, "web"), "created");
  trust();
  done(Who::Alice, "app start " + pod + " --app=web");
  EXPECT_TRUE(becomes(pod, "web", "exited"));
  // Each start is in the log, as a pod's is, before it happens.
  const std::string log = done(Who::Root, "tpm log");
  EXPECT_TRUE(std::regex_search(log, std::regex("pod.*" + pod + "(.|\n)*web"))) << log;
  EXPECT_NE(airlock(Who::Root, "image rm " + std::string(kImage)).err.find("is used by pod"),
            std::string::npos);
  done(Who::Alice, "stop " + pod);
}

TEST_F(Apps, AreNotChangedInAPodThatIsImmutable) {
  fetch(Who::Alice);
  const std::string pod = trimmed(done(
      Who::Alice, std::string("run --detach ") + kImage + " --name=web --exec=/bin/sleep -- 1000"));
  for (const std::string& command :
       {"app add " + pod + " " + kImage + " --name=two", "app start " + pod + " --app=web",
        "app stop " + pod + " --app=web", "app rm " + pod + " --app=web"}) {
    const Outcome outcome = airlock(Who::Alice, command);
    EXPECT_EQ(outcome.code, 254);
    EXPECT_NE(outcome.err.find("is immutable: its apps are those it was started with"),
              std::string::npos)
        << outcome.err;
    EXPECT_EQ(lines(outcome.err).size(), 1U) << outcome.err;
  }
  EXPECT_EQ(done(Who::Alice, "app list --no-legend " + pod), "web\trunning\n");
  EXPECT_NE(done(Who::Alice, "app status " + pod).find("name=web\nstate=running\nimage_id=sha512-"),
            std::string::npos);
  EXPECT_NE(done(Who::Alice, "app exec " + pod + " id -u").find("0\n"), std::string::npos);
  done(Who::Alice, "stop --force " + pod);
  for (const auto& [arguments, words] : std::vector<std::pair<std::string, std::string>>{
           {"sandbox " + std::string(kImage), "a sandbox is started without an image"},
           {"sandbox --interactive", "no app that a terminal could be for"},
           {"sandbox --volume=v,kind=empty", "Give them to app add"},
           {"sandbox --port=a:tcp:80:127.0.0.1:80", "is not part of this version"},
           {"add x " + std::string(kImage) + " " + kImage, "must give only one app"},
           {"add x " + std::string(kImage) + " --mnt-volume=name=v,kind=empty", "needs a target"},
           {"add x --volume=v,kind=empty " + std::string(kImage), "--mnt-volume is the app's own"},
           {"add x " + std::string(kImage) + " --stdin=interactive", "no terminal of its caller's"},
           {"start " + pod, "is immutable"}}) {
    const Outcome outcome = airlock(Who::Alice, "app " + arguments);
    EXPECT_EQ(outcome.code, 254) << arguments;
    EXPECT_NE(outcome.err.find(words), std::string::npos) << arguments << ": " << outcome.err;
  }
}

TEST_F(Apps, StayInAForegroundSandboxUntilItsCallerGoes) {
  fetch(Who::Root);
  const std::string file = engine_->scratch("uuid");
  const std::string command = "app sandbox --net=host --uuid-file-save=" + file;
  std::optional<Outcome> outcome;
  std::thread caller([&] { outcome = airlock(Who::Root, "--debug " + command); });
  ASSERT_TRUE(eventually([&] { return exists(file) && readFile(file).size() == 36; }));
  const std::string pod = readFile(file);
  EXPECT_EQ(done(Who::Root,
                 "app add " + pod + " " + kImage +
                     " --name=web --stdout=null -- -c 'cat /etc/hosts; ls /sys; exec sleep 1000'"),
            "web\n");
  done(Who::Root, "app start --uuid-file=" + file + " --app=web");
  EXPECT_EQ(done(Who::Root, "app exec --app=web " + pod + " grep -c example.test /etc/hosts"),
            "1\n");
  done(Who::Root, "stop " + pod);
  caller.join();
  EXPECT_EQ(outcome->code, 0) << outcome->err;
  const std::string json = done(Who::Root, "list --format=json");
  EXPECT_NE(json.find(R"("state":"exited")"), std::string::npos) << json;
}

}  // namespace
}  // namespace airlock::test
