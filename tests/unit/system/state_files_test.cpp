#include "system/state_files.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pgcurfew {
namespace {

class Files : public testing::Test {
 protected:
  Files() {
    std::string pattern = testing::TempDir() + "state-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~Files() override { std::filesystem::remove_all(directory_); }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  Result<void> write(const std::string& name, const std::string& text = "some\ntext\n") {
    return StateFiles::in(directory_).write(name, text);
  }
  [[nodiscard]] Result<std::optional<std::string>> read(const std::string& name) const {
    return StateFiles::in(directory_).read(name);
  }
  [[nodiscard]] std::vector<std::string> names() const {
    return StateFiles::in(directory_).list(".gate").value_or(std::vector<std::string>());
  }
  [[nodiscard]] std::string path_of(const std::string& name) const { return directory_ + '/' + name; }
  [[nodiscard]] std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> found;
    for (const auto& file : std::filesystem::directory_iterator(directory_)) found.push_back(file.path());
    return found;
  }
  std::string directory_;
};

TEST_F(Files, HoldWhatWasWrittenLast) {
  ASSERT_TRUE(write("a.gate"));
  ASSERT_TRUE(write("b.gate", std::string("\0\xFF", 2)));
  ASSERT_TRUE(write("a.gate", "short"));
  EXPECT_EQ(read("a.gate").value(), "short");
  EXPECT_EQ(read("b.gate").value(), std::string("\0\xFF", 2));
  EXPECT_EQ(names().size(), 2U);
}

TEST_F(Files, AreGoneOnceTheyAreRemoved) {
  auto store = StateFiles::in(directory_);
  ASSERT_TRUE(write("a.gate"));
  ASSERT_TRUE(store.remove("a.gate"));
  ASSERT_TRUE(store.remove("a.gate"));
  EXPECT_EQ(read("a.gate").value(), std::nullopt);
  EXPECT_TRUE(files().empty());
}

