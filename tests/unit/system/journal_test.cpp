#include "system/journal.hpp"

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

JournalEntry some_entry(const std::string& database = "orders") {
  JournalEntry entry;
  entry.server = "main-1";
  entry.system_identifier = "7301234567890123456";
  entry.database = database;
  entry.kind = "connection-limit";
  entry.mark = "limit=7 since=1 until=2 by=here drain=nightly";
  return entry;
}

class JournalFiles : public testing::Test {
 protected:
  JournalFiles() {
    std::string pattern = testing::TempDir() + "journal-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~JournalFiles() override { std::filesystem::remove_all(directory_); }
  JournalFiles(const JournalFiles&) = delete;
  JournalFiles& operator=(const JournalFiles&) = delete;

  [[nodiscard]] Journal journal() const { return Journal(directory_); }
  [[nodiscard]] std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> found;
    for (const auto& file : std::filesystem::directory_iterator(directory_)) found.push_back(file.path());
    return found;
  }
  std::string directory_;
};

TEST_F(JournalFiles, HoldWhatWasWritten) {
  auto entry = some_entry();
  entry.pgbouncer_conninfo = "host='a b' password=x\ny\\z";
  entry.pgbouncer_gate = "pause";
  entry.pools = {"orders", "Orders \\too"};
  ASSERT_TRUE(journal().write(entry));
  ASSERT_TRUE(journal().write(some_entry("other")));
  auto contents = journal().read();
  ASSERT_TRUE(contents);
  EXPECT_TRUE(contents->damaged.empty());
  ASSERT_EQ(contents->entries.size(), 2U);
  EXPECT_EQ(std::count(contents->entries.begin(), contents->entries.end(), entry), 1);
}

TEST_F(JournalFiles, HoldTheLatestOfEachGate) {
  auto entry = some_entry();
  ASSERT_TRUE(journal().write(entry));
  entry.state = JournalState::kClosed;
  ASSERT_TRUE(journal().write(entry));
  auto pgbouncer = entry;
  pgbouncer.kind = "pgbouncer";
  ASSERT_TRUE(journal().write(pgbouncer));
  const auto contents = journal().read();
  ASSERT_EQ(contents->entries.size(), 2U);
  EXPECT_EQ(std::count(contents->entries.begin(), contents->entries.end(), entry), 1);
}

TEST_F(JournalFiles, OfAnotherClusterOrAnotherDatabaseAreOthersWhateverTheirNames) {
  std::vector<JournalEntry> entries(4, some_entry());
  entries[0].oid = 16384;
  entries[1].oid = 16385;
  entries[2].oid = 16384;
  entries[2].system_identifier = "7301234567890123457";
  entries[3].system_identifier.clear();
  for (const auto& entry : entries) ASSERT_TRUE(journal().write(entry));
  const auto contents = journal().read();
  ASSERT_TRUE(contents);
  EXPECT_TRUE(contents->damaged.empty());
  EXPECT_EQ(contents->entries.size(), entries.size());
  for (const auto& entry : entries) EXPECT_EQ(journal().find(entry).value(), entry);
}

TEST_F(JournalFiles, OfADatabaseThatWasRenamedAreTheSame) {
  auto entry = some_entry();
  entry.oid = 16384;
  ASSERT_TRUE(journal().write(entry));
  entry.database = "orders_old";
  ASSERT_TRUE(journal().write(entry));
  EXPECT_EQ(journal().find(entry).value(), entry);
  EXPECT_EQ(files().size(), 1U);
}

TEST_F(JournalFiles, OfOldAreReadAndRemovedThoughTheyNameNoCluster) {
  const auto file = directory_ + "/main-1.6f7264657273.connection-limit.gate";
  std::ofstream(file)
      << "pgcurfew gate 1\nserver=main-1\ndatabase=orders\nkind=connection-limit\nstate=closed\n"
         "mark=limit=7 since=1 until=2 by=here drain=nightly\npooler_conninfo=\npooler_gate=\nend\n";
  const auto contents = journal().read();
  ASSERT_TRUE(contents);
  ASSERT_EQ(contents->entries.size(), 1U);
  auto expected = some_entry();
  expected.system_identifier.clear();
  expected.state = JournalState::kClosed;
  EXPECT_EQ(contents->entries[0], expected);
  ASSERT_TRUE(journal().write(contents->entries[0]));
  EXPECT_EQ(files().size(), 1U);
  ASSERT_TRUE(journal().remove(contents->entries[0]));
  EXPECT_TRUE(files().empty());
}

