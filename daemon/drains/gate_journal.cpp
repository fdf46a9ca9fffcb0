#include "drains/gate_journal.hpp"

#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace pgcurfew {

namespace {

constexpr std::string_view kFirstLine = "pgcurfew gate 2";
/// For an entry that names neither cluster nor oid, as older versions of pgcurfew wrote.
constexpr std::string_view kOldFirstLine = "pgcurfew gate 1";
constexpr std::string_view kLastLine = "end";

/// One line of it: no newline, no NUL, an unambiguous end.
std::string escaped(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F || c == '\\') {
      text += fmt::format("\\{:02x}", byte);
    } else {
      text += c;
    }
  }
  return text;
}

std::optional<int> digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return std::nullopt;
}

std::optional<std::string> unescaped(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const auto high = digit_of(text[i + 1]);
    const auto low = digit_of(text[i + 2]);
    if (!high || !low) return std::nullopt;
    bytes += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return bytes;
}

/// No name of a PgBouncer database contains a newline: each is on a line of PgBouncer's configuration file.
std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += name + '\n';
  return text;
}

std::vector<std::string> parted(std::string_view text) {
  std::vector<std::string> names;
  for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    names.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return names;
}

}  // namespace

std::string_view name_of(JournalState state) {
  constexpr std::array<std::string_view, 3> kNames{"closing", "closed", "opening"};
  return kNames.at(static_cast<std::size_t>(state));
}

std::string journal_text(const JournalEntry& entry) {
  return fmt::format(
      "{}\nserver={}\nsystem_identifier={}\ndatabase={}\noid={}\nkind={}\nstate={}\nmark={}\n"
      "pooler_conninfo={}\npooler_gate={}\npools={}\n{}\n",
      kFirstLine, escaped(entry.server), escaped(entry.system_identifier), escaped(entry.database), entry.oid,
      escaped(entry.kind), name_of(entry.state), escaped(entry.mark), escaped(entry.pgbouncer_conninfo),
      escaped(entry.pgbouncer_gate), escaped(joined(entry.pools)), kLastLine);
}

Result<JournalEntry> parse_journal_text(std::string_view text) {
  const auto take_line = [&text]() -> std::optional<std::string_view> {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const auto line = text.substr(0, end);
    text.remove_prefix(end + 1);
    return line;
  };
  const auto first_line = take_line();
  const bool is_old = first_line == kOldFirstLine;
  if (!is_old && first_line != kFirstLine)
    return failure("it does not begin like an entry of the journal of gates");
  JournalEntry entry;
  std::string oid;
  std::string pools;
  std::string state;
  for (const auto& [key, value] : {std::pair<std::string_view, std::string*>("server=", &entry.server),
                                   {"system_identifier=", &entry.system_identifier},
                                   {"database=", &entry.database},
                                   {"oid=", &oid},
                                   {"kind=", &entry.kind},
                                   {"state=", &state},
                                   {"mark=", &entry.mark},
                                   {"pooler_conninfo=", &entry.pgbouncer_conninfo},
                                   {"pooler_gate=", &entry.pgbouncer_gate},
                                   {"pools=", &pools}}) {
    if (is_old && (value == &entry.system_identifier || value == &oid || value == &pools)) continue;
    const auto line = take_line();
    auto bytes = line && line->starts_with(key) ? unescaped(line->substr(key.size())) : std::nullopt;
    if (!bytes) return failure(fmt::format("its line \"{}\" is missing or damaged", key));
    *value = std::move(*bytes);
  }
  if (take_line() != kLastLine || !text.empty()) return failure("its end is missing or damaged");
  const auto read = std::from_chars(oid.data(), oid.data() + oid.size(), entry.oid);
  if (!is_old && (read.ec != std::errc() || read.ptr != oid.data() + oid.size()))
    return failure("its oid is not a number");
  entry.pools = parted(pools);
  for (const auto known : {JournalState::kClosing, JournalState::kClosed, JournalState::kOpening}) {
    if (state != name_of(known)) continue;
    entry.state = known;
    return entry;
  }
  return failure("its state is unknown");
}

std::string GateJournal::file_of(const JournalEntry& entry) {
  // a database's name may contain any byte but NUL; a server's name and a kind are words of the policy,
  // without `@`
  std::string id;
  for (const char c : entry.database) id += fmt::format("{:02x}", static_cast<unsigned char>(c));
  if (entry.oid != 0) id = fmt::format("oid-{}", entry.oid);
  const auto cluster = entry.system_identifier.empty() ? "" : "@" + entry.system_identifier;
  return fmt::format("{}{}.{}.{}{}", entry.server, cluster, id, entry.kind, kSuffix);
}

Result<void> GateJournal::write(const JournalEntry& entry) {
  return files_.write(file_of(entry), journal_text(entry));
}

Result<void> GateJournal::remove(const JournalEntry& entry) {
  return files_.remove(file_of(entry));
}

Result<std::optional<JournalEntry>> GateJournal::read_file(const std::string& name) const {
  const auto text = files_.read(name);
  if (!text) return tl::make_unexpected(text.error());
  if (!*text) return std::optional<JournalEntry>();
  auto entry = parse_journal_text(**text);
  if (entry && file_of(*entry) == name) return std::optional(std::move(*entry));
  return failure(fmt::format("file {} is damaged", files_.path_of(name)),
                 entry ? "It describes another gate than its name says." : entry.error().message,
                 "Compare the database's connection limit with what it should be, then remove the file.");
}

Result<std::optional<JournalEntry>> GateJournal::find(const JournalEntry& entry) const {
  return read_file(file_of(entry));
}

Result<GateJournal::Contents> GateJournal::read() const {
  Contents contents;
  const auto names = files_.list(kSuffix);
  if (!names) return tl::make_unexpected(names.error());
  for (const auto& name : *names) {
    auto entry = read_file(name);
    if (!entry) {
      contents.damaged.push_back(entry.error());
    } else if (*entry) {
      contents.entries.push_back(std::move(**entry));
    }
  }
  return contents;
}

}  // namespace pgcurfew