TEST_F(Files, CanBeReadByNobodyElse) {
  ASSERT_TRUE(write("a.gate"));
  struct stat status {};
  ASSERT_EQ(stat(path_of("a.gate").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(Files, ThatACrashLeftUnfinishedAreNotListedAndNotInTheWay) {
  ASSERT_TRUE(write("a.gate"));
  std::ofstream(path_of("a.gate.new")) << "some text that is longer than what will be written";
  EXPECT_EQ(names().size(), 1U);
  ASSERT_TRUE(write("a.gate", "short"));
  EXPECT_EQ(read("a.gate").value(), "short");
  EXPECT_EQ(files().size(), 1U);
}

/// Objects in the place of one of our files; an open that waits for the other end of a pipe waits for ever.
class OddFiles : public Files, public testing::WithParamInterface<const char*> {
 protected:
  static void put(const std::string& path) {
    const std::string_view what = GetParam();
    if (what == "directory") {
      std::filesystem::create_directory(path);
    } else if (what == "link") {
      std::filesystem::create_symlink("/dev/zero", path);
    } else {
      ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    }
  }
  void SetUp() override { alarm(60); }
  void TearDown() override {
    alarm(0);
    if (reader_ >= 0) close(reader_);
  }
  /// Of a pipe: the other end, without which opening it to write fails at once.
  void open_other_end(const std::string& path) {
    if (std::string_view(GetParam()) == "pipe with a reader") {
      reader_ = open(path.c_str(), O_RDWR | O_NONBLOCK);
      ASSERT_EQ(::write(reader_, "x", 1), 1);
    }
  }

 private:
  int reader_ = -1;
};

TEST_P(OddFiles, InPlaceOfAFileAreRefused) {
  ASSERT_TRUE(write("other.gate"));
  const auto path = path_of("a.gate");
  put(path);
  open_other_end(path);
  EXPECT_EQ(names().size(), 2U);
  const auto text = read("a.gate");
  ASSERT_FALSE(text);
  EXPECT_NE(text.error().message.find(path), std::string::npos);
  EXPECT_TRUE(read("other.gate"));
}

TEST_P(OddFiles, InPlaceOfAFileToBeAreRefused) {
  const auto path = path_of("a.gate.new");
  put(path);
  open_other_end(path);
  const auto written = write("a.gate");
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message.find(path), std::string::npos);
  EXPECT_TRUE(names().empty());
}

INSTANTIATE_TEST_SUITE_P(All, OddFiles, testing::Values("pipe", "pipe with a reader", "directory", "link"),
                         [](const auto& value) {
                           std::string name = value.param;
                           std::replace(name.begin(), name.end(), ' ', '_');
                           return name;
                         });

TEST_F(Files, RootDoesNotEmptyAFileWithASecondName) {
  if (geteuid() != 0) GTEST_SKIP() << "not root";
  ASSERT_TRUE(write("a.gate"));
  ASSERT_EQ(link(path_of("a.gate").c_str(), path_of("b.gate.new").c_str()), 0);
  const auto written = write("b.gate");
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message.find("has a second name"), std::string::npos);
  EXPECT_EQ(read("a.gate").value(), "some\ntext\n");
}

TEST_F(Files, ThatCannotBeWrittenAreAnError) {
  auto nowhere = StateFiles::in(directory_ + "/nowhere");
  EXPECT_FALSE(nowhere.write("a.gate", "text"));
  EXPECT_FALSE(nowhere.list(".gate")) << "what stood there is not known to be gone";
  EXPECT_TRUE(files().empty());
}

/// Takes from root the right to write anywhere, as far as access() is concerned, which uses the real user id.
class NobodyInsteadOfRoot {
 public:
  NobodyInsteadOfRoot() { set_real_user(kNobody); }
  ~NobodyInsteadOfRoot() { set_real_user(0); }
  NobodyInsteadOfRoot(const NobodyInsteadOfRoot&) = delete;
  NobodyInsteadOfRoot& operator=(const NobodyInsteadOfRoot&) = delete;

 private:
  static constexpr uid_t kNobody = 65534;

  static void set_real_user(uid_t user) {
    if (geteuid() == 0 && setresuid(user, static_cast<uid_t>(-1), static_cast<uid_t>(-1)) != 0) std::abort();
  }
};

class StateDirectory : public Files {
 protected:
  StateDirectory() {
    for (const char* name : {"STATE_DIRECTORY", "XDG_STATE_HOME", "HOME"}) {
      const char* value = std::getenv(name);
      before_.emplace_back(name, value == nullptr ? "" : value);
    }
    unsetenv("STATE_DIRECTORY");
    unsetenv("XDG_STATE_HOME");
  }
  ~StateDirectory() override {
    for (const auto& [name, value] : before_) {
      if (value.empty()) {
        unsetenv(name.c_str());
      } else {
        setenv(name.c_str(), value.c_str(), 1);
      }
    }
  }
  StateDirectory(const StateDirectory&) = delete;
  StateDirectory& operator=(const StateDirectory&) = delete;

 private:
  std::vector<std::pair<std::string, std::string>> before_;
};

TEST_F(StateDirectory, IsTheOneOfTheServiceManager) {
  setenv("STATE_DIRECTORY", (directory_ + ":/elsewhere").c_str(), 1);
  EXPECT_EQ(find_state_directory(".gate").value_or(""), directory_);
}

TEST_F(StateDirectory, IsMadeBelowTheHomeIfThereIsNoOther) {
  if (std::filesystem::exists("/var/lib/pgcurfew")) GTEST_SKIP() << "pgcurfew is installed here";
  setenv("HOME", directory_.c_str(), 1);
  EXPECT_FALSE(find_state_directory(".gate", IfAbsent::kLeave));
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/.local"));
  EXPECT_EQ(find_state_directory(".gate").value_or(""), directory_ + "/.local/state/pgcurfew");
  EXPECT_EQ(find_state_directory(".gate", IfAbsent::kLeave), find_state_directory(".gate"));
  EXPECT_TRUE(std::filesystem::is_directory(directory_ + "/.local/state/pgcurfew"));
}

TEST_F(StateDirectory, ThatIsNamedButNotThereIsNotReplacedByAnother) {
  setenv("STATE_DIRECTORY", (directory_ + "/nowhere").c_str(), 1);
  setenv("HOME", directory_.c_str(), 1);
  EXPECT_FALSE(find_state_directory(".gate"));
}

TEST_F(StateDirectory, ThatIsNamedIsReadWithoutTheRightToWrite) {
  ASSERT_EQ(chmod(directory_.c_str(), 0555), 0);
  setenv("STATE_DIRECTORY", directory_.c_str(), 1);
  {
    const NobodyInsteadOfRoot nobody;
    EXPECT_NE(access(directory_.c_str(), W_OK), 0);
    EXPECT_EQ(find_state_directory(".gate").value_or(""), directory_);
  }
  ASSERT_EQ(chmod(directory_.c_str(), 0700), 0);
}

TEST_F(StateDirectory, ThatIsNowhereIsAnErrorWithAHint) {
  if (std::filesystem::exists("/var/lib/pgcurfew")) GTEST_SKIP() << "pgcurfew is installed here";
  setenv("HOME", "/proc", 1);
  EXPECT_FALSE(find_state_directory(".gate"));
  const auto found = StateFiles::in_state_directory(".gate").find();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().message, "there is no directory for the journal of gates");
  EXPECT_FALSE(found.error().hint.empty());
}

}  // namespace
}  // namespace pgcurfew
