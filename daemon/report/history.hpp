#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <nlohmann/json.hpp>

namespace pgcurfew {

/// The decisions that the record has, each with what became of it, in the order in which they were made.
class History {
 public:
  using Json = nlohmann::ordered_json;

  /// Takes the next line of the record. Lines that concern no decision are passed over.
  void take(std::string_view line);
  /// The same for a line that was parsed already.
  void take_event(const Json& event);

  /// *Shapes*: one object for each intent: `ts`, `server`, the fields of intent and outcome as in the log;
  /// then, as far as they are known, `effect` (of verified), `end` and `since_step_s` (of ended, in the last
  /// decision of its episode), `late` and `unkillable`, both true.
  [[nodiscard]] const std::vector<Json>& decisions() const { return decisions_; }

  /// One claim on one session: several claims can have the same id, that of the order that counted for all.
  using EpisodeName = std::tuple<std::string, std::string, std::string>;
  static EpisodeName episode_of(const Json& event);

 private:
  void begin(const Json& event);
  void finish_episode(const Json& event);
  [[nodiscard]] Json* decision_of(const Json& event);

  std::vector<Json> decisions_;
  std::map<std::string, std::size_t> by_id_;
  std::map<EpisodeName, std::size_t> by_episode_;  ///< the last decision of each that has not ended
};

/// The story of one gate, of which `of` is an event: what these events, in their order, say of it from its
/// closing to its opening, also under the names that its database had before and after.
std::vector<History::Json> story_of_gate(const std::vector<History::Json>& events, const History::Json& of);

/// On one line and in pure ASCII: other characters are escaped, and invalid UTF-8 is U+FFFD.
std::string to_ascii(const History::Json& json);

/// The text of a key; empty if there is none, or if it has another type.
std::string text_in(const History::Json& event, std::string_view key);
/// The number of a key; likewise.
std::optional<double> number_in(const History::Json& event, std::string_view key);

}  // namespace pgcurfew
