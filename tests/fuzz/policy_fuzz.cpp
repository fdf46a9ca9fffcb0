// The reader of files: bytes as a main file with drop-ins (parts end in a NUL, which no file may hold), and
// as a file of rules on its own.
#include <vector>

#include "fuzz.hpp"
#include "policy/prose/describe.hpp"
#include "policy/prose/describe_drain.hpp"
#include "policy/reader/load.hpp"

namespace {

using namespace pgcurfew;
using fuzz::require;

std::size_t count_of_lines(std::string_view text) {
  return 1 + static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

void check_place(const Diagnostic& said, const std::vector<Source>& files) {
  for (const auto& file : files) {
    if (file.name != said.place.file) continue;
    require(said.place.line <= count_of_lines(file.text), "a line is one of the file");
    if (said.place.line == 0) return;
    auto rest = std::string_view(file.text);
    std::string_view line;
    for (std::size_t i = 0; i < said.place.line; ++i) line = fuzz::next_part(rest, '\n');
    require(said.place.column >= 1 && said.place.column <= line.size() + 1, "a column is one of the line");
    return;
  }
  require(false, "a place is in one of the files");
}

void check_shown(const Diagnostic& said) {
  require(!said.message.empty(), "a diagnostic has a message");
  const auto shown = render(said);
  require(shown.ends_with('\n'), "it ends with a line");
  require(count_of_lines(shown) <= 5, "it has the message, the line, the caret and the hint");
  auto without_breaks = shown;
  without_breaks.erase(std::remove(without_breaks.begin(), without_breaks.end(), '\n'), without_breaks.end());
  require(fuzz::is_harmless(without_breaks), "it is harmless");
}

bool is_hex(std::string_view text, std::size_t size) {
  return text.size() == size && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

void check_policy(const Policy& policy) {
  require(is_hex(policy.version, 12), "a policy has a version");
  for (const auto& rule : policy.rules) {
    require(is_hex(rule.fingerprint, 16), "a rule has a fingerprint");
    require(!rule.name.empty() && !rule.escalate.empty(), "a rule has a name and a ladder");
    require(!rule.match.conditions.empty() || !rule.match.ages.empty(), "a rule has a condition");
    require(fuzz::is_harmless(sentence_of(rule)), "a sentence is harmless");
    require(rule.mode == milder(rule.mode, policy.mode), "no rule is stricter than the file");
    require(rule.hours.is_empty() || !rule.hours.during.empty() || !rule.hours.not_during.empty(),
            "hours are hours");
    // some day in 2026
    (void)rule.hours.next_open(ServerTime(std::chrono::hours(24 * 365 * 26)));
  }
  for (const auto& drain : policy.drains) {
    require(!drain.name.empty() && !drain.databases.empty(), "a drain has a name and databases");
    require(drain.mode == milder(drain.mode, policy.mode), "no drain is stricter than the file");
    require((drain.gate == GateKind::kPgbouncer) == !drain.pgbouncer_conninfo.empty(),
            "a PgBouncer is its gate");
    require(fuzz::is_harmless(sentence_of(drain, ServerTime(std::chrono::hours(24 * 365 * 26)))),
            "a sentence is harmless");
    for (const auto& exception : drain.except) require(exception.match.ages.empty(), "who stays has no age");
  }
  for (const auto& match : policy.protect)
    require(fuzz::is_harmless(phrase_of(match)), "a phrase is harmless");
}

void check(const LoadResult& loaded, const LoadResult& again, const std::vector<Source>& files) {
  bool has_error = false;
  for (const auto& said : loaded.diagnostics) {
    has_error = has_error || said.severity == Severity::kError;
    check_place(said, files);
    check_shown(said);
  }
  require(has_error == loaded.has_errors(), "a policy comes back just if there is no error");
  if (loaded.policy) check_policy(*loaded.policy);
  require(loaded.diagnostics.size() == again.diagnostics.size(), "the same files say the same");
  require(loaded.policy.has_value() == again.policy.has_value(), "the same files are taken again");
  if (!loaded.policy) return;
  for (std::size_t i = 0; i < loaded.policy->rules.size(); ++i) {
    require(loaded.policy->rules[i].fingerprint == again.policy->rules[i].fingerprint, "fingerprints stay");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto rest = fuzz::text_of(data, size);
  const Source main{"main.yaml", std::string(fuzz::next_part(rest, '\0'))};
  std::vector<Source> drop_ins;
  while (!rest.empty() && drop_ins.size() < 3) {
    const auto name = "d" + std::to_string(drop_ins.size()) + ".yaml";
    drop_ins.push_back({name, std::string(fuzz::next_part(rest, '\0'))});
  }
  auto files = drop_ins;
  files.push_back(main);
  check(load_policy(main, drop_ins), load_policy(main, drop_ins), files);
  if (!looks_like_main_file(main)) check(load_drop_in(main), load_drop_in(main), files);
  return 0;
}
