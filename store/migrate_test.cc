// SPDX-License-Identifier: Apache-2.0
// Stores of every former format (tests/stores) become ours, whenever the process dies on the way.
#include "store/migrate.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/dependencies.h"
#include "store/store_for_test.h"

namespace airlock::store {
namespace {

class MigrateTest : public StoreTest {
 protected:
  // A store as the last engine of that format left it.
  void unpackFormat(int format) {
    const std::string archive = std::string(AIRLOCK_SOURCE_DIR) + "/tests/stores/format-" +
                                std::to_string(format) + ".tar.gz";
    ASSERT_EQ(::system(("tar --no-same-owner -xpzf " + archive + " -C " + path_).c_str()), 0);
  }
  std::string version() const {
    Fd top = sys::openPath(path_, O_RDONLY | O_DIRECTORY).value();
    return sys::readFile(top, name("VERSION"), 64).value();
  }
  void expectMigrated() {
    const Store store = open();
    EXPECT_EQ(version(), std::to_string(kFormatVersion) + "\n");
    EXPECT_EQ(store.images().value().size(), 2U);
    EXPECT_EQ(count("name"), 2U);
    const auto tiny = store.find(ImageName::parse("example.test/tiny").value(), {}).value();
    ASSERT_TRUE(tiny);
    EXPECT_EQ(labelValue(tiny->labels, "version"), "1.0");
    EXPECT_TRUE(tiny->dependencies.empty());
    EXPECT_TRUE(store.openTrees(*tiny));
    EXPECT_TRUE(store.openBlob(*tiny));
    EXPECT_NE(store.manifest(*tiny).value().find("example.test/tiny"), std::string::npos);
  }
};

TEST_F(MigrateTest, EveryFormerFormatBecomesOurs) {
  for (int format = kOldestFormat; format < kFormatVersion; ++format) {
    fs::remove_all(path_ + "/store");
    unpackFormat(format);
    ASSERT_EQ(version(), std::to_string(format) + "\n");
    expectMigrated();
    expectMigrated();  // and stays so
  }
}

TEST_F(MigrateTest, AReaderLeavesAnOldStoreAsItIs) {
  unpackFormat(1);
  const auto store = Store::openForReading(path_).value();
  ASSERT_TRUE(store);
  EXPECT_TRUE(store->find(ImageName::parse("example.test/data").value(), {}).value());
  EXPECT_EQ(version(), "1\n");
  EXPECT_FALSE(fs::exists(path_ + "/store/name"));
}

TEST_F(MigrateTest, ANewStoreHasOurFormat) {
  open();
  EXPECT_EQ(version(), std::to_string(kFormatVersion) + "\n");
}

TEST_F(MigrateTest, AFormatThatIsNoNumberIsRefusedAndLeftAlone) {
  for (const char* text : {"", "1", "one\n", "-1\n", "0\n", "01\n", "1\n2\n"}) {
    open();
    Fd top = sys::openPath(path_, O_RDONLY | O_DIRECTORY).value();
    ASSERT_TRUE(sys::replaceFile(top, name("VERSION"), text, 0644));
    EXPECT_EQ(Store::openForWriting(path_).error().code(), "E_STORE") << text;
    EXPECT_EQ(version(), text);
    fs::remove(path_ + "/VERSION");
  }
}

#ifdef AIRLOCK_TEST_HOOKS
TEST_F(MigrateTest, KilledAtAnyStepItIsFinishedByTheNextOpening) {
  for (const char* point : {"migrate-indexed", "migrate-synced"}) {
    fs::remove_all(path_ + "/store");
    unpackFormat(1);
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv("AIRLOCK_FAULT", point, 1);
      static_cast<void>(Store::openForWriting(path_));
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << point;
    EXPECT_EQ(version(), "1\n") << point;
    expectMigrated();
  }
}
#endif

}  // namespace
}  // namespace airlock::store
