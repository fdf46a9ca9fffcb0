#include "cli/command_line.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "base/words.hpp"
#include "cli/check.hpp"
#include "cli/check_server.hpp"
#include "cli/configuration.hpp"
#include "cli/exit_code.hpp"
#include "cli/explain.hpp"
#include "cli/schema.hpp"
#include "cli/service.hpp"
#include "cli/windows.hpp"
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
  bool debug = false;
  std::vector<std::string> files;
  bool check_servers = false;
  ExplainOptions explain;
  WindowsOptions windows;
  SetupOptions setup;
};

LogOptions log_options(const Arguments& arguments, const Policy& policy) {
  const bool on_terminal = isatty(STDOUT_FILENO) != 0;
  LogOptions options;
  const bool text = arguments.log_format.empty() ? on_terminal : arguments.log_format == "text";
  options.format = text ? LogFormat::kText : LogFormat::kJson;
  options.colour = on_terminal && std::getenv("NO_COLOR") == nullptr;
  options.journal_prefix = is_journal(STDOUT_FILENO, std::getenv("JOURNAL_STREAM"));
  options.show_debug = arguments.debug;
  options.query_text = policy.query_text;
  return options;
}

int run(const Arguments& arguments) {
  auto loaded = read_configuration(arguments.configuration);
  for (const auto& diagnostic : loaded.diagnostics) fmt::print(stderr, "{}", render(diagnostic));
  if (loaded.has_errors()) return kExitConfiguration;
  if (arguments.dry_run) make_dry(*loaded.policy);
  auto loop = Loop::create();
  if (!loop) {
    fmt::print(stderr, "pgcurfew: {}\n", loop.error().message);
    return kExitSoftware;
  }
  Log log(log_options(arguments, *loaded.policy));
  Service service(*loop, log, {arguments.configuration, arguments.dry_run}, std::move(*loaded.policy));
  return service.run();
}

int print_setup(const SetupOptions& options) {
  const auto sql = setup_sql(options);
  if (!sql) {
    fmt::print(stderr, "pgcurfew: {}\n", sql.error().message);
    return kExitUsage;
  }
  fmt::print("{}", *sql);
  return kExitOk;
}

/// Puts the commands and their options together; `arguments` must outlive the application.
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

  auto* check_command = app.add_subcommand("check", "validate files and say what they will do");
  check_command->add_option("FILE,--config", arguments.files, "main files or files of rules")
      ->type_name("FILE");
  check_command->add_flag("--server", arguments.check_servers,
                          "look once at each server, and tell how many sessions each rule would touch");

  auto* explain_command =
      app.add_subcommand("explain", "look once and say what the rules make of each session");
  arguments.explain.configuration = kDefaultConfiguration;
  add_configuration(explain_command, arguments.explain.configuration);
  explain_command->add_option("--pid", arguments.explain.pid, "everything about this session")
      ->check(CLI::Range(1, std::numeric_limits<std::int32_t>::max()))
      ->type_name("PID");
  explain_command->add_flag("--json", arguments.explain.json, "for machines");

  auto* windows_command = app.add_subcommand("windows", "say when the rules that have hours are open next");
  arguments.windows.file = kDefaultConfiguration;
  add_configuration(windows_command, arguments.windows.file);
  windows_command->add_option("--next", arguments.windows.next, "so many stretches of each rule")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str()
      ->type_name("N");
  windows_command->add_flag("--json", arguments.windows.json, "for machines");

  auto* setup_command = app.add_subcommand("setup-sql", "print what a superuser has to run on a server");
  setup_command->add_option("--role", arguments.setup.role, "the role that pgcurfew connects with")
      ->capture_default_str()
      ->type_name("NAME");
  setup_command
      ->add_option("--database", arguments.setup.databases,
                   "a database that drains may close, once for each; all but templates if not given")
      ->allow_extra_args(false)
      ->type_name("NAME");

  app.add_subcommand("schema", "print the JSON Schema of the files, for editors");
}

/// CLI11 calls whatever stands in a command's place a missing command.
std::optional<std::string> complain_of_command(int argc, const char* const* argv) {
  if (argc < 2) return std::nullopt;
  const std::string_view word = argv[1];
  const std::initializer_list<std::string_view> known{"run",    "check", "explain", "windows",  "setup-sql",
                                                      "schema", "-h",    "--help",  "--version"};
  if (std::find(known.begin(), known.end(), word) != known.end()) return std::nullopt;
  const auto meant = nearest_word(word, known);
  return fmt::format("unknown {} \"{}\"{}", word.starts_with('-') ? "option" : "command", printable(word),
                     meant ? fmt::format(", did you mean {}?", *meant) : "");
}

int dispatch(int argc, const char* const* argv) {
  Arguments arguments;
  CLI::App app("pgcurfew: session policy for PostgreSQL", "pgcurfew");
  describe_commands(app, arguments);
  if (const auto complaint = complain_of_command(argc, argv)) {
    fmt::print(stderr, "pgcurfew: {}\npgcurfew: see pgcurfew --help\n", *complaint);
    return kExitUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // help and version are no errors
    if (error.get_exit_code() == 0) return app.exit(error);
    fmt::print(stderr, "pgcurfew: {}\npgcurfew: see pgcurfew --help\n", printable(error.what()));
    return kExitUsage;
  }
  if (app.got_subcommand("run")) return run(arguments);
  if (app.got_subcommand("explain")) return explain_sessions(arguments.explain);
  if (app.got_subcommand("windows")) return show_windows(arguments.windows);
  if (app.got_subcommand("setup-sql")) return print_setup(arguments.setup);
  if (app.got_subcommand("schema")) {
    fmt::print("{}", schema_text());
    return kExitOk;
  }
  if (arguments.files.empty()) arguments.files.emplace_back(kDefaultConfiguration);
  const int code = check(arguments.files);
  return code == kExitOk && arguments.check_servers ? check_servers(arguments.files) : code;
}

}  // namespace

int run_command_line(int argc, const char* const* argv) {
  fill_standard_descriptors();
  try {
    return dispatch(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "pgcurfew: unexpected failure: {}\n", printable(error.what()));
    return kExitSoftware;
  }
}

}  // namespace pgcurfew
