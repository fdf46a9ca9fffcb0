#include "report/web_answer.hpp"

#include <utility>

#include "base/nesting.hpp"
#include "report/history.hpp"
#include "report/metrics.hpp"
#include "report/page.hpp"
#include "report/page_assets.hpp"
#include "report/status_json.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr std::string_view kJson = "application/json";
constexpr std::string_view kHtml = "text/html; charset=utf-8";
constexpr std::string_view kMetrics = "text/plain; version=0.0.4; charset=utf-8";

constexpr std::string_view kCss = "text/css; charset=utf-8";
constexpr std::string_view kScriptType = "text/javascript; charset=utf-8";

constexpr std::string_view kNeedsLogin = "a user and a password are needed";

WebAnswer refusal(unsigned status, std::string text) {
  return {status, kText, std::move(text) + "\n"};
}

/// Takes as long whichever byte differs.
bool are_same(std::string_view given, std::string_view wanted) {
  unsigned different = given.size() == wanted.size() ? 0U : 1U;
  for (std::size_t i = 0; i < given.size() && !wanted.empty(); ++i) {
    different |= static_cast<unsigned char>(given[i]) ^
                 static_cast<unsigned>(static_cast<unsigned char>(wanted[i % wanted.size()]));
  }
  return different == 0;
}

bool are_same(const WebLogin& given, const WebLogin& wanted) {
  const bool is_user = are_same(given.user, wanted.user);
  const bool is_password = are_same(given.password, wanted.password);
  return is_user && is_password;
}

WebAnswer answer_of(Health health) {
  return {health.is_good ? 200U : 503U, kJson, std::move(health.body)};
}

}  // namespace

WebAnswer answer(const WebRequest& request, const WebAccess& access, const WebSources& sources) {
  if (request.host && !is_host_of(access.address, *request.host))
    return refusal(403, "the Host header names another host; use localhost or the address itself");
  if (access.login && !(request.login && are_same(*request.login, *access.login)))
    return refusal(401, std::string(kNeedsLogin));
  if (request.method != "GET" && request.method != "HEAD")
    return refusal(405, "only GET and HEAD are answered here");
  if (request.path == "/style.css") return {200, kCss, std::string(page_style())};
  if (request.path == "/page.js") return {200, kScriptType, std::string(page_script())};
  const bool is_known = request.path == "/" || request.path == "/metrics" || request.path == "/status" ||
                        request.path == "/healthz" || request.path == "/readyz";
  if (!is_known) return refusal(404, "there are /, /metrics, /status, /healthz and /readyz");
  const auto picture = sources.picture();
  // a picture is drawn only when it is asked for: without a question it is not too old
  const auto now = picture ? picture->drawn + sources.silence() : MonotonicTime();
  if (request.path == "/healthz") return answer_of(health_of(picture.get(), now));
  if (request.path == "/readyz") return answer_of(readiness_of(picture.get(), now));
  if (!picture) return refusal(503, "there is no picture of the state yet");
  if (request.path == "/metrics") return {200, kMetrics, metrics_of(*picture, sources.process(), now)};
  if (request.path == "/") return {200, kHtml, page_of(*picture, now, sources.now() - picture->drawn)};
  return {200, kJson, status_json(*picture, now)};
}

bool is_of_pgcurfew(long status, const std::string& body) {
  if (status == 401) return body.starts_with(kNeedsLogin);
  if (nesting_of(body) > kDeepestNesting) return false;
  const auto health = History::Json::parse(body, nullptr, false);
  return health.is_object() && health.contains("problems") && health.contains("loop");
}

}  // namespace pgcurfew
