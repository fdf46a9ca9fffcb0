#include "postgres/conninfo.hpp"

#include <cstdlib>
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgcurfew {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kSecret = "GEHEIM";

/// The error for a string, or `taken`.
std::string said_of(const std::string& text) {
  const auto parsed = Conninfo::parse(text);
  if (parsed) return "taken";
  const auto& error = parsed.error();
  return error.message + "\n" + error.detail + "\n" + error.hint;
}

TEST(Conninfo, NamesAWordThatResemblesAKeyword) {
  EXPECT_THAT(said_of("host=a pasword=GEHEIM"),
              AllOf(HasSubstr("unknown keyword \"pasword\""), HasSubstr("Did you mean \"password\"?")));
  EXPECT_THAT(said_of("hostname=a"), HasSubstr("unknown keyword \"hostname\""));
  EXPECT_THAT(said_of("postgresql://h/db?conect_timeout=3"), HasSubstr("unknown keyword \"conect_timeout\""));
}

TEST(Conninfo, NamesTheKeywordBeforeTheError) {
  EXPECT_THAT(said_of("host=a password=x GEHEIM"),
              HasSubstr("\"=\" is missing after a word behind \"password\""));
  EXPECT_THAT(said_of("host=a password=x GEHEIM=y user=u"), HasSubstr("unknown keyword behind \"password\""));
  EXPECT_THAT(said_of("host=a password='x GEHEIM"),
              HasSubstr("the quotes after \"password\" are not closed"));
  EXPECT_THAT(said_of("GEHEIM"), HasSubstr("\"=\" is missing after a word at its beginning"));
  EXPECT_THAT(said_of("host=a password='x\\' y' GEHEIM"), HasSubstr("behind \"password\""));
}

TEST(Conninfo, QuotesNothingButKeywords) {
  for (const std::string text : {"host=a password=x,GEHEIM GEHEIM",
                                 "password=GEHEIM GEHEIM=1",
                                 "postgresql://u:p@GEHEIM@db",
                                 "postgresql://u:p/GEHEIM@db/x",
                                 "postgresql://u:5432/GEHEIM@db",
                                 "postgresql://u:p%zzGEHEIM@db",
                                 "postgresql://u:p?GEHEIM@@db",
                                 "postgresql://[GEHEIM/db",
                                 "postgresql://h/db?GEHEIM=1",
                                 "postgresql://h/db?password=x&GEHEIM",
                                 "host=a sslmode=GEHEIM",
                                 "host=a hostaddr=GEHEIM",
                                 "host=a port=GEHEIM",
                                 "host=a connect_timeout=GEHEIM",
                                 "host=a tcp_user_timeout=1GEHEIM",
                                 "host=a channel_binding=GEHEIM",
                                 "host=a ssl_min_protocol_version=GEHEIM",
                                 "host=u:GEHEIM@db",
                                 "host='a GEHEIM'",
                                 "host=a keepalives=GEHEIM",
                                 "host=a gssencmode=GEHEIM",
                                 "service=GEHEIM host=a"}) {
    EXPECT_THAT(said_of(text), AllOf(Not(HasSubstr(kSecret)), Not("taken"))) << text;
  }
}

TEST(Conninfo, AcceptsUnusualButValidStrings) {
  for (const std::string text :
       {"", "host=a", "host='/var/run/postgresql' user=u", "host=@abstract",
        "host=::1,127.0.0.1,db.example.org", "host=fe80::1%eth0",
        "postgresql://u:p%40x@db:5433,db2/x?connect_timeout=3", "postgresql:///x",
        "postgresql://u@/x?host=/tmp", "postgresql://h/db?application_name=a@b", "postgres://u:p?x@db/y",
        "host=a ssl_min_protocol_version=tlsv1.2 keepalives=1", "host=a password='x y\\'z' port=5432",
        "postgresql://u:p@h?application_name=a@b"}) {
    EXPECT_EQ(said_of(text), "taken") << text;
  }
}

/// The parameters for libpq, with these environment variables set.
std::map<std::string, std::string> handed_on(const std::string& text,
                                             const std::map<std::string, std::string>& environment) {
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  const auto found = Conninfo::parse(text)->parameters({{"db1", {"10.0.0.1"}}});
  std::map<std::string, std::string> values(found->begin(), found->end());
  for (const auto& [name, value] : environment) unsetenv(name.c_str());
  return values;
}

const std::map<std::string, std::string> kElsewhere{{"PGHOST", "elsewhere"},
                                                    {"PGHOSTADDR", "10.9.9.9"},
                                                    {"PGPORT", "9999"},
                                                    {"PGTARGETSESSIONATTRS", "standby"}};

TEST(Conninfo, NoEnvironmentVariableChangesWhereItsHostsLead) {
  auto values = handed_on("host=db1", kElsewhere);
  EXPECT_EQ(values["host"] + " " + values["hostaddr"] + " " + values["port"], "db1 10.0.0.1 5432");
  EXPECT_EQ(values["target_session_attrs"], "any");
  values = handed_on("host=10.0.0.2 port=5433", kElsewhere);
  EXPECT_EQ(values["host"] + " " + values["hostaddr"] + " " + values["port"], "10.0.0.2 10.0.0.2 5433");
  values = handed_on("hostaddr=10.0.0.3", kElsewhere);
  EXPECT_EQ(values["host"] + " " + values["hostaddr"] + " " + values["port"], "10.0.0.3 10.0.0.3 5432");
  values = handed_on("host=/run/postgresql", kElsewhere);
  EXPECT_EQ(values["hostaddr"], ",");
  EXPECT_EQ(values["host"] + " " + values["port"], "/run/postgresql,/run/postgresql 5432,5432");
}

TEST(Conninfo, WithoutHostsTheEnvironmentNamesThem) {
  auto values = handed_on("user=pgcurfew", {{"PGHOST", "/run/there"}, {"PGPORT", "5433"}});
  EXPECT_EQ(values["host"] + " " + values["port"], "/run/there 5433");
}

}  // namespace
}  // namespace pgcurfew
