#include "events/catalogue.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "events/fields.hpp"

namespace pgcurfew {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

TEST(Catalogue, HasEachKindInItsPlace) {
  const auto kinds = all_kinds();
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(kinds[i].kind), i) << kinds[i].name;
    EXPECT_EQ(&entry_of(kinds[i].kind), &kinds[i]);
    EXPECT_EQ(name_of(kinds[i].kind), kinds[i].name);
    EXPECT_THAT(std::string(kinds[i].name), MatchesRegex("[a-z_]+"));
    EXPECT_TRUE(names.insert(kinds[i].name).second) << kinds[i].name;
    EXPECT_FALSE(kinds[i].meaning.empty() || kinds[i].meaning.ends_with('.')) << kinds[i].name;
  }
  EXPECT_GE(names.size(), 60U);
}

TEST(Catalogue, HasAMessageIdOfItsOwnForEachKind) {
  std::set<std::string_view> ids;
  for (const auto& kind : all_kinds()) {
    EXPECT_THAT(std::string(kind.message_id), MatchesRegex("[0-9a-f]*"));
    EXPECT_EQ(kind.message_id.size(), 32U);
    EXPECT_TRUE(ids.insert(kind.message_id).second) << kind.name;
  }
}

TEST(Catalogue, OneNameHoldsTheSameInAllKinds) {
  std::map<std::string_view, FieldType> known;
  for (const auto& kind : all_kinds()) {
    std::set<std::string_view> own;
    for (const auto& field : kind.fields) {
      EXPECT_TRUE(own.insert(field.name).second) << kind.name << ": " << field.name;
      EXPECT_EQ(known.emplace(field.name, field.type).first->second, field.type) << field.name;
      EXPECT_EQ(field.name.ends_with("_s"), field.type == FieldType::kDuration) << field.name;
    }
  }
  for (const auto* head : {"ts", "level", "event", "message", "server", "id", "server_time"}) {
    EXPECT_FALSE(known.contains(head)) << head;
  }
}

TEST(Event, HasTheLevelOfItsKind) {
  EXPECT_EQ(Event(Kind::kServerDown).level, Level::kError);
  EXPECT_EQ(Event(Kind::kStopped, "stopped").message, "stopped");
}

TEST(Event, LeavesOutWhatIsNotThere) {
  Event event(Kind::kServerDown);
  event.add(field::kDetail, std::optional<std::string>());
  event.add(field::kHint, std::optional<std::string>("h"));
  event.add(Error{"e", {}, {}, "08006"});
  std::vector<std::string_view> names;
  for (const auto& field : event.fields) names.push_back(field.first);
  EXPECT_THAT(names, ::testing::ElementsAre("hint", "error", "sqlstate"));
}

TEST(FaultOf, FindsNothingWhereAllIsAsTheCatalogueHasIt) {
  Event event(Kind::kOutcome);
  event.add(field::kPid, 7);
  event.add(field::kQuery, RawQuery{"select 1"});
  event.level = Level::kWarning;
  EXPECT_EQ(fault_of(event), "");
}

TEST(FaultOf, NamesWhatTheCatalogueDoesNotHave) {
  Event level(Kind::kStopped);
  level.level = Level::kError;
  EXPECT_THAT(fault_of(level), HasSubstr("stopped is told at another level"));
  Event other(Kind::kStopped);
  other.add(field::kPid, 7);
  EXPECT_EQ(fault_of(other), "stopped has a field pid");
  Event twice(Kind::kOutcome);
  twice.add(field::kPid, 7);
  twice.add(field::kPid, 8);
  EXPECT_EQ(fault_of(twice), "outcome has pid twice");
  Event type(Kind::kOutcome);
  type.fields.emplace_back("pid", std::string("7"));
  EXPECT_EQ(fault_of(type), "pid of outcome holds something else");
}

}  // namespace
}  // namespace pgcurfew
