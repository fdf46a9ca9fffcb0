#include "policy/reader/backend_type.hpp"

#include <array>

#include "policy/grammar/grammar.hpp"
#include "policy/grammar/synonyms.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kFine = "";
constexpr std::string_view kLeader = "Its leader is judged instead.";
constexpr std::string_view kReplication = "Replication is never touched.";
constexpr std::string_view kDeaf = "It ignores these signals, or the server needs it.";

struct Known {
  std::string_view name;
  std::string_view reason;
};

constexpr std::array<Known, 22> kKnown{{
    {"client backend", kFine},
    {"autovacuum worker", kFine},
    {"parallel worker", kLeader},
    {"walsender", kReplication},
    {"walreceiver", kReplication},
    {"logical replication launcher", kReplication},
    {"logical replication worker", kReplication},
    {"logical replication apply worker", kReplication},
    {"logical replication tablesync worker", kReplication},
    {"logical replication parallel worker", kReplication},
    {"slotsync worker", kReplication},
    {"checkpointer", kDeaf},
    {"background writer", kDeaf},
    {"walwriter", kDeaf},
    {"walsummarizer", kDeaf},
    {"archiver", kDeaf},
    {"startup", kDeaf},
    {"logger", kDeaf},
    {"io worker", kDeaf},
    {"autovacuum launcher", kDeaf},
    {"standalone backend", kDeaf},
    {"dead-end client backend", kDeaf},
}};

}  // namespace

BackendTypeVerdict judge_backend_type(std::string_view name) {
  for (const auto& known : kKnown) {
    if (known.name != name) continue;
    if (known.reason.empty()) return {BackendTypeVerdict::Kind::kFine, {}};
    return {BackendTypeVerdict::Kind::kRefused, known.reason};
  }
  return {BackendTypeVerdict::Kind::kUnknown, {}};
}

std::string backend_type_hint(std::string_view written) {
  std::array<std::string_view, kKnown.size()> names;
  for (std::size_t i = 0; i < kKnown.size(); ++i) names[i] = kKnown[i].name;
  return did_you_mean(written, names, key_of(Mapping::kMatch, "backend_type").synonyms);
}

}  // namespace pgcurfew
