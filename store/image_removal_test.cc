// SPDX-License-Identifier: Apache-2.0
// Dependencies, and the end of images.
#include "store/image_removal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/limits.h"
#include "store/dependencies.h"
#include "store/store_for_test.h"

namespace airlock::store {
namespace {

constexpr std::uint64_t kDay = 24 * 60 * 60;
bool anybody(const ipc::CatalogRecord&) { return true; }

class ImageRemovalTest : public StoreTest {
 protected:
  PodDirectory pods() const { return PodDirectory::openForWriting(open().top()).value(); }
  ipc::CatalogRecord add(const Store& store, const std::string& name,
                         std::vector<ipc::Dependency> dependencies = {}) {
    auto image = staged(store, name, "1", name);
    image.record.dependencies = std::move(dependencies);
    const ipc::CatalogRecord record = image.record;
    EXPECT_TRUE(Store(Store::openForWriting(path_).value()).commit(std::move(image)));
    return record;
  }
  // As a pod in this folder uses it; one that lives, until `living_` is cleared.
  PodId use(const ipc::CatalogRecord& image, const std::string& folder) {
    const PodDirectory directory = pods();
    PodDirectory::Embryo embryo = directory.create().value();
    const ipc::PodRecord record{
        .pod = embryo.id,
        .createdAt = 1,
        .network = "none",
        .apps = {{AppName::parse("a").value(), image.image, image.name.text()}}};
    EXPECT_TRUE(sys::replaceFile(embryo.dir, name("record"), ipc::encode(record).value(), 0644));
    if (folder != "embryo") {
      fs::rename(path_ + "/pods/embryo/" + embryo.id.text(),
                 path_ + "/pods/" + folder + "/" + embryo.id.text());
    }
    living_.push_back(std::move(embryo.lock));
    return embryo.id;
  }
  // Last used so many seconds ago.
  void age(const ipc::CatalogRecord& image, time_t seconds) const {
    const std::string path = path_ + "/store/catalog/" + image.image.text();
    const timespec then{.tv_sec = ::time(nullptr) - seconds, .tv_nsec = 0};
    const timespec times[2] = {then, then};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  static ipc::Dependency part(const ipc::CatalogRecord& image, std::uint32_t depth = 1) {
    return {image.image, image.name, image.labels, {}, "", depth};
  }
  std::vector<Fd> living_;
  static ipc::WantedImage wanted(const std::string& name) {
    return {ImageName::parse(name).value(), "", {}, 0};
  }
};

TEST_F(ImageRemovalTest, DependenciesStandDirectlyBehindWhoAsksAndLaterOnesFirst) {
  const Store store = open();
  add(store, "x/b");
  const auto d = add(store, "x/d");
  add(store, "x/c", {part(d)});
  const auto resolved = resolveDependencies(store, {wanted("x/b"), wanted("x/c")}).value();
  EXPECT_TRUE(resolved.missing.empty());
  std::vector<std::pair<std::string, std::uint32_t>> order;
  for (const auto& each : resolved.dependencies) order.emplace_back(each.name.text(), each.depth);
  const decltype(order) expected = {{"x/c", 1}, {"x/d", 2}, {"x/b", 1}};
  EXPECT_EQ(order, expected);
}

TEST_F(ImageRemovalTest, WhatTheStoreLacksIsNamed) {
  const Store store = open();
  const auto gone = add(store, "x/gone");
  add(store, "x/c", {part(gone)});
  ASSERT_TRUE(store.remove(gone));
  const auto resolved = resolveDependencies(store, {wanted("x/b"), wanted("x/c")}).value();
  ASSERT_EQ(resolved.missing.size(), 2U);
  EXPECT_EQ(resolved.missing[0].name.text(), "x/gone");
  EXPECT_EQ(resolved.missing[0].id, gone.image.text());
  EXPECT_EQ(resolved.missing[1], wanted("x/b"));
}

TEST_F(ImageRemovalTest, ADependencyMustBeWhatTheManifestSaysOfIt) {
  const Store store = open();
  const auto b = add(store, "x/b");
  auto byId = wanted("x/b");
  byId.id = b.image.text().substr(0, 40);
  EXPECT_TRUE(findDependency(store, byId).value());
  auto otherName = byId;
  otherName.name = ImageName::parse("x/other").value();
  EXPECT_EQ(findDependency(store, otherName).error().code(), "E_DEPENDENCY");
  auto otherLabel = byId;
  otherLabel.labels = {{"version", "2"}};
  EXPECT_EQ(findDependency(store, otherLabel).error().code(), "E_DEPENDENCY");
  auto otherSize = byId;
  otherSize.size = b.blobBytes + 1;
  EXPECT_EQ(findDependency(store, otherSize).error().code(), "E_DEPENDENCY");
  auto missing = wanted("x/b");
  missing.labels = {{"version", "2"}};
  EXPECT_FALSE(findDependency(store, missing).value());
}

TEST_F(ImageRemovalTest, TooManyDependenciesAreRefused) {
  const Store store = open();
  std::vector<ipc::WantedImage> many;
  for (std::size_t i = 0; i <= limits::kDependencies; ++i) {
    add(store, "x/d" + std::to_string(i));
    many.push_back(wanted("x/d" + std::to_string(i)));
  }
  EXPECT_EQ(resolveDependencies(store, many).error().code(), "E_LIMIT");
}

TEST_F(ImageRemovalTest, AnImageOfAPodStaysUntilThePodHasEnded) {
  const Store store = open();
  for (const std::string folder : {"prepare", "run"}) {
    const auto image = add(store, "x/" + folder);
    const PodId pod = use(image, folder);
    const auto refused = removeImage(store, pods(), image.image);
    ASSERT_FALSE(refused) << folder;
    EXPECT_EQ(refused.error().code(), "E_IN_USE");
    EXPECT_NE(refused.error().text().find(pod.text()), std::string::npos);
    age(image, 10 * kDay);
    EXPECT_TRUE(collectImages(store, pods(), kDay, anybody).value().removed.empty()) << folder;
    living_.clear();
    EXPECT_TRUE(removeImage(store, pods(), image.image)) << folder;
  }
}

TEST_F(ImageRemovalTest, APreparedPodKeepsItsImageThoughNobodyHoldsItsLock) {
  const Store store = open();
  const auto image = add(store, "x/a");
  const PodId pod = use(image, "prepared");
  living_.clear();
  EXPECT_EQ(removeImage(store, pods(), image.image).error().hint(),
            "Remove that pod first: airlock rm " + pod.text());
  age(image, 10 * kDay);
  EXPECT_TRUE(collectImages(store, pods(), kDay, anybody).value().removed.empty());
}

TEST_F(ImageRemovalTest, WhatIsLeftOfAPodKeepsNoImage) {
  const Store store = open();
  for (const std::string folder : {"prepare", "run", "exited-garbage", "garbage"}) {
    const auto image = add(store, "x/" + folder);
    use(image, folder);
    living_.clear();
    age(image, 10 * kDay);
    EXPECT_EQ(collectImages(store, pods(), kDay, anybody).value().removed.size(), 1U) << folder;
  }
}

TEST_F(ImageRemovalTest, NoImageGoesWhileAPodStarts) {
  const Store store = open();
  const auto image = add(store, "x/a");
  auto pin = store.pin();
  ASSERT_TRUE(pin);
  std::atomic<bool> over = false;
  Result<void> removed;
  std::thread remover([&] {
    removed = removeImage(store, pods(), image.image);
    over = true;
  });
  use(image, "run");  // the record that names it comes while the pin is held
  EXPECT_FALSE(over);
  pin->reset();
  remover.join();
  EXPECT_EQ(removed.error().code(), "E_IN_USE");
}

TEST_F(ImageRemovalTest, WhatNobodyHasUsedForTheGracePeriodGoesWithAllItsFiles) {
  const Store store = open();
  const auto old = add(store, "x/old");
  const auto fresh = add(store, "x/fresh");
  const auto foreign = add(store, "x/foreign");
  age(old, 2 * kDay);
  age(foreign, 2 * kDay);
  const auto mine = [&](const ipc::CatalogRecord& record) { return record.image != foreign.image; };
  const auto collected = collectImages(store, pods(), kDay, mine).value();
  ASSERT_EQ(collected.removed.size(), 1U);
  EXPECT_EQ(collected.removed[0].image, old.image);
  EXPECT_EQ(collected.removed[0].name, "x/old:1");
  EXPECT_FALSE(collected.more);
  for (const char* folder : {"catalog", "manifest", "blob", "tree", "name"})
    EXPECT_EQ(count(folder), 2U) << folder;
  EXPECT_EQ(collectImages(store, pods(), 0, anybody).value().removed.size(), 2U);
  for (const char* folder : {"catalog", "manifest", "blob", "tree", "name"})
    EXPECT_EQ(count(folder), 0U) << folder;
}

TEST_F(ImageRemovalTest, ADependencyStaysWithTheImageThatWasRenderedWithIt) {
  const Store store = open();
  const auto base = add(store, "x/base");
  const auto top = add(store, "x/top", {part(base)});
  age(base, 2 * kDay);
  EXPECT_TRUE(collectImages(store, pods(), kDay, anybody).value().removed.empty());
  store.noteUse(top);
  EXPECT_GT(store.lastUsed(base), sys::wallClock() - std::int64_t{kDay} * 1'000'000'000);
  age(base, 2 * kDay);
  age(top, 2 * kDay);
  EXPECT_EQ(collectImages(store, pods(), kDay, anybody).value().removed.size(), 2U);
}

#ifdef AIRLOCK_TEST_HOOKS
TEST_F(ImageRemovalTest, KilledWhileCollectingEachImageIsThereOrGone) {
  const Store store = open();
  for (const char* name : {"x/a", "x/b", "x/c"}) add(store, name);
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("AIRLOCK_FAULT", "image-gc-removed", 1);
    static_cast<void>(collectImages(store, pods(), 0, anybody));
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(open().images().value().size(), 2U);
  for (const char* folder : {"manifest", "blob", "tree", "name"}) EXPECT_EQ(count(folder), 2U);
  EXPECT_EQ(collectImages(store, pods(), 0, anybody).value().removed.size(), 2U);
}
#endif

TEST_F(ImageRemovalTest, OneAnswerNamesOnlySoMany) {
  const Store store = open();
  const std::size_t many = limits::kCollectedImages + 3;
  for (std::size_t i = 0; i < many; ++i) add(store, "x/i" + std::to_string(i));
  const auto first = collectImages(store, pods(), 0, anybody).value();
  EXPECT_EQ(first.removed.size(), limits::kCollectedImages);
  EXPECT_TRUE(first.more);
  const auto second = collectImages(store, pods(), 0, anybody).value();
  EXPECT_EQ(second.removed.size(), 3U);
  EXPECT_FALSE(second.more);
}

}  // namespace
}  // namespace airlock::store
