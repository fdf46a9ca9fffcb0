#include "cli/command_line.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "app/auditor.hpp"
#include "app/configuration.hpp"
#include "app/diagnostic_events.hpp"
#include "app/exit_code.hpp"
#include "app/recorder.hpp"
#include "app/service.hpp"
#include "app/teller.hpp"
#include "base/words.hpp"
#include "cli/check.hpp"
#include "cli/check_server.hpp"
#include "cli/diagnostics.hpp"
#include "cli/drain.hpp"
#include "cli/explain.hpp"
#include "cli/history.hpp"
#include "cli/log_schema.hpp"
#include "cli/one_look.hpp"
#include "cli/printing.hpp"
#include "cli/schema.hpp"
#include "cli/status.hpp"
#include "cli/windows.hpp"
#include "postgres/audit_sql.hpp"
#include "postgres/setup_sql.hpp"
#include "report/log.hpp"
#include "system/descriptors.hpp"
#include "system/loop.hpp"

namespace pgcurfew {

namespace {

struct Arguments {
  std::string configuration = kDefaultConfiguration;
  bool dry_run = false;
  std::string log_format;
  bool schema_of_log = false;
  bool debug = false;
  std::vector<std::string> files;
  bool check_servers = false;
  ExplainOptions explain;
  WindowsOptions windows;
  SetupOptions setup;
  bool setup_of_audit = false;
  DrainOptions drain;
  ReopenOptions reopen;
  HistoryOptions history;
  StatusOptions status;
};

LogOptions log_options(const Arguments& arguments) {
  const bool on_terminal = isatty(STDOUT_FILENO) != 0;
  LogOptions options;
  const bool text = arguments.log_format.empty() ? on_terminal : arguments.log_format == "text";
  options.format = text ? LogFormat::kText : LogFormat::kJson;
  options.colour = on_terminal && std::getenv("NO_COLOR") == nullptr;
  options.journal_prefix = is_journal(STDOUT_FILENO, std::getenv("JOURNAL_STREAM"));
  options.show_debug = arguments.debug;
  return options;
}

/// Reports diagnostics on a terminal, each with its line and a caret, and in the log unless that is a
/// terminal.
void tell_diagnostics(const LoadResult& loaded, Teller& teller) {
  if (isatty(STDERR_FILENO) != 0) say_diagnostics(loaded);
  if (isatty(STDOUT_FILENO) != 0) return;
  for (const auto& diagnostic : loaded.diagnostics) teller.tell(event_of(diagnostic));
  if (loaded.has_errors()) teller.tell(start_refused_event(loaded));
}

int run(const Arguments& arguments) {
  hide_new_files();
  Log log(log_options(arguments));
  Teller teller(log);
  auto loaded = read_configuration(arguments.configuration);
  if (loaded.has_errors()) {
    tell_diagnostics(loaded, teller);
    return kExitConfiguration;
  }
  if (arguments.dry_run) make_dry(*loaded.policy);
  log.set_query_text(loaded.policy->query_text);
  auto loop = Loop::create();
  if (!loop) {
    teller.tell(Event(Kind::kStartRefused, loop.error().message));
    return kExitSoftware;
  }
  std::optional<Service> service;
  std::optional<Recorder> recorder;
  recorder.emplace(*loop, *loaded.policy,
                   Recorder::Listener{[&](Event event) { teller.tell(std::move(event)); },
                                      [&](const Recorder::State& state) { service->hear_recorder(state); }});
  teller.set_recorder(&*recorder);
  Auditor auditor(*loop, *recorder, loaded.policy->audit,
                  {[&](Event event) { teller.tell(std::move(event)); }, [&] { service->hear_auditor(); }});
  tell_diagnostics(loaded, teller);
  service.emplace(*loop, teller, *recorder, auditor,
                  Service::Options{arguments.configuration, arguments.dry_run}, std::move(*loaded.policy));
  recorder->finish_earlier_runs();
  const int code = service->run();
  service.reset();
  teller.set_recorder(nullptr);
  // first the record is complete, then the places that it is copied to
  recorder.reset();
  if (!auditor.finish()) leave_at_once(code);
  return code;
}

int print_setup(const SetupOptions& options, bool of_audit) {
  const auto sql = of_audit ? audit_setup_sql(options.role) : setup_sql(options);
  if (!sql) {
    print_error("pgcurfew: {}\n", sql.error().message);
    return kExitUsage;
  }
  print("{}", *sql);
  return kExitOk;
}

void describe_drain(CLI::App& app, DrainOptions& options) {
  auto* command =
      app.add_subcommand("drain",
                         "empty databases now, keep them empty for a while, and open them again\n"
                         "pgcurfew drain DATABASE... --for TIME [-- COMMAND...] runs the command meanwhile");
  command
      ->add_option("DATABASE", options.databases,
                   "name of a database, letter for letter; put it after -- if it begins with -")
      ->type_name("NAME");
  command->add_option("--for", options.duration, "how long the whole drain lasts, as in 45min")
      ->required()
      ->type_name("TIME");
  options.configuration = kDefaultConfiguration;
  command->add_option("--config", options.configuration, "the main file, for its servers and protect")
      ->default_str(kDefaultConfiguration)
      ->type_name("FILE");
  command->add_option("--server", options.server, "a server of the main file, if there are several")
      ->type_name("NAME");
  command->add_option("--wait", options.wait, "time for sessions to end by themselves")
      ->capture_default_str()
      ->type_name("TIME");
  command->add_option("--grace", options.grace, "time between cancel and terminate")
      ->capture_default_str()
      ->type_name("TIME");
  command->add_option("--give-up", options.give_up, "open the gates if a database is not empty by then")
      ->type_name("TIME");
  command
      ->add_option("--except", options.except,
                   "sessions that may stay: user=, application_name= or client_addr=")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command->add_option("--gate", options.gate, "what keeps new sessions out")
      ->check(CLI::IsMember({"connection-limit", "pgbouncer", "pgbouncer-disable", "none"}))
      ->capture_default_str()
      ->type_name("GATE");
  command
      ->add_option("--pgbouncer", options.pgbouncer_conninfo,
                   "connection string of PgBouncer's admin console")
      ->type_name("CONNINFO");
  command->add_option("--pool", options.pools, "a database of PgBouncer, if several are possible")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command->add_flag("--leave-latecomers", options.leaves_latecomers,
                    "do not terminate sessions that still get in");
  command->add_flag(
      "--exit-when-empty", options.exits_when_empty,
      "exit as soon as no session is left; the gate stays closed until `pgcurfew reopen`, or until the "
      "time is over and a pgcurfew watches the server");
  command->add_flag("--dry-run", options.dry_run,
                    "close no gate, signal no session, and report what would be done");
}

void describe_reopen(CLI::App& app, ReopenOptions& options) {
  auto* command = app.add_subcommand("reopen", "open the gates of databases that pgcurfew has closed");
  command
      ->add_option("DATABASE", options.databases,
                   "name of a database, letter for letter; all if none is named")
      ->type_name("NAME");
  options.configuration = kDefaultConfiguration;
  command->add_option("--config", options.configuration, "the main file, for its servers")
      ->default_str(kDefaultConfiguration)
      ->type_name("FILE");
  command->add_option("--server", options.server, "only on this server of the main file")->type_name("NAME");
}

/// Takes what follows `--` on the command line of `drain` as the command. Returns the number of arguments
/// before it.
int split_command(int argc, const char* const* argv, std::vector<std::string>& command) {
  if (argc < 2 || std::string_view(argv[1]) != "drain") return argc;
  const auto* const end = argv + argc;
  const auto* const dashes = std::find(argv, end, std::string_view("--"));
  if (dashes != end) command.assign(dashes + 1, end);
  return static_cast<int>(dashes - argv);
}

/// If no database is named before `--`, the words after it are databases, as for other commands, and the
/// command follows the next `--`.
void take_databases(DrainOptions& options) {
  if (!options.databases.empty()) return;
  auto& words = options.command;
  const auto dashes = std::find(words.begin(), words.end(), "--");
  options.databases.assign(words.begin(), dashes);
  words.erase(words.begin(), dashes == words.end() ? dashes : dashes + 1);
  if (options.databases.empty()) throw CLI::RequiredError("DATABASE");
}

void describe_history(CLI::App& app, HistoryOptions& options) {
  auto* command =
      app.add_subcommand("history", "show what was decided about which session, and what became of it");
  // an unset variable of a script must not ask for everything
  const auto is_given = [](const std::string& text) { return text.empty() ? "must not be empty" : ""; };
  const auto add = [&](const char* name, std::string& value, const char* type, const char* meaning) {
    command->add_option(name, value, meaning)->type_name(type)->check(is_given);
  };
  add("--since", options.since, "TIME",
      "as in 2h, 14:03 or \"2026-11-30 14:03\"; a day ago by default, two weeks with --summary");
  add("--until", options.until, "TIME", "likewise; now by default");
  add("--server", options.server, "NAME", "decisions on this server");
  add("--rule", options.rule, "NAME", "decisions of this rule");
  add("--drain", options.drain, "NAME", "decisions of this drain");
  add("--user", options.user, "NAME", "about sessions of this role");
  add("--database", options.database, "NAME", "about sessions of this database");
  add("--outcome", options.outcome, "WORD", "with this outcome or end, as pgcurfew-log(5) has them");
  add("--decision", options.decision, "ID", "tell the story of this decision's session");
  add("--directory", options.directory, "PATH", "the directory that has the record");
  command->add_option("--pid", options.pid, "about sessions with this pid")
      ->check(CLI::Range(1, std::numeric_limits<std::int32_t>::max()))
      ->type_name("PID");
  auto* json = command->add_flag("--json", options.json, "print JSON, one object a line");
  auto* gates =
      command->add_flag("--gates", options.gates, "show what was done to gates, by drains of any kind");
  for (const auto* other : {"--rule", "--user", "--outcome", "--pid", "--decision"}) gates->excludes(other);
  auto* summary = command->add_flag("--summary", options.summary,
                                    "sum up the decisions, rule by rule: the verdict on a dry run");
  command->add_flag("--html", options.html, "print the summary as an HTML page")
      ->needs(summary)
      ->excludes(json);
  summary->excludes("--decision")->excludes(gates);
}

void describe_status(CLI::App& app, StatusOptions& options) {
  auto* command = app.add_subcommand("status", "show what the running daemon knows and does");
  options.configuration = kDefaultConfiguration;
  command->add_option("--config", options.configuration, "the main file, for the address of its web server")
      ->default_str(kDefaultConfiguration)
      ->type_name("FILE");
  command->add_option("--listen", options.listen, "the address instead, as in 127.0.0.1:9187")
      ->type_name("ADDRESS")
      ->check([](const std::string& text) { return text.empty() ? "must not be empty" : ""; });
  command->add_flag("--json", options.json, "print the daemon's answer, which is JSON");
}

/// Defines the commands and their options; `arguments` must outlive `app`.
void describe_commands(CLI::App& app, Arguments& arguments) {
  app.set_version_flag("--version", std::string("pgcurfew ") + PGCURFEW_VERSION);
  app.require_subcommand(1);
  const auto add_configuration = [](CLI::App* command, std::string& path) {
    command->add_option("--config", path, "the main file; policies.d/*.yaml beside it belong to it")
        ->default_str(kDefaultConfiguration)
        ->type_name("FILE");
  };
  auto* run_command = app.add_subcommand("run", "watch the servers and enforce the rules");
  add_configuration(run_command, arguments.configuration);
  run_command->add_flag("--dry-run", arguments.dry_run, "send no signal, whatever the files say");
  run_command
      ->add_option("--log-format", arguments.log_format, "json or text; text on a terminal if not given")
      ->check(CLI::IsMember({"json", "text"}))
      ->type_name("FORMAT");
  run_command->add_flag("--debug", arguments.debug, "log more");

  auto* check_command = app.add_subcommand("check", "validate files and describe what they will do");
  check_command->add_option("FILE,--config", arguments.files, "main files or files of rules")
      ->type_name("FILE");
  check_command->add_flag("--server", arguments.check_servers,
                          "look once at each server, and report how many sessions each rule would touch");

  auto* explain_command =
      app.add_subcommand("explain", "look once and show what the rules would do with each session");
  arguments.explain.configuration = kDefaultConfiguration;
  add_configuration(explain_command, arguments.explain.configuration);
  explain_command
      ->add_option("--pid", arguments.explain.pid, "show every condition of every rule for this session")
      ->check(CLI::Range(1, std::numeric_limits<std::int32_t>::max()))
      ->type_name("PID");
  explain_command->add_flag("--json", arguments.explain.json, "print JSON");

  auto* windows_command =
      app.add_subcommand("windows", "show when rules with hours are open, and when drains begin");
  arguments.windows.file = kDefaultConfiguration;
  add_configuration(windows_command, arguments.windows.file);
  windows_command
      ->add_option("--next", arguments.windows.next, "number of windows to show for each rule and drain")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str()
      ->type_name("N");
  windows_command->add_flag("--json", arguments.windows.json, "print JSON");

  auto* setup_command =
      app.add_subcommand("setup-sql", "print the SQL that a superuser has to run on a server");
  setup_command->add_option("--role", arguments.setup.role, "the role that pgcurfew connects with")
      ->capture_default_str()
      ->type_name("NAME");
  auto* of_audit = setup_command->add_flag("--audit", arguments.setup_of_audit,
                                           "print the SQL that creates the table for audit instead");
  setup_command
      ->add_option(
          "--database", arguments.setup.databases,
          "a database that drains may close, can be given several times; all but templates by default")
      ->allow_extra_args(false)
      ->excludes(of_audit)
      ->type_name("NAME");
  describe_drain(app, arguments.drain);
  describe_reopen(app, arguments.reopen);

  describe_history(app, arguments.history);
  describe_status(app, arguments.status);

  app.add_subcommand("schema", "print the JSON Schema of the files, for editors")
      ->add_flag("--log", arguments.schema_of_log, "print the JSON Schema of log lines instead");
}

/// Reports an unknown command, because CLI11 would report it as a missing one.
std::optional<std::string> complain_of_command(int argc, const char* const* argv) {
  if (argc < 2) return std::nullopt;
  const std::string_view word = argv[1];
  const std::initializer_list<std::string_view> known{"run",    "check",   "explain",   "windows", "drain",
                                                      "reopen", "history", "setup-sql", "status",  "schema",
                                                      "-h",     "--help",  "--version"};
  if (std::find(known.begin(), known.end(), word) != known.end()) return std::nullopt;
  const auto meant = nearest_word(word, known);
  return fmt::format("unknown {} \"{}\"{}", word.starts_with('-') ? "option" : "command", printable(word),
                     meant ? fmt::format(", did you mean {}?", *meant) : "");
}

int dispatch(int all_arguments, const char* const* argv) {
  Arguments arguments;
  const int argc = split_command(all_arguments, argv, arguments.drain.command);
  CLI::App app("pgcurfew: session policy for PostgreSQL", "pgcurfew");
  describe_commands(app, arguments);
  if (const auto complaint = complain_of_command(argc, argv)) {
    print_error("pgcurfew: {}\npgcurfew: see pgcurfew --help\n", *complaint);
    return kExitUsage;
  }
  try {
    app.parse(argc, argv);
    if (app.got_subcommand("drain")) take_databases(arguments.drain);
  } catch (const CLI::ParseError& error) {
    // --help and --version are not errors
    if (error.get_exit_code() == 0) return app.exit(error);
    print_error("pgcurfew: {}\npgcurfew: see pgcurfew --help\n", printable(error.what()));
    return kExitUsage;
  }
  if (app.got_subcommand("run")) return run(arguments);
  if (app.got_subcommand("explain")) return explain_sessions(arguments.explain);
  if (app.got_subcommand("windows")) return show_windows(arguments.windows);
  if (app.got_subcommand("setup-sql")) return print_setup(arguments.setup, arguments.setup_of_audit);
  if (app.got_subcommand("drain")) return drain_now(arguments.drain);
  if (app.got_subcommand("reopen")) return reopen_now(arguments.reopen);
  if (app.got_subcommand("history")) return show_history(arguments.history);
  if (app.got_subcommand("status")) return show_status(arguments.status);
  if (app.got_subcommand("schema")) {
    print("{}", arguments.schema_of_log ? log_schema_text() : schema_text());
    return kExitOk;
  }
  if (arguments.files.empty()) arguments.files.emplace_back(kDefaultConfiguration);
  if (!arguments.check_servers) return check(arguments.files, CheckScope::kFiles);
  const int code = check(arguments.files, CheckScope::kHere);
  return code == kExitConfiguration ? code : worse(code, check_servers(arguments.files));
}

}  // namespace

int run_command_line(int argc, const char* const* argv) {
  fill_standard_descriptors();
  outlive_readers();
  try {
    return dispatch(argc, argv);
  } catch (const std::exception& error) {
    say("pgcurfew: unexpected failure: {}\n", printable(error.what()));
    return kExitSoftware;
  }
}

}  // namespace pgcurfew
