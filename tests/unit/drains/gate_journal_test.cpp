#include "drains/gate_journal.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/memory_files.hpp"

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

class JournalEntries : public ::testing::Test {
 protected:
  GateJournal journal() { return GateJournal(files_); }
  testing::MemoryFiles files_;
};

TEST_F(JournalEntries, HoldWhatWasWritten) {
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

TEST_F(JournalEntries, HoldTheLatestOfEachGate) {
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

TEST_F(JournalEntries, OfAnotherClusterOrAnotherDatabaseAreOthersWhateverTheirNames) {
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

TEST_F(JournalEntries, OfADatabaseThatWasRenamedAreTheSame) {
  auto entry = some_entry();
  entry.oid = 16384;
  ASSERT_TRUE(journal().write(entry));
  entry.database = "orders_old";
  ASSERT_TRUE(journal().write(entry));
  EXPECT_EQ(journal().find(entry).value(), entry);
  EXPECT_EQ(files_.files.size(), 1U);
}

TEST_F(JournalEntries, OfOldAreReadAndRemovedThoughTheyNameNoCluster) {
  files_.files["main-1.6f7264657273.connection-limit.gate"] =
      "pgcurfew gate 1\nserver=main-1\ndatabase=orders\nkind=connection-limit\nstate=closed\n"
      "mark=limit=7 since=1 until=2 by=here drain=nightly\npooler_conninfo=\npooler_gate=\nend\n";
  const auto contents = journal().read();
  ASSERT_TRUE(contents);
  ASSERT_EQ(contents->entries.size(), 1U);
  auto expected = some_entry();
  expected.system_identifier.clear();
  expected.state = JournalState::kClosed;
  EXPECT_EQ(contents->entries[0], expected);
  ASSERT_TRUE(journal().write(contents->entries[0]));
  EXPECT_EQ(files_.files.size(), 1U);
  ASSERT_TRUE(journal().remove(contents->entries[0]));
  EXPECT_TRUE(files_.files.empty());
}

TEST_F(JournalEntries, AreGoneOnceTheyAreRemoved) {
  ASSERT_TRUE(journal().write(some_entry()));
  ASSERT_TRUE(journal().write(some_entry("other")));
  ASSERT_TRUE(journal().remove(some_entry()));
  ASSERT_TRUE(journal().remove(some_entry()));
  const auto contents = journal().read();
  ASSERT_EQ(contents->entries.size(), 1U);
  EXPECT_EQ(contents->entries[0].database, "other");
}

TEST_F(JournalEntries, TakeAnyNameOfADatabase) {
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

TEST_F(JournalEntries, CutAtAnyByteAreAnErrorAndTakeNoOtherWithThem) {
  ASSERT_TRUE(journal().write(some_entry()));
  const auto file = GateJournal::file_of(some_entry());
  ASSERT_TRUE(journal().write(some_entry("other")));
  const auto whole = files_.files.at(file);
  for (auto length = whole.size(); length-- > 0;) {
    files_.files[file] = whole.substr(0, length);
    const auto contents = journal().read();
    ASSERT_TRUE(contents);
    ASSERT_EQ(contents->entries.size(), 1U) << length;
    EXPECT_EQ(contents->entries[0].database, "other");
    ASSERT_EQ(contents->damaged.size(), 1U);
    EXPECT_NE(contents->damaged[0].message.find(file), std::string::npos);
  }
}

TEST_F(JournalEntries, AreFoundOneByOneUnlessTheyAreDamaged) {
  ASSERT_TRUE(journal().find(some_entry()));
  EXPECT_FALSE(*journal().find(some_entry()));
  ASSERT_TRUE(journal().write(some_entry()));
  EXPECT_EQ(journal().find(some_entry()).value(), some_entry());
  EXPECT_FALSE(journal().find(some_entry("other")).value());
  files_.files[GateJournal::file_of(some_entry("other"))] = "pgcurfew gate 1\n";
  const auto damaged = journal().find(some_entry("other"));
  ASSERT_FALSE(damaged);
  EXPECT_NE(damaged.error().message.find(journal().path_of(some_entry("other"))), std::string::npos);
  EXPECT_TRUE(journal().find(some_entry()));
}

TEST_F(JournalEntries, OfGarbageAreAnError) {
  for (const std::string text : {"", "\n", "garbage", "pgcurfew gate 2\n"}) {
    files_.files["x.gate"] = text;
    const auto contents = journal().read();
    EXPECT_TRUE(contents->entries.empty());
    EXPECT_EQ(contents->damaged.size(), 1U);
  }
}

TEST_F(JournalEntries, OfAnotherNameAreAnError) {
  ASSERT_TRUE(journal().write(some_entry()));
  auto file = files_.files.extract(files_.files.begin());
  file.key() = "copy.gate";
  files_.files.insert(std::move(file));
  const auto contents = journal().read();
  EXPECT_TRUE(contents->entries.empty());
  EXPECT_EQ(contents->damaged.size(), 1U);
}

TEST_F(JournalEntries, ThatCannotBeReadAreNotTakenForNoneAndTakeNoOtherWithThem) {
  ASSERT_TRUE(journal().write(some_entry()));
  ASSERT_TRUE(journal().write(some_entry("other")));
  const auto file = GateJournal::file_of(some_entry());
  files_.unreadable.insert(file);
  EXPECT_FALSE(journal().find(some_entry()));
  const auto contents = journal().read();
  ASSERT_TRUE(contents);
  EXPECT_EQ(contents->entries.size(), 1U);
  ASSERT_EQ(contents->damaged.size(), 1U);
  EXPECT_NE(contents->damaged[0].message.find(file), std::string::npos);
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

}  // namespace
}  // namespace pgcurfew
