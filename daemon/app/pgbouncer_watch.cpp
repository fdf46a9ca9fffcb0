#include "app/pgbouncer_watch.hpp"

namespace pgcurfew {

namespace {

/// The databases that were closed, whatever others lead there now.
PgbouncerChoice choice_of(const Gate& gate) {
  PgbouncerChoice choice;
  choice.database = gate.database;
  for (const auto& pool : gate.pools) choice.pools.push_back(TextPattern::exact(pool));
  choice.is_lenient = true;
  return choice;
}

}  // namespace

PgbouncerWatch::Watched::Watched(Loop& loop, const Gate& gate, const OnSeen& on_answer)
    : database(gate.database),
      on_seen(on_answer),
      look(gate.pgbouncer_conninfo, choice_of(gate), gate.pgbouncer_gate),
      readiness(loop, [this] { pump(true); }),
      timer(loop, [this] { pump(false); }) {}

void PgbouncerWatch::Watched::pump(bool ready) {
  if (const auto state = look.proceed(Loop::now(), ready)) on_seen(database, *state);
  const auto interest = look.interest();
  readiness.watch(interest.fd, interest.write, interest.may_have_moved);
  if (const auto at = look.wake_at()) {
    timer.arm(*at);
  } else {
    timer.disarm();
  }
}

void PgbouncerWatch::look(const Gate& gate) {
  auto& watched = gates_[gate.database];
  if (!watched) watched = std::make_unique<Watched>(loop_, gate, on_seen_);
  watched->look.ask(Loop::now());
  watched->pump(false);
}

}  // namespace pgcurfew