TEST_F(JournalFiles, AreGoneOnceTheyAreRemoved) {
  ASSERT_TRUE(journal().write(some_entry()));
  ASSERT_TRUE(journal().write(some_entry("other")));
  ASSERT_TRUE(journal().remove(some_entry()));
  ASSERT_TRUE(journal().remove(some_entry()));
  const auto contents = journal().read();
  ASSERT_EQ(contents->entries.size(), 1U);
  EXPECT_EQ(contents->entries[0].database, "other");
}

TEST_F(JournalFiles, CanBeReadByNobodyElse) {
  ASSERT_TRUE(journal().write(some_entry()));
  struct stat status {};
  ASSERT_EQ(stat(files().at(0).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(JournalFiles, TakeAnyNameOfADatabase) {
  std::string all_bytes;
  for (int byte = 1; byte < 64; ++byte) all_bytes += static_cast<char>(byte);
  for (const auto& name : {all_bytes, std::string(63, '/'), std::string(63, '\xFF'), std::string("../x"),
                           std::string("\\5c"), std::string("a\nend\n")}) {
    ASSERT_TRUE(journal().write(some_entry(name)));
    const auto contents = journal().read();
    ASSERT_EQ(contents->entries.size(), 1U) << contents->damaged.size();
    EXPECT_EQ(contents->entries[0].database, name);
    ASSERT_TRUE(journal().remove(some_entry(name)));
  }
}

TEST_F(JournalFiles, CutAtAnyByteAreAnErrorAndTakeNoOtherWithThem) {
  ASSERT_TRUE(journal().write(some_entry()));
  const auto file = files().at(0);
  ASSERT_TRUE(journal().write(some_entry("other")));
  const auto size = std::filesystem::file_size(file);
  for (auto length = size; length-- > 0;) {
    std::filesystem::resize_file(file, length);
    const auto contents = journal().read();
    ASSERT_TRUE(contents);
    ASSERT_EQ(contents->entries.size(), 1U) << length;
    EXPECT_EQ(contents->entries[0].database, "other");
    ASSERT_EQ(contents->damaged.size(), 1U);
    EXPECT_NE(contents->damaged[0].message.find(file.string()), std::string::npos);
  }
}

TEST_F(JournalFiles, AreFoundOneByOneUnlessTheyAreDamaged) {
  ASSERT_TRUE(journal().find(some_entry()));
  EXPECT_FALSE(*journal().find(some_entry()));
  ASSERT_TRUE(journal().write(some_entry()));
  EXPECT_EQ(journal().find(some_entry()).value(), some_entry());
  EXPECT_FALSE(journal().find(some_entry("other")).value());
  std::ofstream(journal().path_of(some_entry("other"))) << "pgcurfew gate 1\n";
  const auto damaged = journal().find(some_entry("other"));
  ASSERT_FALSE(damaged);
  EXPECT_NE(damaged.error().message.find(journal().path_of(some_entry("other"))), std::string::npos);
  EXPECT_TRUE(journal().find(some_entry()));
}

TEST_F(JournalFiles, OfGarbageAreAnError) {
  for (const std::string text : {"", "\n", "garbage", "pgcurfew gate 2\n"}) {
    std::ofstream(directory_ + "/x.gate") << text;
    const auto contents = journal().read();
    EXPECT_TRUE(contents->entries.empty());
    EXPECT_EQ(contents->damaged.size(), 1U);
  }
}

TEST_F(JournalFiles, OfAnotherNameAreAnError) {
  ASSERT_TRUE(journal().write(some_entry()));
  std::filesystem::rename(files().at(0), directory_ + "/copy.gate");
  const auto contents = journal().read();
  EXPECT_TRUE(contents->entries.empty());
  EXPECT_EQ(contents->damaged.size(), 1U);
}

TEST_F(JournalFiles, ThatACrashLeftUnfinishedAreNoEntries) {
  ASSERT_TRUE(journal().write(some_entry()));
  std::ofstream(files().at(0).string() + ".new") << "pgcurfew ga";
  EXPECT_EQ(journal().read()->entries.size(), 1U);
  EXPECT_TRUE(journal().read()->damaged.empty());
  ASSERT_TRUE(journal().write(some_entry()));
  EXPECT_EQ(files().size(), 1U);
}

/// What may stand where a file of ours should; an open that waits for the other end of a pipe waits for ever.
class OddFiles : public JournalFiles, public testing::WithParamInterface<const char*> {
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

TEST_P(OddFiles, InPlaceOfAnEntryAreRefusedAndTakeNoOtherWithThem) {
  ASSERT_TRUE(journal().write(some_entry("other")));
  const auto path = journal().path_of(some_entry());
  put(path);
  open_other_end(path);
  const auto contents = journal().read();
  ASSERT_TRUE(contents);
  EXPECT_EQ(contents->entries.size(), 1U);
  ASSERT_EQ(contents->damaged.size(), 1U);
  EXPECT_NE(contents->damaged[0].message.find(path), std::string::npos);
  EXPECT_FALSE(journal().find(some_entry()));
}

TEST_P(OddFiles, InPlaceOfAnEntryToBeAreRefused) {
  const auto path = journal().path_of(some_entry()) + ".new";
  put(path);
  open_other_end(path);
  const auto written = journal().write(some_entry());
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message.find(path), std::string::npos);
  EXPECT_TRUE(journal().read()->entries.empty());
}

INSTANTIATE_TEST_SUITE_P(All, OddFiles, testing::Values("pipe", "pipe with a reader", "directory", "link"),
                         [](const auto& value) {
                           std::string name = value.param;
                           std::replace(name.begin(), name.end(), ' ', '_');
                           return name;
                         });

TEST_F(JournalFiles, ThatCannotBeWrittenAreAnErrorAndLeaveWhatWasThere) {
  const Journal nowhere(directory_ + "/nowhere");
  EXPECT_FALSE(nowhere.write(some_entry()));
  EXPECT_FALSE(nowhere.read()) << "what stood there is not known to be gone";
  const auto path = files();
  EXPECT_TRUE(path.empty());
}

TEST(JournalText, RefusesAnyLineThatIsMissing) {
  const auto text = journal_text(some_entry());
  ASSERT_TRUE(parse_journal_text(text));
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = text.find('\n', begin) + 1;
    EXPECT_FALSE(parse_journal_text(text.substr(0, begin) + text.substr(end))) << begin;
    begin = end;
  }
  EXPECT_FALSE(parse_journal_text(text + "x"));
}

/// Takes from root the right to write anywhere, as far as access() goes: that asks who we really are.
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

class StateDirectory : public JournalFiles {
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
  EXPECT_EQ(find_state_directory().value_or(""), directory_);
}

TEST_F(StateDirectory, IsMadeBelowTheHomeIfThereIsNoOther) {
  if (std::filesystem::exists("/var/lib/pgcurfew")) GTEST_SKIP() << "pgcurfew is installed here";
  setenv("HOME", directory_.c_str(), 1);
  EXPECT_EQ(find_state_directory().value_or(""), directory_ + "/.local/state/pgcurfew");
  EXPECT_TRUE(std::filesystem::is_directory(directory_ + "/.local/state/pgcurfew"));
}

TEST_F(StateDirectory, ThatIsNamedButNotThereIsNotReplacedByAnother) {
  setenv("STATE_DIRECTORY", (directory_ + "/nowhere").c_str(), 1);
  setenv("HOME", directory_.c_str(), 1);
  EXPECT_FALSE(find_state_directory());
}

TEST_F(StateDirectory, ThatIsNamedIsReadWithoutTheRightToWrite) {
  ASSERT_EQ(chmod(directory_.c_str(), 0555), 0);
  setenv("STATE_DIRECTORY", directory_.c_str(), 1);
  {
    const NobodyInsteadOfRoot nobody;
    EXPECT_NE(access(directory_.c_str(), W_OK), 0);
    EXPECT_EQ(find_state_directory().value_or(""), directory_);
  }
  ASSERT_EQ(chmod(directory_.c_str(), 0700), 0);
}

TEST_F(StateDirectory, ThatIsNowhereIsAnErrorWithAHint) {
  if (std::filesystem::exists("/var/lib/pgcurfew")) GTEST_SKIP() << "pgcurfew is installed here";
  setenv("HOME", "/proc", 1);
  const auto found = find_state_directory();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().message, "there is no directory for the journal");
  EXPECT_FALSE(found.error().hint.empty());
}

}  // namespace
}  // namespace pgcurfew
