#include "policy/grammar/patterns.hpp"

#include <string_view>

#include <fmt/format.h>

#include "policy/grammar/tables.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kOneLine = R"(^[^\u0000-\u001f\u007f]+$)";
constexpr std::string_view kDigits = "^(0|[1-9][0-9]*)$";
constexpr std::string_view kSignedDigits = "^-?(0|[1-9][0-9]*)$";
constexpr std::string_view kIdentifier = "^[A-Za-z0-9_.-]{1,63}$";
constexpr std::string_view kAddress = "^(local|[0-9A-Fa-f:.]+(/[0-9]{1,3})?)$";
constexpr std::string_view kTransactions = "^([1-9][0-9]{0,9}|[1-9][0-9]{0,6}k|[1-9][0-9]{0,3}M|[12]G)$";
constexpr std::string_view kPercentage = R"(^0*(100(\.0*)?|[1-9][0-9]?(\.[0-9]*)?)%$)";
constexpr std::string_view kSize = "^[0-9]{1,19} ?(kB|MB|GB|TB)$";
constexpr std::string_view kPath = R"(^/[^\u0000-\u001f\u007f]*[^\u0000-\u001f\u007f/]$)";
constexpr std::string_view kListen =
    R"(^((localhost|[0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4}|unix:/[^\u0000-\u001f\u007f]*[^\u0000-\u001f\u007f/])$)";
constexpr std::string_view kTimeZone = "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$";
constexpr std::string_view kDays = "^(mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))?$";

constexpr std::string_view kSchedule = R"(^[ \t]*[0-9A-Za-z*/,-]+([ \t]+[0-9A-Za-z*/,-]+){4}[ \t]*$)";
constexpr std::string_view kMoment =
    "^2[0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]) ([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$";
/// A text that is not between slashes.
constexpr std::string_view kName = R"(^(?!/.*/$)[^\u0000-\u001f\u007f]+$)";

/// Units from the largest to the smallest, each at most once, at least one.
std::string duration_pattern() {
  std::string parts;
  for (const auto* unit : {"d", "h", "min", "s", "ms", "us"}) {
    parts += fmt::format(R"(([0-9]{{1,15}}(\.[0-9]{{1,15}})?[ \t]*{}[ \t]*)?)", unit);
  }
  return R"([ \t]*(?=[0-9]))" + parts;
}

std::string_view time_of_day(const KeyEntry& key) {
  return key.most < grammar::kDay ? "^([01][0-9]|2[0-3]):[0-5][0-9]$"
                                  : "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$";
}

}  // namespace

std::string pattern_of(const KeyEntry& key) {
  switch (key.takes) {
    case Takes::kIdentifier:
      return std::string(kIdentifier);
    case Takes::kPatterns:
    case Takes::kRegularExpressions:
    case Takes::kBackendTypes:
    case Takes::kServers:
      return std::string(kOneLine);
    case Takes::kAddresses:
      return std::string(kAddress);
    case Takes::kNumbers:
      return std::string(kSignedDigits);
    case Takes::kTransactions:
      return std::string(kTransactions);
    case Takes::kDuration:
    case Takes::kDurations:
      return "^" + duration_pattern() + "$";
    case Takes::kCount:
    case Takes::kCountOrMapping:
      return std::string(kDigits);
    case Takes::kPercentage:
      return std::string(kPercentage);
    case Takes::kRate:
      return "^[0-9]+ per " + duration_pattern() + "$";
    case Takes::kSize:
      return std::string(kSize);
    case Takes::kPath:
      return std::string(kPath);
    case Takes::kListen:
      return std::string(kListen);
    case Takes::kTimeZone:
      return std::string(kTimeZone);
    case Takes::kTimeOfDay:
      return std::string(time_of_day(key));
    case Takes::kDays:
      return std::string(kDays);
    case Takes::kNames:
      return std::string(kName);
    case Takes::kSchedule:
      return std::string(kSchedule);
    case Takes::kMoment:
      return std::string(kMoment);
    case Takes::kText:
    case Takes::kChoice:
    case Takes::kChoices:
    case Takes::kFlag:
    case Takes::kMapping:
    case Takes::kMappings:
    case Takes::kOneOrManyMappings:
    case Takes::kChoicesOrMappings:
    case Takes::kSteps:
      break;
  }
  return {};
}

}  // namespace pgcurfew
