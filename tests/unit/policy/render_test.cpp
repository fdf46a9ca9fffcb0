#include <gtest/gtest.h>

#include "policy/loading.hpp"

namespace pgcurfew::testing {
namespace {

TEST(Render, ShowsPlaceLineCaretAndHint) {
  EXPECT_EQ(render({Severity::kError, {"a.yaml", 3, 5}, "bad thing", "Do good.", "  x: bad"}),
            "a.yaml:3:5: error: bad thing\n"
            "    x: bad\n"
            "      ^\n"
            "hint: Do good.\n");
}

TEST(Render, LeavesOutWhatThereIsNot) {
  EXPECT_EQ(render({Severity::kWarning, {"a.yaml", 0, 0}, "empty", "", ""}), "a.yaml: warning: empty\n");
  EXPECT_EQ(render({Severity::kError, {"a.yaml", 3, 1}, "bad", "", ""}), "a.yaml:3:1: error: bad\n");
}

TEST(Render, PutsTheCaretBelowTheCharacter) {
  EXPECT_EQ(render({Severity::kError, {"a", 1, 4}, "m", "", "\xC3\xA9\xC3\xA9\tx"}),
            "a:1:4: error: m\n  \xC3\xA9\xC3\xA9 x\n     ^\n");
  EXPECT_EQ(render({Severity::kError, {"a", 1, 2}, "m", "", "\x1Bx"}),
            "a:1:2: error: m\n  \\x1bx\n      ^\n");
  EXPECT_EQ(render({Severity::kError, {"a", 1, 2}, "m", "", "x"}), "a:1:2: error: m\n  x\n   ^\n");
}

TEST(Render, MakesStrangersBytesPrintable) {
  EXPECT_EQ(render({Severity::kError, {"a\n", 1, 1}, "m\x1B[2J", "h\xFF", "\xE2\x80\xAE"}),
            "a\\n:1:1: error: m\\x1b[2J\n  \\xe2\\x80\\xae\n  ^\nhint: h\\xff\n");
}

TEST(Render, ShowsAWindowOfALongLine) {
  const std::string line = std::string(500, 'a') + "X" + std::string(500, 'b');
  EXPECT_EQ(render({Severity::kError, {"a", 1, 501}, "m", "", line}),
            "a:1:501: error: m\n  ..." + std::string(70, 'a') + "X" + std::string(39, 'b') + "...\n  " +
                std::string(73, ' ') + "^\n");
  EXPECT_EQ(render({Severity::kError, {"a", 1, 5000}, "m", "", line}),
            "a:1:5000: error: m\n  " + std::string(110, 'a') + "...\n");
}

TEST(Render, ABrokenMainFile) {
  const auto result = load_main(R"(mode: enforced
servers:
  - name: orders
    conninfo: "host=db1 password=geheim"
    labels: { env: prod, tier: 1 }
protect:
  - { user: no, query_age: 1h }
rules:
  - name: app query timeout
    match:
      datbase: [app, "app_*"]
      state: idle-in-transaction
      query_age: 10
    escalate: [ kill, cancel: { affter: 30s } ]
safety: { signals: 20 }
)");
  EXPECT_EQ(all_of(result), R"(main.yaml:1:7: error: unknown mode "enforced"
  mode: enforced
        ^
hint: Did you mean "enforce"?
main.yaml:5:32: error: "tier" is a number without quotes: 1
      labels: { env: prod, tier: 1 }
                                 ^
hint: Write "1" if it is a text.
main.yaml:7:13: error: "user" is a truth value without quotes: no
    - { user: no, query_age: 1h }
              ^
hint: Write "no" if it is a text.
main.yaml:7:17: error: protect takes no query_age
    - { user: no, query_age: 1h }
                  ^
hint: A session is protected at any age; a later limit belongs in a rule's except.
main.yaml:9:11: error: invalid name "app query timeout"
    - name: app query timeout
            ^
hint: It takes letters, digits, _, - and ., at most 63 of them.
main.yaml:11:7: error: unknown key "datbase" in match
        datbase: [app, "app_*"]
        ^
hint: Did you mean "database"?
main.yaml:12:14: error: unknown state "idle-in-transaction"
        state: idle-in-transaction
               ^
hint: Did you mean "idle in transaction"?
main.yaml:13:18: error: duration "10" lacks a unit
        query_age: 10
                   ^
hint: The units are us, ms, s, min, h and d, as in 10min or 1h 30min.
main.yaml:14:17: error: unknown step "kill"
      escalate: [ kill, cancel: { affter: 30s } ]
                  ^
hint: Did you mean "terminate"?
main.yaml:14:33: error: unknown key "affter" in step cancel
      escalate: [ kill, cancel: { affter: 30s } ]
                                  ^
hint: Did you mean "after"?
main.yaml:15:20: error: "20" is not a number of signals in a time
  safety: { signals: 20 }
                     ^
hint: It is written as in 20 per 1min.
)");
}

TEST(Render, ABrokenDropIn) {
  const auto result = load(R"(servers: []
rules:
  - name: über
    match: { state: idle, transaction_age: 5min, backend_type: walsender }
    except: { user: x }
    escalate: [ terminate, cancel ]
  - match: { user: a, user: b }
    escalate: []
)");
  EXPECT_EQ(all_of(result), R"(x.yaml:1:1: error: "servers" is not allowed in a drop-in
  servers: []
  ^
hint: It belongs in the main file.
x.yaml:3:11: error: invalid name "über"
    - name: über
            ^
hint: It takes letters, digits, _, - and ., at most 63 of them.
x.yaml:4:14: warning: state "idle" never matches here: its xact_start is NULL, so it has no transaction_age
      match: { state: idle, transaction_age: 5min, backend_type: walsender }
               ^
hint: Use state_age for it.
x.yaml:4:64: error: no rule can apply to backend_type "walsender"
      match: { state: idle, transaction_age: 5min, backend_type: walsender }
                                                                 ^
hint: Replication is never touched.
x.yaml:5:13: error: "except" has to be a list, not a mapping
      except: { user: x }
              ^
hint: Write each entry of the list after a dash, as in - { user: etl }.
x.yaml:6:28: error: cancel after terminate is a step down
      escalate: [ terminate, cancel ]
                             ^
hint: Steps go from mild to strong: cancel, then terminate.
x.yaml:6:28: error: a cancel has no effect on any state that this rule matches
      escalate: [ terminate, cancel ]
                             ^
hint: A cancel ends a statement that runs (state active); use terminate for the others.
x.yaml:7:5: error: a rule has no "name"
    - match: { user: a, user: b }
      ^
hint: The log identifies it by its name.
x.yaml:7:23: error: duplicate key "user"
    - match: { user: a, user: b }
                        ^
hint: It is already in line 7.
x.yaml:8:15: error: "escalate" is empty
      escalate: []
                ^
hint: Steps are written as in [ cancel, terminate: { after: 30s } ].
)");
}

}  // namespace
}  // namespace pgcurfew::testing
