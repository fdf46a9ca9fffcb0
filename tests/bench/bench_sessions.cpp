// Many sessions of one client, driven by one thread: what the benches put on a server, at little cost of CPU.
//
//   bench_sessions CONNINFO SESSIONS SECONDS overshoot THINK_MAX LENGTH [SEED]
//   bench_sessions CONNINFO SESSIONS SECONDS pair      FROM TO INNOCENT
//
// overshoot: each session waits a random time below THINK_MAX, then runs `pg_sleep(LENGTH)`, and again.
// pair: each session runs `pg_sleep` of FROM to TO seconds and at once, on the same session,
// `pg_sleep(INNOCENT)`.
// SEED: of the random times; the same seed is the same load.
//
// For every statement that ended, one line: its kind (long, innocent), the seconds from its sending to the
// arrival of its outcome, the outcome's SQLSTATE (00000: it ran to its end), and when it arrived, in seconds
// of CLOCK_MONOTONIC. Ends after SECONDS; statements that run then are not counted. Exit status 1 if a
// session is lost.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <queue>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <libpq-fe.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

enum class Kind { kLong, kInnocent };

struct Session {
  PGconn* connection = nullptr;
  Kind kind = Kind::kLong;
  Clock::time_point sent;
  std::string sqlstate;
};

/// A session's next `long` statement.
struct Start {
  Clock::time_point at;
  std::size_t session;
  bool operator>(const Start& other) const { return at > other.at; }
};

struct Pattern {
  bool pair = false;
  double a = 0, b = 0, innocent = 0;
  std::uint64_t seed = 20240229;
};

class Bench {
 public:
  Bench(std::size_t sessions, Pattern pattern)
      : pattern_(pattern), sessions_(sessions), epoll_(epoll_create1(0)), dice_(pattern.seed) {}

  bool connect(const char* conninfo) {
    for (std::size_t i = 0; i < sessions_.size(); ++i) {
      PGconn* connection = PQconnectdb(conninfo);
      if (PQstatus(connection) != CONNECTION_OK) {
        std::fprintf(stderr, "session %zu: %s", i, PQerrorMessage(connection));
        return false;
      }
      PQsetNoticeProcessor(
          connection, [](void*, const char*) {}, nullptr);
      sessions_[i].connection = connection;
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      epoll_ctl(epoll_, EPOLL_CTL_ADD, PQsocket(connection), &event);
    }
    return true;
  }

  bool run(double seconds) {
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
    // spread over one round, so that they do not march in step
    for (std::size_t i = 0; i < sessions_.size(); ++i)
      plan(i, pattern_.pair ? pattern_.b + pattern_.innocent : pattern_.a);
    std::vector<epoll_event> events(256);
    while (Clock::now() < end) {
      while (!starts_.empty() && starts_.top().at <= Clock::now()) {
        const std::size_t session = starts_.top().session;
        starts_.pop();
        send_long(sessions_[session]);
      }
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms(end));
      const auto now = Clock::now();
      for (int i = 0; i < count; ++i) {
        if (!receive(events[static_cast<std::size_t>(i)].data.u64, now)) return false;
      }
    }
    return true;
  }

 private:
  double uniform(double from, double to) { return std::uniform_real_distribution<double>(from, to)(dice_); }

  void plan(std::size_t session, double within) {
    starts_.push(
        {Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(uniform(0, within))), session});
  }

  int wait_ms(Clock::time_point end) const {
    const auto until = starts_.empty() ? end : std::min(end, starts_.top().at);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    return left < 0 ? 0 : static_cast<int>(left);
  }

  static void send(Session& session, Kind kind, double sleep) {
    char sql[96];
    std::snprintf(sql, sizeof sql, "/* %s */ select pg_sleep(%.6f)",
                  kind == Kind::kLong ? "long" : "innocent", sleep);
    session.kind = kind;
    session.sqlstate.clear();
    session.sent = Clock::now();
    PQsendQuery(session.connection, sql);
  }

  void send_long(Session& session) {
    send(session, Kind::kLong, pattern_.pair ? uniform(pattern_.a, pattern_.b) : pattern_.b);
  }

  bool receive(std::size_t number, Clock::time_point now) {
    Session& session = sessions_[number];
    if (PQconsumeInput(session.connection) == 0) {
      std::fprintf(stderr, "session %zu: %s", number, PQerrorMessage(session.connection));
      return false;
    }
    while (PQisBusy(session.connection) == 0) {
      PGresult* result = PQgetResult(session.connection);
      if (result == nullptr) {
        if (!session.sqlstate.empty()) ended(number, now);
        return true;
      }
      const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
      session.sqlstate = state != nullptr ? state : "00000";
      PQclear(result);
    }
    return true;
  }

  void ended(std::size_t number, Clock::time_point now) {
    Session& session = sessions_[number];
    const bool was_long = session.kind == Kind::kLong;
    const double took = Seconds(now - session.sent).count();
    const double arrived = Seconds(now.time_since_epoch()).count();
    const std::string sqlstate = session.sqlstate;
    session.sqlstate.clear();
    if (!pattern_.pair) {
      plan(number, pattern_.a);
    } else if (was_long) {
      send(session, Kind::kInnocent, pattern_.innocent);
    } else {
      send_long(session);
    }
    std::printf("%s %.6f %s %.6f\n", was_long ? "long" : "innocent", took, sqlstate.c_str(), arrived);
  }

  Pattern pattern_;
  std::vector<Session> sessions_;
  int epoll_;
  std::priority_queue<Start, std::vector<Start>, std::greater<>> starts_;
  std::mt19937_64 dice_;  // the same load for each of those compared
};

}  // namespace

int main(int argc, char** argv) {
  const std::string_view name = argc > 4 ? argv[4] : "";
  if ((name != "overshoot" || argc < 7 || argc > 8) && (name != "pair" || argc != 8)) {
    std::fputs(
        "usage: bench_sessions CONNINFO SESSIONS SECONDS (overshoot THINK_MAX LENGTH [SEED] | pair FROM TO "
        "INNOCENT)\n",
        stderr);
    return 64;
  }
  Pattern pattern{name == "pair", std::atof(argv[5]), std::atof(argv[6])};
  if (pattern.pair) {
    pattern.innocent = std::atof(argv[7]);
  } else if (argc > 7) {
    pattern.seed = std::strtoul(argv[7], nullptr, 10);
  }
  Bench bench(std::strtoul(argv[2], nullptr, 10), pattern);
  if (!bench.connect(argv[1])) return 1;
  std::fputs("connected\n", stderr);
  const bool whole = bench.run(std::atof(argv[3]));
  std::fflush(stdout);
  // Not PQfinish: statements still run; the server sees the sockets close and ends them.
  _exit(whole ? 0 : 1);
}
